//! A copy of everything in one file, made while the server runs.

use std::path::Path;

use roadbook_core::env::Env;

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::store::{Contents, SqliteStore};

/// Copies the database of `dir` at one moment into `file`, and gives what the copy holds. The file is there whole or not
/// at all; `check` reads all of it before it gets its name. The secret that nonces are made with is no part of it.
///
/// # Errors
/// [`Error::NoData`]; [`Error::FileExists`] unless `force`; [`Error::BadFile`] where the copy does not read back.
pub fn backup(dir: &Path, file: &Path, env: &dyn Env, force: bool, check: bool) -> Result<Contents> {
    let failed = |source| Error::io(format!("cannot write {}", file.display()), source);
    let taken = || Error::FileExists(file.to_owned());
    let store = SqliteStore::open(dir)?;
    if !force && file.exists() {
        return Err(taken());
    }
    let draft = Draft::beside(file, env).map_err(failed)?;
    store.copy_to(draft.path())?;
    let contents = Contents::read(draft.path(), check)?;
    match draft.keep(force) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(taken()),
        Err(error) => Err(failed(error)),
        Ok(()) => Ok(contents),
    }
}
