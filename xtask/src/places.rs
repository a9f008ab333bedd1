//! Where things are: the repository, cargo's target folder, this user's cache.

use crate::sh::{self, Result};
use std::path::PathBuf;

/// The repository's root folder.
pub fn root() -> Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let parent = PathBuf::from(here).parent().map(PathBuf::from);
    parent.ok_or_else(|| "xtask is not inside a repository".to_owned())
}

/// Cargo's target folder, which a user may have moved; cargo is the one who knows.
pub fn target() -> Result<PathBuf> {
    let text = sh::read(
        sh::command("cargo").args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(root()?),
    )?;
    let metadata: serde_json::Value = serde_json::from_str(&text).map_err(|why| format!("cargo metadata: {why}"))?;
    let folder = metadata.get("target_directory").and_then(|folder| folder.as_str());
    folder.map(PathBuf::from).ok_or_else(|| "cargo metadata names no target folder".to_owned())
}

/// Where tools and roots that outlive a clone are kept.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir().ok_or("this user has no home folder")?.join(".cache"),
    };
    Ok(base.join("roadbook"))
}

/// Whether a build server runs this.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether packages can be installed and folders mounted.
pub fn is_superuser() -> bool {
    sh::read(sh::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
