//! The book: the one object that apps hold. Reading never waits for writing; every write is one transaction.

mod account;
mod cards;
mod conflicts;
mod drafts;
mod erase;
mod export;
mod feed;
mod history;
mod identity;
mod import;
mod lists;
mod observe;
mod people;
mod refusals;
mod repair;
mod rescue;
mod save;
mod saved_form;
mod status;
mod sync;
mod undo;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, TransactionBehavior};

pub use account::Account;
pub use conflicts::{Conflict, ConflictValue};
pub use drafts::Draft;
pub use export::{ExportReport, LeftOut};
pub use history::{FieldChange, HistoryEntry};
pub use identity::Vault;
pub use import::{ImportProblem, ImportReport, Progress};
pub use lists::{
    ContactFilter, ContactSort, DealFilter, DealSort, Found, MAX_PAGE, Owner, Page, TaskFilter, TaskSort, contact_headline,
};
pub use observe::{Notice, Watch, Watcher};
pub use people::{Author, Person};
pub use refusals::Refusal;
pub use repair::{Finding, RebuildReport};
pub use rescue::RescueReport;
pub use save::{Applied, Change, Sheet};
pub use status::{StateHash, Status};
pub use undo::{Skipped, UndoReport};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::fault::{self, Site};
use crate::id::RecordId;
use crate::record::Kind;
use crate::store::{DATABASE, OpenGroup, OpenMode, Tx, deciphers, open};
use observe::Watchers;

/// Takes a lock even after a panic elsewhere: what the locks guard is valid at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An encrypted book of records in a folder. Any number of threads may use it; several processes may open it.
pub struct Book {
    dir: PathBuf,
    vault: Vault,
    env: Arc<dyn Env>,
    /// Nothing after a shutdown, and between a write that met a page that cannot be deciphered and the next one.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Readers>,
    /// Told when a reader is done.
    read: Condvar,
    /// Ends a long statement of the writer when the app is suspended.
    interrupt: Mutex<InterruptHandle>,
    /// Set once and for good; every connection looks at it.
    closed: Arc<AtomicBool>,
    watchers: Watchers,
    /// Held while a session syncs: a book is locked by one session at a time, and closed only once.
    sync_lock: Mutex<Option<std::fs::File>>,
    /// Whether no row is left that an older release derived; only the first looks go through all records.
    rows_are_current: AtomicBool,
    /// `PRAGMA data_version` of the writer when other processes' commits were last reported.
    seen_version: Mutex<i64>,
}

/// How many idle connections are kept for readers.
const IDLE_READERS: usize = 4;
/// How long a shutdown waits before it interrupts again what still runs.
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// A connection looks whether the book is closed after so many steps of one statement, all its runs taken together: the
/// statements of a long loop are short.
const STEPS_BETWEEN_LOOKS: i32 = 1000;

/// Connections for reading.
#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    active: Vec<Place>,
}

/// What a shutdown knows of a read.
enum Place {
    /// There is none.
    Free,
    /// Its connection is being opened: nothing to interrupt, and something to wait for.
    Opening,
    /// How to interrupt it.
    Reading(InterruptHandle),
}

impl Readers {
    /// The number of a place that is taken now.
    fn begin(&mut self) -> usize {
        let free = self.active.iter().position(|place| matches!(place, Place::Free));
        let at = free.unwrap_or(self.active.len());
        self.set(at, Place::Opening);
        at
    }

    fn set(&mut self, at: usize, now: Place) {
        match self.active.get_mut(at) {
            Some(place) => *place = now,
            None => self.active.push(now),
        }
    }
}

/// A read in progress; its end, also by a panic, gives its place back, and a connection that is left in it.
struct Reading<'b> {
    book: &'b Book,
    place: usize,
    conn: Option<Connection>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut readers = lock(&self.book.readers);
        readers.set(self.place, Place::Free);
        if readers.idle.len() < IDLE_READERS && !self.book.is_closed() {
            readers.idle.extend(self.conn.take());
        } else {
            // Closed before a shutdown goes on.
            self.conn.take();
        }
        self.book.read.notify_all();
    }
}

impl Book {
    /// The name of the file that holds a book, in its folder.
    pub const FILE: &str = DATABASE;

    /// Makes a new book in `dir`, which is created where it is missing.
    ///
    /// # Errors
    /// [`Error::BookExists`] where there is one; [`Error::ReadOnly`] and [`Error::NoSpace`] by the disk.
    pub fn create(dir: &Path, vault: Vault, env: Arc<dyn Env>) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|source| Error::io(format!("cannot create {}", dir.display()), source))?;
        let writer = open(dir, &vault.key, OpenMode::Create)?;
        Self::start(dir, vault, env, writer)
    }

    /// Opens an existing book; never creates one, so that a locked phone is not mistaken for an empty book.
    ///
    /// # Errors
    /// [`Error::NoBook`], [`Error::WrongKey`], [`Error::Corrupt`], [`Error::UpgradeNeeded`].
    pub fn open(dir: &Path, vault: Vault, env: Arc<dyn Env>) -> Result<Self> {
        let writer = open(dir, &vault.key, OpenMode::Write)?;
        Self::start(dir, vault, env, writer)
    }

    fn start(dir: &Path, vault: Vault, env: Arc<dyn Env>, mut writer: Connection) -> Result<Self> {
        identity::settle_identity(&mut writer, &vault, env.as_ref())?;
        let seen = data_version(&writer)?;
        let closed = Arc::default();
        end_when_closed(&mut writer, &closed)?;
        Ok(Self {
            dir: dir.to_owned(),
            vault,
            env,
            interrupt: Mutex::new(writer.get_interrupt_handle()),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::default(),
            read: Condvar::new(),
            closed,
            rows_are_current: AtomicBool::new(false),
            watchers: Watchers::default(),
            sync_lock: Mutex::new(None),
            seen_version: Mutex::new(seen),
        })
    }

    /// Ends long work, which rolls back at its next statement or record, and closes the store; returns when SQLite is closed.
    /// Every later call gives [`Error::Closed`], and so does one that still waits for its turn to write. Calling it again does
    /// nothing.
    ///
    /// Call it before a process exits while other threads may still use the book: the exit handlers of SQLCipher and OpenSSL
    /// take away what such a thread works with, and the process would end with a crash. Nothing saved is lost by one.
    pub fn shutdown(&self) {
        self.closed.store(true, Ordering::SeqCst);
        lock(&self.interrupt).interrupt();
        self.give_back_sync_lock();
        let mut readers = lock(&self.readers);
        while readers.active.iter().any(|place| !matches!(place, Place::Free)) {
            for place in &readers.active {
                if let Place::Reading(handle) = place {
                    handle.interrupt();
                }
            }
            // A reader between two statements sees no interrupt: ask again.
            readers = self.read.wait_timeout(readers, ASK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
        readers.idle.clear();
        drop(readers);
        // The writer last: only it can fold the log back into the file.
        if let Some(conn) = self.writer_at_rest().take() {
            // A pending interrupt would also stop the fold; a new statement ends it.
            let _ = conn.query_row("SELECT 1", [], |_| Ok(()));
        }
    }

    /// The writer, once nobody writes any more.
    fn writer_at_rest(&self) -> MutexGuard<'_, Option<Connection>> {
        loop {
            match self.writer.try_lock() {
                Ok(writer) => return writer,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
            // As a reader, a writer between two statements sees no interrupt.
            lock(&self.interrupt).interrupt();
            std::thread::sleep(ASK_AGAIN);
        }
    }

    /// Whether the book was shut down.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The folder of the book.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Time and randomness, as given to [`Book::open`].
    pub fn env(&self) -> &dyn Env {
        self.env.as_ref()
    }

    /// A new record id.
    pub fn new_id(&self) -> RecordId {
        RecordId::generate(self.env.as_ref())
    }

    /// A new id for an entry of a record.
    pub fn new_entry_id(&self) -> crate::id::EntryId {
        crate::id::EntryId::generate(self.env.as_ref())
    }

    /// For the start of a call, and for each record of a long one: reading documents is no statement that could be interrupted.
    ///
    /// # Errors
    /// [`Error::Closed`].
    fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Reads with a connection of its own, never waiting for a writer.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let (mut reading, idle) = {
            let mut readers = lock(&self.readers);
            // Under the lock that a shutdown takes: it either sees this reader or is seen here.
            self.check_open()?;
            let idle = readers.idle.pop();
            (Reading { book: self, place: readers.begin(), conn: None }, idle)
        };
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect(OpenMode::Read)?,
        };
        lock(&self.readers).set(reading.place, Place::Reading(conn.get_interrupt_handle()));
        let result = conn.unchecked_transaction().map_err(Error::from).and_then(|tx| read(&tx));
        let result = deciphers(&conn).and(result);
        // Back into the pool with the end of the reading.
        reading.conn = (!matches!(result, Err(Error::Corrupt(_)))).then_some(conn);
        drop(reading);
        result.map_err(|error| self.failed(error))
    }

    /// Writes in one transaction, then tells observers; nothing is told, and nothing kept, where `write` fails.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transact(write).map_err(|error| self.failed(error))
    }

    /// What a failed call tells: a statement that a shutdown interrupted is no failure of its own, and a record that
    /// cannot be opened is marked, so that the next sync fetches it.
    fn failed(&self, error: Error) -> Error {
        if self.is_closed() {
            return Error::Closed;
        }
        if let Error::Unreadable(id) = error {
            // The caller hears of the record; where even the mark fails, the store's next call says why.
            let _ = self.transact(|tx| tx.mark_unreadable(id));
        }
        error
    }

    fn transact<T>(&self, write: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let (result, changed) = self.with_writer(|conn| self.transact_on(conn, write))?;
        self.watchers.tell(&changed);
        Ok(result)
    }

    /// Works with the writer, when it is free.
    fn with_writer<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        self.check_open()?;
        let mut guard = lock(&self.writer);
        // The book may have been closed while this call waited for its turn.
        self.check_open()?;
        let mut conn = match guard.take() {
            Some(conn) => conn,
            None => {
                let conn = self.connect(OpenMode::Write)?;
                *lock(&self.interrupt) = conn.get_interrupt_handle();
                conn
            }
        };
        let result = work(&mut conn);
        deciphers(&conn)?;
        *guard = Some(conn);
        result
    }

    /// One transaction; also what it changed.
    fn transact_on<T>(
        &self,
        conn: &mut Connection,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T>,
    ) -> Result<(T, Vec<(Kind, RecordId)>)> {
        let sql = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        fault::begin(Site::Client, &sql)?;
        // Another process may have begun to write as a new one.
        let actor = identity::actor(&sql)?;
        let group = OpenGroup::new(self.env.as_ref());
        let mut tx = Tx {
            sql: &sql,
            env: self.env.as_ref(),
            actor,
            group,
            searched: Vec::new(),
            erased: false,
            taken_out: Vec::new(),
            fallen: HashSet::new(),
            changed: Vec::new(),
        };
        let result = write(&mut tx)?;
        tx.write_search()?;
        let erased = tx.erased;
        if erased {
            tx.forget_erased_words()?;
        }
        let changed = std::mem::take(&mut tx.changed);
        if self.is_closed() {
            return Err(Error::Closed);
        }
        fault::commit(Site::Client, sql)?;
        if erased {
            // The log may still hold pages as they were. Where somebody reads just now, a later checkpoint overwrites them.
            let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        Ok((result, changed))
    }

    /// A new connection, for the pool or the writer.
    fn connect(&self, mode: OpenMode) -> Result<Connection> {
        let mut conn = open(&self.dir, &self.vault.key, mode)?;
        end_when_closed(&mut conn, &self.closed)?;
        Ok(conn)
    }

    /// Reports commits of other processes to the observers. Apps call it when they come to the foreground; the Kotlin and
    /// Swift packages once a second while somebody watches.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn notice_other_processes(&self) -> Result<()> {
        let now = self.with_writer(|conn| data_version(conn)).map_err(|error| self.failed(error))?;
        let seen = std::mem::replace(&mut *lock(&self.seen_version), now);
        if seen != now {
            self.watchers.tell_many();
        }
        Ok(())
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Lets the statements of a connection fail, as interrupted ones do, once the book is closed. An interrupt itself reaches only
/// the statement that runs at that moment.
fn end_when_closed(conn: &mut Connection, closed: &Arc<AtomicBool>) -> Result<()> {
    let closed = Arc::clone(closed);
    Ok(conn.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || closed.load(Ordering::SeqCst)))?)
}

fn data_version(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}
