//! A device: a folder with a real book, the session that it is in, and what its user has open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use roadbook_core::book::{Book, Notice, Vault, Watch, Watcher};
use roadbook_core::env::Env as _;
use roadbook_core::id::RecordId;
use roadbook_core::record::Kind;
use roadbook_core::sync::{Request, Session};
use roadbook_core::{Error, Result};
use rusqlite::params;

use super::disk;
use super::edits::Form;
use super::model::{Documents, Heads, erased, holds};
use crate::World;

/// A sync that others' steps may interrupt.
pub struct Live {
    /// The session.
    pub session: Session,
    /// What it wants to send.
    pub request: Request,
    /// Whether an edit came between.
    pub edited: bool,
}

/// A copy of a phone's store.
pub struct PhoneBackup {
    /// The database.
    pub book: Vec<u8>,
    /// How many edits had been kept by anybody.
    pub tokens: usize,
}

/// What the book has told its observer.
#[derive(Default)]
pub struct Told(Mutex<(bool, BTreeSet<RecordId>)>);

impl Told {
    /// Begins anew.
    pub fn forget(&self) {
        *self.0.lock().expect("what was told") = (false, BTreeSet::new());
    }

    /// Whether a record was among it.
    pub fn knows(&self, record: RecordId) -> bool {
        let told = self.0.lock().expect("what was told");
        told.0 || told.1.contains(&record)
    }
}

impl Watcher for Told {
    fn changed(&self, notice: &Notice) {
        let mut told = self.0.lock().expect("what was told");
        match &notice.records {
            Some(records) => told.1.extend(records.iter().map(|(_, id)| *id)),
            None => told.0 = true,
        }
    }
}

/// A device with its store.
pub struct Device {
    /// Its number; also that of its machine.
    pub index: usize,
    /// The device whose store it began as.
    pub lineage: usize,
    /// Its workspace.
    pub ws: usize,
    /// Whose it is.
    pub person: &'static str,
    /// How often its store became another one.
    pub life: u32,
    /// Its clock and randomness.
    pub world: Arc<World>,
    /// What opens the book.
    pub vault: Vault,
    /// The book.
    pub book: Arc<Book>,
    /// What its observer was told.
    pub told: Arc<Told>,
    watch: Arc<Watch>,
    /// A sync in progress.
    pub live: Option<Live>,
    /// Forms that were opened and not saved.
    pub forms: Vec<Form>,
    /// Drafts that were kept.
    pub drafts: BTreeMap<String, Form>,
    /// Cards that its user has: UID and word.
    pub cards: Vec<(String, String)>,
    /// A copy of the store.
    pub backup: Option<PhoneBackup>,
    /// An invitation that it may have used.
    pub invitation: Option<String>,
    /// Epoch and known number of its last request.
    pub seen: Option<(Vec<u8>, u64)>,
    /// Whether the server has revoked it.
    pub revoked: bool,
    /// Whether it must join before it syncs again.
    pub joins: bool,
    /// Whether it has not synced since the server was put back.
    pub behind: bool,
    dir: PathBuf,
}

impl Device {
    /// A device over a store in `dir`.
    pub fn new(index: usize, ws: usize, person: &'static str, dir: PathBuf, world: Arc<World>) -> Self {
        let mut incarnation = [0; 16];
        world.fill(&mut incarnation);
        let vault = Vault { key: disk::key(), incarnation };
        let book = Book::open(&dir, vault.clone(), world.clone()).expect("a book");
        let told = Arc::new(Told::default());
        Self {
            watch: book.watch(told.clone()),
            told,
            index,
            lineage: index,
            ws,
            person,
            life: 0,
            world,
            vault,
            book: Arc::new(book),
            live: None,
            forms: Vec::new(),
            drafts: BTreeMap::new(),
            cards: Vec::new(),
            backup: None,
            invitation: None,
            seen: None,
            revoked: false,
            joins: true,
            behind: false,
            dir,
        }
    }

    /// The process ends: what is open is gone.
    pub fn close(&mut self) {
        self.live = None;
        self.forms.clear();
        self.watch.cancel();
        self.book.shutdown();
    }

    /// The process begins again.
    pub fn open(&mut self) -> Result<()> {
        self.book = Arc::new(Book::open(&self.dir, self.vault.clone(), self.world.clone())?);
        self.watch = self.book.watch(self.told.clone());
        Ok(())
    }

    /// The process ends and begins again.
    pub fn restart(&mut self) {
        self.close();
        self.open().expect("a book that was there opens");
    }

    /// Another store than before, by the id that the platform keeps.
    pub fn reincarnate(&mut self) {
        self.world.fill(&mut self.vault.incarnation);
        self.life += 1;
    }

    /// The bytes of the store; the process is closed.
    pub fn bytes(&self) -> Vec<u8> {
        disk::read_book(&self.dir)
    }

    /// Puts a store in the place of this one; the process is closed.
    pub fn put_back(&self, book: &[u8]) {
        disk::write_book(&self.dir, book);
    }

    /// The documents of the store.
    pub fn documents(&self) -> Documents {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT id, kind, bytes FROM doc").expect("a query");
        let rows = statement.query_map([], |row| Ok((RecordId::from_bytes(row.get(0)?), (row.get(1)?, row.get(2)?))));
        rows.and_then(Iterator::collect).expect("documents")
    }

    /// Whether an edit of a record that was not taken, of that generation or a later one, holds a word.
    pub fn keeps_edit(&self, record: RecordId, generation: u32, word: &str) -> bool {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT bytes FROM outbox WHERE doc = ?1 AND gen >= ?2").expect("a query");
        let edits = statement.query_map(params![record.as_bytes(), generation], |row| row.get::<_, Vec<u8>>(0)).expect("edits");
        edits.map(|bytes| bytes.expect("an edit")).any(|bytes| holds(&bytes, word))
    }

    fn raw(&self) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open(self.dir.join(Book::FILE)).expect("the database");
        conn.execute_batch(&self.vault.key.pragma()).expect("the key");
        conn
    }

    /// The generation and the heads of each record.
    pub fn heads(&self) -> Heads {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT id, gen, heads FROM doc").expect("a query");
        let rows = statement.query_map([], |row| Ok((RecordId::from_bytes(row.get(0)?), (row.get(1)?, row.get(2)?))));
        rows.and_then(Iterator::collect).expect("heads")
    }

    /// The records of each group that waits to be sent.
    pub fn waiting(&self) -> Vec<BTreeSet<RecordId>> {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT grp, doc FROM outbox WHERE state = 0").expect("a query");
        let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, RecordId::from_bytes(row.get(1)?))));
        let mut groups: BTreeMap<Vec<u8>, BTreeSet<RecordId>> = BTreeMap::new();
        for row in rows.expect("a query") {
            let (group, record) = row.expect("a change");
            groups.entry(group).or_default().insert(record);
        }
        groups.into_values().collect()
    }

    /// The records that cannot be opened, or of which something was set aside.
    pub fn set_aside(&self) -> BTreeSet<RecordId> {
        let conn = self.raw();
        let sql = "SELECT id FROM doc WHERE state = 2 UNION SELECT doc FROM quarantine WHERE length(bytes) > 0";
        let mut statement = conn.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| Ok(RecordId::from_bytes(row.get(0)?)));
        rows.and_then(Iterator::collect).expect("records")
    }

    /// What lists show of each record, and its links: every column but the numbers of rows.
    pub fn rows(&self) -> BTreeMap<RecordId, Vec<String>> {
        let conn = self.raw();
        let mut shown: BTreeMap<RecordId, Vec<String>> = BTreeMap::new();
        for table in Kind::ALL.map(|kind| kind.definition().table).into_iter().chain(["link"]) {
            let sql = format!("SELECT d.id, t.* FROM {table} t JOIN doc d ON d.n = t.n ORDER BY t.rowid");
            let sql = if table == "link" { sql.replace("t.rowid", "t.field, t.target") } else { sql };
            let mut statement = conn.prepare(&sql).expect("a table");
            let columns = statement.column_count();
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                let text: String = (2..columns).map(|at| format!("|{:?}", row.get_ref_unwrap(at))).collect();
                shown.entry(RecordId::from_bytes(row.get_unwrap(0))).or_default().push(text);
            }
        }
        shown
    }

    /// The generations of the records that were erased.
    pub fn erased(&self) -> BTreeMap<RecordId, u32> {
        erased(self.heads())
    }

    /// The device's id on the server.
    pub fn id(&self) -> Option<String> {
        self.book.account().ok().flatten().map(|account| account.device.to_string())
    }
}

/// The name of an error that a caller of the book may well get.
pub fn told(error: &Error) -> Option<&'static str> {
    match error {
        Error::Invalid(_) => Some("invalid"),
        Error::UnknownVersion => Some("unknown version"),
        Error::NotFound { .. } => Some("not found"),
        Error::NothingToUndo => Some("nothing to undo"),
        Error::Unreadable(_) => Some("unreadable"),
        Error::NotAllowed => Some("not allowed"),
        _ => None,
    }
}
