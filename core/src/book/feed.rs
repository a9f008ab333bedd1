//! What an entry of the feed does to the book. A record that does not pass is set aside alone; the feed goes on.

use rusqlite::params;

use super::sync::{PageReport, row_version};
use crate::document::{ChangeHash, Document, open_envelope, seal_envelope};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::gate::{self, Limits, scan_document};
use crate::id::RecordId;
use crate::record::{Kind, Values, decode_row};
use crate::store::{DocRow, DocState, OutboxItem, StoredDoc, Tx};
use crate::sync::wire::{Entry, Form, RowVersion};

/// Why an entry was set aside: what it builds on is not here.
const MISSING: &str = "missing";
/// Why an entry was set aside: it is of a form that this release does not know. With every other reason the record is asked
/// for whole with the next request.
pub(super) const FORM: &str = "form";

/// Why an entry is not taken.
enum Aside {
    /// It does not pass: a word for the reason, kept with its bytes.
    Reason(&'static str),
    /// It was erased here, where it was lost, and the erasure waits to be sent.
    Erased,
    /// The store failed, and with it the page.
    Store(Error),
}

impl From<Error> for Aside {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

type Taken = std::result::Result<(), Aside>;

impl Tx<'_> {
    /// Takes one record of the feed.
    pub(super) fn apply_entry(&mut self, entry: &Entry, report: &mut PageReport) -> Result<()> {
        let Some(id) = RecordId::from_slice(&entry.id) else {
            report.set_aside += 1;
            return Ok(());
        };
        let taken = match entry.form {
            Form::Snapshot => self.take_snapshot(id, entry),
            Form::Changes => self.take_changes(id, entry),
            // Scopes, and whatever a newer server knows: kept aside until this release is updated.
            Form::Leave | Form::Other(_) => Err(Aside::Reason(FORM)),
        };
        match taken {
            Ok(()) => report.pulled += 1,
            Err(Aside::Store(error)) => return Err(error),
            Err(Aside::Erased) => self.wish_later(id, entry)?,
            Err(Aside::Reason(reason)) => {
                report.set_aside += 1;
                self.set_aside(id, entry, reason)?;
            }
        }
        Ok(())
    }

    /// Keeps what came for a record and could not be taken.
    fn set_aside(&self, id: RecordId, entry: &Entry, reason: &str) -> Result<()> {
        let bytes = minicbor::to_vec(entry).map_err(|error| Error::Internal(error.to_string()))?;
        // What somebody changed since may be whole on the server again.
        let tried = entry.form == Form::Snapshot;
        self.sql
            .prepare_cached(
                "INSERT INTO quarantine(doc, kind, gen, reason, bytes, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (doc) DO UPDATE SET kind = excluded.kind, gen = excluded.gen, reason = excluded.reason,
                 bytes = excluded.bytes, at_ms = excluded.at_ms, tries = iif(?7, tries + 1, 0)",
            )?
            .execute(params![id.as_bytes(), entry.kind, entry.generation, reason, bytes, self.now().ms, tried])?;
        Ok(())
    }

    /// Lets the next request ask for a whole record, in case the server has it.
    pub(super) fn wish(&self, id: RecordId, kind: u16, generation: u32) -> Result<()> {
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO quarantine(doc, kind, gen, reason, bytes) VALUES (?1, ?2, ?3, ?4, x'')")?
            .execute(params![id.as_bytes(), kind, generation, MISSING])?;
        Ok(())
    }

    /// Asks for a record that came and was not wanted as it is now: not at once again, and no more of its bytes are kept.
    fn wish_later(&self, id: RecordId, entry: &Entry) -> Result<()> {
        self.sql
            .prepare_cached(
                "INSERT INTO quarantine(doc, kind, gen, reason, bytes, at_ms, tries) VALUES (?1, ?2, ?3, ?4, x'', ?5, 1)
                 ON CONFLICT (doc) DO UPDATE SET at_ms = excluded.at_ms, tries = tries + 1",
            )?
            .execute(params![id.as_bytes(), entry.kind, entry.generation, MISSING, self.now().ms])?;
        Ok(())
    }

    /// What stood in the way of what came may be gone: where something of the record is set aside, the next request asks for it.
    pub(super) fn ask_at_once(&self, id: RecordId) -> Result<()> {
        self.sql.prepare_cached("UPDATE quarantine SET tries = 0 WHERE doc = ?1")?.execute([id.as_bytes()])?;
        Ok(())
    }

    pub(super) fn forget_set_aside(&self, id: RecordId) -> Result<()> {
        self.sql.prepare_cached("DELETE FROM quarantine WHERE doc = ?1")?.execute([id.as_bytes()])?;
        Ok(())
    }

    fn take_snapshot(&mut self, id: RecordId, entry: &Entry) -> Taken {
        let sealed = entry.snapshot.as_deref().ok_or(Aside::Reason("malformed"))?;
        let raw = open_envelope(sealed, Limits::DOCUMENT.bytes).map_err(|_| Aside::Reason("malformed"))?;
        let facts = scan_document(&raw, &Limits::DOCUMENT).map_err(|_| Aside::Reason("malformed"))?;
        let heads: Vec<ChangeHash> = facts.heads.into_iter().map(ChangeHash).collect();
        let existing = StoredDoc::find(self.sql, id)?;
        if let Some(stored) = &existing {
            if stored.kind != entry.kind && !self.gives_way(stored)? {
                return Err(Aside::Reason("kind"));
            }
            if stored.generation > entry.generation {
                // Erased here; the server hears of it with this device's next push.
                return Ok(self.forget_set_aside(id)?);
            }
            if stored.is_healthy() && stored.generation == entry.generation && stored.heads == heads {
                return Ok(self.forget_set_aside(id)?);
            }
        }
        let same = |stored: &&StoredDoc| (stored.generation, stored.kind) == (entry.generation, entry.kind);
        let present = existing.as_ref().filter(same);
        let healthy = present.filter(|stored| stored.is_healthy());
        // Edits of a record that is not here wait where its document was lost.
        let mut waiting = Vec::new();
        let has_edits = OutboxItem::has_any(self.sql, id)?;
        if has_edits && (present.is_some() || existing.is_none()) {
            waiting = OutboxItem::waiting_of(self.sql, id)?;
            if existing.is_none() && waiting.iter().any(|item| item.generation > entry.generation) {
                return Err(Aside::Erased);
            }
            waiting.retain(|item| (item.generation, item.kind) == (entry.generation, entry.kind));
        }
        let Some(kind) = Kind::from_code(entry.kind) else {
            self.make_room(id, existing.as_ref(), entry)?;
            self.insert_unopened(id, entry, &heads, sealed, None)?;
            return Ok(self.forget_set_aside(id)?);
        };
        // What is here and cannot be opened is replaced only by what can be: a snapshot that was merely scanned would be found
        // unreadable again when somebody opens it, and asked for with every sync.
        if present.is_none()
            && !has_edits
            && let Some(values) = usable_row(kind, entry)
        {
            self.make_room(id, existing.as_ref(), entry)?;
            self.insert_unopened(id, entry, &heads, sealed, Some(&values))?;
            if !planted(Plant::SilentSync) {
                self.changed.push((kind, id));
            }
            return Ok(self.forget_set_aside(id)?);
        }
        let document = Document::load(kind.definition(), sealed).map_err(|_| Aside::Reason("document"))?;
        if document.heads() != heads || document.broken_field().is_some() {
            return Err(Aside::Reason("document"));
        }
        let local = lacking(&document, healthy, &waiting)?;
        let local: Vec<&[u8]> = local.iter().map(Vec::as_slice).collect();
        let merged = gate::admit(&document, &local, &|_| true);
        // What an edit builds on may be lost with the document: the record is shown without it, and the server has its say.
        let merged = if existing.is_none() { merged.or_else(|_| gate::admit(&document, &[], &|_| true)) } else { merged };
        let passed = merged.map_err(|_| Aside::Reason("merge"))?;
        self.make_room(id, existing.as_ref(), entry)?;
        self.put_doc(id, entry.generation, &passed.document, None)?;
        self.forget_taken(id, &passed.document)?;
        Ok(self.forget_set_aside(id)?)
    }

    /// Whether a record may go for one of another kind, to which a server that was put back gave its id. Edits of it that wait
    /// are refused first; those that were refused keep what they were written on, to be shown.
    fn gives_way(&self, stored: &StoredDoc) -> Result<bool> {
        if OutboxItem::has_waiting(self.sql, stored.id)? {
            return Ok(false);
        }
        if OutboxItem::has_refused(self.sql, stored.id)? {
            let Ok(document) = stored.open() else { return Ok(false) };
            for (hash, raw) in document.changes_since(&document.definition().skeleton.last()) {
                OutboxItem::keep_past(self.sql, stored, &hash, &raw)?;
            }
        }
        Ok(true)
    }

    /// Removes what is derived from the record that an entry takes the place of; everything, where it was erased.
    fn make_room(&mut self, id: RecordId, existing: Option<&StoredDoc>, entry: &Entry) -> Result<()> {
        if existing.map_or(0, |stored| stored.generation) < entry.generation {
            return self.forget_generation(id, existing, entry.generation);
        }
        match existing.and_then(|stored| Some((stored, stored.known_kind()?))) {
            Some((stored, kind)) => {
                if stored.kind != entry.kind {
                    self.changed.push((kind, id));
                }
                self.delete_derived(kind.definition(), stored.n)
            }
            None => Ok(()),
        }
    }

    /// Forgets refusals of edits that the server has all the same: it took them, and its answer was lost before it saw the
    /// same group damaged.
    fn forget_taken(&self, id: RecordId, document: &Document) -> Result<()> {
        if !OutboxItem::has_refused(self.sql, id)? {
            return Ok(());
        }
        for item in OutboxItem::refused_with_past(self.sql, id)?.iter().filter(|item| document.contains(&item.hash)) {
            self.sql.execute("DELETE FROM outbox WHERE n = ?1", [item.n])?;
        }
        Ok(())
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
        let n = self.write_doc(&DocRow {
            id,
            kind: entry.kind,
            generation: entry.generation,
            heads,
            state: DocState::Unverified,
            row_version: (known.major, known.minor),
            has_unknown: version.minor > known.minor,
            disputed: 0,
            changed_ms: entry.changed_ms.unwrap_or(0),
            bytes: sealed,
        })?;
        if let Some(values) = values {
            self.derive(n, values, None)?;
        }
        Ok(())
    }

    fn take_changes(&mut self, id: RecordId, entry: &Entry) -> Taken {
        let changes = entry.changes.as_ref().ok_or(Aside::Reason("malformed"))?;
        let (stored, document) = match self.open_doc(id) {
            Ok(Some(found)) => found,
            Ok(None) | Err(Error::Unreadable(_)) => return Err(Aside::Reason(MISSING)),
            Err(error) => return Err(error.into()),
        };
        if stored.kind != entry.kind {
            return Err(Aside::Reason("kind"));
        }
        match stored.generation.cmp(&entry.generation) {
            std::cmp::Ordering::Greater => return Ok(()),
            std::cmp::Ordering::Less => return Err(Aside::Reason(MISSING)),
            std::cmp::Ordering::Equal => {}
        }
        let changes: Vec<&[u8]> = changes.iter().map(|change| change.as_slice()).collect();
        let passed = match gate::admit(&document, &changes, &|_| true) {
            Ok(passed) => passed,
            Err(refused) if refused.is_held() => return Err(Aside::Reason(MISSING)),
            Err(refused) => return Err(Aside::Reason(refused.code())),
        };
        if passed.new.is_empty() {
            return Ok(());
        }
        if stored.known_kind().is_some() {
            let before = if planted(Plant::StaleRow) { &passed.document } else { &document }.read(None).values;
            self.put_doc(id, stored.generation, &passed.document, Some(&before))?;
            self.forget_taken(id, &passed.document)?;
        } else {
            self.write_doc(&DocRow {
                id,
                kind: stored.kind,
                generation: stored.generation,
                heads: &passed.document.heads(),
                state: DocState::Unverified,
                row_version: (0, 0),
                has_unknown: true,
                disputed: 0,
                changed_ms: passed.document.changed_ms(),
                bytes: &passed.saved,
            })?;
        }
        Ok(())
    }
}

/// What this device has of a record and the snapshot lacks, in envelopes: its own edits, and others' that came another way.
fn lacking(snapshot: &Document, healthy: Option<&StoredDoc>, waiting: &[OutboxItem]) -> std::result::Result<Vec<Vec<u8>>, Aside> {
    match healthy.map(StoredDoc::open) {
        Some(Ok(mine)) => {
            let known: Vec<ChangeHash> = snapshot.heads().into_iter().filter(|head| mine.contains(head)).collect();
            let missing = mine.changes_since(&known).into_iter().filter(|(hash, _)| !snapshot.contains(hash));
            Ok(missing.map(|(_, bytes)| seal_envelope(&bytes)).collect())
        }
        _ => Ok(waiting.iter().map(|item| item.bytes.clone()).collect()),
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
