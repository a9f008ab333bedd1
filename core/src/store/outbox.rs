//! Own edits on their way to the server, and the actions that they belong to.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{OutboxState, StoredDoc, Tx};
use crate::access::DELETED;
use crate::document::{ActionId, ChangeHash, Document, Message, Written, hashes, open_envelope, seal_envelope};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::gate::{Limits, scan_change};
use crate::id::RecordId;
use crate::record::{Kind, Values};
use crate::sync::wire::{MAX_GROUP, MAX_GROUP_OPS, MAX_REQUEST_OPS};

/// A push group in the making.
pub(crate) struct OpenGroup {
    id: [u8; 16],
    items: usize,
    /// The operations of each record's changes.
    ops: HashMap<RecordId, u64>,
    bytes: usize,
}

impl OpenGroup {
    /// An empty group.
    pub fn new(env: &dyn Env) -> Self {
        let mut id = [0; 16];
        env.fill(&mut id);
        Self { id, items: 0, ops: HashMap::new(), bytes: 0 }
    }
}

/// Most bytes of the changes of one group: a request has room for one and more.
const MAX_GROUP_BYTES: usize = 480_000;

/// An edit in the outbox.
#[derive(Debug, Clone)]
pub(crate) struct OutboxItem {
    pub n: i64,
    pub group: Vec<u8>,
    pub doc: RecordId,
    pub kind: u16,
    pub generation: u32,
    pub hash: ChangeHash,
    /// The raw chunk in an envelope.
    pub bytes: Vec<u8>,
    pub verdict: Option<String>,
}

/// What edits take of a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// How many they are.
    pub items: usize,
    /// Their operations.
    pub ops: u64,
    /// Their bytes in envelopes, and what is written around them.
    pub bytes: usize,
    /// Their bytes unfolded.
    pub unfolded: usize,
}

impl Size {
    /// Whether it is within `most`, halved `shrink` times.
    pub fn is_within(self, most: Self, shrink: u32) -> bool {
        self.items <= most.items >> shrink
            && self.ops <= most.ops >> shrink
            && self.bytes <= most.bytes >> shrink
            && self.unfolded <= most.unfolded >> shrink
    }
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            ops: self.ops + other.ops,
            bytes: self.bytes + other.bytes,
            unfolded: self.unfolded + other.unfolded,
        }
    }
}

impl OutboxItem {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let doc: Vec<u8> = row.get(2)?;
        let hash: Vec<u8> = row.get(5)?;
        Ok(Self {
            n: row.get(0)?,
            group: row.get(1)?,
            doc: RecordId::from_slice(&doc).unwrap_or_default(),
            kind: row.get(3)?,
            generation: row.get(4)?,
            hash: hashes(&hash).into_iter().next().unwrap_or(ChangeHash([0; 32])),
            bytes: row.get(6)?,
            verdict: row.get(7)?,
        })
    }

    fn select(conn: &Connection, rest: &str, params: impl rusqlite::Params) -> Result<Vec<Self>> {
        let sql = format!("SELECT n, grp, doc, kind, gen, hash, bytes, verdict FROM outbox {rest}");
        let mut statement = conn.prepare_cached(&sql)?;
        Ok(statement.query_map(params, Self::read)?.collect::<Result<_, _>>()?)
    }

    /// The waiting groups, in the order of their oldest edits.
    pub fn groups(conn: &Connection) -> Result<Vec<Vec<u8>>> {
        let mut statement = conn.prepare_cached("SELECT grp FROM outbox WHERE state = ?1 GROUP BY grp ORDER BY min(n)")?;
        Ok(statement.query_map([OutboxState::Waiting], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The waiting groups that hold edits of a record.
    pub fn groups_of(conn: &Connection, doc: RecordId) -> Result<Vec<Vec<u8>>> {
        let mut statement = conn.prepare_cached("SELECT DISTINCT grp FROM outbox WHERE state = ?1 AND doc = ?2")?;
        Ok(statement.query_map(params![OutboxState::Waiting, doc.as_bytes()], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The group of a waiting edit.
    pub fn group_of(conn: &Connection, hash: &ChangeHash) -> Result<Option<Vec<u8>>> {
        let mut statement = conn.prepare_cached("SELECT grp FROM outbox WHERE hash = ?1 AND state = ?2")?;
        Ok(statement.query_row(params![hash.0, OutboxState::Waiting], |row| row.get(0)).optional()?)
    }

    /// The waiting edits of a record.
    pub fn waiting_of(conn: &Connection, doc: RecordId) -> Result<Vec<Self>> {
        Self::select(conn, "WHERE state = ?1 AND doc = ?2 ORDER BY n", params![OutboxState::Waiting, doc.as_bytes()])
    }

    /// The edits of one push group.
    pub fn of_group(conn: &Connection, group: &[u8]) -> Result<Vec<Self>> {
        Self::select(conn, "WHERE state = ?1 AND grp = ?2 ORDER BY n", params![OutboxState::Waiting, group])
    }

    /// The refused edits of a record, and what else they were written on that the record lacks.
    pub fn refused_with_past(conn: &Connection, doc: RecordId) -> Result<Vec<Self>> {
        Self::select(conn, "WHERE state <> ?1 AND doc = ?2 ORDER BY n", params![OutboxState::Waiting, doc.as_bytes()])
    }

    /// Whether edits of a record wait to be sent.
    pub fn has_waiting(conn: &Connection, doc: RecordId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE doc = ?1 AND state = ?2)";
        Ok(conn.prepare_cached(sql)?.query_row(params![doc.as_bytes(), OutboxState::Waiting], |row| row.get(0))?)
    }

    /// Whether there are edits of a record, waiting or refused.
    pub fn has_any(conn: &Connection, doc: RecordId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE doc = ?1)";
        Ok(conn.prepare_cached(sql)?.query_row([doc.as_bytes()], |row| row.get(0))?)
    }

    /// Whether there are refused edits of a record, decided or not.
    pub fn has_refused(conn: &Connection, doc: RecordId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE doc = ?1 AND state <> ?2)";
        Ok(conn.prepare_cached(sql)?.query_row(params![doc.as_bytes(), OutboxState::Waiting], |row| row.get(0))?)
    }

    /// Keeps a change of others with the refused edits of a record, as long as there are any.
    pub fn keep_past(conn: &Connection, of: &StoredDoc, hash: &ChangeHash, raw: &[u8]) -> Result<()> {
        conn.prepare_cached(
            "INSERT OR IGNORE INTO outbox(grp, doc, kind, gen, hash, action, bytes, state) SELECT x'', ?1, ?2, ?3, ?4, x'', ?5, ?6
             WHERE EXISTS (SELECT 1 FROM outbox WHERE doc = ?1 AND state = ?7)",
        )?
        .execute(params![
            of.id.as_bytes(),
            of.kind,
            of.generation,
            hash.0,
            seal_envelope(raw),
            OutboxState::Settled,
            OutboxState::Refused
        ])?;
        Ok(())
    }

    /// What it takes of a request.
    pub fn size(&self) -> Size {
        let raw = open_envelope(&self.bytes, Limits::CHANGE.bytes).unwrap_or_default();
        let ops = scan_change(&raw, &Limits::CHANGE).map_or(0, |facts| facts.ops);
        Size { items: 1, ops, bytes: self.bytes.len() + 40, unfolded: raw.len() }
    }

    /// The refused edits, oldest first.
    pub fn refused(conn: &Connection) -> Result<Vec<Self>> {
        Self::select(conn, "WHERE state = ?1 ORDER BY n", [OutboxState::Refused])
    }
}

impl Tx<'_> {
    /// Notes an action of this store.
    pub fn note_action(&self, message: &Message) -> Result<()> {
        self.sql
            .prepare_cached("INSERT OR IGNORE INTO action(id, kind, source, at_ms) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![message.action.0, message.kind.as_str(), message.source.as_str(), self.now().ms])?;
        Ok(())
    }

    /// As [`Tx::keep_written`], for what the person of this device does now: where their role allows it.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub fn keep_done(
        &mut self,
        id: RecordId,
        generation: u32,
        document: &Document,
        before: Option<&Values>,
        message: &Message,
        written: &[Written],
    ) -> Result<()> {
        let deletes = written.iter().any(|change| change.keys.iter().any(|key| key == DELETED));
        if let Some(before) = before.filter(|_| deletes)
            && !self.may_delete(before)?
        {
            return Err(Error::NotAllowed);
        }
        self.keep_written(id, generation, document, before, message, written)
    }

    /// Keeps own changes of a record: the document with what is derived from it, the action, and the changes in the
    /// outbox. `before` are the values that its row was derived from; `None` for a new record.
    pub fn keep_written(
        &mut self,
        id: RecordId,
        generation: u32,
        document: &Document,
        before: Option<&Values>,
        message: &Message,
        written: &[Written],
    ) -> Result<()> {
        self.put_doc(id, generation, document, before)?;
        self.note_action(message)?;
        self.queue(document.definition().kind, id, generation, message.action, written)
    }

    /// Puts own changes of one record into the outbox and notes them under their action.
    fn queue(&mut self, kind: Kind, id: RecordId, generation: u32, action: ActionId, written: &[Written]) -> Result<()> {
        for change in written {
            self.enqueue(kind.code(), id, generation, change.hash, action, &change.bytes)?;
            self.sql
                .prepare_cached("INSERT OR IGNORE INTO action_doc(action, doc, kind, hash) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![action.0, id.as_bytes(), kind.code(), change.hash.0])?;
        }
        Ok(())
    }

    /// Puts one raw change into the outbox, in this transaction's push group; a full group is followed by another one.
    pub fn enqueue(
        &mut self,
        kind: u16,
        id: RecordId,
        generation: u32,
        hash: ChangeHash,
        action: ActionId,
        raw: &[u8],
    ) -> Result<()> {
        let ops = scan_change(raw, &Limits::CHANGE).map_or(0, |facts| facts.ops);
        let group = &self.group;
        let of_record = group.ops.get(&id).copied().unwrap_or(0) + ops;
        let full = group.items >= MAX_GROUP
            || of_record > MAX_GROUP_OPS
            || group.ops.values().sum::<u64>() + ops > MAX_REQUEST_OPS
            || group.bytes + raw.len() > MAX_GROUP_BYTES;
        if full && group.items > 0 {
            self.group = OpenGroup::new(self.env);
        }
        self.group.items += 1;
        *self.group.ops.entry(id).or_default() += ops;
        self.group.bytes += raw.len();
        self.sql
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox(grp, doc, kind, gen, hash, action, bytes, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                self.group.id,
                id.as_bytes(),
                kind,
                generation,
                hash.0,
                action.0,
                seal_envelope(raw),
                OutboxState::Waiting
            ])?;
        Ok(())
    }

    /// Gives what waits of a group another id: the server may know the group with edits in it that are not there any more.
    pub fn rename_group(&self, group: &[u8]) -> Result<()> {
        let renamed = OpenGroup::new(self.env).id;
        self.sql.prepare_cached("UPDATE outbox SET grp = ?1 WHERE grp = ?2 AND state = ?3")?.execute(params![
            renamed,
            group,
            OutboxState::Waiting
        ])?;
        Ok(())
    }

    /// Gives each record of a waiting group a group of its own; returns whether there was more than one.
    pub fn split_group(&self, group: &[u8]) -> Result<bool> {
        let mut docs: Vec<RecordId> = OutboxItem::of_group(self.sql, group)?.iter().map(|item| item.doc).collect();
        docs.sort();
        docs.dedup();
        if docs.len() > 1 {
            // All of them: the server remembers its verdict on the old id.
            for doc in &docs {
                let alone = OpenGroup::new(self.env).id;
                self.sql
                    .prepare_cached("UPDATE outbox SET grp = ?4 WHERE grp = ?1 AND doc = ?2 AND state = ?3")?
                    .execute(params![group, doc.as_bytes(), OutboxState::Waiting, alone])?;
            }
        }
        Ok(docs.len() > 1)
    }
}
