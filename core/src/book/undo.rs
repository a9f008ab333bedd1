//! Undo of own actions, also after others' edits arrived.
//!
//! A field goes back only if what it shows is exactly what the action wrote; otherwise the report says who changed it
//! since. A record that the person may not delete, or not bring back, stays as it is where the undo would do that: the rest
//! of the action goes back. Undo is itself an action, so that it can be undone.

use rusqlite::{OptionalExtension as _, params};

use super::Book;
use super::people::Author;
use crate::access::{DELETED, OWNER};
use crate::document::{ActionId, ChangeEntry, ChangeHash, Code, Context, Document, KeyEdit, difference, hashes};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::id::RecordId;
use crate::record::{FieldId, Kind};
use crate::store::Tx;
use crate::value::{RecordLink, Register as _, Scalar};

/// What undo did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoReport {
    /// The action that was undone.
    pub undone: ActionId,
    /// The action that undid it; undo that one to redo.
    pub action: ActionId,
    /// The records that went back.
    pub records: Vec<RecordLink>,
    /// Fields that somebody changed since and that were left alone.
    pub skipped: Vec<Skipped>,
}

/// What undo left alone: a field, or a whole record that is somebody else's now, where the role does not allow to delete it or
/// to bring it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The record.
    pub record: RecordLink,
    /// The field; the owner where it is the whole record.
    pub field: FieldId,
    /// Whether the record was left as it is with all its fields.
    pub whole: bool,
    /// Who changed it since.
    pub author: Author,
    /// When, by that clock.
    pub at_ms: i64,
}

impl Book {
    /// Undoes an own action; `None` the last one that was not undone yet.
    ///
    /// # Errors
    /// [`Error::NothingToUndo`] where there is no such action of this store, or it was undone already.
    pub fn undo(&self, action: Option<ActionId>) -> Result<UndoReport> {
        self.write(|tx| {
            let undone = tx.action_to_undo(action)?;
            let parts: Vec<(u16, Vec<u8>, Vec<u8>)> = {
                let mut statement =
                    tx.sql.prepare_cached("SELECT kind, doc, hash FROM action_doc WHERE action = ?1 ORDER BY doc")?;
                statement.query_map([undone.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?
            };
            let message = tx.message(Code::undo(), Code::typed());
            tx.note_action(&message)?;
            let mut report = UndoReport { undone, action: message.action, records: Vec::new(), skipped: Vec::new() };
            let mut at = 0;
            while let Some((kind, doc, _)) = parts.get(at) {
                let own: Vec<ChangeHash> = parts.iter().filter(|part| part.1 == *doc).flat_map(|part| hashes(&part.2)).collect();
                at += own.len().max(1);
                if let (Some(kind), Some(id)) = (Kind::from_code(*kind), RecordId::from_slice(doc)) {
                    tx.undo_in(RecordLink { kind, id }, &own, &message, &mut report)?;
                }
            }
            tx.sql.execute("UPDATE action SET undone_by = ?2 WHERE id = ?1", params![undone.0, message.action.0])?;
            Ok(report)
        })
    }
}

impl Tx<'_> {
    fn action_to_undo(&self, action: Option<ActionId>) -> Result<ActionId> {
        let id: Option<Vec<u8>> = match action {
            Some(action) => {
                // One whose undoing took nothing back is as it was. It is not the last one any more: an undo of that goes on
                // to the one before.
                let sql = "SELECT id FROM action WHERE id = ?1 AND (undone_by IS NULL
                           OR NOT EXISTS (SELECT 1 FROM action_doc WHERE action = undone_by))";
                self.sql.query_row(sql, [action.0], |row| row.get(0))
            }
            None => self.sql.query_row(
                "SELECT id FROM action WHERE undone_by IS NULL AND kind <> 'undo' ORDER BY n DESC LIMIT 1",
                [],
                |row| row.get(0),
            ),
        }
        .optional()?;
        id.and_then(|id| id.try_into().ok()).map(ActionId).ok_or(Error::NothingToUndo)
    }

    fn undo_in(
        &mut self,
        record: RecordLink,
        own: &[ChangeHash],
        message: &crate::document::Message,
        report: &mut UndoReport,
    ) -> Result<()> {
        let Some((stored, mut document)) = self.open_doc(record.id)? else { return Ok(()) };
        let before = document.read(None).values;
        let mut edits = Vec::new();
        let mut texts = Vec::new();
        for change in document.changes().iter().rev().filter(|change| own.contains(&change.hash)) {
            let reversed = self.reverse(record, &document, change, own, report)?;
            let (text, other): (Vec<KeyEdit>, Vec<KeyEdit>) =
                reversed.into_iter().partition(|edit| matches!(edit, KeyEdit::Text { .. }));
            edits.extend(other);
            texts.push((change.hash, text));
        }
        if edits.iter().any(|edit| edit.key() == DELETED) && !self.may_delete(&before)? {
            // Whole: a record that the action made would otherwise stay and lose a part of its fields.
            report.skipped.push(self.given_away(record, &document)?);
            return Ok(());
        }
        let mut steps = vec![(document.heads(), edits)];
        // A text goes back at the version that the action left, so that what others wrote around it stays.
        steps.extend(texts.into_iter().map(|(hash, text)| (vec![hash], text)));
        let mut written = Vec::new();
        for (base, edits) in steps {
            let formed = std::collections::BTreeMap::new();
            let context =
                Context { base: &base, actor: self.actor, own: &|_| true, formed: &formed, message, at_ms: self.now().ms };
            written.extend(document.write(edits, &context)?);
        }
        if !written.is_empty() {
            self.keep_done(record.id, stored.generation, &document, Some(&before), message, &written)?;
            report.records.push(record);
        }
        Ok(())
    }

    /// A record that the role keeps from going back, with who gave it its owner.
    fn given_away(&self, record: RecordLink, document: &Document) -> Result<Skipped> {
        let owner = document.definition().field(OWNER);
        let owner = owner.and_then(|field| document.candidates(field, "", None).into_iter().next());
        let (actor, at_ms) = owner.map_or((None, 0), |owner| (owner.actor, owner.at_ms));
        let author = Author::of(self.sql, actor)?;
        Ok(Skipped { record, field: FieldId::from_key(OWNER), whole: true, author, at_ms })
    }

    /// The edits that take one change back.
    fn reverse(
        &self,
        record: RecordLink,
        document: &Document,
        change: &ChangeEntry,
        own: &[ChangeHash],
        report: &mut UndoReport,
    ) -> Result<Vec<KeyEdit>> {
        let definition = record.kind.definition();
        if change.deps == definition.skeleton.last() {
            // The change made the record: taking it back deletes the record and leaves its values to be restored.
            return Ok(vec![KeyEdit::Put { key: DELETED.into(), scalar: self.now().to_scalar() }]);
        }
        let mut edits = Vec::new();
        let (old, new) = document.around(change);
        for edit in difference(&new, &old) {
            if matches!(edit, KeyEdit::Text { .. }) {
                edits.push(edit);
                continue;
            }
            let field_id = FieldId::from_key(edit.key());
            let Some(field) = definition.field(field_id.field()) else { continue };
            let shown = document.candidates(field, field_id.entry(), None).into_iter().next();
            let restored = match edit {
                KeyEdit::Remove { key } if field.shape == crate::record::Shape::Register => {
                    KeyEdit::Put { key, scalar: Scalar::Null }
                }
                other => other,
            };
            match shown {
                Some(shown) if !own.contains(&shown.change) && !planted(Plant::UndoOthers) => report.skipped.push(Skipped {
                    record,
                    whole: false,
                    field: field_id,
                    author: Author::of(self.sql, shown.actor)?,
                    at_ms: shown.at_ms,
                }),
                _ => edits.push(restored),
            }
        }
        Ok(edits)
    }
}
