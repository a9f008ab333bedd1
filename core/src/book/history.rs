//! The history of a record: every change, who made it, and the values before and after; read offline.

use super::Book;
use super::people::Author;
use super::save::open_for_reading;
use crate::document::{ActionId, Effect, KeyEdit};
use crate::error::Result;
use crate::id::RecordId;
use crate::record::{Definition, FieldId, Values};

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The action that it belongs to, perhaps with changes of other records; `None` for a change of another program.
    pub action: Option<ActionId>,
    /// What the user did: `save`, `settle`, `import`, …
    pub kind: String,
    /// Where the values came from: `typed`, `vcard`, …
    pub source: String,
    /// When, by the author's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who did it.
    pub author: Author,
    /// What changed.
    pub changes: Vec<FieldChange>,
}

/// One field of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field, or one entry of it.
    pub field: FieldId,
    /// What people read before; `None` where there was nothing.
    pub before: Option<String>,
    /// What people read after; `None` where it was cleared or removed.
    pub after: Option<String>,
}

impl Book {
    /// The changes of a record, oldest first.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`]; [`crate::Error::Unreadable`]; [`crate::Error::Closed`].
    pub fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>> {
        let kind = self.kind_of(id)?;
        self.read(|conn| {
            let (_, document) = open_for_reading(conn, kind.definition(), id)?;
            let mut entries = Vec::new();
            for change in document.changes() {
                self.check_open()?;
                let (kind, source, action) = match &change.message {
                    Some(message) => (message.kind.to_string(), message.source.to_string(), Some(message.action)),
                    None => (String::new(), String::new(), None),
                };
                entries.push(HistoryEntry {
                    action,
                    kind,
                    source,
                    at_ms: change.at_ms,
                    author: Author::of(conn, change.actor)?,
                    changes: field_changes(document.definition(), document.effect(&change)),
                });
            }
            Ok(entries)
        })
    }
}

fn field_changes(definition: &Definition, effect: Effect) -> Vec<FieldChange> {
    let Effect { before, after, edits } = effect;
    let change = |edit: KeyEdit| {
        let field = FieldId::from_key(edit.key());
        FieldChange { before: shown(definition, &before, &field), after: shown(definition, &after, &field), field }
    };
    edits.into_iter().map(change).collect()
}

fn shown(definition: &Definition, values: &Values, id: &FieldId) -> Option<String> {
    let field = definition.field(id.field())?;
    let parts = values.get(id.field())?.parts();
    let (entry, scalar) = parts.iter().find(|(entry, _)| *entry == id.entry())?;
    Some(field.display(entry, scalar))
}
