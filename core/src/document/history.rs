//! What changed when, by whom: read from the document itself.

use automerge::ChangeHash;

use super::{Actor, Document, KeyEdit, Message};
use crate::record::{FieldId, FieldValue, Values};
use crate::value::Scalar;

/// One change of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEntry {
    /// Its hash.
    pub hash: ChangeHash,
    /// The changes it follows.
    pub deps: Vec<ChangeHash>,
    /// Who wrote it; `None` for the skeleton and for bytes that are no device's actor.
    pub actor: Option<Actor>,
    /// Its wall clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says about itself.
    pub message: Option<Message>,
}

/// What a change did.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The record that it was written on.
    pub before: Values,
    /// The record with it.
    pub after: Values,
    /// What it wanted: what it made of the record, and which disagreements it ended.
    pub edits: Vec<KeyEdit>,
}

impl Document {
    /// All changes but the skeleton's, oldest first.
    pub fn changes(&self) -> Vec<ChangeEntry> {
        let mut entries = Vec::new();
        for meta in self.am.get_changes_meta(&[]) {
            let actor = Actor::parse(meta.actor.to_bytes()).map(|(actor, _)| actor);
            if actor == Some(Actor::SKELETON) {
                continue;
            }
            let message = meta.message.as_deref().and_then(|text| text.parse().ok());
            entries.push(ChangeEntry { hash: meta.hash, deps: meta.deps, actor, at_ms: meta.timestamp, message });
        }
        entries
    }

    /// The values before and after a change, on its own branch.
    pub fn around(&self, entry: &ChangeEntry) -> (Values, Values) {
        (self.read(Some(&entry.deps)).values, self.read(Some(&[entry.hash])).values)
    }

    /// What a change did, on its own branch.
    pub fn effect(&self, entry: &ChangeEntry) -> Effect {
        let (before, after) = (self.read(Some(&entry.deps)), self.read(Some(&[entry.hash])));
        let mut edits = difference(&before.values, &after.values);
        for key in before.disputed.into_iter().filter(|key| !after.disputed.contains(key)) {
            let id = FieldId::from_key(&key);
            let field = self.definition().field(id.field());
            let left = field.and_then(|field| self.candidates(field, id.entry(), Some(&[entry.hash])).into_iter().next());
            // Without one, it was removed.
            if let Some(left) = left {
                edits.retain(|edit| edit.key() != key);
                edits.push(KeyEdit::Settle { key, scalar: left.scalar });
            }
        }
        Effect { before: before.values, after: after.values, edits }
    }

    /// The time of the last change; 0 where there is none.
    pub fn changed_ms(&self) -> i64 {
        self.am.get_changes_meta(&[]).iter().map(|meta| meta.timestamp).max().unwrap_or(0)
    }
}

/// The edits that turn one record into another. Clearing a register puts null; removing an entry or member deletes it.
pub fn difference(before: &Values, after: &Values) -> Vec<KeyEdit> {
    let mut edits = Vec::new();
    for ((field, before), (_, after)) in before.iter().zip(after.iter()) {
        match (before, after) {
            (FieldValue::Register(old), FieldValue::Register(new)) if old != new => {
                edits.push(KeyEdit::Put { key: field.key(""), scalar: new.clone() });
            }
            (FieldValue::Text(from), FieldValue::Text(to)) if from != to => {
                edits.push(KeyEdit::Text { key: field.key(""), from: from.clone(), to: to.clone() });
            }
            (FieldValue::Set(old), FieldValue::Set(new)) => {
                edits.extend(
                    new.difference(old).map(|member| KeyEdit::Put { key: field.key(member), scalar: Scalar::Bool(true) }),
                );
                edits.extend(old.difference(new).map(|member| KeyEdit::Remove { key: field.key(member) }));
            }
            (FieldValue::Keyed(old), FieldValue::Keyed(new)) => {
                for (id, scalar) in new {
                    if old.get(id) != Some(scalar) {
                        edits.push(KeyEdit::Put { key: field.key(id), scalar: scalar.clone() });
                    }
                }
                edits.extend(old.keys().filter(|id| !new.contains_key(*id)).map(|id| KeyEdit::Remove { key: field.key(id) }));
            }
            _ => {}
        }
    }
    edits
}
