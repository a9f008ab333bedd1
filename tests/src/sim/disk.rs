//! Stores in memory, copied from ready-made ones: no seed runs migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roadbook_core::Key;
use roadbook_core::book::{Book, Vault};
use roadbook_server::admin;
use roadbook_server::data::Data;
use roadbook_server::store::{DATABASE, Role};

use crate::World;

/// The workspaces of every world; the first is the one where most happens.
pub const WORKSPACES: [&str; 2] = ["North", "South"];
/// The people of each workspace.
pub const PEOPLE: [&str; 2] = ["Anna Berg", "Boris Król"];
/// What they may do.
const ROLES: [Role; 2] = [Role::Manager, Role::Rep];

/// Where seeds keep their stores, and what they begin with.
pub struct Disk {
    root: tempfile::TempDir,
    book: Vec<u8>,
    key_check: Vec<u8>,
    server: Vec<u8>,
    secret: Vec<u8>,
}

/// The key of every store: deriving and checking keys is not what is simulated.
pub fn key() -> Key {
    Key::new([7; 32])
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Writes a file anew.
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
}

/// The database of a book, closed.
pub fn read_book(dir: &Path) -> Vec<u8> {
    read(&dir.join(Book::FILE))
}

/// Puts a closed book's database into a folder, instead of what is there.
pub fn write_book(dir: &Path, bytes: &[u8]) {
    for log in ["book.db-wal", "book.db-shm"] {
        // Mostly there is none.
        let _ = std::fs::remove_file(dir.join(log));
    }
    write(&dir.join(Book::FILE), bytes);
}

impl Disk {
    /// Makes the stores that seeds begin with; in memory where the system has a folder there.
    pub fn new() -> Self {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::Builder::new().prefix("roadbook-simulate-").tempdir_in(base).expect("a temporary folder");
        let world = World::new(u64::MAX);
        let dir = root.path().join("book");
        let vault = Vault { key: key(), incarnation: [0; 16] };
        Book::create(&dir, vault, world.clone()).expect("a book").shutdown();
        let data = root.path().join("server");
        let opened = Data::open_or_create(&data, world.as_ref()).expect("server data");
        for name in WORKSPACES {
            let store = opened.store.as_ref();
            let workspace = admin::create_workspace(store, world.as_ref(), name).expect("a workspace");
            for (person, role) in PEOPLE.into_iter().zip(ROLES) {
                admin::add_person(store, world.as_ref(), workspace, person, role).expect("a person");
            }
        }
        opened.store.close();
        Self {
            book: read_book(&dir),
            key_check: read(&dir.join("key.check")),
            server: read(&data.join(DATABASE)),
            secret: read(&data.join(roadbook_server::data::SECRET)),
            root,
        }
    }

    /// A folder for one seed's stores.
    pub fn folder(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.root.path()).expect("a temporary folder")
    }

    /// A new device's store in a folder.
    pub fn place_book(&self, dir: &Path) {
        self.place_copy(dir, &self.book);
    }

    /// A copy of a closed store in a new folder.
    pub fn place_copy(&self, dir: &Path, book: &[u8]) {
        std::fs::create_dir_all(dir).expect("a folder");
        write_book(dir, book);
        write(&dir.join("key.check"), &self.key_check);
    }

    /// A new server's data in a folder.
    pub fn place_server(&self, dir: &Path) -> PathBuf {
        std::fs::create_dir_all(dir).expect("a folder");
        write(&dir.join(DATABASE), &self.server);
        write(&dir.join(roadbook_server::data::SECRET), &self.secret);
        dir.to_owned()
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

/// A world of one machine: its own clock, and randomness of the seed.
pub fn machine(seed: u64, number: u64) -> Arc<World> {
    World::new(seed.wrapping_mul(0x0100_0000_01b3).wrapping_add(number.wrapping_mul(0x9e37_79b9)))
}
