//! Disagreements: both values, both authors, both times, settled by one call.

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::Book;
use super::people::Author;
use super::save::open_for_reading;
use crate::document::{Candidate, Code, Context, Document, KeyEdit};
use crate::error::{Error, ProblemCode, Result};
use crate::id::RecordId;
use crate::record::{FieldId, Kind};
use crate::value::RecordLink;

/// A field whose concurrent values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Names the conflict for [`Book::settle`].
    pub id: String,
    /// The record.
    pub record: RecordLink,
    /// The field, or one entry of it.
    pub field: FieldId,
    /// The values; the first is the one shown.
    pub values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictValue {
    /// Names the value for [`Book::settle`], among those that it was shown with.
    pub id: String,
    /// What people read.
    pub text: String,
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether the clock was more than a day ahead of this device's.
    pub suspect_clock: bool,
    /// Whether it is the one that the record shows.
    pub shown: bool,
}

/// More than this ahead of this device's clock, a time is not believed.
const SUSPECT_MS: i64 = 24 * 3_600_000;

/// The conflicts of an open document; `now_ms` is this device's clock.
pub(super) fn of_document(
    conn: &Connection,
    kind: Kind,
    id: RecordId,
    document: &Document,
    now_ms: i64,
) -> Result<Vec<Conflict>> {
    let mut conflicts = Vec::new();
    for key in document.read(None).disputed {
        let field_id = FieldId::from_key(&key);
        let Some(field) = kind.definition().field(field_id.field()) else { continue };
        let mut values = Vec::new();
        let candidates = document.candidates(field, field_id.entry(), None);
        for (at, (candidate, name)) in candidates.iter().zip(names(&candidates)).enumerate() {
            values.push(ConflictValue {
                id: name,
                text: field.display(field_id.entry(), &candidate.scalar),
                author: Author::of(conn, candidate.actor)?,
                at_ms: candidate.at_ms,
                suspect_clock: candidate.at_ms > now_ms.saturating_add(SUSPECT_MS),
                shown: at == 0,
            });
        }
        let record = RecordLink { kind, id };
        conflicts.push(Conflict { id: format!("{record}/{key}"), record, field: field_id, values });
    }
    Ok(conflicts)
}

/// The names of values among each other. With another value beside them they have other names: a decision is about what was
/// shown, and must not end what nobody has seen.
fn names(candidates: &[Candidate]) -> Vec<String> {
    let mut all: Vec<_> = candidates.iter().map(|candidate| candidate.change).collect();
    all.sort();
    let all = all.iter().fold(Sha256::new(), |hash, change| hash.chain_update(change.0));
    let name = |candidate: &Candidate| all.clone().chain_update(candidate.change.0).finalize();
    candidates.iter().map(|candidate| data_encoding::HEXLOWER.encode(name(candidate).get(..16).unwrap_or_default())).collect()
}

impl Book {
    /// The conflicts of one record.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unreadable`].
    pub fn conflicts(&self, id: RecordId) -> Result<Vec<Conflict>> {
        let kind = self.kind_of(id)?;
        self.read(|conn| {
            let (_, document) = open_for_reading(conn, kind.definition(), id)?;
            of_document(conn, kind, id, &document, self.env().now().ms)
        })
    }

    /// The records that have conflicts, at most `limit`, by kind. One that came whole from the server is among them once it was
    /// opened: [`Book::verify_some`] does that for all.
    ///
    /// # Errors
    /// Those of the store.
    pub fn disputed(&self, limit: u32) -> Result<Vec<RecordLink>> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached("SELECT kind, id FROM doc WHERE disputed > 0 ORDER BY kind, n LIMIT ?1")?;
            let rows: Vec<(u16, Vec<u8>)> =
                statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let link =
                |(kind, id): &(u16, Vec<u8>)| Some(RecordLink { kind: Kind::from_code(*kind)?, id: RecordId::from_slice(id)? });
            Ok(rows.iter().filter_map(link).collect())
        })
    }

    /// Settles a conflict: the chosen value becomes the only one, on every device after sync.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such conflict or value: it may have been settled meanwhile, or another value may
    /// have come beside those that were shown.
    pub fn settle(&self, conflict: &str, value: &str) -> Result<()> {
        let gone = || Error::invalid("conflict", ProblemCode::Gone);
        let (record, key) = conflict.split_once('/').ok_or_else(gone)?;
        let record: RecordLink = record.parse().map_err(|_| gone())?;
        let field_id = FieldId::from_key(key);
        let field = record.kind.definition().field(field_id.field()).ok_or_else(gone)?;
        self.write(|tx| {
            let (stored, mut document) = tx.open_doc(record.id)?.ok_or_else(|| Error::not_found(record.kind, record.id))?;
            let before = document.read(None).values;
            let mut candidates = document.candidates(field, field_id.entry(), None);
            let chosen = names(&candidates).iter().position(|name| name == value);
            let chosen = chosen.filter(|_| candidates.len() > 1).map(|at| candidates.swap_remove(at)).ok_or_else(gone)?;
            let message = tx.message(Code::settle(), Code::typed());
            let own = |_| true;
            let heads = document.heads();
            let context = Context {
                base: &heads,
                actor: tx.actor,
                own: &own,
                formed: &Default::default(),
                message: &message,
                at_ms: tx.now().ms,
            };
            let written = document.write(vec![KeyEdit::Settle { key: key.to_owned(), scalar: chosen.scalar }], &context)?;
            tx.keep_done(record.id, stored.generation, &document, Some(&before), &message, &written)
        })
    }
}
