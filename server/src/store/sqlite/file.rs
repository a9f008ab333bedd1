//! The database as a file: a copy of it, what a file holds that may be one, and the new history of a restored one.

use std::fmt;
use std::path::Path;

use roadbook_core::env::Env;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use super::{APPLICATION_ID, MIGRATIONS, SqliteStore, accounts, connect, int, keep_private, migrate};
use crate::error::{Error, Result};
use crate::store::{DeviceId, WorkspaceId};

/// What a database file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Whose it is.
    pub server_id: [u8; 16],
    /// Where each workspace stands.
    pub workspaces: Vec<Standing>,
    /// Records of all workspaces, deleted ones included.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Where a workspace stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The workspace.
    pub id: WorkspaceId,
    /// The last number given to a group.
    pub seq: u64,
    /// The running hash at that number; `None` before the first one.
    pub chain: Option<[u8; 8]>,
    /// The version of the directory.
    pub directory: u64,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let workspaces = count(self.workspaces.len() as u64, "workspace");
        write!(f, "{workspaces} with {}, {}", count(self.records, "record"), count(self.bytes, "byte"))
    }
}

impl Contents {
    /// Reads a file that may be a database of this server; `thorough` reads every page of it.
    ///
    /// # Errors
    /// [`Error::BadFile`] for one that is none, or is damaged; [`Error::UpgradeNeeded`] for one of a newer release.
    pub fn read(path: &Path, thorough: bool) -> Result<Self> {
        let bad = |why: String| Error::BadFile { path: path.to_owned(), why };
        let size = std::fs::metadata(path).map_err(|source| Error::io(format!("cannot read {}", path.display()), source))?.len();
        let unreadable = |error: &dyn fmt::Display| bad(format!("it is damaged, or no data of roadbook-server ({error})"));
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| unreadable(&error))?;
        let read = || -> rusqlite::Result<Result<Self>> {
            let tx = conn.unchecked_transaction()?;
            if tx.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))? != APPLICATION_ID {
                return Ok(Err(bad("it is no data of roadbook-server".into())));
            }
            let found = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let supported = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
            if found > supported {
                return Ok(Err(Error::UpgradeNeeded { found, supported }));
            }
            if thorough && let Some(found) = damage(&tx)?.first() {
                return Ok(Err(bad(format!("it is damaged ({found})"))));
            }
            Ok(Ok(Self {
                server_id: tx.query_row("SELECT id FROM server", [], |row| row.get(0))?,
                workspaces: standings(&tx)?,
                records: tx.query_row("SELECT count(*) FROM doc", [], |row| row.get::<_, i64>(0))?.unsigned_abs(),
                bytes: size,
            }))
        };
        read().map_err(|error| unreadable(&error))?
    }
}

/// What SQLite finds wrong with the file of a connection.
pub(super) fn damage(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA integrity_check(20)")?;
    let found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn standings(conn: &Connection) -> rusqlite::Result<Vec<Standing>> {
    let sql = "SELECT id, seq, directory, (SELECT chain8 FROM chain WHERE ws = workspace.id AND seq = workspace.seq)
               FROM workspace ORDER BY id";
    let mut statement = conn.prepare(sql)?;
    let standings = statement.query_map([], |row| {
        Ok(Standing {
            id: row.get(0)?,
            seq: row.get::<_, i64>(1)?.unsigned_abs(),
            directory: row.get::<_, i64>(2)?.unsigned_abs(),
            chain: row.get(3)?,
        })
    })?;
    standings.collect()
}

impl SqliteStore {
    /// Copies the database at one moment into an empty file; others write on meanwhile.
    ///
    /// # Errors
    /// Those of SQLite, among them a full disk.
    pub fn copy_to(&self, file: &Path) -> Result<()> {
        copy(&self.path, file)
    }
}

/// Copies a database at one moment into an empty file. The copy is one file, without a log beside it, and may not have
/// reached the disk yet.
///
/// # Errors
/// Those of SQLite, among them a full disk.
pub(crate) fn copy(source: &Path, file: &Path) -> Result<()> {
    // Not the online backup of SQLite: that starts again whenever another connection writes.
    let source = connect(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let name = file.to_str().ok_or_else(|| Error::BadFile { path: file.to_owned(), why: "its name is no text".into() })?;
    source.execute("VACUUM INTO ?1", [name])?;
    leave_log(&Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

/// Brings what stands in the log beside a database into its file, which only its owner can read from now on. Nobody else has it
/// open.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn fold_log(path: &Path) -> Result<()> {
    keep_private(path);
    leave_log(&connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

fn leave_log(conn: &Connection) -> Result<()> {
    Ok(conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?)
}

/// What the directory of a workspace says, row by row, and whether another database says the same of it. A device that is good
/// here and revoked there was revoked later, unless it has been here since then.
const DIRECTORY: [(&str, &str); 3] = [
    (
        "SELECT ws, id, name, role FROM person WHERE ws = ?1",
        "SELECT EXISTS (SELECT 1 FROM person WHERE ws = ?1 AND id = ?2 AND name = ?3 AND role = ?4)",
    ),
    (
        "SELECT ws, id, person, name, revoked_ms IS NOT NULL, last_seen_ms FROM device WHERE ws = ?1",
        "SELECT EXISTS (SELECT 1 FROM device WHERE ws = ?1 AND id = ?2 AND person = ?3 AND name = ?4
             AND CASE WHEN ?5 THEN revoked_ms IS NOT NULL ELSE revoked_ms IS NULL OR revoked_ms > ?6 END)",
    ),
    (
        "SELECT ws, actor, device FROM actor WHERE ws = ?1",
        "SELECT EXISTS (SELECT 1 FROM actor WHERE ws = ?1 AND actor = ?2 AND device = ?3)",
    ),
];

/// The workspaces of which the database in `present` holds something that the one in `file` has not. No number is compared
/// alone, neither of the feed nor of the directory: after a restore it is given again, to something else.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn lacks(file: &Path, present: &Path) -> Result<Vec<WorkspaceId>> {
    let backup = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let present = connect(present, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut newer = Vec::new();
    for there in standings(&present)? {
        if !has_feed(&backup, &there)? || !has_directory(&backup, &present, there.id)? {
            newer.push(there.id);
        }
    }
    Ok(newer)
}

/// Whether a backup has the feed of a workspace as far as it goes: the running hash stands for everything before it.
fn has_feed(backup: &Connection, there: &Standing) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM workspace WHERE id = ?1)
                  AND (?2 = 0 OR EXISTS (SELECT 1 FROM chain WHERE ws = ?1 AND seq = ?2 AND chain8 = ?3))";
    Ok(backup.query_row(sql, params![there.id, int(there.seq), there.chain], |row| row.get(0))?)
}

/// Whether a backup says of people, devices and actors what `present` says, revocations among it.
fn has_directory(backup: &Connection, present: &Connection, ws: WorkspaceId) -> Result<bool> {
    for (rows, same) in DIRECTORY {
        let (mut rows, mut same) = (present.prepare(rows)?, backup.prepare(same)?);
        let columns = rows.column_count();
        let mut rows = rows.query([ws])?;
        while let Some(row) = rows.next()? {
            let said: Vec<Value> = (0..columns).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<_>>()?;
            if !same.query_row(params_from_iter(said), |row| row.get::<_, bool>(0))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The devices of these workspaces that are revoked in the database in `file`.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn revoked_in(file: &Path, workspaces: &[WorkspaceId]) -> Result<Vec<(WorkspaceId, DeviceId)>> {
    let conn = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = conn.prepare("SELECT ws, id FROM device WHERE ws = ?1 AND revoked_ms IS NOT NULL")?;
    let mut devices = Vec::new();
    for ws in workspaces {
        for device in statement.query_map([ws], |row| Ok((row.get(0)?, row.get(1)?)))? {
            devices.push(device?);
        }
    }
    Ok(devices)
}

/// What a new history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHistory {
    /// Invitations that nobody had taken.
    pub invitations: usize,
    /// Devices that were good in the backup and stay revoked.
    pub revoked: usize,
}

/// Makes a database in a file begin a new history: every workspace gets a new epoch. Tokens and open invitations end, since
/// they may have been used after the backup was made; `revoked` are devices that must not be good again.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn begin_again(file: &Path, env: &dyn Env, revoked: &[(WorkspaceId, DeviceId)]) -> Result<NewHistory> {
    let mut conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;")?;
    migrate(&mut conn)?;
    let now_ms = env.now().ms;
    let tx = conn.transaction()?;
    for there in standings(&tx)? {
        let mut epoch = [0u8; 16];
        env.fill(&mut epoch);
        tx.execute(
            "UPDATE workspace SET epoch = ?2, restored_ms = ?3, restored_seq = seq WHERE id = ?1",
            params![there.id, epoch, now_ms],
        )?;
    }
    tx.execute("DELETE FROM token", [])?;
    let invitations = tx.execute("DELETE FROM invitation WHERE used_key IS NULL AND expires_ms > ?1", [now_ms])?;
    let mut stay = 0;
    for (ws, device) in revoked {
        stay += usize::from(accounts::revoke(&tx, *ws, *device, now_ms)?.device);
    }
    tx.commit()?;
    Ok(NewHistory { invitations, revoked: stay })
}
