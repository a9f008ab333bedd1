//! Putting generated files in place without touching those that did not change, so that nothing is rebuilt in vain.

use crate::sh::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What putting files in place did to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was no such file.
    Added,
    /// The file had other bytes.
    Changed,
    /// The file is not generated any more.
    Removed,
}

/// Makes `to` hold exactly `files` (relative name → bytes) and says what changed.
pub fn put(to: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) -> Result<Vec<(PathBuf, Change)>> {
    let before = if to.is_dir() { contents(to)? } else { BTreeMap::new() };
    let mut changes = Vec::new();
    for (name, bytes) in files {
        let change = match before.get(name) {
            Some(old) if old == bytes => continue,
            Some(_) => Change::Changed,
            None => Change::Added,
        };
        let path = to.join(name);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        fs::write(&path, bytes).map_err(|why| said(&path, &why))?;
        changes.push((path, change));
    }
    for name in before.keys().filter(|name| !files.contains_key(*name)) {
        let path = to.join(name);
        fs::remove_file(&path).map_err(|why| said(&path, &why))?;
        changes.push((path, Change::Removed));
    }
    Ok(changes)
}

/// Every file below a folder, by its name relative to it.
pub fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).map_err(|why| said(&next, &why))? {
            let path = entry.map_err(|why| said(&next, &why))?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).map_err(|why| why.to_string())?.to_path_buf();
                files.insert(name, fs::read(&path).map_err(|why| said(&path, &why))?);
            }
        }
    }
    Ok(files)
}

/// A folder without anything in it.
pub fn make_empty(folder: &Path) -> Result {
    remove_folder(folder)?;
    make_folder(folder)
}

/// A folder, with those above it.
pub fn make_folder(folder: &Path) -> Result {
    fs::create_dir_all(folder).map_err(|why| said(folder, &why))
}

/// No such folder afterwards, whether there was one or not.
pub fn remove_folder(folder: &Path) -> Result {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(said(folder, &why)),
        _ => Ok(()),
    }
}

fn said(path: &Path, why: &std::io::Error) -> String {
    format!("{}: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_files_are_not_written_and_stale_ones_go() {
        let folder = std::env::temp_dir().join(format!("roadbook-files-{}", std::process::id()));
        make_empty(&folder).unwrap();
        let one = BTreeMap::from([(PathBuf::from("a/x.kt"), b"1".to_vec()), (PathBuf::from("y.kt"), b"2".to_vec())]);
        assert_eq!(put(&folder, &one).unwrap().len(), 2);
        assert!(put(&folder, &one).unwrap().is_empty());
        let two = BTreeMap::from([(PathBuf::from("y.kt"), b"3".to_vec())]);
        let changes = put(&folder, &two).unwrap();
        assert_eq!(changes, [(folder.join("y.kt"), Change::Changed), (folder.join("a/x.kt"), Change::Removed)]);
        assert_eq!(contents(&folder).unwrap(), two);
        remove_folder(&folder).unwrap();
    }
}
