//! What can be read of a damaged book, put into a new one. A page that cannot be deciphered can neither be read nor given
//! back, so that the file itself can only be left; what is derived is made again in the new one.
//!
//! The new book goes on as the same device: its edits go on their way to the server from there. It writes as an actor of its
//! own, since a change of the old one may be among what cannot be read.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::Book;
use crate::document::{Actor, open_envelope};
use crate::error::{Error, Result};
use crate::gate::{Limits, scan_change};
use crate::id::RecordId;
use crate::record::Kind;
use crate::store::{Meta, OutboxItem, Tx};

/// What [`Book::rescue`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RescueReport {
    /// Records that are in the new book.
    pub records: u64,
    /// Records that could not be read. Where the book has joined a workspace, the next sync fetches what the server has of
    /// them.
    pub unreadable: Vec<RecordId>,
    /// The other tables of which something could not be read; edits that lie in `outbox`, and were not refused, are queued
    /// again from the records that they were written into.
    pub incomplete: Vec<String>,
}

/// What nothing else holds, beside the documents: tables in the order in which they refer to each other, and for each whose
/// rows have numbers an index that names them, too.
const TABLES: [(&str, Option<&str>); 8] = [
    ("outbox", Some("sqlite_autoindex_outbox_1")),
    ("action", Some("sqlite_autoindex_action_1")),
    ("action_doc", None),
    ("draft", None),
    ("person", None),
    ("actor", None),
    ("quarantine", None),
    ("meta", None),
];

/// Records that are read at once.
const BATCH: usize = 200;

type Row = Vec<Sql>;

impl Book {
    /// Copies all that can be read of this book into `to`, a new one, and makes lists and searches there. This book stays as it
    /// is; two books that go on as the same device would send each other's edits twice, so it should not be used any more. Nor
    /// while it is copied: it is read part by part, and a save between two of them could arrive by half.
    ///
    /// # Errors
    /// [`Error::BookExists`] where `to` holds anything or has joined a workspace, [`Error::Busy`] where this book is being synced,
    /// [`Error::Corrupt`] where not even the ids of the records can be read; those of the store.
    pub fn rescue(&self, to: &Self) -> Result<RescueReport> {
        match self.take_sync_lock() {
            // A folder that cannot be written is synced by nobody.
            Err(Error::Io { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        let report = self.rescue_into(to);
        self.give_back_sync_lock();
        report
    }

    fn rescue_into(&self, to: &Self) -> Result<RescueReport> {
        // In one transaction: what was interrupted leaves the other book as it was, and can be begun again.
        to.write(|tx| {
            let is_used = "SELECT EXISTS (SELECT 1 FROM doc) OR EXISTS (SELECT 1 FROM outbox) OR EXISTS (SELECT 1 FROM draft)";
            if tx.sql.query_row(is_used, [], |row| row.get(0))? || Meta::Account.get(tx.sql)?.is_some() {
                return Err(Error::BookExists);
            }
            let mut report = RescueReport::default();
            for batch in self.all_records()?.chunks(BATCH) {
                let read = self.read_each(batch, |conn, (n, _)| select(conn, "SELECT * FROM doc WHERE n = ?1", Some(*n)))?;
                let is_lost = |row: &Result<Vec<Row>>| !matches!(row, Ok(rows) if !rows.is_empty());
                report.unreadable.extend(batch.iter().zip(&read).filter(|(_, row)| is_lost(row)).map(|((_, id), _)| *id));
                let rows: Vec<Row> = read.into_iter().flatten().flatten().collect();
                insert(tx.sql, "doc", &rows)?;
            }
            tx.sql.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            let (incarnation, actor) = (Meta::Incarnation.get(tx.sql)?, Meta::Actor.get(tx.sql)?);
            for (table, index) in TABLES {
                let (rows, is_complete) = self.rows_of(table, index)?;
                report.incomplete.extend((!is_complete).then(|| table.to_owned()));
                insert(tx.sql, table, &rows)?;
            }
            tx.keep_own_actors()?;
            for (meta, value) in [(Meta::Incarnation, incarnation), (Meta::Actor, actor)] {
                meta.set(tx.sql, &value.unwrap_or_default())?;
            }
            tx.sql.execute("DELETE FROM action_doc WHERE action NOT IN (SELECT id FROM action)", [])?;
            // People and devices come again with the next sync.
            Meta::Directory.clear(tx.sql)?;
            let rebuilt = to.rederive_all(tx)?;
            report.records = rebuilt.records;
            report.unreadable.extend(rebuilt.unreadable);
            let lacks = |table: &str| report.incomplete.iter().any(|lacking| lacking == table);
            if lacks("quarantine") {
                // What had been set aside was never asked for again otherwise.
                tx.begin_epoch()?;
            }
            if lacks("outbox") {
                // The server may know a group with edits in it that are lost.
                for group in OutboxItem::groups(tx.sql)? {
                    tx.rename_group(&group)?;
                }
                tx.queue_all_own()?;
            }
            report.unreadable.iter().try_for_each(|id| tx.wish(*id, Kind::Unknown.code(), 0))?;
            Ok(report)
        })
    }

    /// The rows of a table that can be read, and whether that is all of them.
    fn rows_of(&self, table: &str, index: Option<&str>) -> Result<(Vec<Row>, bool)> {
        match self.read(|conn| select(conn, &format!("SELECT * FROM {table}"), None)) {
            Err(Error::Corrupt(_)) => {}
            rows => return Ok((rows?, true)),
        }
        let Some(index) = index else { return Ok((Vec::new(), false)) };
        let numbers = self.read(|conn| {
            let mut statement = conn.prepare(&format!("SELECT n FROM {table} INDEXED BY {index} ORDER BY n"))?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?)
        });
        let numbers = match numbers {
            Err(Error::Corrupt(_)) => return Ok((Vec::new(), false)),
            numbers => numbers?,
        };
        let one = format!("SELECT * FROM {table} WHERE n = ?1");
        let read = self.read_each(&numbers, |conn, number| select(conn, &one, Some(*number)))?;
        let is_complete = read.iter().all(Result::is_ok);
        Ok((read.into_iter().flatten().flatten().collect(), is_complete))
    }
}

impl Tx<'_> {
    /// Notes whose edits are this store's, where the table of them may be incomplete: its last actor, and the authors of what waits.
    fn keep_own_actors(&self) -> Result<()> {
        let mut own = BTreeSet::new();
        own.extend(Meta::Actor.get(self.sql)?.and_then(|actor| Some(Actor(actor.try_into().ok()?))));
        for item in OutboxItem::groups(self.sql)?.iter().map(|group| OutboxItem::of_group(self.sql, group)) {
            let raw = item?.into_iter().filter_map(|item| open_envelope(&item.bytes, Limits::CHANGE.bytes).ok());
            let facts = raw.filter_map(|raw| scan_change(&raw, &Limits::CHANGE).ok());
            own.extend(facts.filter_map(|facts| Actor::parse(&facts.actor)).map(|(actor, _)| actor));
        }
        for actor in own {
            let sql = "INSERT INTO actor(id, device, own) VALUES (?1, '', 1) ON CONFLICT (id) DO UPDATE SET own = 1";
            self.sql.execute(sql, [actor.0])?;
        }
        Ok(())
    }
}

/// The rows that a statement gives, for one number or without any.
fn select(conn: &Connection, sql: &str, number: Option<i64>) -> Result<Vec<Row>> {
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map(params_from_iter(number), |row| (0..columns).map(|at| row.get(at)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Puts rows into a table that has the same columns.
fn insert(conn: &Connection, table: &str, rows: &[Row]) -> Result<()> {
    for row in rows {
        let places = vec!["?"; row.len()].join(", ");
        conn.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"))?.execute(params_from_iter(row))?;
    }
    Ok(())
}
