//! Putting a backup back. Nothing is deleted, and every device pushes its own changes again afterwards.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use roadbook_core::env::Env;

use crate::data::{SECRET, make_private};
use crate::draft::{Draft, sync_names};
use crate::error::{Error, Result};
use crate::store::{Contents, DATABASE, FolderLock, NewHistory, WorkspaceId, begin_again, copy, fold_log, lacks, revoked_in};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Where the database that was there is kept; `None` where there was none.
    pub kept: Option<PathBuf>,
    /// What ended or stays ended with the new history.
    pub history: NewHistory,
}

/// Puts `file` in the place of the database of `dir`, which may be missing. Each workspace gets a new epoch, by which devices
/// notice. The database that was there stays beside the new one under a dated name.
///
/// # Errors
/// [`Error::InUse`] while anybody works on the folder; [`Error::BadFile`] for a file that is no whole backup;
/// [`Error::NewerData`] where the folder holds what the backup lacks, unless `force`. Nothing has changed then.
pub fn restore(dir: &Path, file: &Path, env: &dyn Env, force: bool) -> Result<Restored> {
    let contents = Contents::read(file, true)?;
    make_private(dir)?;
    let _alone = FolderLock::alone(dir)?;
    let target = dir.join(DATABASE);
    let failed = |source| Error::io(format!("cannot write to {}", dir.display()), source);
    let there = target.exists();
    let mut revoked = Vec::new();
    if there {
        match Contents::read(&target, false).and_then(|_| lacks(file, &target)) {
            Ok(newer) if !newer.is_empty() && !force => return Err(newer_data(dir, &newer)),
            // A revocation that the backup has not is among what makes a workspace newer.
            Ok(newer) => revoked = revoked_in(&target, &newer)?,
            // What cannot be read may be newer: only its administrator knows.
            Err(_) if force => {}
            Err(error) => return Err(Error::UnreadableData { dir: dir.to_owned(), why: error.to_string() }),
        }
    }
    let draft = Draft::beside(&target, env).map_err(failed)?;
    copy(file, draft.path())?;
    let history = begin_again(draft.path(), env, &revoked)?;
    let kept = set_aside(&target, there, env).map_err(failed)?;
    // A nonce of the time before must not be good once more.
    match std::fs::remove_file(dir.join(SECRET)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    draft.keep(true).map_err(failed)?;
    Ok(Restored { contents, kept: there.then_some(kept), history })
}

fn newer_data(dir: &Path, workspaces: &[WorkspaceId]) -> Error {
    let ids: Vec<String> = workspaces.iter().map(ToString::to_string).collect();
    Error::NewerData { dir: dir.to_owned(), workspaces: ids.join(", ") }
}

/// Gives the database a second, dated name, so that another one can take its place, and moves what is left of its log
/// there: beside another database it would damage that one.
fn set_aside(target: &Path, there: bool, env: &dyn Env) -> std::io::Result<PathBuf> {
    if there {
        // One that cannot be opened is kept with its log as it is.
        let _ = fold_log(target);
    }
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let now = roadbook_core::value::Instant { ms: env.now().ms, offset_minutes: 0 };
    let stamp: String = now.to_rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
    let mut count = 1;
    let kept = loop {
        let again = if count > 1 { format!("-{count}") } else { String::new() };
        let kept = with(target, &format!(".before-{stamp}{again}"));
        match std::fs::hard_link(target, &kept) {
            Ok(()) => break kept,
            Err(error) if !there && error.kind() == ErrorKind::NotFound => break kept,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => count += 1,
            Err(error) => return Err(error),
        }
    };
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(with(target, suffix), with(&kept, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_names(target)?;
    Ok(kept)
}
