//! Edits that the server refused: the record goes back, the bytes stay until their user decides.
//!
//! What one save or action wrote into one record is one refusal, however many changes it took.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::Book;
use super::history::FieldChange;
use super::identity::is_own;
use crate::document::{ActionId, ChangeEntry, ChangeHash, Code, Context, Document, KeyEdit, Message, Rewritten, open_envelope};
use crate::error::{Error, ProblemCode, Result};
use crate::fault::{Plant, planted};
use crate::gate::{Limits, scan_change};
use crate::id::RecordId;
use crate::record::{FieldId, Kind};
use crate::store::{OpenGroup, OutboxItem, OutboxState, StoredDoc, Tx};
use crate::value::{RecordLink, Scalar};

/// An edit that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Names it for [`Book::retry`] and [`Book::discard`].
    pub id: String,
    /// The record.
    pub record: RecordLink,
    /// The server's reason, a code of [`crate::gate::Refused`].
    pub reason: String,
    /// What the edit wanted, to be read or copied; empty where its bytes cannot be read any more.
    pub changes: Vec<FieldChange>,
    /// Whether [`Book::retry`] can make it again.
    pub can_retry: bool,
}

/// What there is to do to make a refused edit again.
enum Again {
    /// It is an erasure: the record came back, or comes with the next sync.
    Erase,
    /// Its changes, in a document that has them.
    Write(Box<Document>, Vec<ChangeEntry>),
}

/// A change that was taken out of a record, with what it wanted and what it was written on.
struct Fallen {
    edits: Vec<KeyEdit>,
    base: Vec<ChangeHash>,
    message: Message,
}

/// A record while edits are written into it again, one after another.
struct Replayed {
    id: RecordId,
    generation: u32,
    document: Document,
    /// Whether the store has no such record yet.
    is_new: bool,
}

/// Own bytes that the server found too large are still read here.
const MAX_OWN_CHANGE: usize = 64 << 20;

impl Book {
    /// The refused edits, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn refusals(&self) -> Result<Vec<Refusal>> {
        self.read(|conn| {
            let mut refusals = Vec::new();
            for items in refused(conn)? {
                let Some(first) = items.first() else { continue };
                let Some(kind) = Kind::from_code(first.kind) else { continue };
                let mut changes = Vec::new();
                let wanted = with_refused(conn, &items)?;
                let edits = wanted.iter().flat_map(|(with, changes)| changes.iter().flat_map(|change| with.effect(change).edits));
                for edit in edits {
                    let field = FieldId::from_key(edit.key());
                    let shown =
                        |scalar: Scalar| kind.definition().field(field.field()).map(|spec| spec.display(field.entry(), &scalar));
                    changes.push(FieldChange { before: None, after: edit.wanted().and_then(shown), field });
                }
                let can_retry = again(conn, first, wanted)?.is_some();
                refusals.push(Refusal {
                    id: first.hash.to_string(),
                    record: RecordLink { kind, id: first.doc },
                    reason: first.verdict.clone().unwrap_or_default(),
                    changes,
                    can_retry,
                });
            }
            Ok(refusals)
        })
    }

    /// Makes a refused edit again, on the record as it is now, and sends it with the next sync. What others wrote to
    /// the same fields meanwhile stays beside it, as a conflict.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such refused edit, or nothing is left of it that could be made again.
    pub fn retry(&self, refusal: &str) -> Result<()> {
        self.write(|tx| {
            let items = tx.refused(refusal)?;
            let Some(first) = items.first() else { return Ok(()) };
            let Some(kind) = Kind::from_code(first.kind) else { return Err(gone()) };
            let wanted = with_refused(tx.sql, &items)?;
            let (with, changes) = match again(tx.sql, first, wanted)?.ok_or_else(gone)? {
                Again::Erase => {
                    tx.erase(kind, first.doc)?;
                    return tx.drop_refused(&items);
                }
                Again::Write(with, changes) => (with, changes),
            };
            let message = tx.message(Code::replay(), Code::typed());
            let (generation, document, is_new) = match tx.open_doc(first.doc)? {
                Some((stored, document)) => (stored.generation, document, false),
                None => (first.generation, Document::new(kind.definition())?, true),
            };
            let mut record = Replayed { id: first.doc, generation, document, is_new };
            let mut again = Rewritten::new();
            for change in &changes {
                let fallen = taken_out(&with, change, &record.document, &again);
                again.insert(change.hash, tx.replay(&mut record, Fallen { message: message.clone(), ..fallen })?);
            }
            tx.drop_refused(&items)
        })
    }

    /// Forgets a refused edit.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such refused edit.
    pub fn discard(&self, refusal: &str) -> Result<()> {
        self.write(|tx| {
            let items = tx.refused(refusal)?;
            tx.drop_refused(&items)
        })
    }
}

/// What there is to do to make an edit again, of which the first change and what it wanted are known; `None` where it cannot
/// be made again.
fn again(conn: &Connection, first: &OutboxItem, wanted: Option<(Document, Vec<ChangeEntry>)>) -> Result<Option<Again>> {
    let here = StoredDoc::find(conn, first.doc)?;
    if here.as_ref().map_or(0, |stored| stored.generation) < first.generation {
        return Ok(Some(Again::Erase));
    }
    if here.is_some_and(|stored| stored.kind != first.kind) {
        return Ok(None);
    }
    let has_edits = |with: &Document, changes: &[ChangeEntry]| changes.iter().any(|change| !with.effect(change).edits.is_empty());
    Ok(wanted.filter(|(with, changes)| has_edits(with, changes)).map(|(with, changes)| Again::Write(Box::new(with), changes)))
}

fn gone() -> Error {
    Error::invalid("refusal", ProblemCode::Gone)
}

/// The refused changes, those of one group and record together, oldest first.
fn refused(conn: &Connection) -> Result<Vec<Vec<OutboxItem>>> {
    let mut together: Vec<Vec<OutboxItem>> = Vec::new();
    for item in OutboxItem::refused(conn)? {
        match together
            .iter_mut()
            .find(|items| items.first().is_some_and(|first| first.group == item.group && first.doc == item.doc))
        {
            Some(items) => items.push(item),
            None => together.push(vec![item]),
        }
    }
    Ok(together)
}

/// A record with the refused changes of `items` in it, and those that they were written on. Nothing where their bytes fit
/// nowhere any more.
fn with_refused(conn: &Connection, items: &[OutboxItem]) -> Result<Option<(Document, Vec<ChangeEntry>)>> {
    let Some((id, kind)) = items.first().and_then(|first| Some((first.doc, Kind::from_code(first.kind)?))) else {
        return Ok(None);
    };
    // Under the same id the server may hold a record of another kind: then the edit stands alone.
    let here = StoredDoc::find(conn, id)?.filter(|stored| stored.kind == kind.code()).and_then(|stored| stored.open().ok());
    let mut past: BTreeMap<ChangeHash, Vec<u8>> = BTreeMap::new();
    for item in OutboxItem::refused_with_past(conn, id)? {
        past.extend(open_envelope(&item.bytes, MAX_OWN_CHANGE).ok().map(|bytes| (item.hash, bytes)));
    }
    // Others stay out, since they may exclude each other.
    let mut needed: Vec<ChangeHash> = items.iter().map(|item| item.hash).collect();
    let mut raw = Vec::new();
    while let Some(hash) = needed.pop() {
        let Some(bytes) = past.remove(&hash) else { continue };
        needed.extend(scan_change(&bytes, &Limits::CHANGE).into_iter().flat_map(|facts| facts.deps).map(ChangeHash));
        raw.push(bytes);
    }
    let mut scratch = match &here {
        Some(document) => document.clone(),
        None => Document::new(kind.definition())?,
    };
    if scratch.apply(raw.iter().map(Vec::as_slice)).is_err() {
        // Another store wrote as the same device: the two cannot stand in one document, but what both were written on can.
        scratch = match &here {
            Some(document) => document.below(&raw)?,
            None => Document::new(kind.definition())?,
        };
        if scratch.apply(raw.iter().map(Vec::as_slice)).is_err() {
            return Ok(None);
        }
    }
    let wanted = |change: &ChangeEntry| items.iter().any(|item| item.hash == change.hash);
    let changes = scratch.changes().into_iter().filter(wanted).collect();
    Ok(Some((scratch, changes)))
}

/// A change of `from` as an edit on `target`, which lacks it: at the nearest of its ancestors that `target` has.
fn taken_out(from: &Document, change: &ChangeEntry, target: &Document, again: &Rewritten) -> Fallen {
    let base = from.ancestors_in(&change.deps, target, again);
    let there = target.read(Some(&base)).values;
    let mut edits = from.effect(change).edits;
    for edit in &mut edits {
        if let KeyEdit::Text { key, from, to } = edit
            && let Some(crate::record::FieldValue::Text(text)) = there.get(key)
            && text != from
        {
            *to = crate::document::carried_over(from, to, text);
            from.clone_from(text);
        }
    }
    let message =
        change.message.clone().unwrap_or(Message { kind: Code::replay(), source: Code::typed(), action: ActionId([0; 16]) });
    Fallen { edits, base, message }
}

impl Tx<'_> {
    fn refused(&self, id: &str) -> Result<Vec<OutboxItem>> {
        let found = refused(self.sql)?.into_iter().find(|items| items.iter().any(|item| item.hash.to_string() == id));
        found.ok_or_else(gone)
    }

    /// Settles refused changes. Their bytes stay as long as others of the record wait that were written on them.
    fn drop_refused(&self, items: &[OutboxItem]) -> Result<()> {
        for item in items {
            self.sql.execute("UPDATE outbox SET state = ?2 WHERE n = ?1", params![item.n, OutboxState::Settled])?;
            self.ask_at_once(item.doc)?;
            self.sql.execute(
                "DELETE FROM outbox WHERE doc = ?1 AND state = ?2 AND NOT EXISTS (SELECT 1 FROM outbox WHERE doc = ?1 AND state = ?3)",
                params![item.doc.as_bytes(), OutboxState::Settled, OutboxState::Refused],
            )?;
        }
        Ok(())
    }

    /// Writes edits again, as a change of this store, at the version that they were made on. Gives the changes that stand
    /// for them now.
    fn replay(&mut self, record: &mut Replayed, fallen: Fallen) -> Result<Vec<ChangeHash>> {
        let Fallen { edits, base, message } = fallen;
        let own = |actor| is_own(self.sql, actor).unwrap_or(false);
        let formed = BTreeMap::new();
        let context =
            Context { base: &base, actor: self.actor, own: &own, formed: &formed, message: &message, at_ms: self.now().ms };
        let before = (!record.is_new).then(|| record.document.read(None).values);
        let written = record.document.write(edits, &context)?;
        if !written.is_empty() {
            self.keep_written(record.id, record.generation, &record.document, before.as_ref(), &message, &written)?;
            record.is_new = false;
        }
        let hashes: Vec<ChangeHash> = written.iter().map(|change| change.hash).collect();
        Ok(if hashes.is_empty() { base } else { hashes })
    }

    /// Takes a refused group out of the records. Later edits that built on it are written again under `self.actor`,
    /// which must be a new one, and the refused bytes stay in the outbox until their user decides.
    pub(super) fn refuse(&mut self, group: &[u8], verdict: &str) -> Result<()> {
        let docs = self.hashes_of(group)?;
        self.sql.execute(
            "UPDATE outbox SET state = ?3, verdict = ?2 WHERE grp = ?1 AND state = ?4",
            params![group, verdict, OutboxState::Refused, OutboxState::Waiting],
        )?;
        if planted(Plant::RefusedBytes) {
            self.sql.execute("DELETE FROM outbox WHERE state = ?1", [OutboxState::Refused])?;
        }
        for (id, hashes) in docs {
            self.take_out(id, &hashes, Some(verdict))?;
        }
        Ok(())
    }

    /// Writes the changes of a group again under `self.actor`, which must be a new one: the server refused their author,
    /// as after a copy of the store, and nothing else.
    pub(super) fn rewrite(&mut self, group: &[u8]) -> Result<()> {
        self.group = OpenGroup::new(self.env);
        for (id, hashes) in self.hashes_of(group)? {
            self.take_out(id, &hashes, None)?;
        }
        Ok(())
    }

    fn hashes_of(&self, group: &[u8]) -> Result<BTreeMap<RecordId, Vec<ChangeHash>>> {
        let mut docs: BTreeMap<RecordId, Vec<ChangeHash>> = BTreeMap::new();
        for item in OutboxItem::of_group(self.sql, group)? {
            docs.entry(item.doc).or_default().push(item.hash);
        }
        Ok(docs)
    }

    /// Rebuilds a record without some own changes. Later own changes that fell with them are written again; with a
    /// `verdict` the changes themselves stay refused, without one they are written again too.
    fn take_out(&mut self, id: RecordId, hashes: &[ChangeHash], verdict: Option<&str>) -> Result<()> {
        let (stored, document) = match self.open_doc(id) {
            // Of an unknown kind nothing can be written again: it stays as it is until this release knows it.
            Ok(Some((stored, _))) if stored.known_kind().is_none() => return Ok(()),
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            // It is fetched again without the refused edit; one bad record must not stop the page.
            Err(Error::Unreadable(id)) => return self.mark_unreadable(id),
            Err(error) => return Err(error),
        };
        let kind = document.definition().kind;
        self.taken_out.push((id, stored.kind, stored.generation));
        self.ask_at_once(id)?;
        let clean = document.without(hashes)?;
        let gone = |change: &&ChangeEntry| !clean.contains(&change.hash) && (verdict.is_none() || !hashes.contains(&change.hash));
        let changes = document.changes();
        let fallen: Vec<&ChangeEntry> = changes.iter().filter(gone).collect();
        let (mut known, mut broken) = (BTreeSet::new(), BTreeSet::new());
        for change in &fallen {
            match OutboxItem::group_of(self.sql, &change.hash)? {
                Some(group) => _ = broken.insert(group),
                None => _ = known.insert(change.hash),
            }
        }
        for group in broken {
            self.rename_group(&group)?;
            self.fallen.insert(group);
        }
        if !known.is_empty() {
            // Refused edits may have been written on them, and are shown and made again on what they were written on.
            for (hash, bytes) in document.changes_since(&clean.heads()).into_iter().filter(|(hash, _)| known.contains(hash)) {
                OutboxItem::keep_past(self.sql, &stored, &hash, &bytes)?;
            }
            // The server took a change that was written on the refused one, and will not send it: it has both from
            // another store.
            self.wish(id, stored.kind, stored.generation)?;
        }
        // Forms that were saved from versions with these changes start anew.
        self.sql.execute("DELETE FROM saved_form WHERE doc = ?1", [id.as_bytes()])?;
        let unmade = clean.heads() == document.definition().skeleton.last();
        if unmade {
            self.delete_derived(kind.definition(), stored.n)?;
            self.sql.execute("DELETE FROM doc WHERE n = ?1", [stored.n])?;
            self.changed.push((kind, id));
        } else {
            let before = document.read(None).values;
            self.put_doc(id, stored.generation, &clean, Some(&before))?;
        }
        if unmade && verdict.is_some() && stored.generation > 0 {
            // An erasure that was refused: the record as the server still has it is asked for.
            self.wish(id, stored.kind, stored.generation - 1)?;
        }
        if let (true, Some(verdict)) = (unmade, verdict) {
            // Without what made the record, its later edits would make a record of nobody: they wait with it.
            for change in &fallen {
                self.sql.execute(
                    "UPDATE outbox SET state = ?3, verdict = ?2 WHERE hash = ?1 AND state = ?4",
                    params![change.hash.0, verdict, OutboxState::Refused, OutboxState::Waiting],
                )?;
            }
            return Ok(());
        }
        let mut record = Replayed { id, generation: stored.generation, document: clean, is_new: unmade };
        let mut again = Rewritten::new();
        // What was one group is one again. The edits that fell with it were others', and each goes alone: what becomes of one
        // must not decide about the rest.
        for change in fallen {
            // Refused changes may have been written on it: then its bytes stay as long as they do.
            self.sql.execute(
                "UPDATE outbox SET state = ?1 WHERE hash = ?2 AND doc IN (SELECT doc FROM outbox WHERE state = ?3)",
                params![OutboxState::Settled, change.hash.0, OutboxState::Refused],
            )?;
            self.sql
                .execute("DELETE FROM outbox WHERE hash = ?1 AND state = ?2", params![change.hash.0, OutboxState::Waiting])?;
            let fallen = taken_out(&document, change, &record.document, &again);
            let alone = !hashes.contains(&change.hash);
            let together = alone.then(|| std::mem::replace(&mut self.group, OpenGroup::new(self.env)));
            again.insert(change.hash, self.replay(&mut record, fallen)?);
            if let Some(together) = together {
                self.group = together;
            }
        }
        Ok(())
    }
}
