//! What the doctor looks at beside the records: single changes, the numbers of the feed, rows that belong to nothing.

use roadbook_core::document::{Actor, ChangeHash};
use roadbook_core::id::RecordId;
use rusqlite::{Connection, params};

use super::int;
use crate::error::Result;
use crate::store::{Group, LooseEnd, StoredChange, WorkspaceId};

pub(super) fn stored_changes(conn: &Connection, ws: WorkspaceId, doc: RecordId) -> Result<Vec<StoredChange>> {
    let sql = "SELECT seq, gen, hash, device, actor, bytes FROM change
               WHERE ws = ?1 AND doc = ?2 AND length(bytes) > 0 ORDER BY seq, pos";
    let mut statement = conn.prepare_cached(sql)?;
    let changes = statement.query_map(params![ws, doc.as_bytes()], |row| {
        Ok(StoredChange {
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            generation: row.get(1)?,
            hash: ChangeHash(row.get(2)?),
            device: row.get(3)?,
            actor: Actor(row.get(4)?),
            bytes: row.get(5)?,
        })
    })?;
    Ok(changes.collect::<Result<_, _>>()?)
}

pub(super) fn each_group(
    conn: &Connection,
    ws: WorkspaceId,
    after: u64,
    visit: &mut dyn FnMut(Group) -> Result<()>,
) -> Result<()> {
    let sql = "SELECT coalesce(chain.seq, change.seq), chain.chain8, change.pos, change.hash
               FROM (SELECT seq, chain8 FROM chain WHERE ws = ?1 AND seq > ?2) AS chain
               FULL JOIN (SELECT seq, pos, hash FROM change WHERE ws = ?1 AND seq > ?2) AS change ON change.seq = chain.seq
               ORDER BY 1, 3";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query(params![ws, int(after)])?;
    let mut group: Option<Group> = None;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.unsigned_abs();
        if let Some(whole) = group.take_if(|group| group.seq != seq) {
            visit(whole)?;
        }
        let group = group.get_or_insert(Group { seq, chain: row.get(1)?, changes: Vec::new() });
        if let (Some(pos), Some(hash)) = (row.get(2)?, row.get::<_, Option<[u8; 32]>>(3)?) {
            group.changes.push((pos, ChangeHash(hash)));
        }
    }
    group.map_or(Ok(()), visit)
}

/// What a row is, and which rows of it belong to nothing.
const LOOSE_ENDS: &[(&str, &str)] = &[
    (
        "changes without their record",
        "SELECT DISTINCT doc FROM change WHERE ws = ?1 AND doc NOT IN (SELECT id FROM doc WHERE ws = ?1)",
    ),
    (
        "an actor without its device",
        "SELECT actor FROM actor WHERE ws = ?1 AND device NOT IN (SELECT id FROM device WHERE ws = ?1)",
    ),
    (
        "a device without its person",
        "SELECT id FROM device WHERE ws = ?1 AND person NOT IN (SELECT id FROM person WHERE ws = ?1)",
    ),
    (
        "tokens without their device",
        "SELECT DISTINCT device FROM token WHERE ws = ?1 AND device NOT IN (SELECT id FROM device WHERE ws = ?1)",
    ),
    (
        "verdicts without their device",
        "SELECT DISTINCT device FROM verdict WHERE ws = ?1 AND device NOT IN (SELECT id FROM device WHERE ws = ?1)",
    ),
    (
        "invitations without their person",
        "SELECT DISTINCT person FROM invitation WHERE ws = ?1 AND person NOT IN (SELECT id FROM person WHERE ws = ?1)",
    ),
];

pub(super) fn loose_ends(conn: &Connection, ws: WorkspaceId) -> Result<Vec<LooseEnd>> {
    let mut found = Vec::new();
    for &(what, sql) in LOOSE_ENDS {
        let mut statement = conn.prepare_cached(sql)?;
        for id in statement.query_map([ws], |row| row.get::<_, [u8; 16]>(0))? {
            found.push(LooseEnd { what, id: RecordId::from_bytes(id?) });
        }
    }
    Ok(found)
}

/// The tables whose rows belong to a workspace.
const OF_WORKSPACES: &[&str] = &["person", "device", "actor", "invitation", "token", "doc", "change", "chain", "verdict", "mark"];

/// Workspaces that only have rows elsewhere, with the name of the table.
pub(super) fn lost_workspaces(conn: &Connection) -> Result<Vec<(&'static str, WorkspaceId)>> {
    let mut found = Vec::new();
    for &table in OF_WORKSPACES {
        let sql = format!("SELECT DISTINCT ws FROM {table} WHERE ws NOT IN (SELECT id FROM workspace)");
        for ws in conn.prepare(&sql)?.query_map([], |row| row.get(0))? {
            found.push((table, ws?));
        }
    }
    Ok(found)
}
