//! Files that are there whole or not at all.

use std::io;
use std::path::{Path, PathBuf};

use roadbook_core::env::Env;

/// A file in the making, beside the place where it will stand. It goes with this value unless it is kept.
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// An empty file that only its owner can read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn beside(target: &Path, env: &dyn Env) -> io::Result<Self> {
        let mut unique = [0u8; 8];
        env.fill(&mut unique);
        let mut name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(format!(".draft-{}", data_encoding::HEXLOWER.encode(&unique)));
        let path = target.with_file_name(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        Ok(Self { path, target: target.to_owned() })
    }

    /// Where it is until it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings it to the disk and gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` where a file has the name and `replace` is not set.
    pub fn keep(self, replace: bool) -> io::Result<()> {
        // Windows syncs no file that was opened for reading only.
        std::fs::OpenOptions::new().write(true).open(&self.path)?.sync_all()?;
        if replace {
            std::fs::rename(&self.path, &self.target)?;
        } else {
            // A rename would take the place of a file that came meanwhile.
            std::fs::hard_link(&self.path, &self.target)?;
        }
        sync_names(&self.target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; what cannot be removed harms nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The folder of a file.
pub fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings the names in a file's folder to the disk.
///
/// # Errors
/// When the folder cannot be synced.
pub fn sync_names(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(folder(file))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
