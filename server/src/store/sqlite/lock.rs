//! The lock of a data folder. Whoever works on the database shares it; a restore, which puts another database in its
//! place, takes it alone. The operating system gives it back when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// The name of the file that is locked. It is never removed: another process may be about to lock it.
const LOCK: &str = "roadbook-server.lock";

/// A held lock; dropping it gives it back.
pub(crate) struct FolderLock(#[allow(dead_code, reason = "held, not read")] File);

impl FolderLock {
    /// The lock that all share.
    ///
    /// # Errors
    /// [`Error::Restoring`] while a restore has it.
    pub fn shared(dir: &Path) -> Result<Self> {
        Self::take(dir, File::try_lock_shared, || Error::Restoring(dir.to_owned()))
    }

    /// The lock that nobody else has.
    ///
    /// # Errors
    /// [`Error::InUse`] while anybody has it.
    pub fn alone(dir: &Path) -> Result<Self> {
        Self::take(dir, File::try_lock, || Error::InUse(dir.to_owned()))
    }

    fn take(
        dir: &Path,
        lock: impl FnOnce(&File) -> std::result::Result<(), TryLockError>,
        taken: impl FnOnce() -> Error,
    ) -> Result<Self> {
        let path = dir.join(LOCK);
        let failed = |source| Error::io(format!("cannot lock {}", path.display()), source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        match lock(&file) {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(taken()),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
