//! Where a book lies on this computer, and what opens it: the folder, the key file, the incarnation file.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use roadbook_core::book::{Book, Vault};
use roadbook_core::env::{Env, SystemEnv};
use roadbook_core::{Error, Key};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::failure::plain;

/// What is left where no repair helps.
pub(crate) const START_ANEW: &str =
    "start again in a new folder: `roadbook --store NEW_FOLDER join URL --invite CODE` brings back what was synced";

/// Why a book could not be opened or made; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key file cannot be read, or holds no key.
    #[error("the key file {path} {what}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is a book and no key file.
    #[error(
        "there is a book in {dir}, and its key file {path} is missing; without the key it cannot be opened: put the file back, or name it with --key-file"
    )]
    NoKey {
        /// The file.
        path: String,
        /// The folder of the book.
        dir: String,
    },
    /// There is no book in the folder.
    #[error(
        "there is no book in {dir}; make one with `roadbook init`, or join a workspace with `roadbook join URL --invite CODE`"
    )]
    NoBook {
        /// The folder.
        dir: String,
    },
    /// The key is another book's.
    #[error("the key in {path} does not open the book in {dir}; name the right key file with --key-file")]
    WrongKey {
        /// The key file.
        path: String,
        /// The folder of the book.
        dir: String,
    },
    /// There is a book already.
    #[error("there is a book in {dir} already; use it, or choose another folder with --store")]
    Exists {
        /// The folder.
        dir: String,
    },
    /// There is a book, its key is right, and the file is damaged so that nothing can be read.
    #[error(
        "the book in {dir} is damaged and cannot be opened ({what}); no repair helps here. Keep {dir} and {key} as they are, and {}. Where there is a copy of the folder, `--store COPY --key-file {key}` opens that",
        START_ANEW
    )]
    Damaged {
        /// The folder.
        dir: String,
        /// The key file.
        key: String,
        /// What was found.
        what: String,
    },
    /// The platform names no folder for data.
    #[error("this system names no folder for data; choose one with --store")]
    NoPlace,
    /// Reading or writing a file beside the database failed.
    #[error("{what}: {}", plain(.source))]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The core refused for another reason.
    #[error(transparent)]
    Core(#[from] Error),
}

/// The name of the file whose bytes and place on the disk tell this installation from a copy of it.
const INCARNATION: &str = "incarnation";

/// The folder of a book and the file of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The folder.
    pub dir: PathBuf,
    /// The key file: 32 raw bytes or 64 hexadecimal digits.
    pub key_file: PathBuf,
}

impl Location {
    /// The folder and key file that were named, or the usual ones: the platform's data folder, and the folder's name
    /// with `.key` beside it. The key does not lie inside the folder, so that a copy of the folder alone opens nothing.
    ///
    /// # Errors
    /// [`StoreError::NoPlace`] where no folder was named and the platform has none.
    pub fn new(store: Option<PathBuf>, key_file: Option<PathBuf>) -> Result<Self, StoreError> {
        // A variable of the environment that is set to nothing names nothing.
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        let dir = match store.filter(named) {
            Some(dir) => dir,
            None => data_folder().ok_or(StoreError::NoPlace)?.join("roadbook"),
        };
        let key_file = key_file.filter(named).unwrap_or_else(|| beside(&dir));
        Ok(Self { dir, key_file })
    }

    /// Opens the book.
    ///
    /// # Errors
    /// [`StoreError`]; a missing book, a missing key and a wrong key are told apart.
    pub fn open(&self) -> Result<Book, StoreError> {
        let key = read_key(&self.key_file)?;
        // Asked before the incarnation file is made: a folder without a book gets nothing written into it.
        if (key.is_none() || !self.dir.join(INCARNATION).exists()) && !self.has_book() {
            return Err(StoreError::NoBook { dir: shown(&self.dir) });
        }
        let key = key.ok_or_else(|| self.no_key())?;
        let vault = Vault { key, incarnation: incarnation(&self.dir)? };
        Book::open(&self.dir, vault, Arc::new(SystemEnv)).map_err(|error| self.explain(error))
    }

    /// Makes a book, and a key file where there is none. Returns whether the key file is new.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is a book, [`StoreError::NoKey`] where its key is missing; then no key is made
    /// either.
    pub fn create(&self) -> Result<(Book, bool), StoreError> {
        let io = |what: String| move |source| StoreError::Io { what, source };
        fs::create_dir_all(&self.dir).map_err(io(format!("cannot make {}", self.dir.display())))?;
        let found = read_key(&self.key_file)?;
        let is_new = found.is_none();
        // A new key would open nothing, and lie where the right one belongs.
        if is_new && self.has_book() {
            return Err(self.no_key());
        }
        let key = match found {
            Some(key) => key,
            // The key is on the disk before anything is encrypted with it.
            None => make_key(&self.key_file)?,
        };
        let vault = Vault { key, incarnation: incarnation(&self.dir)? };
        match Book::create(&self.dir, vault, Arc::new(SystemEnv)) {
            Ok(book) => Ok((book, is_new)),
            Err(error) => {
                if is_new && !self.has_book() {
                    // Nothing was encrypted with it.
                    let _ = fs::remove_file(&self.key_file);
                }
                Err(self.explain(error))
            }
        }
    }

    /// Removes a book that was just made, and its key where that is new, too. What cannot be removed stays.
    pub(crate) fn unmake(&self, is_new: bool) {
        let database = ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", Book::FILE));
        for file in database.iter().map(String::as_str).chain([INCARNATION, "key.check", "sync.lock"]) {
            let _ = fs::remove_file(self.dir.join(file));
        }
        let _ = fs::remove_dir(&self.dir);
        if is_new {
            let _ = fs::remove_file(&self.key_file);
        }
    }

    /// Whether the folder holds a book, whatever its key.
    fn has_book(&self) -> bool {
        self.dir.join(Book::FILE).exists()
    }

    fn no_key(&self) -> StoreError {
        StoreError::NoKey { path: shown(&self.key_file), dir: shown(&self.dir) }
    }

    fn explain(&self, error: Error) -> StoreError {
        let (path, dir) = (shown(&self.key_file), shown(&self.dir));
        match error {
            Error::NoBook => StoreError::NoBook { dir },
            Error::WrongKey => StoreError::WrongKey { path, dir },
            Error::BookExists => StoreError::Exists { dir },
            Error::Corrupt(what) => StoreError::Damaged { dir, key: path, what },
            other => StoreError::Core(other),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// `<folder>.key` beside the folder.
fn beside(dir: &Path) -> PathBuf {
    // `books/.` and `books/..` have no name of their own until they are resolved.
    let dir = if dir.file_name().is_some() { dir.to_owned() } else { fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()) };
    let mut name = dir.file_name().unwrap_or_else(|| "roadbook".as_ref()).to_owned();
    name.push(".key");
    dir.with_file_name(name)
}

fn data_folder() -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
    }
}

/// The key in a file; `None` where there is no file.
fn read_key(path: &Path) -> Result<Option<Key>, StoreError> {
    let wrong = |what: &str| StoreError::Key { path: shown(path), what: what.to_owned() };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot be read: {}", plain(&error)))),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    file.take(100).read_to_end(&mut bytes).map_err(|error| wrong(&format!("cannot be read: {}", plain(&error))))?;
    // Raw first: a key of 32 bytes may end in what looks like a newline.
    let raw = if bytes.len() == 32 {
        Some(bytes.clone())
    } else {
        HEXLOWER_PERMISSIVE.decode(bytes.trim_ascii_end()).ok().map(Zeroizing::new)
    };
    match raw.map(|raw| Key::from_slice(&raw)) {
        Some(Ok(key)) => Ok(Some(key)),
        _ => Err(wrong("holds no key: it must be 32 bytes or 64 hexadecimal digits")),
    }
}

fn make_key(path: &Path) -> Result<Key, StoreError> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    SystemEnv.fill(bytes.as_mut());
    let mut line = Zeroizing::new(HEXLOWER.encode(bytes.as_ref()));
    line.push('\n');
    write_new(path, line.as_bytes())?;
    Ok(Key::new(*bytes))
}

/// Writes a small file that only its owner may read, durably, never over another one, and whole or not at all: whoever
/// finds half a key cannot go on.
fn write_new(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { what: format!("cannot write {}", path.display()), source };
    let place = |_: &File, part: &Path| match fs::hard_link(part, path) {
        // A stick's file system has no links: there the name is taken first, so that nothing is overwritten.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            File::create_new(path).map(drop).and_then(|()| fs::rename(part, path))
        }
        other => other,
    };
    Book::write_beside(path, &SystemEnv, |out| out.write_all(content).map_err(failed), place, failed)
}

/// The id of this installation: random bytes in a file, hashed with the file's place on the disk. A copy of the folder
/// has the same bytes at another place and counts as another device; a folder that was moved keeps its place.
fn incarnation(dir: &Path) -> Result<[u8; 16], StoreError> {
    let path = dir.join(INCARNATION);
    let io = |source| StoreError::Io { what: format!("cannot read {}", path.display()), source };
    if !path.try_exists().map_err(io)? {
        let mut bytes = [0u8; 16];
        SystemEnv.fill(&mut bytes);
        match write_new(&path, format!("{}\n", HEXLOWER.encode(&bytes)).as_bytes()) {
            // Another process was faster: its file counts.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    let mut hash = Sha256::new();
    hash.update(b"roadbook incarnation 1");
    hash.update(fs::read(&path).map_err(io)?.trim_ascii_end());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let place = fs::metadata(&path).map_err(io)?;
        // Not the device's number: it may change when the machine starts.
        hash.update(place.ino().to_be_bytes());
    }
    let mut id = [0u8; 16];
    for (to, from) in id.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_lies_beside_the_folder() {
        let at = |dir: &str| Location::new(Some(dir.into()), None).unwrap().key_file;
        assert_eq!(at("/data/book"), Path::new("/data/book.key"));
        assert_eq!(at("book/"), Path::new("book.key"));
        assert_eq!(at("v1.2"), Path::new("v1.2.key"));
    }

    #[test]
    fn a_key_is_read_raw_and_in_hexadecimal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(read_key(&path).unwrap().is_none());
        let mut raw = vec![b'\n'; 32];
        raw[0] = 7;
        for good in [
            raw.clone(),
            HEXLOWER.encode(&raw).into_bytes(),
            format!("{}\r\n", data_encoding::HEXUPPER.encode(&raw)).into_bytes(),
        ] {
            fs::write(&path, good).unwrap();
            assert!(read_key(&path).unwrap().is_some());
        }
        for bad in [&b""[..], &[1; 31], &[1; 33], &[b'g'; 64], &[b'a'; 66]] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(read_key(&path), Err(StoreError::Key { .. })));
        }
    }

    #[test]
    fn a_copied_file_gives_another_incarnation_and_a_moved_one_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (first, moved, copied) = (dir.path().join("first"), dir.path().join("moved"), dir.path().join("copied"));
        fs::create_dir(&first).unwrap();
        let id = incarnation(&first).unwrap();
        assert_eq!(incarnation(&first).unwrap(), id);
        fs::create_dir(&copied).unwrap();
        fs::copy(first.join(INCARNATION), copied.join(INCARNATION)).unwrap();
        fs::rename(&first, &moved).unwrap();
        assert_eq!(incarnation(&moved).unwrap(), id);
        #[cfg(unix)]
        assert_ne!(incarnation(&copied).unwrap(), id);
    }
}
