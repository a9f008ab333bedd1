//! Checking and repairing what is derived. The documents, the outbox and the identity are never derived.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, ErrorCode};

use super::Book;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::record::Kind;
use crate::search::SearchText;
use crate::store::{DocState, StoredDoc, Tx, links, row_values, stored_links, stored_row};

/// What [`Book::rebuild`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Records whose rows were made again.
    pub records: u64,
    /// Records that cannot be opened: lists show their rows as they were, search finds them when they were fetched again.
    pub unreadable: Vec<RecordId>,
}

/// What [`Book::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// SQLite finds the file damaged.
    File {
        /// What was found.
        fault: String,
    },
    /// The record's document cannot be opened, or is not the one that its head names.
    Unreadable {
        /// The record's id.
        id: RecordId,
    },
    /// Lists, links or searches do not show what the document holds: a rebuild repairs it.
    RowDiffers {
        /// The record's id.
        id: RecordId,
    },
}

const BATCH: u32 = 500;

impl Book {
    /// Makes every derived row again from the documents: query tables, links, search.
    ///
    /// # Errors
    /// Those of the store; nothing is changed then.
    pub fn rebuild(&self) -> Result<RebuildReport> {
        self.write(|tx| self.rederive_all(tx))
    }

    pub(super) fn rederive_all(&self, tx: &mut Tx<'_>) -> Result<RebuildReport> {
        let mut report = RebuildReport::default();
        tx.sql
            .execute_batch("INSERT INTO search(search) VALUES ('delete-all'); INSERT INTO phone(phone) VALUES ('delete-all');")?;
        for kind in Kind::ALL {
            // Rows of no record.
            let table = kind.definition().table;
            tx.sql.execute(&format!("DELETE FROM {table} WHERE n NOT IN (SELECT n FROM doc WHERE kind = ?1)"), [kind.code()])?;
        }
        let mut after = 0;
        loop {
            let batch = StoredDoc::after(tx.sql, after, BATCH)?;
            let Some(last) = batch.last() else { return Ok(report) };
            after = last.n;
            for stored in &batch {
                self.check_open()?;
                match stored.open() {
                    // Nothing is derived from a record of an unknown kind.
                    _ if stored.known_kind().is_none() => {}
                    Ok(document) => {
                        tx.rederive(stored, &document)?;
                        report.records += 1;
                    }
                    Err(_) => {
                        tx.mark_unreadable(stored.id)?;
                        report.unreadable.push(stored.id);
                    }
                }
            }
        }
    }

    /// Checks the file, and every document against its row, its links and the searches, and changes nothing. What cannot be read
    /// is a finding. The searches must find each record by its first words; that they find it by no others is not checked: they
    /// keep no text, and their words are sorted by word, so that to tell those of one record means to read all.
    ///
    /// # Errors
    /// Those of the store.
    pub fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for look in [faults_of_pages, faults_of_file] {
            let faults = note_damage(self.read(look), &mut findings)?.unwrap_or_default();
            findings.extend(faults.into_iter().map(|fault| Finding::File { fault }));
        }
        let records = note_damage(self.all_records(), &mut findings)?.unwrap_or_default();
        for batch in records.chunks(BATCH as usize) {
            let looked = self.read_each(batch, |conn, record| self.look_at(conn, record))?;
            for ((n, id), looked) in batch.iter().zip(looked) {
                if let Some(found) = note_damage(looked, &mut findings)? {
                    findings.extend(found);
                    continue;
                }
                let opens = self.read(|conn| Ok(StoredDoc::numbered(conn, *n)?.is_some_and(|stored| stored.open().is_ok())));
                let opens = note_damage(opens, &mut findings)?.unwrap_or_default();
                findings.push(if opens { Finding::RowDiffers { id: *id } } else { Finding::Unreadable { id: *id } });
            }
        }
        Ok(findings)
    }

    /// The number and the id of every record, in the order of the numbers. Both stand in an index and in the table: one of them
    /// that is whole is enough.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where both are damaged.
    pub(super) fn all_records(&self) -> Result<Vec<(i64, RecordId)>> {
        let list = |from: &str| {
            self.read(|conn| {
                let mut statement = conn.prepare(&format!("SELECT n, id FROM {from}"))?;
                let mut records = statement.query_map([], numbered_id)?.collect::<rusqlite::Result<Vec<_>>>()?;
                records.sort_unstable();
                Ok(records)
            })
        };
        match list("doc INDEXED BY sqlite_autoindex_doc_1") {
            Err(Error::Corrupt(_)) => list("doc NOT INDEXED"),
            listed => listed,
        }
    }

    /// Looks at each of the items in one read, so that no save falls between two of them. Where that meets damage, each is looked
    /// at on its own, and [`Error::Corrupt`] stands in its place only.
    ///
    /// # Errors
    /// Every other one.
    pub(super) fn read_each<T, R>(&self, items: &[T], look: impl Fn(&Connection, &T) -> Result<R>) -> Result<Vec<Result<R>>> {
        match self.read(|conn| items.iter().map(|item| look(conn, item)).collect::<Result<Vec<_>>>()) {
            Err(Error::Corrupt(_)) => {}
            looked => return Ok(looked?.into_iter().map(Ok).collect()),
        }
        let alone = |item| match self.read(|conn| look(conn, item)) {
            Err(error) if !matches!(error, Error::Corrupt(_)) => Err(error),
            looked => Ok(looked),
        };
        items.iter().map(alone).collect()
    }

    /// Compares a record with what is derived from it. One that an erasure took away meanwhile has nothing to compare.
    fn look_at(&self, conn: &Connection, (n, id): &(i64, RecordId)) -> Result<Option<Finding>> {
        self.check_open()?;
        let Some(stored) = StoredDoc::numbered(conn, *n)? else { return Ok(None) };
        Ok(match stored.open() {
            Err(_) => Some(Finding::Unreadable { id: *id }),
            Ok(_) if stored.known_kind().is_none() => None,
            Ok(document) => (!is_derived(conn, &stored, &document)?).then_some(Finding::RowDiffers { id: *id }),
        })
    }

    /// Opens up to `limit` documents that came from the server and were never opened, or whose rows an older release
    /// derived, and makes their rows from them; those with fields that the older release did not know come first.
    /// Returns how many are left. Meant for the background, after each sync: conflicts of others show only then.
    ///
    /// # Errors
    /// Those of the store.
    pub fn verify_some(&self, limit: u32) -> Result<u64> {
        let may_be_older = !self.rows_are_current.load(Ordering::Relaxed);
        let (unopened, older) = (unopened(), older());
        let left = |conn: &Connection| -> Result<(u64, u64)> {
            let count = |condition: &str| -> Result<u64> {
                let sql = format!("SELECT count(*) FROM doc WHERE {condition}");
                Ok(conn.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
            };
            Ok((count(&unopened)?, if may_be_older { count(&older)? } else { 0 }))
        };
        // Mostly nothing is left, and a look needs no turn to write.
        let now = self.read(left)?;
        let open = |tx: &mut Tx<'_>| {
            let select = |condition: &str, limit: u32| -> Result<Vec<Vec<u8>>> {
                let sql = format!("SELECT id FROM doc WHERE {condition} ORDER BY has_unknown DESC, n LIMIT ?1");
                let mut statement = tx.sql.prepare_cached(&sql)?;
                Ok(statement.query_map([limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
            };
            let mut ids = select(&unopened, limit)?;
            if may_be_older {
                ids.extend(select(&older, limit.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX)))?);
            }
            for id in ids.iter().filter_map(|id| RecordId::from_slice(id)) {
                self.check_open()?;
                match tx.open_doc(id) {
                    // Opening made the row again.
                    Ok(_) => {}
                    Err(crate::Error::Unreadable(id)) => tx.mark_unreadable(id)?,
                    Err(error) => return Err(error),
                }
            }
            left(tx.sql)
        };
        let (unopened, older) = if limit == 0 || now == (0, 0) { now } else { self.write(open)? };
        self.rows_are_current.store(older == 0, Ordering::Relaxed);
        Ok(unopened + older)
    }
}

/// The condition of documents of known kinds that were not opened yet.
fn unopened() -> String {
    let known = Kind::ALL.map(|kind| kind.code().to_string()).join(", ");
    format!("state = {} AND kind IN ({known})", DocState::Unverified)
}

/// The condition of opened documents with a row that an older release derived.
fn older() -> String {
    let older = Kind::ALL.map(|kind| {
        let (major, minor) = kind.definition().row_version;
        format!("(kind = {} AND (row_major, row_minor) < ({major}, {minor}))", kind.code())
    });
    format!("state = {} AND ({})", DocState::Verified, older.join(" OR "))
}

/// The number and the id of a record.
pub(super) fn numbered_id(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, RecordId)> {
    Ok((row.get(0)?, RecordId::from_slice(&row.get::<_, Vec<u8>>(1)?).unwrap_or_default()))
}

fn faults_of_pages(conn: &Connection) -> Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA cipher_integrity_check")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn faults_of_file(conn: &Connection) -> Result<Vec<String>> {
    // FTS5 checks what the connection last knew of an index, and learns what others wrote by a query only: without one, the
    // check of the file would find damage where there is none.
    let mut faults = Vec::new();
    for index in ["search", "phone"] {
        for query in [format!("{index} MATCH 'abc'"), "true".to_owned()] {
            match conn.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {index} WHERE {query})"), [], |_| Ok(())) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    faults.push(format!("the index {index} is damaged"));
                }
                asked => asked?,
            }
        }
    }
    faults.dedup();
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    faults.extend((said != "ok").then_some(said));
    Ok(faults)
}

/// Takes what a look gave; that a part cannot be read is a finding, and the other parts are looked at all the same.
fn note_damage<T>(looked: Result<T>, findings: &mut Vec<Finding>) -> Result<Option<T>> {
    match looked {
        Ok(seen) => Ok(Some(seen)),
        Err(Error::Corrupt(fault)) => {
            let finding = Finding::File { fault };
            if !findings.contains(&finding) {
                findings.push(finding);
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether what is derived from a document says what it holds: the query table's row, the links, some words of the searches,
/// and how many fields are disputed once it was opened.
fn is_derived(conn: &Connection, stored: &StoredDoc, document: &Document) -> Result<bool> {
    let reading = document.read(None);
    let is_same = row_values(&reading.values) == stored_row(conn, stored.n, document.definition())?;
    // Another release may see other links, words and disputes in the same document.
    if !is_same || !stored.is_derived_here() {
        return Ok(is_same);
    }
    let is_counted = stored.state != DocState::Verified || usize::try_from(stored.disputed) == Ok(reading.disputed.len());
    Ok(is_counted
        && stored_links(conn, stored.n)? == links(&reading.values)
        && SearchText::of(&reading.values).finds(conn, stored.n)?)
}

#[cfg(test)]
mod tests {
    use crate::book::sync::wanted_sql;
    use crate::store::DocState;

    /// How SQLite goes about a statement on a book's tables.
    fn plan(sql: &str) -> String {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../store/sql/001_init.sql")).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![None::<i64>; statement.parameter_count()];
        let lines = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_runs_with_every_sync_and_in_the_background_goes_through_no_table_of_documents() {
        let unopened = super::unopened();
        for sql in [
            wanted_sql(),
            format!("SELECT id FROM doc WHERE {unopened} ORDER BY has_unknown DESC, n LIMIT 9"),
            format!("SELECT count(*) FROM doc WHERE {unopened}"),
            format!("SELECT count(*) FROM doc WHERE state = {}", DocState::Unreadable),
            "SELECT count(*) FROM doc WHERE disputed > 0".to_owned(),
        ] {
            let plan = plan(&sql);
            let whole = plan.lines().find(|line| line.starts_with("SCAN doc") && !line.contains("USING"));
            assert_eq!(whole, None, "{sql}:\n{plan}");
            assert!(!plan.contains("FOR ORDER BY"), "{sql}:\n{plan}");
        }
    }
}
