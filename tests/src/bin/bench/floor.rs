//! The floor: the same rows by raw rusqlite on SQLCipher, with the tables, indexes, FTS5 and settings of the store
//! written out, and no documents.

use std::path::Path;
use std::time::{Duration, Instant};

use roadbook_core::Key;
use roadbook_core::id::RecordId;
use roadbook_core::search::SearchText;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// The key of all stores of the benchmark.
pub const KEY: [u8; 32] = [7; 32];

const SCHEMA: &str = "
CREATE TABLE record (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE contact (
    n INTEGER PRIMARY KEY, sort TEXT NOT NULL, letter TEXT NOT NULL, deleted_ms INTEGER, deleted_offset INTEGER, given_name TEXT NOT NULL,
    family_name TEXT NOT NULL, organization TEXT NOT NULL, job_title TEXT NOT NULL, owner TEXT, tags TEXT, channels TEXT
) STRICT;
CREATE INDEX contact_sort ON contact (sort, n) WHERE deleted_ms IS NULL;
CREATE VIRTUAL TABLE search USING fts5 (words, latin, content = '', contentless_delete = 1, detail = 'column', tokenize = 'unicode61 remove_diacritics 0');
CREATE VIRTUAL TABLE phone USING fts5 (digits, content = '', contentless_delete = 1, tokenize = 'trigram');
";
const SETTINGS: &str = "PRAGMA cipher_memory_security = OFF; PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA cache_size = -8000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 4194304;";
const INSERT: &str = "INSERT INTO contact(n, sort, letter, deleted_ms, deleted_offset, given_name, family_name, organization, job_title, owner, tags, channels)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A contact as rows.
pub struct Rows {
    id: RecordId,
    contact: Vec<Value>,
    search: SearchText,
}

fn connect(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("a database");
    conn.execute_batch(&Key::new(KEY).pragma()).expect("the key");
    conn.execute_batch(SETTINGS).expect("the settings");
    conn.set_prepared_statement_cache_capacity(64);
    conn
}

/// The rows of a book's contacts.
pub fn rows(book: &Path, search: impl Fn(RecordId) -> SearchText) -> Vec<Rows> {
    let conn = connect(&book.join("book.db"));
    let sql = "SELECT d.id, t.n, t.sort, t.letter, t.deleted_ms, t.deleted_offset, t.given_name, t.family_name, t.organization, t.job_title,
               t.owner, t.tags, t.channels FROM contact t JOIN doc d ON d.n = t.n ORDER BY t.n";
    let mut statement = conn.prepare(sql).expect("a query");
    let rows = statement.query_map([], |row| {
        let id: Vec<u8> = row.get(0)?;
        let contact = (1..13).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()?;
        Ok((RecordId::from_slice(&id).expect("an id"), contact))
    });
    let rows: Vec<_> = rows.expect("rows").collect::<Result<_, _>>().expect("rows");
    rows.into_iter().map(|(id, contact)| Rows { id, contact, search: search(id) }).collect()
}

/// Writes all rows into a new database, a transaction for each 5 000.
pub fn bulk(path: &Path, rows: &[Rows]) -> Duration {
    let begun = Instant::now();
    let mut conn = connect(path);
    conn.execute_batch(SCHEMA).expect("the schema");
    for part in rows.chunks(5000) {
        let tx = conn.transaction().expect("a transaction");
        for row in part {
            tx.prepare_cached("INSERT INTO record(n, id) VALUES (?1, ?2)")
                .expect("SQL")
                .execute((&row.contact[0], row.id.as_bytes()))
                .expect("a row");
            tx.prepare_cached(INSERT).expect("SQL").execute(params_from_iter(&row.contact)).expect("a row");
            index(&tx, &row.contact[0], &row.search);
        }
        tx.commit().expect("a commit");
    }
    begun.elapsed()
}

fn index(conn: &Connection, n: &Value, search: &SearchText) {
    let (words, latin, digits) = search.columns();
    conn.prepare_cached("INSERT INTO search(rowid, words, latin) VALUES (?1, ?2, ?3)")
        .expect("SQL")
        .execute((n, words, latin))
        .expect("a row");
    if !digits.is_empty() {
        conn.prepare_cached("INSERT INTO phone(rowid, digits) VALUES (?1, ?2)")
            .expect("SQL")
            .execute((n, digits))
            .expect("a row");
    }
}

/// Changes one column of a row and its search text, durably, `count` times.
pub fn saves(path: &Path, rows: &[Rows], count: usize) -> Vec<Duration> {
    let mut conn = connect(path);
    let step = (rows.len() / count).max(1);
    rows.iter()
        .step_by(step)
        .take(count)
        .enumerate()
        .map(|(at, row)| {
            let begun = Instant::now();
            let tx = conn.transaction().expect("a transaction");
            let n = &row.contact[0];
            let (words, latin, _) = row.search.columns();
            tx.prepare_cached("UPDATE contact SET job_title = ?2 WHERE n = ?1")
                .expect("SQL")
                .execute((n, format!("Director {at}")))
                .expect("a row");
            tx.prepare_cached("DELETE FROM search WHERE rowid = ?1").expect("SQL").execute([n]).expect("a row");
            let words = format!("{words} director {at}");
            tx.prepare_cached("INSERT INTO search(rowid, words, latin) VALUES (?1, ?2, ?3)")
                .expect("SQL")
                .execute((n, words, latin))
                .expect("a row");
            tx.commit().expect("a commit");
            begun.elapsed()
        })
        .collect()
}
