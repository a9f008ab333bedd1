//! The derived rows of a record: query table, links, search. One function writes them, whether after a save, a sync
//! page or a rebuild.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use crate::error::Result;
use crate::id::RecordId;
use crate::record::{Definition, FieldValue, Values};
use crate::search::{SearchText, sort_key};
use crate::value::RecordLink;

/// Writes everything that is derived from `values` for row `n`; `old` are the values it was derived from before.
pub(crate) fn derive(conn: &Connection, n: i64, values: &Values, old: Option<&Values>) -> Result<()> {
    if old == Some(values) {
        return Ok(());
    }
    write_row(conn, n, values)?;
    let links = links(values);
    if old.is_some_and(|old| self::links(old) != links) {
        conn.prepare_cached("DELETE FROM link WHERE n = ?1")?.execute([n])?;
    }
    if old.is_none_or(|old| self::links(old) != links) {
        for (field, target) in links {
            conn.prepare_cached("INSERT OR IGNORE INTO link(n, field, target) VALUES (?1, ?2, ?3)")?
                .execute(rusqlite::params![n, field, target.as_bytes()])?;
        }
    }
    SearchText::of(values).store(conn, n, old.map(SearchText::of).as_ref())
}

/// Removes what is derived for row `n`.
pub(crate) fn delete_derived(conn: &Connection, definition: &Definition, n: i64) -> Result<()> {
    for sql in [
        format!("DELETE FROM {} WHERE n = ?1", definition.table),
        "DELETE FROM link WHERE n = ?1".into(),
        "DELETE FROM search WHERE rowid = ?1".into(),
        "DELETE FROM phone WHERE rowid = ?1".into(),
    ] {
        conn.prepare_cached(&sql)?.execute([n])?;
    }
    Ok(())
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

fn links(values: &Values) -> BTreeSet<(&'static str, RecordId)> {
    let mut links = BTreeSet::new();
    for (field, value) in values.iter().filter(|(field, _)| field.links) {
        if let FieldValue::Set(members) = value {
            for member in members {
                let target = member.parse::<RecordLink>().map(|link| link.id).or_else(|_| member.parse::<RecordId>());
                links.extend(target.ok().map(|target| (field.name, target)));
            }
        }
    }
    links
}
