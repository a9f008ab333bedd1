//! The pages of a sync: what the next request holds, and what an answer does to the book.

use std::collections::{HashMap, HashSet};
use std::ops::Add as _;

use rusqlite::{Connection, params};

use super::feed::FORM;
use super::{Book, identity};
use crate::document::{ActionId, Actor, ChangeHash, Document};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::id::RecordId;
use crate::record::Kind;
use crate::store::{DocState, Meta, OpenGroup, OutboxItem, OutboxState, Size, StoredDoc, Tx};
use crate::sync::wire::{
    Directory, LATER, MAX_REQUEST_OPS, Outcome, PushDoc, PushGroup, PushItem, RowVersion, SyncRequest, SyncResponse, Verdict,
};

/// What one page did.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageReport {
    pub pushed: u64,
    pub pulled: u64,
    pub refused: u64,
    pub held: u64,
    pub set_aside: u64,
    /// Whether the server may have something that was taken out of a record here.
    pub unclaimed: bool,
    /// The groups that wait for others' changes.
    pub held_groups: Vec<Vec<u8>>,
}

/// What one request holds at most, unless a single group is more.
const MAX_PUSH: Size =
    Size { items: if cfg!(feature = "planted") { 64 } else { 2000 }, ops: MAX_REQUEST_OPS, bytes: 800_000, unfolded: 4_000_000 };
/// Most bytes of entries asked for at once, before compression.
const PAGE_BYTES: u32 = 4_000_000;
/// Most bytes of a cursor.
const MAX_CURSOR: usize = 1024;
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
                want: wanted(conn, self.env.now().ms)?,
                ..SyncRequest::default()
            };
            push(conn, &mut request, shrink, held)?;
            Ok(request)
        })
    }

    /// Commits a page with its cursor.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a cursor or an epoch that would stand in the way of every later request; those of the store.
    pub(crate) fn apply_page(&self, page: SyncResponse) -> Result<PageReport> {
        if page.epoch.len() != 16 || page.cursor.len() > MAX_CURSOR {
            return Err(Error::Protocol("an epoch or a cursor that is none".into()));
        }
        if planted(Plant::EarlyCursor) {
            self.write(|tx| Meta::Cursor.set(tx.sql, &page.cursor))?;
        }
        self.write(|tx| {
            let mut report = PageReport::default();
            for verdict in &page.verdicts {
                tx.apply_verdict(verdict, &mut report)?;
            }
            if report.unclaimed {
                // The server takes it for known here, and will not send it.
                for (id, kind, generation) in std::mem::take(&mut tx.taken_out) {
                    tx.wish(id, kind, generation)?;
                }
            }
            for entry in &page.entries {
                let before = report.set_aside;
                tx.apply_entry(entry, &mut report)?;
                if planted(Plant::StalledFeed) && report.set_aside > before {
                    break;
                }
            }
            if let Some(directory) = &page.directory {
                tx.apply_directory(directory)?;
            }
            Meta::Epoch.set(tx.sql, &page.epoch)?;
            let lost = planted(Plant::LostCursor) && report.held > 0;
            Meta::Cursor.set(tx.sql, if lost { &[] } else { &page.cursor })?;
            Ok(report)
        })
    }

    /// Starts over in the feed of a server that lost or changed its history: everything is pulled again, and all own
    /// changes are pushed again; those that the server still has cost it nothing.
    pub(crate) fn begin_epoch(&self) -> Result<()> {
        self.write(|tx| tx.begin_epoch())
    }
}

pub(super) fn row_version(kind: Kind) -> RowVersion {
    let (major, minor) = kind.definition().row_version;
    RowVersion { kind: kind.code(), major, minor }
}

/// Records that this device cannot open, or whose changes it could not apply. One that came whole and could not be taken
/// either is asked for twice at once, then after one minute, two, four and so on up to 17 hours: it costs its user's data each time.
fn wanted(conn: &Connection, now_ms: i64) -> Result<Vec<minicbor::bytes::ByteVec>> {
    let mut statement = conn.prepare_cached(&wanted_sql())?;
    let ids: Vec<Vec<u8>> = statement.query_map(params![FORM, MAX_WANT, now_ms], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids.into_iter().map(Into::into).collect())
}

pub(super) fn wanted_sql() -> String {
    let unreadable = DocState::Unreadable;
    // A clock that went back asks too early rather than never.
    format!(
        "SELECT doc FROM quarantine WHERE reason <> ?1
             AND (tries < 2 OR ?3 NOT BETWEEN at_ms AND at_ms + (60000 << min(tries - 2, 10)))
         UNION SELECT id FROM doc WHERE state = {unreadable} AND id NOT IN (SELECT doc FROM quarantine WHERE reason <> ?1)
         LIMIT ?2"
    )
}

/// Adds whole groups from the outbox to a request, but for those in `held`.
fn push(conn: &Connection, request: &mut SyncRequest, shrink: u32, held: &HashSet<Vec<u8>>) -> Result<()> {
    let mut index: HashMap<RecordId, u32> = HashMap::new();
    let mut sum = Size::default();
    for group in OutboxItem::groups(conn)?.into_iter().filter(|group| !held.contains(group)) {
        let edits = OutboxItem::of_group(conn, &group)?;
        // A group is never cut: one alone always has room.
        let with = edits.iter().map(OutboxItem::size).fold(sum, Size::add);
        if sum.items > 0 && !with.is_within(MAX_PUSH, shrink) {
            break;
        }
        sum = with;
        let mut items = Vec::with_capacity(edits.len());
        for item in edits {
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
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        Meta::Epoch.clear(self.sql)?;
        Meta::Cursor.clear(self.sql)?;
        // All of it comes again, but for what the server does not have any more: that would stay for ever.
        self.sql.execute("DELETE FROM quarantine", [])?;
        if planted(Plant::EpochForgets) { Ok(()) } else { self.queue_all_own() }
    }

    fn apply_verdict(&mut self, verdict: &Verdict, report: &mut PageReport) -> Result<()> {
        let items = OutboxItem::of_group(self.sql, &verdict.group)?;
        let changes = items.len() as u64;
        let held_for_accepted = planted(Plant::HeldAccepted) && verdict.outcome == Outcome::Held;
        match if held_for_accepted { Outcome::Accepted } else { verdict.outcome } {
            Outcome::Accepted => {
                // Whether what came beside it can be taken now is asked at once.
                items.iter().try_for_each(|item| self.ask_at_once(item.doc))?;
                self.sql
                    .prepare_cached("DELETE FROM outbox WHERE grp = ?1 AND state = ?2")?
                    .execute(params![verdict.group, OutboxState::Waiting])?;
                report.pushed += changes;
                report.unclaimed |= changes == 0 || self.fallen.contains(&verdict.group);
            }
            Outcome::Held | Outcome::Other(_) => {
                report.held += changes;
                if verdict.code.as_deref() != Some(LATER) {
                    report.held_groups.push(verdict.group.clone());
                }
            }
            // Not, or no longer, an edit of this store.
            Outcome::Refused if changes == 0 => {}
            // An import's records have nothing to do with each other, an erased record takes no other edit along, and large
            // records may only together be more than the server opens: one that is refused must not keep out the rest.
            Outcome::Refused
                if (matches!(verdict.code.as_deref(), Some("erased" | "too_large")) || self.is_import(&verdict.group)?)
                    && self.split_group(&verdict.group)? => {}
            // The author was refused, not the edit: this store was copied or restored, and wrote on as another one.
            Outcome::Refused if matches!(verdict.code.as_deref(), Some("clone" | "foreign_actor")) => {
                if !planted(Plant::ActorReuse) {
                    self.actor = identity::new_actor(self.sql, self.env)?;
                }
                self.rewrite(&verdict.group)?;
                // The other store may have sent some of it, and what came with an earlier page is not sent again.
                report.unclaimed = true;
                if !OutboxItem::of_group(self.sql, &verdict.group)?.is_empty() {
                    // What cannot be opened cannot be written again now.
                    report.held_groups.push(verdict.group.clone());
                }
                Meta::CopiedAt.set(self.sql, &self.now().ms.to_be_bytes())?;
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
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox o JOIN action a ON a.id = o.action WHERE o.grp = ?1 AND o.state = ?2 AND a.kind = 'import')";
        Ok(self.sql.prepare_cached(sql)?.query_row(params![group, OutboxState::Waiting], |row| row.get(0))?)
    }

    fn apply_directory(&self, directory: &Directory) -> Result<()> {
        for person in &directory.people {
            self.sql.execute(
                "INSERT INTO person(id, name, role) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role",
                params![person.id, person.name, person.role],
            )?;
        }
        let actors = if planted(Plant::NamelessActor) { &[][..] } else { &directory.actors };
        for actor in actors {
            let person = directory.people.get(actor.person as usize).map(|person| &person.id);
            self.sql.execute(
                "INSERT INTO actor(id, person, device) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET person = excluded.person, device = excluded.device",
                params![actor.actor, person, actor.device],
            )?;
        }
        Meta::Directory.set(self.sql, &directory.version.to_be_bytes())
    }

    /// Puts the own changes of all records that can be opened into the outbox again.
    pub(super) fn queue_all_own(&mut self) -> Result<()> {
        let mut after = 0;
        loop {
            let batch = StoredDoc::after(self.sql, after, 500)?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.n;
            for stored in &batch {
                let Ok(document) = stored.open() else { continue };
                self.queue_own(stored, &document)?;
            }
        }
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
