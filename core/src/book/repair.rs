//! Checking and repairing what is derived. The documents, the outbox and the identity are never derived.

use std::sync::atomic::Ordering;

use super::Book;
use crate::error::Result;
use crate::id::RecordId;
use crate::record::Kind;
use crate::store::{DocState, StoredDoc};

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
    /// The query table does not show what the document holds: a rebuild repairs it.
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
        self.write(|tx| {
            let mut report = RebuildReport::default();
            tx.sql.execute_batch(
                "INSERT INTO search(search) VALUES ('delete-all'); INSERT INTO phone(phone) VALUES ('delete-all');",
            )?;
            for kind in Kind::ALL {
                // Rows of no record.
                let table = kind.definition().table;
                tx.sql
                    .execute(&format!("DELETE FROM {table} WHERE n NOT IN (SELECT n FROM doc WHERE kind = ?1)"), [kind.code()])?;
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
        })
    }

    /// Checks the file and every document against its row, and changes nothing. The search indexes are checked for damage, not
    /// word by word: they keep no text, and their words are sorted by word, so that to tell the words of one record means to read
    /// all.
    ///
    /// # Errors
    /// Those of the store.
    pub fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        self.read(|conn| {
            for index in ["search", "phone"] {
                // FTS5 checks what this connection last knew of an index, and learns what others wrote by a query only.
                let sql = format!("SELECT EXISTS (SELECT 1 FROM {index} WHERE {index} MATCH 'abc')");
                conn.query_row(&sql, [], |_| Ok(()))?;
            }
            let mut statement = conn.prepare("PRAGMA cipher_integrity_check")?;
            let faults: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            findings.extend(faults.into_iter().map(|fault| Finding::File { fault }));
            for table in ["search", "phone"] {
                // FTS5 asks only when a query begins whether another connection wrote. Its check alone would judge by what it
                // remembers, and find damage where there is none.
                conn.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {table})"), [], |_| Ok(()))?;
            }
            let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if said != "ok" {
                findings.push(Finding::File { fault: said });
            }
            Ok(())
        })?;
        let mut after = 0;
        loop {
            let last = self.read(|conn| {
                // The rows in the same read as their documents: a save between two reads would look like a difference.
                let batch = StoredDoc::after(conn, after, BATCH)?;
                for stored in &batch {
                    self.check_open()?;
                    match stored.open() {
                        Err(_) => findings.push(Finding::Unreadable { id: stored.id }),
                        Ok(_) if stored.known_kind().is_none() => {}
                        Ok(document) if same_row(conn, stored.n, &document)? => {}
                        Ok(_) => findings.push(Finding::RowDiffers { id: stored.id }),
                    }
                }
                Ok(batch.last().map(|stored| stored.n))
            })?;
            let Some(last) = last else { return Ok(findings) };
            after = last;
        }
    }

    /// Opens up to `limit` documents that came from the server and were never opened, or whose rows an older release
    /// derived, and makes their rows from them; those with fields that the older release did not know come first.
    /// Returns how many are left. Meant for the background.
    ///
    /// # Errors
    /// Those of the store.
    pub fn verify_some(&self, limit: u32) -> Result<u64> {
        let may_be_older = !self.rows_are_current.load(Ordering::Relaxed);
        let (unopened, older) = (unopened(), older());
        let (unopened, older) = self.write(|tx| {
            let select = |condition: &str, limit: u32| -> Result<Vec<Vec<u8>>> {
                let sql = format!("SELECT id FROM doc WHERE {condition} ORDER BY has_unknown DESC, n LIMIT ?1");
                let mut statement = tx.sql.prepare_cached(&sql)?;
                Ok(statement.query_map([limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
            };
            let count = |condition: &str| -> Result<u64> {
                let sql = format!("SELECT count(*) FROM doc WHERE {condition}");
                Ok(tx.sql.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
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
            Ok((count(&unopened)?, if may_be_older { count(&older)? } else { 0 }))
        })?;
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

/// Whether the query table's row is what the document gives: compared in a scratch table of the same form.
fn same_row(conn: &rusqlite::Connection, n: i64, document: &crate::document::Document) -> Result<bool> {
    let definition = document.definition();
    let expected = crate::store::row_values(&document.read(None).values);
    let columns: Vec<&str> = ["sort", "letter"].into_iter().chain(definition.columns()).collect();
    let sql = format!("SELECT {} FROM {} WHERE n = ?1", columns.join(", "), definition.table);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([n])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    let mut found = Vec::new();
    for at in 0..columns.len() {
        found.push(row.get::<_, rusqlite::types::Value>(at)?);
    }
    Ok(found == expected)
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
