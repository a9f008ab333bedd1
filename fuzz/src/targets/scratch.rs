//! Stores that every run of an input begins with anew.

use std::path::Path;

use tempfile::TempDir;

/// A folder that goes with this value; in memory where the system has such a place.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a temporary folder")
}

/// Puts the files of one folder into another one, which holds nothing else then.
pub fn put_back(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).expect("a folder") {
        std::fs::remove_file(entry.expect("a file").path()).expect("a file that is closed");
    }
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("a file").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("room for a copy");
    }
}
