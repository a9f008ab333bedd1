//! The database as a file: a copy of it, and what a file holds that may be one.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{APPLICATION_ID, MIGRATIONS, SqliteStore, connect};
use crate::error::{Error, Result};
use crate::store::WorkspaceId;

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
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
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
            if thorough {
                let found: String = tx.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
                if found != "ok" {
                    return Ok(Err(bad(format!("it is damaged ({found})"))));
                }
            }
            Ok(Ok(Self {
                server_id: tx.query_row("SELECT id FROM server", [], |row| row.get(0))?,
                workspaces: standings(&tx)?,
                records: tx.query_row("SELECT count(*) FROM doc", [], |row| row.get::<_, i64>(0))?.unsigned_abs(),
                bytes: size,
            }))
        };
        read().map_err(|error| bad(format!("it is damaged, or no data of roadbook-server ({error})")))?
    }
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
    /// Copies the database at one moment into an empty file; others write on meanwhile. The copy is one file, without a
    /// log beside it, and may not have reached the disk yet.
    ///
    /// # Errors
    /// Those of SQLite, among them a full disk.
    pub fn copy_to(&self, file: &Path) -> Result<()> {
        // Not the online backup of SQLite: that starts again whenever another connection writes.
        let source = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let name = file.to_str().ok_or_else(|| Error::BadFile { path: file.to_owned(), why: "its name is no text".into() })?;
        source.execute("VACUUM INTO ?1", [name])?;
        let copy = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        Ok(())
    }
}
