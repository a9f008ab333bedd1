//! What the behaviour tests share: a world with its own clock and randomness, and devices in it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a broken fixture must stop the test"
)]

pub mod damage;
pub mod line;
pub mod namespace;
pub mod process;
pub mod random;
pub mod relay;
pub mod server;
#[cfg(feature = "simulate")]
pub mod sim;
pub mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use roadbook_core::book::{Book, Vault};
use roadbook_core::env::Env;
use roadbook_core::value::Instant;
use roadbook_core::{Key, Result};

/// A clock that moves when it is told, and randomness that repeats.
pub struct World {
    ms: AtomicI64,
    ticks: AtomicU64,
    seed: AtomicU64,
}

impl World {
    /// A world at a fixed moment with a seed.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            ms: AtomicI64::new(1_790_000_000_000),
            ticks: AtomicU64::new(0),
            seed: AtomicU64::new(seed.wrapping_mul(2).wrapping_add(1)),
        })
    }

    /// Time goes by; a negative one is a clock that somebody sets back.
    pub fn pass(&self, ms: i64) {
        self.set_clock(ms);
        self.ticks.fetch_add(ms.try_into().unwrap_or(0), Ordering::SeqCst);
    }

    /// Somebody sets the clock by so many milliseconds, forward or back.
    pub fn set_clock(&self, by_ms: i64) {
        self.ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Env for World {
    fn now(&self) -> Instant {
        Instant { ms: self.ms.load(Ordering::SeqCst), offset_minutes: 60 }
    }

    fn ticks_ms(&self) -> u64 {
        self.ticks.load(Ordering::SeqCst)
    }

    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // Every byte moves the seed on, so that no two ids are equal.
            let seed = self.seed.fetch_add(random::STEP, Ordering::SeqCst);
            *byte = random::mix(seed).to_be_bytes()[7];
        }
    }
}

/// A device: a folder with a book.
pub struct Device {
    /// The folder; it goes when the device goes.
    pub dir: tempfile::TempDir,
    /// What opens the book.
    pub vault: Vault,
    /// The book.
    pub book: Arc<Book>,
    world: Arc<World>,
}

impl Device {
    /// A device with a new book.
    pub fn new(world: &Arc<World>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut key = [0; 32];
        let mut incarnation = [0; 16];
        world.fill(&mut key);
        world.fill(&mut incarnation);
        let vault = Vault { key: Key::new(key), incarnation };
        let book = Book::create(dir.path(), vault.clone(), world.clone()).expect("a new book");
        Self { dir, vault, book: Arc::new(book), world: world.clone() }
    }

    /// Closes the book and opens it again, as after the death of the process.
    pub fn restart(&mut self) -> Result<()> {
        self.book.shutdown();
        self.book = Arc::new(Book::open(self.dir.path(), self.vault.clone(), self.world.clone())?);
        Ok(())
    }

    /// A second device with a copy of this one's store; one that notices it has an incarnation of its own.
    ///
    /// # Errors
    /// Those of opening a book.
    pub fn copied(&mut self, notices: bool) -> Result<Self> {
        self.book.shutdown();
        let mut copy = Self::new(&self.world);
        copy.book.shutdown();
        for name in [Book::FILE, "key.check"] {
            std::fs::copy(self.dir.path().join(name), copy.dir.path().join(name)).expect("a copied file");
        }
        let incarnation = if notices { copy.vault.incarnation } else { self.vault.incarnation };
        copy.vault = Vault { incarnation, ..self.vault.clone() };
        copy.restart()?;
        self.restart()?;
        Ok(copy)
    }

    /// The database as SQLite sees it with the key: for tests that damage it, or look at it.
    pub fn raw(&self) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open(self.dir.path().join("book.db")).expect("the database");
        conn.execute_batch(&self.vault.key.pragma()).expect("the key");
        conn
    }

    /// Every derived table, row by row, as text.
    pub fn dump(&self) -> String {
        let conn = self.raw();
        let mut dump = String::new();
        for table in ["doc", "contact", "deal", "task", "link"] {
            let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).expect("a table");
            let columns = statement.column_count();
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                let values: Vec<String> =
                    (0..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).expect("a value"))).collect();
                dump.push_str(&format!("{table} {}\n", values.join(" ")));
            }
        }
        dump
    }
}
