//! cargo-deny: licences, duplicates and sources of the crates that are built in.

use crate::needs::{self, DENY};
use crate::sh::{self, Result};
use crate::{files, places};
use std::path::PathBuf;

/// Moves only on purpose: a new version may judge otherwise.
const VERSION: &str = "0.20.2";

/// cargo-deny from the PATH or the cache folder.
pub fn program() -> Option<PathBuf> {
    let name = format!("cargo-deny{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cached = places::cache().ok().map(|cache| cache.join("tools/bin"));
    std::env::split_paths(&path).chain(cached).map(|folder| folder.join(&name)).find(|program| program.is_file())
}

/// Builds cargo-deny into the cache folder: it outlives the clone, and the workspace's target folder stays the workspace's.
pub fn install() -> Result {
    needs::ensure(needs::TO_BUILD)?;
    println!("building cargo-deny {VERSION}, once: about a minute");
    let tools = places::cache()?.join("tools");
    let build = tools.join("build");
    let mut install = sh::command("cargo");
    install.args(["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION]);
    // Without optimisation it is built in half the time, and one check takes a second either way.
    install.arg("--debug").arg("--root").arg(&tools).arg("--target-dir").arg(&build);
    sh::run(&mut install)?;
    files::remove_folder(&build)
}

/// Checks everything but advisories, which change without us and are the nightly job's; returns a note if nothing was checked.
pub fn check() -> Result<Option<String>> {
    if places::in_ci() {
        needs::ensure(&[&DENY])?;
    }
    let Some(program) = program() else {
        return Ok(Some(format!("licences were not checked: cargo-deny is missing; install it with `{}`", DENY.command())));
    };
    let mut check = sh::command(program);
    check.args(["--log-level", "error", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    sh::run(check.current_dir(places::root()?)).map(|()| None)
}
