//! The derived rows of a record: query table, links, search. One function writes them, whether after a save, a sync
//! page or a rebuild.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::Tx;
use crate::error::Result;
use crate::id::RecordId;
use crate::record::{Definition, FieldValue, Values};
use crate::search::{SearchText, sort_key};
use crate::value::RecordLink;

/// A change of the search indexes that waits for the end of the transaction.
///
/// FTS5 writes what it has gathered whenever SQLite opens a savepoint, as it does for every statement that may fail
/// half-way. Its rows are therefore written last, after all other tables: a page of records is then one write of the
/// index, not one for each record.
pub(crate) enum SearchChange {
    /// Indexes a text for a row, instead of what the row's text was.
    Put { n: i64, text: SearchText, old: Option<SearchText> },
    /// Forgets a row.
    Delete { n: i64 },
}

/// So many waiting changes are written before the transaction's end, to bound memory.
const MAX_WAITING: usize = 10_000;

impl Tx<'_> {
    /// Writes everything that is derived from `values` for row `n`; `old` are the values it was derived from before.
    pub fn derive(&mut self, n: i64, values: &Values, old: Option<&Values>) -> Result<()> {
        if old == Some(values) {
            return Ok(());
        }
        let conn = self.sql;
        write_row(conn, n, values)?;
        let new_links = links(values);
        let old_links = old.map(links);
        if old_links.as_ref() != Some(&new_links) {
            if old_links.is_some() {
                conn.prepare_cached("DELETE FROM link WHERE n = ?1")?.execute([n])?;
            }
            for (field, target) in new_links {
                conn.prepare_cached("INSERT OR IGNORE INTO link(n, field, target) VALUES (?1, ?2, ?3)")?
                    .execute(rusqlite::params![n, field, target.as_bytes()])?;
            }
        }
        self.searched.push(SearchChange::Put { n, text: SearchText::of(values), old: old.map(SearchText::of) });
        if self.searched.len() >= MAX_WAITING { self.write_search() } else { Ok(()) }
    }

    /// Removes what is derived for row `n`.
    pub fn delete_derived(&mut self, definition: &Definition, n: i64) -> Result<()> {
        self.sql.prepare_cached(&format!("DELETE FROM {} WHERE n = ?1", definition.table))?.execute([n])?;
        self.sql.prepare_cached("DELETE FROM link WHERE n = ?1")?.execute([n])?;
        self.searched.push(SearchChange::Delete { n });
        Ok(())
    }

    /// Writes what waits for the search indexes.
    pub fn write_search(&mut self) -> Result<()> {
        for change in std::mem::take(&mut self.searched) {
            match change {
                SearchChange::Put { n, text, old } => text.store(self.sql, n, old.as_ref())?,
                SearchChange::Delete { n } => SearchText::forget(self.sql, n)?,
            }
        }
        Ok(())
    }
}

fn write_row(conn: &Connection, n: i64, values: &Values) -> Result<()> {
    let bound = std::iter::once(Sql::Integer(n)).chain(row_values(values));
    conn.prepare_cached(&insert_sql(values.definition()))?.execute(params_from_iter(bound))?;
    Ok(())
}

/// The columns of the query table after `n`: sort key, letter, then the fields'.
pub(crate) fn row_values(values: &Values) -> Vec<Sql> {
    let (sort, letter) = sort_key(&(values.definition().sort)(values));
    let mut bound = vec![Sql::Text(sort), Sql::Text(letter)];
    for (field, value) in values.iter() {
        if let Some(bind) = field.ty.bind {
            bind(value, &mut bound);
        }
    }
    bound
}

fn insert_sql(definition: &Definition) -> String {
    let mut columns = String::from("n, sort, letter");
    let mut places = String::from("?, ?, ?");
    for column in definition.columns() {
        columns.push_str(", ");
        columns.push_str(column);
        places.push_str(", ?");
    }
    format!("INSERT OR REPLACE INTO {}({columns}) VALUES ({places})", definition.table)
}

/// What stands in the query table's row `n`, as [`row_values`] gives it; nothing where there is no row.
pub(crate) fn stored_row(conn: &Connection, n: i64, definition: &Definition) -> Result<Vec<Sql>> {
    let columns: Vec<&str> = ["sort", "letter"].into_iter().chain(definition.columns()).collect();
    let sql = format!("SELECT {} FROM {} WHERE n = ?1", columns.join(", "), definition.table);
    let mut statement = conn.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
    Ok(statement.query_row([n], read).optional()?.unwrap_or_default())
}

/// The links that stand in the store for row `n`.
pub(crate) fn stored_links(conn: &Connection, n: i64) -> Result<BTreeSet<(String, RecordId)>> {
    let mut statement = conn.prepare_cached("SELECT field, target FROM link WHERE n = ?1")?;
    let links = statement.query_map([n], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let links = links.collect::<rusqlite::Result<Vec<(String, Vec<u8>)>>>()?.into_iter();
    Ok(links.map(|(field, target)| (field, RecordId::from_slice(&target).unwrap_or_default())).collect())
}

/// The links that a record's values hold, with the fields that hold them.
pub(crate) fn links(values: &Values) -> BTreeSet<(String, RecordId)> {
    let mut links = BTreeSet::new();
    for (field, value) in values.iter().filter(|(field, _)| field.links) {
        if let FieldValue::Set(members) = value {
            for member in members {
                let target = member.parse::<RecordLink>().map(|link| link.id).or_else(|_| member.parse::<RecordId>());
                links.extend(target.ok().map(|target| (field.name.to_owned(), target)));
            }
        }
    }
    links
}
