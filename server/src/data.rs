//! The data folder: the database, and beside it the secret that nonces are made with.

use std::path::Path;
use std::sync::Arc;

use roadbook_core::env::Env;

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::nonce::Secret;
use crate::store::{DATABASE, SqliteStore, Store};

/// The name of the secret's file. It is not in the database, so that a copy of the database gives nobody the power to
/// make nonces.
pub const SECRET: &str = "roadbook-server.secret";

/// An opened data folder.
#[derive(Clone)]
pub struct Data {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What nonces are made with.
    pub secret: Secret,
}

impl Data {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`Error::NoData`] where it holds no server; those of the store.
    pub fn open(dir: &Path, env: &dyn Env) -> Result<Self> {
        let store = SqliteStore::open(dir)?;
        Ok(Self { store: Arc::new(store), secret: secret(dir, env)? })
    }

    /// Opens the folder; makes it and the database where they are missing.
    ///
    /// # Errors
    /// When the folder cannot be made; those of the store.
    pub fn open_or_create(dir: &Path, env: &dyn Env) -> Result<Self> {
        if dir.join(DATABASE).exists() {
            return Self::open(dir, env);
        }
        make_private(dir)?;
        let secret = secret(dir, env)?;
        let mut id = [0; 16];
        env.fill(&mut id);
        let store = SqliteStore::create(dir, id, env.now().ms)?;
        Ok(Self { store: Arc::new(store), secret })
    }
}

/// Makes a folder that only its owner can look into; one that is there stays as it is.
pub(crate) fn make_private(dir: &Path) -> Result<()> {
    let failed = |source| Error::io(format!("cannot make the folder {}", dir.display()), source);
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed)
}

/// Reads the secret; makes one where there is none. A lost secret costs nothing but a second hello.
fn secret(dir: &Path, env: &dyn Env) -> Result<Secret> {
    let path = dir.join(SECRET);
    let failed = |source| Error::io(format!("cannot read or write {}", path.display()), source);
    loop {
        match std::fs::read(&path) {
            Ok(bytes) => match bytes.try_into() {
                Ok(bytes) => return Ok(Secret::new(bytes)),
                // Damaged: a new one takes its place.
                Err(_) => std::fs::remove_file(&path).map_err(failed)?,
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => write_secret(dir, env).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Writes a new secret, whole at once, so that nobody ever reads half of it. Where another process was faster, its
/// secret stays.
fn write_secret(dir: &Path, env: &dyn Env) -> std::io::Result<()> {
    let mut bytes = [0u8; 32];
    env.fill(&mut bytes);
    let draft = Draft::beside(&dir.join(SECRET), env)?;
    std::fs::write(draft.path(), bytes)?;
    match draft.keep(false) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
