//! The pages of a sync: what the next request holds, and what an answer does to the book.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::{Book, identity};
use crate::document::{ActionId, Actor, ChangeHash, Document, hash_bytes, open_envelope};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::gate::{self, Limits, scan_document};
use crate::id::RecordId;
use crate::record::{Kind, Values, decode_row};
use crate::store::{Meta, OpenGroup, OutboxItem, State, StoredDoc, Tx};
use crate::sync::wire::{
    Directory, Entry, Form, Outcome, PushDoc, PushGroup, PushItem, RowVersion, SyncRequest, SyncResponse, Verdict,
};

/// What one page did.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageReport {
    pub pushed: u64,
    pub pulled: u64,
    pub refused: u64,
    pub held: u64,
    pub set_aside: u64,
    /// The groups that wait for others' changes.
    pub held_groups: Vec<Vec<u8>>,
}

/// So many changes and bytes of one request begin no further group; with one more group it is still well below what the
/// server takes.
const MAX_PUSH_ITEMS: usize = if cfg!(feature = "planted") { 64 } else { 2000 };
const MAX_PUSH_BYTES: usize = 400_000;
/// Most bytes of entries asked for at once, before compression.
const PAGE_BYTES: u32 = 4_000_000;
/// Most records asked for again in one request.
const MAX_WANT: u32 = 200;

impl Book {
    /// The next request: what waits, and where this device stands in the feed. `shrink` halves what is pushed, each time; groups in
    /// `held` are left out.
    pub(crate) fn next_page(&self, shrink: u32, held: &HashSet<Vec<u8>>) -> Result<SyncRequest> {
        self.read(|conn| {
            let mut request = SyncRequest {
                epoch: Meta::Epoch.get(conn)?.unwrap_or_default(),
                cursor: Meta::Cursor.get(conn)?.unwrap_or_default(),
                max_bytes: PAGE_BYTES,
                rows: Kind::ALL.into_iter().map(row_version).collect(),
                directory: Meta::Directory.get(conn)?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes),
                want: wanted(conn)?,
                ..SyncRequest::default()
            };
            push(conn, &mut request, shrink, held)?;
            Ok(request)
        })
    }

    /// Commits a page with its cursor.
    pub(crate) fn apply_page(&self, page: SyncResponse) -> Result<PageReport> {
        if planted(Plant::EarlyCursor) {
            self.write(|tx| Meta::Cursor.set(tx.sql, &page.cursor))?;
        }
        self.write(|tx| {
            let mut report = PageReport::default();
            for verdict in &page.verdicts {
                tx.apply_verdict(verdict, &mut report)?;
            }
            for entry in &page.entries {
                tx.apply_entry(entry, &mut report)?;
            }
            if let Some(directory) = &page.directory {
                tx.apply_directory(directory)?;
            }
            Meta::Epoch.set(tx.sql, &page.epoch)?;
            Meta::Cursor.set(tx.sql, &page.cursor)?;
            Ok(report)
        })
    }

    /// Starts over in the feed of a server that lost or changed its history: everything is pulled again, and all own
    /// changes are pushed again; those that the server still has cost it nothing.
    pub(crate) fn begin_epoch(&self) -> Result<()> {
        self.write(|tx| {
            Meta::Epoch.clear(tx.sql)?;
            Meta::Cursor.clear(tx.sql)?;
            let mut after = if planted(Plant::EpochForgets) { i64::MAX } else { 0 };
            loop {
                let batch = StoredDoc::after(tx.sql, after, 500)?;
                let Some(last) = batch.last() else { return Ok(()) };
                after = last.n;
                for stored in &batch {
                    let Ok(document) = stored.open() else { continue };
                    tx.queue_own(stored, &document)?;
                }
            }
        })
    }
}

fn row_version(kind: Kind) -> RowVersion {
    let (major, minor) = kind.definition().row_version;
    RowVersion { kind: kind.code(), major, minor }
}

/// Records that this device cannot open, or whose changes it could not apply.
fn wanted(conn: &Connection) -> Result<Vec<minicbor::bytes::ByteVec>> {
    let sql = "SELECT id FROM doc WHERE state = 2 UNION SELECT doc FROM quarantine WHERE reason <> 'form' LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let ids: Vec<Vec<u8>> = statement.query_map([MAX_WANT], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Adds whole groups from the outbox to a request, but for those in `held`.
fn push(conn: &Connection, request: &mut SyncRequest, shrink: u32, held: &HashSet<Vec<u8>>) -> Result<()> {
    let (max_items, max_bytes) = (MAX_PUSH_ITEMS >> shrink, MAX_PUSH_BYTES >> shrink);
    let mut index: HashMap<RecordId, u32> = HashMap::new();
    let (mut bytes, mut count) = (0, 0);
    for group in OutboxItem::groups(conn)?.into_iter().filter(|group| !held.contains(group)) {
        // A group is never cut: it is smaller than the room that a request keeps for it.
        if count > 0 && (count >= max_items || bytes >= max_bytes) {
            break;
        }
        let mut items = Vec::new();
        for item in OutboxItem::of_group(conn, &group)? {
            count += 1;
            bytes += item.bytes.len() + 40;
            let next = u32::try_from(request.docs.len()).unwrap_or(u32::MAX);
            let doc = *index.entry(item.doc).or_insert(next);
            if doc == next {
                request.docs.push(PushDoc { id: item.doc.as_bytes().to_vec(), generation: item.generation, kind: item.kind });
            }
            items.push(PushItem { doc, change: item.bytes });
        }
        request.groups.push(PushGroup { id: group, items });
    }
    Ok(())
}

impl Tx<'_> {
    fn apply_verdict(&mut self, verdict: &Verdict, report: &mut PageReport) -> Result<()> {
        let changes = OutboxItem::of_group(self.sql, &verdict.group)?.len() as u64;
        match verdict.outcome {
            Outcome::Held if planted(Plant::HeldAccepted) => {
                self.sql.prepare_cached("DELETE FROM outbox WHERE grp = ?1 AND state = 0")?.execute([&verdict.group])?;
            }
            Outcome::Accepted => {
                self.sql.prepare_cached("DELETE FROM outbox WHERE grp = ?1 AND state = 0")?.execute([&verdict.group])?;
                report.pushed += changes;
            }
            Outcome::Held | Outcome::Other(_) => {
                report.held += changes;
                report.held_groups.push(verdict.group.clone());
            }
            // An import's records have nothing to do with each other: one that is refused must not keep out the rest.
            Outcome::Refused if self.is_import(&verdict.group)? && self.split_group(&verdict.group)? => {}
            // The author was refused, not the edit: this store was copied or restored, and wrote on as another one.
            Outcome::Refused if matches!(verdict.code.as_deref(), Some("clone" | "foreign_actor")) => {
                if !planted(Plant::ActorReuse) {
                    self.actor = identity::new_actor(self.sql, self.env)?;
                }
                self.rewrite(&verdict.group)?;
            }
            Outcome::Refused => {
                // What is written again must not repeat the numbers of what was refused.
                self.actor = identity::new_actor(self.sql, self.env)?;
                self.refuse(&verdict.group, verdict.code.as_deref().unwrap_or("refused"))?;
                report.refused += changes;
            }
        }
        Ok(())
    }

    fn is_import(&self, group: &[u8]) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox o JOIN action a ON a.id = o.action WHERE o.grp = ?1 AND o.state = 0 AND a.kind = 'import')";
        Ok(self.sql.prepare_cached(sql)?.query_row([group], |row| row.get(0))?)
    }

    /// Takes one record of the feed. A record that does not pass is set aside alone; the feed goes on.
    fn apply_entry(&mut self, entry: &Entry, report: &mut PageReport) -> Result<()> {
        let Some(id) = RecordId::from_slice(&entry.id) else {
            report.set_aside += 1;
            return Ok(());
        };
        let taken = match entry.form {
            Form::Snapshot => self.take_snapshot(id, entry)?,
            Form::Changes => self.take_changes(id, entry)?,
            // Scopes, erasure and whatever a newer server knows: kept aside until this release is updated.
            Form::Leave | Form::Erased | Form::Other(_) => Err("form"),
        };
        match taken {
            Ok(()) => report.pulled += 1,
            Err(reason) => {
                report.set_aside += 1;
                self.set_aside(id, entry, reason)?;
            }
        }
        Ok(())
    }

    fn set_aside(&self, id: RecordId, entry: &Entry, reason: &str) -> Result<()> {
        let bytes = minicbor::to_vec(entry).map_err(|error| Error::Internal(error.to_string()))?;
        self.sql.execute(
            "INSERT OR REPLACE INTO quarantine(doc, kind, gen, reason, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id.as_bytes(), entry.kind, entry.generation, reason, bytes],
        )?;
        Ok(())
    }

    fn take_snapshot(&mut self, id: RecordId, entry: &Entry) -> Result<Result<(), &'static str>> {
        let Some(sealed) = &entry.snapshot else { return Ok(Err("malformed")) };
        let Ok(raw) = open_envelope(sealed, Limits::DOCUMENT.bytes) else { return Ok(Err("malformed")) };
        let Ok(facts) = scan_document(&raw, &Limits::DOCUMENT) else { return Ok(Err("malformed")) };
        let heads: Vec<ChangeHash> = facts.heads.into_iter().map(ChangeHash).collect();
        let existing = StoredDoc::find(self.sql, id)?;
        let healthy = existing.as_ref().filter(|stored| stored.state != State::Unreadable as i64);
        if let Some(stored) = healthy {
            if stored.kind != entry.kind {
                return Ok(Err("kind"));
            }
            if stored.heads == heads {
                return self.forget_set_aside(id);
            }
        }
        let Some(kind) = Kind::from_code(entry.kind) else {
            self.insert_unopened(id, entry, &heads, sealed, None)?;
            return self.forget_set_aside(id);
        };
        let waiting = if existing.is_some() { OutboxItem::waiting_of(self.sql, id)? } else { Vec::new() };
        if waiting.is_empty()
            && healthy.is_none()
            && let Some(values) = usable_row(kind, entry)
        {
            if let Some(stored) = &existing {
                self.delete_derived(kind.definition(), stored.n)?;
            }
            self.insert_unopened(id, entry, &heads, sealed, Some(&values))?;
            self.changed.push((kind, id));
            return self.forget_set_aside(id);
        }
        let Ok(mut document) = Document::load(kind.definition(), sealed) else { return Ok(Err("document")) };
        if document.heads() != heads || document.broken_field().is_some() {
            return Ok(Err("document"));
        }
        // What this device has and the snapshot lacks: its own edits, and others' that came another way.
        let mut local: Vec<Vec<u8>> = Vec::new();
        match healthy.map(StoredDoc::open) {
            Some(Ok(mine)) => {
                let known: Vec<ChangeHash> = heads.iter().copied().filter(|head| mine.contains(head)).collect();
                local.extend(
                    mine.changes_since(&known).into_iter().filter(|(hash, _)| !document.contains(hash)).map(|(_, bytes)| bytes),
                );
            }
            _ => {
                for item in &waiting {
                    let bytes =
                        open_envelope(&item.bytes, Limits::CHANGE.bytes).map_err(|error| Error::Corrupt(error.to_string()))?;
                    local.push(bytes);
                }
            }
        }
        let sealed: Vec<Vec<u8>> = local.iter().map(|bytes| crate::document::seal_envelope(bytes)).collect();
        let passed = gate::admit(&document, &sealed.iter().map(Vec::as_slice).collect::<Vec<_>>(), &|_| true);
        let Ok(passed) = passed else { return Ok(Err("merge")) };
        document = passed.document;
        if let Some(stored) = &existing {
            self.delete_derived(kind.definition(), stored.n)?;
        }
        self.put_doc(id, entry.generation, &document, None)?;
        self.forget_set_aside(id)
    }

    fn forget_set_aside(&self, id: RecordId) -> Result<Result<(), &'static str>> {
        self.sql.prepare_cached("DELETE FROM quarantine WHERE doc = ?1")?.execute([id.as_bytes()])?;
        Ok(Ok(()))
    }

    /// Inserts a record by the row that came with it; its document is opened when it is needed.
    fn insert_unopened(
        &mut self,
        id: RecordId,
        entry: &Entry,
        heads: &[ChangeHash],
        sealed: &[u8],
        values: Option<&Values>,
    ) -> Result<()> {
        let version = entry.row_version.unwrap_or(RowVersion { kind: entry.kind, major: 0, minor: 0 });
        let known = values.map_or(version, |values| row_version(values.definition().kind));
        let n: i64 = self
            .sql
            .prepare_cached(
                "INSERT INTO doc(id, kind, gen, heads, state, row_major, row_minor, has_unknown, changed_ms, bytes)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (id) DO UPDATE SET gen = excluded.gen, heads = excluded.heads, state = 1, changed_ms = excluded.changed_ms,
                     bytes = excluded.bytes
                 RETURNING n",
            )?
            .query_row(
                params![
                    id.as_bytes(),
                    entry.kind,
                    entry.generation,
                    hash_bytes(heads),
                    known.major,
                    known.minor,
                    version.minor > known.minor,
                    entry.changed_ms.unwrap_or(0),
                    sealed
                ],
                |row| row.get(0),
            )?;
        if let Some(values) = values {
            self.derive(n, values, None)?;
        }
        Ok(())
    }

    fn take_changes(&mut self, id: RecordId, entry: &Entry) -> Result<Result<(), &'static str>> {
        let Some(changes) = &entry.changes else { return Ok(Err("malformed")) };
        let (stored, document) = match self.open_doc(id) {
            Ok(Some(found)) => found,
            Ok(None) | Err(Error::Unreadable(_)) => return Ok(Err("missing")),
            Err(error) => return Err(error),
        };
        if stored.kind != entry.kind || stored.generation != entry.generation {
            return Ok(Err("kind"));
        }
        let changes: Vec<&[u8]> = changes.iter().map(|change| change.as_slice()).collect();
        let passed = match gate::admit(&document, &changes, &|_| true) {
            Ok(passed) => passed,
            Err(refused) if refused.is_held() => return Ok(Err("missing")),
            Err(refused) => return Ok(Err(refused.code())),
        };
        if !passed.new.is_empty() {
            let before = if planted(Plant::StaleRow) { &passed.document } else { &document }.read(None).values;
            self.put_doc(id, stored.generation, &passed.document, Some(&before))?;
        }
        Ok(Ok(()))
    }

    fn apply_directory(&self, directory: &Directory) -> Result<()> {
        for person in &directory.people {
            self.sql.execute(
                "INSERT INTO person(id, name, role) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role",
                params![person.id, person.name, person.role],
            )?;
        }
        for actor in &directory.actors {
            let person = directory.people.get(actor.person as usize).map(|person| &person.id);
            self.sql.execute(
                "INSERT INTO actor(id, person, device) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET person = excluded.person, device = excluded.device",
                params![actor.actor, person, actor.device],
            )?;
        }
        Meta::Directory.set(self.sql, &directory.version.to_be_bytes())
    }

    /// Puts the own changes of a record into the outbox again.
    fn queue_own(&mut self, stored: &StoredDoc, document: &Document) -> Result<()> {
        let entries = document.changes();
        let bytes: HashMap<ChangeHash, Vec<u8>> = document.changes_since(&[]).into_iter().collect();
        for entry in entries {
            let own = entry.actor.map_or(Ok(false), |actor: Actor| identity::is_own(self.sql, actor))?;
            let (true, Some(bytes)) = (own, bytes.get(&entry.hash)) else { continue };
            // Each change alone: those of one record may wait for changes that wait for others of it.
            self.group = OpenGroup::new(self.env);
            let action = entry.message.as_ref().map_or(ActionId([0; 16]), |message| message.action);
            self.enqueue(stored.kind, stored.id, stored.generation, entry.hash, action, bytes)?;
        }
        Ok(())
    }
}

/// The values of an entry's row, where this release may show them without opening the document.
fn usable_row(kind: Kind, entry: &Entry) -> Option<Values> {
    let version = entry.row_version?;
    let (major, minor) = kind.definition().row_version;
    if version.kind != kind.code() || version.major != major || version.minor < minor {
        return None;
    }
    decode_row(kind.definition(), entry.row.as_deref()?)
}
