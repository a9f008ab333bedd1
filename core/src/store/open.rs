//! Opening the store: key, settings, migrations. Creating and opening are different calls.

use std::path::Path;
use std::sync::Once;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

use crate::error::{Error, Result};
use crate::fault::CIPHERED;

/// The name of the database in the book's folder.
pub(crate) const DATABASE: &str = "book.db";

/// The migrations in their order; a released one is never edited.
const MIGRATIONS: &[&str] = &[include_str!("sql/001_init.sql")];

/// `PRAGMA application_id` of a Roadbook store: "Rbk1".
const APPLICATION_ID: i32 = 0x5262_6b31;

/// The key of a store: 32 random bytes that the platform's key store keeps.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key in a slice.
    ///
    /// # Errors
    /// [`Error::WrongKey`] unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(|_| Error::WrongKey)
    }

    /// The statements that key a connection: the raw key and a salt derived from it, in SQLCipher's hexadecimal form.
    /// For tools that open the store beside the core, too. The salt must be known without the file, whose first 32 bytes
    /// stay plain so that iOS sees a SQLite file and lets it live in suspension.
    pub fn pragma(&self) -> String {
        if !CIPHERED {
            return String::new();
        }
        let mut salt = Sha256::new();
        salt.update(b"roadbook store salt 1");
        salt.update(self.0);
        let salt = salt.finalize();
        let salt: Vec<u8> = salt.iter().copied().take(16).collect();
        let encode = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        format!("PRAGMA key = \"x'{}{}'\"; PRAGMA cipher_plaintext_header_size = 32;", encode(&self.0), encode(&salt))
    }
}

impl Key {
    fn check(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(b"roadbook key check 1");
        hash.update(self.0);
        hash.finalize().iter().copied().take(8).collect()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// Makes a new store; fails where there is one.
    Create,
    /// Opens an existing store for writing, and migrates it.
    Write,
    /// Opens an existing store for reading.
    Read,
}

/// SQLite marks itself initialized before SQLCipher is: of several threads that open the first connections of a process
/// at once, some would find no cipher. One connection is therefore opened before all others.
static CIPHER: Once = Once::new();

/// Opens a connection with the product's settings.
pub(crate) fn open(dir: &Path, key: &Key, mode: OpenMode) -> Result<Connection> {
    CIPHER.call_once(|| drop(Connection::open_in_memory()));
    let path = dir.join(DATABASE);
    match (mode, path.exists()) {
        (OpenMode::Create, true) if dir.join(KEY_CHECK).exists() => return Err(Error::BookExists),
        (OpenMode::Write | OpenMode::Read, false) => return Err(Error::NoBook),
        _ => {}
    }
    let access = match mode {
        OpenMode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        OpenMode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        OpenMode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let mut conn = Connection::open_with_flags(&path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.execute_batch("PRAGMA cipher_log_level = NONE")?;
    let mut pragma = key.pragma();
    let keyed = conn.execute_batch(&pragma);
    pragma.zeroize();
    keyed?;
    conn.execute_batch("PRAGMA cipher_memory_security = OFF")?;
    // The first read decides whether the key is right.
    let opened = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(|error| wrong_key_or_damage(dir, key, error));
    if mode == OpenMode::Create {
        // A file that the key opens and that has no schema is what the death of an earlier creation left.
        match opened {
            Ok(()) if check_version(&conn)? > 0 => return Err(Error::BookExists),
            Err(Error::WrongKey) => return Err(Error::BookExists),
            opened => opened?,
        }
    } else {
        opened?;
    }
    if mode == OpenMode::Write && check_version(&conn)? == 0 {
        // An empty file is no book, and one that was a book has lost everything.
        let was_one = dir.join(KEY_CHECK).exists();
        return Err(if was_one { Error::Corrupt("the file of the book is empty".into()) } else { Error::NoBook });
    }
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.set_prepared_statement_cache_capacity(128);
    // Otherwise SQLite looks at bound values when it plans, and plans a statement anew when others are bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA cache_size = -8000;",
    )?;
    if mode != OpenMode::Read {
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304;")?;
    }
    match mode {
        OpenMode::Read => {
            check_version(&conn)?;
        }
        OpenMode::Write => {
            migrate(&mut conn)?;
            if !dir.join(KEY_CHECK).exists() {
                // The creation died before its last step. A book without the check works, so the disk may refuse it.
                let _ = write_key_check(dir, key);
            }
        }
        OpenMode::Create => {
            migrate(&mut conn)?;
            write_key_check(dir, key)?;
        }
    }
    deciphers(&conn)?;
    Ok(conn)
}

/// Whether a connection deciphered every page that it met. After one that it could not, SQLCipher gives zeros for it and for
/// each page that it has not read yet, and writes nothing any more, for as long as the connection lives: what was read may be
/// wrong, whatever became of it.
///
/// # Errors
/// [`Error::Corrupt`].
pub(crate) fn deciphers(conn: &Connection) -> Result<()> {
    // Answered when it is prepared: never from a cache. A question that a shutdown interrupts has no answer.
    let failed = conn.query_row("PRAGMA cipher_status", [], |row| Ok(row.get_ref(0)?.as_str()? == "0"));
    if CIPHERED && failed.unwrap_or_default() {
        return Err(Error::Corrupt("a page of the file cannot be deciphered".into()));
    }
    Ok(())
}

/// The name of the file beside the database that tells a wrong key from a damaged first page.
const KEY_CHECK: &str = "key.check";

fn write_key_check(dir: &Path, key: &Key) -> Result<()> {
    std::fs::write(dir.join(KEY_CHECK), key.check()).map_err(|source| Error::io("cannot write the key check", source))
}

/// To SQLCipher a wrong key and a damaged first page look the same. Eight bytes of a hash of the key, which say nothing
/// about its 32 random ones, tell them apart.
fn wrong_key_or_damage(dir: &Path, key: &Key, error: rusqlite::Error) -> Error {
    let unreadable =
        matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt));
    match (unreadable, std::fs::read(dir.join(KEY_CHECK))) {
        (false, _) => error.into(),
        (true, Ok(check)) if check == key.check() => {
            Error::Corrupt("the pages that say what the file holds cannot be read".into())
        }
        (true, _) => Error::WrongKey,
    }
}

fn check_version(conn: &Connection) -> Result<usize> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let found = usize::try_from(found).map_err(|_| Error::Corrupt("negative schema version".into()))?;
    if found > MIGRATIONS.len() {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        return Err(Error::UpgradeNeeded { found: number(found), supported: number(MIGRATIONS.len()) });
    }
    Ok(found)
}

fn migrate(conn: &mut Connection) -> Result<()> {
    if check_version(conn)? == MIGRATIONS.len() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have migrated between the look and the lock.
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(check_version(&tx)?) {
        tx.execute_batch(sql)?;
        tx.execute_batch(&format!("PRAGMA user_version = {}; PRAGMA application_id = {APPLICATION_ID};", at + 1))?;
    }
    tx.commit()?;
    Ok(())
}
