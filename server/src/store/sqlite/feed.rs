//! One workspace in one transaction: what the gate and the feed read, and what a commit writes.

use roadbook_core::document::Actor;
use roadbook_core::id::RecordId;
use roadbook_core::sync::wire::Outcome;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{accounts, audit, int};
use crate::error::{Error, Result};
use crate::store::{
    BoundActor, ChangeWrite, Commit, Device, DeviceId, DocHead, DocWrite, FeedDoc, Group, LooseEnd, OpenInvitation,
    OthersChanges, Own, Person, PersonId, StoredChange, StoredDoc, StoredVerdict, View, Workspace, WorkspaceId,
};

/// A transaction on one workspace.
pub(super) struct Feed<'a> {
    pub conn: &'a Connection,
    pub ws: WorkspaceId,
}

/// Everybody in the workspace sees everything: there is one scope so far.
const SCOPE: &[u8] = &[];

const FEED_DOC: &str = "id, gen, kind, seq_first, seq_last, row_major, row_minor, changed_ms, row, bytes";

fn read_id(row: &Row<'_>, at: usize) -> rusqlite::Result<RecordId> {
    row.get(at).map(RecordId::from_bytes)
}

fn read_feed_doc<'a>(row: &'a Row<'_>) -> Result<FeedDoc<'a>> {
    let blob =
        |at: usize| -> Result<&'a [u8]> { row.get_ref(at)?.as_blob().map_err(|_| Error::Internal("a record is no blob".into())) };
    Ok(FeedDoc {
        id: read_id(row, 0)?,
        generation: row.get(1)?,
        kind: row.get(2)?,
        seq_first: row.get::<_, i64>(3)?.unsigned_abs(),
        seq_last: row.get::<_, i64>(4)?.unsigned_abs(),
        row_version: (row.get(5)?, row.get(6)?),
        changed_ms: row.get(7)?,
        row: blob(8)?,
        bytes: blob(9)?,
    })
}

fn read_person(row: &Row<'_>) -> Result<Person> {
    Ok(Person { id: row.get(0)?, name: row.get(1)?, role: row.get::<_, String>(2)?.parse()? })
}

impl View for Feed<'_> {
    fn workspace(&self) -> Result<Workspace> {
        accounts::workspace(self.conn, self.ws)
    }

    fn device(&self, device: DeviceId) -> Result<Option<Device>> {
        Ok(accounts::device(self.conn, device)?.filter(|found| found.workspace == self.ws))
    }

    fn person(&self, person: PersonId) -> Result<Option<Person>> {
        let mut statement = self.conn.prepare_cached("SELECT id, name, role FROM person WHERE ws = ?1 AND id = ?2")?;
        let mut rows = statement.query(params![self.ws, person])?;
        rows.next()?.map(read_person).transpose()
    }

    fn people(&self) -> Result<Vec<Person>> {
        let mut statement = self.conn.prepare_cached("SELECT id, name, role FROM person WHERE ws = ?1 ORDER BY id")?;
        let mut rows = statement.query([self.ws])?;
        let mut people = Vec::new();
        while let Some(row) = rows.next()? {
            people.push(read_person(row)?);
        }
        Ok(people)
    }

    fn devices(&self) -> Result<Vec<Device>> {
        let sql = format!("{} WHERE ws = ?1 ORDER BY person, id", accounts::DEVICE);
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_map([self.ws], accounts::read_device)?.collect::<Result<_, _>>()?)
    }

    fn invitations(&self, now_ms: i64) -> Result<Vec<OpenInvitation>> {
        accounts::invitations(self.conn, self.ws, now_ms)
    }

    fn actors(&self, since: u64, limit: u32) -> Result<Vec<BoundActor>> {
        let sql = "SELECT actor, device, version FROM actor WHERE ws = ?1 AND version > ?2 ORDER BY version LIMIT ?3";
        let mut statement = self.conn.prepare_cached(sql)?;
        let actors = statement.query_map(params![self.ws, int(since), limit], |row| {
            Ok(BoundActor { actor: Actor(row.get(0)?), device: row.get(1)?, version: row.get::<_, i64>(2)?.unsigned_abs() })
        })?;
        Ok(actors.collect::<Result<_, _>>()?)
    }

    fn bound(&self, actor: Actor) -> Result<Option<DeviceId>> {
        let sql = "SELECT device FROM actor WHERE ws = ?1 AND actor = ?2";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![self.ws, actor.0], |row| row.get(0)).optional()?)
    }

    fn has_actors(&self, device: DeviceId) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM actor WHERE ws = ?1 AND device = ?2)")?
            .query_row(params![self.ws, device], |row| row.get(0))?)
    }

    fn verdict(&self, device: DeviceId, group: &[u8]) -> Result<Option<StoredVerdict>> {
        let sql = "SELECT hash, outcome, code FROM verdict WHERE ws = ?1 AND device = ?2 AND grp = ?3";
        let found = self.conn.prepare_cached(sql)?.query_row(params![self.ws, device, group], |row| {
            let outcome = if row.get::<_, i64>(1)? == 0 { Outcome::Accepted } else { Outcome::Refused };
            Ok(StoredVerdict { hash: row.get(0)?, outcome, code: row.get(2)? })
        });
        Ok(found.optional()?)
    }

    fn chain(&self, seq: u64) -> Result<Option<[u8; 8]>> {
        let sql = "SELECT chain8 FROM chain WHERE ws = ?1 AND seq = ?2";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![self.ws, int(seq)], |row| row.get(0)).optional()?)
    }

    fn count_docs(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM doc WHERE ws = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([self.ws], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn each_head(&self, visit: &mut dyn FnMut(RecordId, u32, &[u8])) -> Result<()> {
        let mut statement = self.conn.prepare_cached("SELECT id, gen, heads FROM doc WHERE ws = ?1 ORDER BY id")?;
        let mut rows = statement.query([self.ws])?;
        while let Some(row) = rows.next()? {
            let heads = row.get_ref(2)?.as_blob().map_err(|_| Error::Internal("heads are no blob".into()))?;
            visit(read_id(row, 0)?, row.get(1)?, heads);
        }
        Ok(())
    }

    fn doc(&self, id: RecordId) -> Result<Option<StoredDoc>> {
        let sql = "SELECT kind, gen, heads, bytes FROM doc WHERE ws = ?1 AND id = ?2";
        let found = self.conn.prepare_cached(sql)?.query_row(params![self.ws, id.as_bytes()], |row| {
            Ok(StoredDoc { kind: row.get(0)?, generation: row.get(1)?, heads: row.get(2)?, bytes: row.get(3)? })
        });
        Ok(found.optional()?)
    }

    fn doc_head(&self, id: RecordId) -> Result<Option<DocHead>> {
        let sql = "SELECT kind, gen, heads FROM doc WHERE ws = ?1 AND id = ?2";
        let found = self.conn.prepare_cached(sql)?.query_row(params![self.ws, id.as_bytes()], |row| {
            Ok(DocHead { kind: row.get(0)?, generation: row.get(1)?, heads: row.get(2)? })
        });
        Ok(found.optional()?)
    }

    fn feed_doc(&self, id: RecordId, take: &mut dyn FnMut(FeedDoc<'_>) -> Result<()>) -> Result<bool> {
        let sql = format!("SELECT {FEED_DOC} FROM doc WHERE ws = ?1 AND id = ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.ws, id.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        take(read_feed_doc(row)?)?;
        Ok(true)
    }

    fn feed(&self, after: (u64, RecordId), take: &mut dyn FnMut(FeedDoc<'_>) -> Result<bool>) -> Result<()> {
        let sql = format!(
            "SELECT {FEED_DOC} FROM doc INDEXED BY doc_feed
             WHERE ws = ?1 AND scope = ?2 AND (seq_last, id) > (?3, ?4) ORDER BY seq_last, id"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.ws, SCOPE, int(after.0), after.1.as_bytes()])?;
        while let Some(row) = rows.next()? {
            if !take(read_feed_doc(row)?)? {
                break;
            }
        }
        Ok(())
    }

    fn others_changes(&self, doc: RecordId, after: u64, own: Own) -> Result<OthersChanges> {
        let sql = "SELECT count(*), coalesce(sum(length(bytes)), 0) FROM change
                   WHERE ws = ?1 AND doc = ?2 AND seq > ?3 AND (device <> ?4 OR seq <= ?5) AND length(bytes) > 0";
        let bound = params![self.ws, doc.as_bytes(), int(after), own.device, int(own.since)];
        let found = self.conn.prepare_cached(sql)?.query_row(bound, |row| {
            Ok(OthersChanges { count: row.get::<_, i64>(0)?.unsigned_abs(), bytes: row.get::<_, i64>(1)?.unsigned_abs() })
        });
        Ok(found?)
    }

    fn changes(&self, doc: RecordId, after: u64, own: Own) -> Result<Vec<Vec<u8>>> {
        let sql = "SELECT bytes FROM change
                   WHERE ws = ?1 AND doc = ?2 AND seq > ?3 AND (device <> ?4 OR seq <= ?5) AND length(bytes) > 0
                   ORDER BY seq, pos";
        let mut statement = self.conn.prepare_cached(sql)?;
        let changes =
            statement.query_map(params![self.ws, doc.as_bytes(), int(after), own.device, int(own.since)], |row| row.get(0))?;
        Ok(changes.collect::<Result<_, _>>()?)
    }

    fn written_since(&self, seq: u64) -> Result<Vec<(DeviceId, u64)>> {
        let sql = "SELECT device, count(*) FROM change WHERE ws = ?1 AND seq > ?2 GROUP BY device ORDER BY device";
        let mut statement = self.conn.prepare_cached(sql)?;
        let counts =
            statement.query_map(params![self.ws, int(seq)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    fn stored_changes(&self, doc: RecordId) -> Result<Vec<StoredChange>> {
        audit::stored_changes(self.conn, self.ws, doc)
    }

    fn each_group(&self, after: u64, visit: &mut dyn FnMut(Group) -> Result<()>) -> Result<()> {
        audit::each_group(self.conn, self.ws, after, visit)
    }

    fn chain_begins(&self) -> Result<Option<u64>> {
        let sql = "SELECT min(seq) FROM chain WHERE ws = ?1";
        let seq: Option<i64> = self.conn.prepare_cached(sql)?.query_row([self.ws], |row| row.get(0))?;
        Ok(seq.map(i64::unsigned_abs))
    }

    fn marked(&self, at_ms: i64) -> Result<Option<u64>> {
        let sql = "SELECT max(seq) FROM mark WHERE ws = ?1 AND at_ms <= ?2";
        let seq: Option<i64> = self.conn.prepare_cached(sql)?.query_row(params![self.ws, at_ms], |row| row.get(0))?;
        Ok(seq.map(i64::unsigned_abs))
    }

    fn records_changed_until(&self, seq: u64) -> Result<Vec<RecordId>> {
        let sql = "SELECT DISTINCT doc FROM change WHERE ws = ?1 AND seq <= ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let records = statement.query_map(params![self.ws, int(seq)], |row| read_id(row, 0))?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    fn loose_ends(&self) -> Result<Vec<LooseEnd>> {
        audit::loose_ends(self.conn, self.ws)
    }
}

impl Commit for Feed<'_> {
    fn take_seqs(&self, count: u64) -> Result<u64> {
        let last: i64 = self
            .conn
            .prepare_cached("UPDATE workspace SET seq = seq + ?2 WHERE id = ?1 RETURNING seq")?
            .query_row(params![self.ws, int(count)], |row| row.get(0))?;
        Ok(last.unsigned_abs() + 1 - count)
    }

    fn put_chain(&self, seq: u64, chain: [u8; 8]) -> Result<()> {
        self.conn.prepare_cached("INSERT INTO chain(ws, seq, chain8) VALUES (?1, ?2, ?3)")?.execute(params![
            self.ws,
            int(seq),
            chain
        ])?;
        Ok(())
    }

    fn bind(&self, actor: Actor, device: DeviceId, now_ms: i64) -> Result<()> {
        accounts::touch_directory(self.conn, self.ws)?;
        self.conn
            .prepare_cached(
                "INSERT INTO actor(ws, actor, device, bound_ms, version)
                 VALUES (?1, ?2, ?3, ?4, (SELECT directory FROM workspace WHERE id = ?1))",
            )?
            .execute(params![self.ws, actor.0, device, now_ms])?;
        Ok(())
    }

    fn put_change(&self, seq: u64, pos: u32, device: DeviceId, change: &ChangeWrite) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO change(ws, doc, seq, pos, gen, hash, device, actor, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.ws,
                change.doc.as_bytes(),
                int(seq),
                pos,
                change.generation,
                change.hash.0,
                device,
                change.actor.0,
                change.bytes
            ])?;
        Ok(())
    }

    fn put_doc(&self, doc: &DocWrite) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO doc(ws, id, gen, kind, scope, seq_first, seq_last, heads, state, row_major, row_minor, changed_ms, row, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT (ws, id) DO UPDATE SET gen = excluded.gen,
                     seq_first = CASE WHEN excluded.gen > gen THEN excluded.seq_first ELSE seq_first END,
                     seq_last = excluded.seq_last, heads = excluded.heads,
                     row_major = excluded.row_major, row_minor = excluded.row_minor, changed_ms = excluded.changed_ms,
                     row = excluded.row, bytes = excluded.bytes",
            )?
            .execute(params![
                self.ws,
                doc.id.as_bytes(),
                doc.generation,
                doc.kind,
                SCOPE,
                int(doc.seq_first),
                int(doc.seq_last),
                doc.heads,
                doc.row_version.0,
                doc.row_version.1,
                doc.changed_ms,
                doc.row,
                doc.bytes
            ])?;
        if doc.generation > 0 {
            // The hashes stay, since the chain is made of them.
            let sql = "UPDATE change SET bytes = x'' WHERE ws = ?1 AND doc = ?2 AND gen < ?3";
            self.conn.prepare_cached(sql)?.execute(params![self.ws, doc.id.as_bytes(), doc.generation])?;
        }
        Ok(())
    }

    fn put_verdict(&self, device: DeviceId, group: &[u8], verdict: &StoredVerdict, now_ms: i64) -> Result<()> {
        let outcome = if verdict.outcome == Outcome::Accepted { 0 } else { 2 };
        self.conn
            .prepare_cached(
                "INSERT INTO verdict(ws, device, grp, hash, outcome, code, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (ws, device, grp) DO NOTHING",
            )?
            .execute(params![self.ws, device, group, verdict.hash, outcome, verdict.code, now_ms])?;
        Ok(())
    }

    fn keep_changes_from(&self, seq: u64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE workspace SET kept_from = max(kept_from, ?2) WHERE id = ?1")?
            .execute(params![self.ws, int(seq)])?;
        Ok(())
    }

    fn drop_changes(&self, doc: RecordId, until: u64) -> Result<usize> {
        let sql = "DELETE FROM change WHERE ws = ?1 AND doc = ?2 AND seq <= ?3";
        Ok(self.conn.prepare_cached(sql)?.execute(params![self.ws, doc.as_bytes(), int(until)])?)
    }

    fn keep_chain_from(&self, seq: u64) -> Result<()> {
        for sql in ["DELETE FROM chain WHERE ws = ?1 AND seq < ?2", "DELETE FROM mark WHERE ws = ?1 AND seq < ?2"] {
            self.conn.prepare_cached(sql)?.execute(params![self.ws, int(seq)])?;
        }
        Ok(())
    }

    fn trimmed_to(&self, seq: u64) -> Result<()> {
        self.conn.prepare_cached("UPDATE workspace SET trimmed_to = ?2 WHERE id = ?1")?.execute(params![self.ws, int(seq)])?;
        Ok(())
    }

    fn synced_under(&self, device: DeviceId, epoch: [u8; 16]) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE device SET epoch = ?3 WHERE ws = ?1 AND id = ?2")?
            .execute(params![self.ws, device, epoch])?;
        Ok(())
    }

    fn seen(&self, device: DeviceId, now_ms: i64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE device SET last_seen_ms = ?3 WHERE ws = ?1 AND id = ?2")?
            .execute(params![self.ws, device, now_ms])?;
        Ok(())
    }
}
