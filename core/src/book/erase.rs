//! Erasing a record: a new generation with little in it takes the place of everything that was written before.
//!
//! The history of a document cannot be cut, so that the document is replaced under the same id: links to it hold.
//! What an erased record keeps is said by its fields (`stays`).

use rusqlite::params;

use super::Book;
use crate::access::DELETED;
use crate::document::{Code, Context, Document, difference};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::gate::Refused::Erased;
use crate::id::RecordId;
use crate::record::{FieldValue, Kind, Values};
use crate::store::OutboxState::{Refused, Waiting};
use crate::store::{OutboxItem, StoredDoc, Tx};
use crate::value::Register as _;

impl Book {
    /// Erases a record for good: its values, its history and what waits to be sent go from this device at once, from the
    /// server and the other devices when they sync. The id stays, deleted, with the fields that say nothing about a person.
    /// It cannot be undone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAllowed`] for a rep.
    pub fn erase(&self, kind: Kind, id: RecordId) -> Result<()> {
        self.write(|tx| tx.erase(kind, id))
    }
}

impl Tx<'_> {
    /// Replaces a record by its next generation, and queues that for the server.
    pub(super) fn erase(&mut self, kind: Kind, id: RecordId) -> Result<()> {
        if self.member()?.is_some_and(|member| !member.role.may_erase()) {
            return Err(Error::NotAllowed);
        }
        let definition = kind.definition();
        let stored = StoredDoc::find(self.sql, id)?.filter(|stored| stored.kind == kind.code());
        let stored = stored.ok_or_else(|| Error::not_found(kind, id))?;
        // What cannot be opened has nothing that could stay, and can be erased all the same.
        let old = match stored.open() {
            Ok(document) => document.read(None).values,
            Err(Error::Unreadable(_)) => Values::empty(definition),
            Err(error) => return Err(error),
        };
        let generation = stored.generation.checked_add(1).ok_or_else(|| Error::Internal("too many generations".into()))?;
        let mut document = Document::new(definition)?;
        let empty = document.read(None).values;
        let mut kept = empty.clone();
        for (field, value) in old.iter().filter(|(field, _)| field.stays) {
            if let Some(slot) = kept.get_mut(field.name) {
                slot.clone_from(value);
            }
        }
        if let Some(FieldValue::Register(deleted)) = kept.get_mut(DELETED) {
            *deleted = Some(self.now()).to_scalar();
        }
        let message = self.message(Code::erase(), Code::typed());
        let base = document.heads();
        let context = Context {
            base: &base,
            actor: self.actor,
            own: &|_| true,
            formed: &Default::default(),
            message: &message,
            at_ms: self.now().ms,
        };
        let written = document.write(difference(&empty, &kept), &context)?;
        self.forget_generation(id, Some(&stored), generation)?;
        self.drop_unsent(id, generation)?;
        self.put_doc(id, generation, &document, None)?;
        for change in &written {
            self.enqueue(kind.code(), id, generation, change.hash, message.action, &change.bytes)?;
        }
        Ok(())
    }

    /// Removes what the store holds of a record's generations before `generation`, but for its place in the table of
    /// documents, which the next generation takes. Edits that the server does not have become refusals without content:
    /// their user hears of them, and nothing of the person stays.
    /// `stored` is the record as it stands here; none where a refusal took it out.
    pub(super) fn forget_generation(&mut self, id: RecordId, stored: Option<&StoredDoc>, generation: u32) -> Result<()> {
        if let Some((stored, kind)) = stored.and_then(|stored| Some((stored, stored.known_kind()?))) {
            self.delete_derived(kind.definition(), stored.n)?;
            self.changed.push((kind, id));
        }
        for table in ["saved_form", "action_doc"] {
            self.sql.execute(&format!("DELETE FROM {table} WHERE doc = ?1"), [id.as_bytes()])?;
        }
        // What came of this generation, and could not be taken, is still to be asked for.
        self.sql.execute("DELETE FROM quarantine WHERE doc = ?1 AND gen < ?2", params![id.as_bytes(), generation])?;
        self.sql.execute("DELETE FROM draft WHERE json_extract(record, '$.id') = ?1", [id.to_string()])?;
        for group in OutboxItem::groups_of(self.sql, id)? {
            self.sql.execute(
                "UPDATE outbox SET state = ?1, verdict = ?2 WHERE grp = ?3 AND doc = ?4 AND gen < ?5 AND state = ?6",
                params![Refused, Erased.code(), group, id.as_bytes(), generation, Waiting],
            )?;
            self.rename_group(&group)?;
        }
        if planted(Plant::ErasedBytes) {
            return Ok(());
        }
        let emptied = self.sql.execute(
            "UPDATE outbox SET bytes = x'' WHERE doc = ?1 AND gen < ?2 AND state <> ?3",
            params![id.as_bytes(), generation, Waiting],
        )?;
        self.erased |= stored.is_some() || emptied > 0;
        Ok(())
    }

    /// Forgets the edits of a record that its eraser never sent: they need no refusal.
    fn drop_unsent(&self, id: RecordId, generation: u32) -> Result<()> {
        self.sql.execute("DELETE FROM outbox WHERE doc = ?1 AND gen < ?2", params![id.as_bytes(), generation])?;
        Ok(())
    }

    /// Merges the search indexes, which keep the words of removed rows until they do.
    pub(super) fn forget_erased_words(&self) -> Result<()> {
        self.sql
            .execute_batch("INSERT INTO search(search) VALUES ('optimize'); INSERT INTO phone(phone) VALUES ('optimize');")?;
        Ok(())
    }
}
