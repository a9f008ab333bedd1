//! The store in one SQLite file. One connection writes, and several read beside it; other processes (the command
//! line) work on the same file at the same time. The file is not encrypted.

mod accounts;
mod audit;
mod feed;
mod file;
mod lock;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadbook_core::fault::{self, Site};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{
    Caller, Commit, Device, DeviceId, Joined, Joining, NewToken, Person, PersonId, Revocation, Store, View, Workspace,
    WorkspaceId,
};
use crate::error::{Error, Result};
use feed::Feed;
pub use file::{Contents, NewHistory, Standing};
pub(crate) use file::{begin_again, copy, fold_log, lacks, revoked_in};
pub(crate) use lock::FolderLock;

/// The name of the database in the data folder.
pub const DATABASE: &str = "roadbook-server.db";

/// The migrations in their order; a released one is never edited.
const MIGRATIONS: &[&str] = &[include_str!("../sql/001_init.sql"), include_str!("../sql/002_repair.sql")];

/// `PRAGMA application_id` of a server's database: "Rbs1".
const APPLICATION_ID: i32 = 0x5262_7331;

/// How long a call waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
/// How many idle connections are kept for readers.
const IDLE_READERS: usize = 8;

/// The store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    server_id: [u8; 16],
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    closed: AtomicBool,
    /// Says that the folder is in use, until the store is closed.
    folder: Mutex<Option<FolderLock>>,
}

/// Takes a lock even after a panic elsewhere: a transaction that was left behind has rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SqliteStore {
    /// Makes the database in `dir`, which is there and holds none. Only its owner can read it, whoever may look into `dir`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be made; those of SQLite.
    pub fn create(dir: &Path, server_id: [u8; 16], now_ms: i64) -> Result<Self> {
        let folder = FolderLock::shared(dir)?;
        let path = dir.join(DATABASE);
        make_private(&path)?;
        let mut conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        migrate(&mut conn)?;
        // Two processes may make it at once: the first one's id stays.
        conn.execute(
            "INSERT INTO server(id, created_ms) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM server)",
            rusqlite::params![server_id, now_ms],
        )?;
        Self::start(path, conn, folder)
    }

    /// Opens the database in `dir`, and brings it to this release's schema.
    ///
    /// # Errors
    /// [`Error::NoData`] where there is none; [`Error::UpgradeNeeded`] where a newer release wrote it;
    /// [`Error::Restoring`] while a restore is at work.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(DATABASE);
        if !path.exists() {
            return Err(Error::NoData(dir.to_owned()));
        }
        let folder = FolderLock::shared(dir)?;
        keep_private(&path);
        let mut conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut conn)?;
        Self::start(path, conn, folder)
    }

    fn start(path: PathBuf, conn: Connection, folder: FolderLock) -> Result<Self> {
        let server_id = conn.query_row("SELECT id FROM server", [], |row| row.get(0))?;
        Ok(Self {
            path,
            server_id,
            writer: Mutex::new(Some(conn)),
            readers: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            folder: Mutex::new(Some(folder)),
        })
    }

    /// What SQLite finds wrong with the file; nothing where it is whole. Reads every page.
    ///
    /// # Errors
    /// Those of SQLite; so does the call below.
    pub fn damage(&self) -> Result<Vec<String>> {
        self.read(|conn| file::damage(conn).map_err(Error::from))
    }

    /// Workspaces that are not there and have rows in a table nevertheless.
    pub fn lost_workspaces(&self) -> Result<Vec<(&'static str, WorkspaceId)>> {
        self.read(audit::lost_workspaces)
    }

    /// Reads in one transaction, never waiting for a writer.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        let idle = lock(&self.readers).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let tx = conn.unchecked_transaction()?;
        let result = read(&tx);
        drop(tx);
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS && !self.closed.load(Ordering::SeqCst) {
            readers.push(conn);
        }
        result
    }

    /// Writes in one transaction; nothing is kept where `write` fails.
    fn write<T>(&self, write: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut guard = lock(&self.writer);
        let conn = guard.as_mut().ok_or(Error::Closed)?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        fault::begin(Site::Server, &tx)?;
        let result = write(&tx)?;
        fault::commit(Site::Server, tx)?;
        Ok(result)
    }
}

/// Makes an empty file that only its owner can read; SQLite fills it, and gives its log and the index of that the same rights.
/// One that is there stays: another process was faster.
fn make_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io(format!("cannot make {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Takes from others what rights they have to a database that is there, to its log, and to the index of that: an older release
/// or a copy may have given them some. Nothing is opened for it, since closing a file gives back the locks that SQLite has on it.
fn keep_private(path: &Path) {
    #[cfg(unix)]
    for suffix in ["", "-wal", "-shm"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let Ok(found) = std::fs::metadata(&name) else { continue };
        let mode = found.permissions().mode();
        if mode & 0o077 == 0 {
            continue;
        }
        // Where the file belongs to somebody else, or nothing can be written, the rest of the work may still be possible.
        if let Err(error) = std::fs::set_permissions(&name, std::fs::Permissions::from_mode(mode & 0o700)) {
            tracing::warn!(%error, "others can read the database, and this process cannot change that");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    // Otherwise SQLite looks at bound values when it plans, and plans a statement anew when others are bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA cache_size = -16000;",
    )?;
    if !access.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216;")?;
    }
    Ok(conn)
}

fn migrate(conn: &mut Connection) -> Result<()> {
    let supported = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let version = |conn: &Connection| -> Result<i64> {
        let found = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > supported { Err(Error::UpgradeNeeded { found, supported }) } else { Ok(found) }
    };
    if version(conn)? == supported {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated between the look and the lock.
    let from = usize::try_from(version(&tx)?).unwrap_or(0);
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(from) {
        tx.execute_batch(sql)?;
        tx.execute_batch(&format!("PRAGMA user_version = {}; PRAGMA application_id = {APPLICATION_ID};", at + 1))?;
    }
    tx.commit()?;
    Ok(())
}

/// SQLite's integers are signed; the numbers of the feed never come near the difference.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store for SqliteStore {
    fn server_id(&self) -> [u8; 16] {
        self.server_id
    }

    fn check(&self) -> Result<()> {
        self.read(|conn| Ok(conn.query_row("SELECT 1 FROM server", [], |_| Ok(()))?))
    }

    fn add_workspace(&self, id: WorkspaceId, name: &str, epoch: [u8; 16], now_ms: i64) -> Result<()> {
        self.write(|tx| accounts::add_workspace(tx, id, name, epoch, now_ms))
    }

    fn workspaces(&self) -> Result<Vec<Workspace>> {
        self.read(accounts::workspaces)
    }

    fn add_person(&self, workspace: WorkspaceId, person: &Person, now_ms: i64) -> Result<()> {
        self.write(|tx| accounts::add_person(tx, workspace, person, now_ms))
    }

    fn add_invitation(&self, workspace: WorkspaceId, person: PersonId, code_hash: [u8; 32], expires_ms: i64) -> Result<()> {
        self.write(|tx| accounts::add_invitation(tx, workspace, person, code_hash, expires_ms))
    }

    fn withdraw(&self, workspace: WorkspaceId, person: PersonId, now_ms: i64) -> Result<usize> {
        self.write(|tx| accounts::withdraw(tx, workspace, person, now_ms))
    }

    fn join(&self, joining: &Joining) -> Result<Joined> {
        self.write(|tx| accounts::join(tx, joining))
    }

    fn device(&self, id: DeviceId) -> Result<Option<Device>> {
        self.read(|conn| accounts::device(conn, id))
    }

    fn revoke(&self, workspace: WorkspaceId, device: DeviceId, now_ms: i64) -> Result<Revocation> {
        self.write(|tx| accounts::revoke(tx, workspace, device, now_ms))
    }

    fn add_token(&self, device: &Device, token: &NewToken<'_>) -> Result<bool> {
        self.write(|tx| accounts::add_token(tx, device, token))
    }

    fn caller(&self, hash: [u8; 32]) -> Result<Option<Caller>> {
        self.read(|conn| accounts::caller(conn, hash))
    }

    fn view(&self, workspace: WorkspaceId, read: &mut dyn FnMut(&dyn View) -> Result<()>) -> Result<()> {
        self.read(|conn| read(&Feed { conn, ws: workspace }))
    }

    fn commit(&self, workspace: WorkspaceId, write: &mut dyn FnMut(&dyn Commit) -> Result<()>) -> Result<()> {
        self.write(|tx| write(&Feed { conn: tx, ws: workspace }))
    }

    fn tidy(&self, now_ms: i64) -> Result<()> {
        self.write(|tx| accounts::tidy(tx, now_ms))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        lock(&self.readers).clear();
        // The last connection to go folds the log back into the file.
        lock(&self.writer).take();
        lock(&self.folder).take();
    }
}
