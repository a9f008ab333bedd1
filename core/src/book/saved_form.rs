//! What was saved from a version of a record, for forms that are saved twice and for two forms that are open at one
//! version.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::document::{ChangeHash, KeyEdit, Written, shared};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::value::Scalar;

/// How many versions of one record, and saves from each, are remembered.
const REMEMBERED: u32 = 8;

/// Everything that was saved from one version, by key, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SavedForm(BTreeMap<String, Vec<SavedPart>>);

/// What an earlier save of the same form did to a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedPart {
    /// The change that wrote it, in hexadecimal; absent where the record already held it.
    hash: Option<String>,
    /// The value; absent where the entry was removed.
    value: Option<Scalar>,
}

impl SavedForm {
    /// What was saved from a version until now.
    pub fn load(conn: &Connection, id: RecordId, version: &[u8]) -> Result<Self> {
        let fields: Option<String> = conn
            .prepare_cached("SELECT fields FROM saved_form WHERE doc = ?1 AND version = ?2")?
            .query_row(params![id.as_bytes(), version], |row| row.get(0))
            .optional()?;
        Ok(fields.and_then(|fields| serde_json::from_str(&fields).ok()).unwrap_or_default())
    }

    /// What is left of an edit where earlier saves from the version touched its key: nothing where the last of them wrote
    /// the same; for a text, the rest of what the form had become, with the change that it goes on from in `formed`.
    ///
    /// A key that still holds what the form was read with is not touched, even where an earlier save from the version
    /// changed it: two forms may be open at one version, and the second must not take back what the first one wrote.
    pub fn since(&self, edit: KeyEdit, formed: &mut BTreeMap<String, ChangeHash>) -> Option<KeyEdit> {
        let Some(parts) = self.0.get(edit.key()) else { return Some(edit) };
        if parts.last().is_some_and(|part| part.value == edit.wanted()) {
            return None;
        }
        let KeyEdit::Text { key, from, to } = edit else { return Some(edit) };
        // Of the forms that were saved from this version, the text goes on from the one that it is most like.
        let texts = parts.iter().filter_map(|part| Some((part.value.as_ref()?.as_str()?, part.hash.as_deref()?.parse().ok()?)));
        match texts
            .max_by_key(|(text, _)| (*text == to, common(text, &to)))
            .filter(|(text, _)| common(text, &to) >= common(&from, &to))
        {
            Some((text, hash)) => {
                formed.insert(key.clone(), hash);
                (text != to).then(|| KeyEdit::Text { key, from: text.to_owned(), to })
            }
            None => Some(KeyEdit::Text { key, from, to }),
        }
    }

    /// Adds a save: its edits, and the changes that hold what was not there yet.
    pub fn note(&mut self, edits: &[KeyEdit], written: &[Written]) {
        for edit in edits {
            let writer = written.iter().rev().find(|change| change.keys.iter().any(|key| key == edit.key()));
            let parts = self.0.entry(edit.key().to_owned()).or_default();
            parts.push(SavedPart { hash: writer.map(|change| change.hash.to_string()), value: edit.wanted() });
            let excess = parts.len().saturating_sub(REMEMBERED as usize);
            parts.drain(..excess);
        }
    }

    /// Remembers it under its version, and forgets the record's oldest ones.
    pub fn keep(&self, conn: &Connection, id: RecordId, version: &[u8]) -> Result<()> {
        let fields = serde_json::to_string(self).map_err(|error| Error::Internal(error.to_string()))?;
        conn.prepare_cached(
            "INSERT INTO saved_form(doc, version, fields) VALUES (?1, ?2, ?3) ON CONFLICT (doc, version) DO UPDATE SET fields = excluded.fields",
        )?
        .execute(params![id.as_bytes(), version, fields])?;
        conn.prepare_cached(
            "DELETE FROM saved_form WHERE doc = ?1 AND n NOT IN (SELECT n FROM saved_form WHERE doc = ?1 ORDER BY n DESC LIMIT ?2)",
        )?
        .execute(params![id.as_bytes(), REMEMBERED])?;
        Ok(())
    }
}

/// How many characters two texts share at their beginnings and ends.
fn common(a: &str, b: &str) -> usize {
    let (start, end) = shared(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
    start + end
}
