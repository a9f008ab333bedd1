//! Edits that the server refused: the record goes back, the bytes stay until their user decides.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Book;
use super::history::FieldChange;
use crate::document::{ActionId, ChangeHash, Code, Context, Document, Message, difference};
use crate::error::{Error, ProblemCode, Result};
use crate::id::RecordId;
use crate::record::{FieldId, Kind};
use crate::store::{OutboxItem, StoredDoc, Tx};
use crate::value::RecordLink;

/// An edit that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Names it for [`Book::retry`] and [`Book::discard`].
    pub id: String,
    /// The record.
    pub record: RecordLink,
    /// The server's reason, a code of [`crate::gate::Refused`].
    pub reason: String,
    /// What the edit wanted, to be read or copied.
    pub changes: Vec<FieldChange>,
}

impl Book {
    /// The refused edits, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn refusals(&self) -> Result<Vec<Refusal>> {
        self.read(|conn| {
            let mut refusals = Vec::new();
            for item in OutboxItem::refused(conn)? {
                let Some(kind) = Kind::from_code(item.kind) else { continue };
                let mut changes = Vec::new();
                for edit in edits_of(conn, &item)? {
                    let field = FieldId::from_key(edit.key());
                    let shown = |scalar: &crate::value::Scalar| {
                        kind.definition().field(field.field()).map(|spec| spec.display(field.entry(), scalar))
                    };
                    let after = match &edit {
                        crate::document::Edit::Put { scalar, .. } => shown(scalar),
                        crate::document::Edit::Text { to, .. } => Some(to.clone()),
                        crate::document::Edit::Remove { .. } => None,
                    };
                    changes.push(FieldChange { before: None, after, field });
                }
                refusals.push(Refusal {
                    id: item.hash.to_string(),
                    record: RecordLink { kind, id: item.doc },
                    reason: item.verdict.unwrap_or_default(),
                    changes,
                });
            }
            Ok(refusals)
        })
    }

    /// Makes a refused edit again, on the record as it is now, and sends it with the next sync.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such refused edit.
    pub fn retry(&self, refusal: &str) -> Result<()> {
        self.write(|tx| {
            let item = tx.refused(refusal)?;
            let edits = edits_of(tx.sql, &item)?;
            let message = tx.message(Code::replay(), Code::typed());
            tx.replay(item.doc, edits, &message)?;
            tx.sql.execute("DELETE FROM outbox WHERE n = ?1", [item.n])?;
            Ok(())
        })
    }

    /// Forgets a refused edit.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such refused edit.
    pub fn discard(&self, refusal: &str) -> Result<()> {
        self.write(|tx| {
            let item = tx.refused(refusal)?;
            tx.sql.execute("DELETE FROM outbox WHERE n = ?1", [item.n])?;
            Ok(())
        })
    }
}

/// What a refused change wanted: its difference on the record without it.
fn edits_of(conn: &rusqlite::Connection, item: &OutboxItem) -> Result<Vec<crate::document::Edit>> {
    let bytes = crate::document::open_envelope(&item.bytes, crate::gate::Limits::CHANGE.bytes)
        .map_err(|error| Error::Corrupt(error.to_string()))?;
    let Some(kind) = Kind::from_code(item.kind) else { return Ok(Vec::new()) };
    let mut document = match StoredDoc::find(conn, item.doc)? {
        Some(stored) => stored.open()?,
        None => Document::new(kind.definition())?,
    };
    // The change may follow others that were refused with it: what they wanted is shown with it then.
    let mut pending: Vec<Vec<u8>> = Vec::new();
    for other in OutboxItem::refused(conn)?.iter().filter(|other| other.doc == item.doc && other.n < item.n) {
        pending.push(
            crate::document::open_envelope(&other.bytes, crate::gate::Limits::CHANGE.bytes)
                .map_err(|error| Error::Corrupt(error.to_string()))?,
        );
    }
    pending.push(bytes);
    document.apply(&pending)?;
    let change = document.changes().into_iter().find(|change| change.hash == item.hash);
    Ok(change
        .map(|change| {
            let (before, after) = document.around(&change);
            difference(&before, &after)
        })
        .unwrap_or_default())
}

impl Tx<'_> {
    fn refused(&self, id: &str) -> Result<OutboxItem> {
        let found = OutboxItem::refused(self.sql)?.into_iter().find(|item| item.hash.to_string() == id);
        found.ok_or_else(|| Error::invalid("refusal", ProblemCode::Format))
    }

    /// Writes edits on a record as it is now, as a change of this store.
    fn replay(&mut self, id: RecordId, edits: Vec<crate::document::Edit>, message: &Message) -> Result<()> {
        let Some((stored, mut document)) = self.open_doc(id)? else { return Ok(()) };
        let kind = document.definition().kind;
        let before = document.read(None).values;
        let heads = document.heads();
        let mine = |_| true;
        let context =
            Context { base: &heads, actor: self.actor, own: &mine, formed: &BTreeMap::new(), message, at_ms: self.now().ms };
        let written = document.write(edits, &context)?;
        if !written.is_empty() {
            self.put_doc(id, stored.generation, &document, Some(&before))?;
            self.note_action(message)?;
            self.queue(kind, id, stored.generation, message.action, &written)?;
        }
        Ok(())
    }

    /// Takes a refused group out of the records: each is rebuilt without it, later edits that built on it are written
    /// again under `self.actor`, which must be a new one, and the refused bytes stay in the outbox.
    pub(super) fn refuse(&mut self, group: &[u8], verdict: &str) -> Result<()> {
        let refused = OutboxItem::of_group(self.sql, group)?;
        self.sql.execute("UPDATE outbox SET state = 1, verdict = ?2 WHERE grp = ?1 AND state = 0", params![group, verdict])?;
        let mut docs: BTreeMap<RecordId, Vec<ChangeHash>> = BTreeMap::new();
        for item in &refused {
            docs.entry(item.doc).or_default().push(item.hash);
        }
        for (id, hashes) in docs {
            self.rebuild_without(id, &hashes)?;
        }
        Ok(())
    }

    fn rebuild_without(&mut self, id: RecordId, hashes: &[ChangeHash]) -> Result<()> {
        let Some((stored, document)) = self.open_doc(id)? else { return Ok(()) };
        let kind = document.definition().kind;
        let clean = document.without(hashes)?;
        // Own edits that fell with the refused ones, oldest first, with what each wanted.
        let fallen: Vec<_> = document
            .changes()
            .into_iter()
            .filter(|change| !clean.contains(&change.hash) && !hashes.contains(&change.hash))
            .collect();
        let before = document.read(None).values;
        if clean.heads() == document.definition().skeleton.last() && fallen.is_empty() {
            // The refused edit made the record: nothing is left of it but the refusal.
            self.delete_derived(kind.definition(), stored.n)?;
            self.sql.execute("DELETE FROM doc WHERE n = ?1", [stored.n])?;
            self.changed.push((kind, id));
            return Ok(());
        }
        self.put_doc(id, stored.generation, &clean, Some(&before))?;
        for change in fallen {
            let (old, new) = document.around(&change);
            self.sql.execute("DELETE FROM outbox WHERE hash = ?1", [change.hash.0])?;
            let message = match change.message {
                Some(message) => message,
                None => Message { kind: Code::replay(), source: Code::typed(), action: ActionId::generate(self.env) },
            };
            self.replay(id, difference(&old, &new), &message)?;
        }
        Ok(())
    }
}
