//! Reading records, and saving forms.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::identity::is_own;
use super::saved_form::SavedForm;
use super::{Book, Conflict};
use crate::access::DELETED;
use crate::document::{ActionId, ChangeHash, Code, Context, Document, KeyEdit, MAX_KEY, Message, Version, difference};
use crate::error::{Error, Problem, ProblemCode, Result};
use crate::fault::{Plant, planted};
use crate::id::RecordId;
use crate::record::{Check, Definition, FieldId, FieldValue, Kind, Record, Shape, Values};
use crate::records::{Contact, Deal, TaskItem};
use crate::store::{StoredDoc, Tx};
use crate::value::{Instant, Scalar};

/// One part of [`Book::apply`].
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Saves a contact.
    Contact(Contact),
    /// Saves a deal.
    Deal(Deal),
    /// Saves a task.
    Task(TaskItem),
    /// Deletes a record.
    Delete(Kind, RecordId),
}

/// What [`Book::apply`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The action, for undo; `None` where nothing was written.
    pub action: Option<ActionId>,
    /// The records as they are now, merged, in the order of the changes; deleted ones are left out.
    pub records: Vec<Change>,
}

/// A record with what a page shows beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet<R> {
    /// The record.
    pub record: R,
    /// When it was last changed, by the clock of the device that did it.
    pub changed_ms: i64,
    /// Disagreements that wait for a decision.
    pub conflicts: Vec<Conflict>,
    /// Rules that the merged record breaks.
    pub violations: Vec<Problem>,
}

impl Book {
    /// The record with this id, deleted or not.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unreadable`] where its document cannot be opened.
    pub fn get<R: Record>(&self, id: RecordId) -> Result<R> {
        self.read(|conn| read_record(conn, id))
    }

    /// The record with its conflicts and violations.
    ///
    /// # Errors
    /// As [`Book::get`].
    pub fn sheet<R: Record>(&self, id: RecordId) -> Result<Sheet<R>> {
        self.read(|conn| {
            let (stored, document) = open_for_reading(conn, R::DEFINITION, id)?;
            let values = document.read(None).values;
            Ok(Sheet {
                record: R::from_values(id, version_of(&stored, &document), &values),
                changed_ms: document.changed_ms(),
                conflicts: super::conflicts::of_document(conn, R::DEFINITION.kind, id, &document, self.env().now().ms)?,
                violations: problems(&(R::DEFINITION.normalize)(&values)),
            })
        })
    }

    /// Saves a form: what the user changed since the form's version is written, nothing else. Returns the merged
    /// record, from which the form goes on. An unchanged form, and a form saved twice, write nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all problems; [`Error::UnknownVersion`]; [`Error::NotFound`].
    pub fn save<R: Record>(&self, record: &R) -> Result<R> {
        let id = record.record_id();
        self.write(|tx| {
            let message = tx.message(Code::save(), Code::typed());
            tx.save_form(R::DEFINITION, id, record.version(), &record.to_values(), &message)?;
            read_record(tx.sql, id)
        })
    }

    /// Saves and deletes several records as one action: one transaction, one push group, one undo.
    ///
    /// `why` is a short word for the kind of action (`call`, `visit`), kept in the history; it is no free text.
    ///
    /// # Errors
    /// As [`Book::save`]; nothing is written where one part fails.
    pub fn apply(&self, changes: &[Change], why: &str) -> Result<Applied> {
        let why: Code = why.parse()?;
        self.write(|tx| {
            let message = tx.message(why, Code::typed());
            let mut wrote = false;
            for change in changes {
                wrote |= match change {
                    Change::Contact(record) => tx.save_record(record, &message)?,
                    Change::Deal(record) => tx.save_record(record, &message)?,
                    Change::Task(record) => tx.save_record(record, &message)?,
                    Change::Delete(kind, id) => tx.set_deleted(*kind, *id, true, &message)?,
                };
            }
            let mut records = Vec::new();
            for change in changes {
                match change {
                    Change::Contact(record) => records.push(Change::Contact(read_record(tx.sql, record.record_id())?)),
                    Change::Deal(record) => records.push(Change::Deal(read_record(tx.sql, record.record_id())?)),
                    Change::Task(record) => records.push(Change::Task(read_record(tx.sql, record.record_id())?)),
                    Change::Delete(..) => {}
                }
            }
            Ok(Applied { action: wrote.then_some(message.action), records })
        })
    }

    /// Deletes a record: it leaves the lists, and its history stays. Deleting it again does nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn delete(&self, kind: Kind, id: RecordId) -> Result<()> {
        self.write(|tx| {
            let message = tx.message(Code::delete(), Code::typed());
            tx.set_deleted(kind, id, true, &message).map(|_| ())
        })
    }

    /// The kind of the record with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn kind_of(&self, id: RecordId) -> Result<Kind> {
        self.read(|conn| {
            let stored = StoredDoc::find(conn, id)?;
            stored.and_then(|stored| stored.known_kind()).ok_or(Error::NotFound { kind: "record", id: id.to_string() })
        })
    }

    /// A record of any kind as JSON: every field by its name, with `kind`, `id` and `version`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unreadable`].
    pub fn to_json(&self, id: RecordId) -> Result<serde_json::Map<String, serde_json::Value>> {
        let kind = self.kind_of(id)?;
        self.read(|conn| {
            let (stored, document) = open_for_reading(conn, kind.definition(), id)?;
            let values = document.read(None).values;
            let mut json = serde_json::Map::new();
            json.insert("kind".into(), kind.name().into());
            json.insert("id".into(), id.to_string().into());
            json.insert("version".into(), version_of(&stored, &document).into());
            json.insert("headline".into(), (kind.definition().headline)(&values).into());
            json.extend(values.to_json());
            Ok(json)
        })
    }

    /// Sets one field of a record of any kind from what a person typed: the form of the command line.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field.
    pub fn set_fields(&self, id: RecordId, fields: &[(String, Scalar)]) -> Result<()> {
        let kind = self.kind_of(id)?;
        self.write(|tx| {
            let (stored, document) = open_for_reading(tx.sql, kind.definition(), id)?;
            let mut form = (kind.definition().normalize)(&document.read(None).values);
            for (key, scalar) in fields {
                set_field(&mut form, key, scalar)?;
            }
            let version = version_of(&stored, &document);
            let message = tx.message(Code::save(), Code::typed());
            tx.save_form(kind.definition(), id, &version, &form, &message).map(|_| ())
        })
    }
}

/// Sets a field by its id: `title`, `tags/vip` (true adds, null removes), `x/<id>`.
fn set_field(form: &mut Values, key: &str, scalar: &Scalar) -> Result<()> {
    let id = FieldId::from_key(key);
    let wrong = || Error::invalid(key, ProblemCode::Format);
    let field = form.definition().field(id.field()).ok_or_else(wrong)?;
    let canonical = if scalar.is_null() { Scalar::Null } else { field.canonical(id.entry(), scalar).ok_or_else(wrong)? };
    match (form.get_mut(id.field()).ok_or_else(wrong)?, id.entry()) {
        (FieldValue::Register(value), "") => *value = canonical,
        (FieldValue::Text(text), "") => *text = scalar.as_str().unwrap_or_default().to_owned(),
        (FieldValue::Set(members), entry) if !entry.is_empty() => {
            if canonical.is_null() {
                members.remove(entry);
            } else {
                members.insert(entry.to_owned());
            }
        }
        (FieldValue::Keyed(entries), entry) if !entry.is_empty() => {
            if canonical.is_null() {
                entries.remove(entry);
            } else {
                entries.insert(entry.to_owned(), canonical);
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

pub(super) fn version_of(stored: &StoredDoc, document: &Document) -> String {
    Version { generation: stored.generation, heads: document.heads() }.to_string()
}

/// Opens a record's document for reading only.
pub(super) fn open_for_reading(conn: &Connection, definition: &Definition, id: RecordId) -> Result<(StoredDoc, Document)> {
    let stored = StoredDoc::find(conn, id)?.filter(|stored| stored.kind == definition.kind.code());
    let stored = stored.ok_or_else(|| Error::not_found(definition.kind, id))?;
    let document = stored.open()?;
    Ok((stored, document))
}

fn read_record<R: Record>(conn: &Connection, id: RecordId) -> Result<R> {
    let (stored, document) = open_for_reading(conn, R::DEFINITION, id)?;
    Ok(R::from_values(id, version_of(&stored, &document), &document.read(None).values))
}

/// What is wrong with a record: the checks of its fields, then its rules.
pub(super) fn problems(values: &Values) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (field, value) in values.iter() {
        let parts = value.parts();
        for check in field.checks.iter().flatten() {
            match check {
                Check::Required => {
                    let blank = parts.iter().all(|(_, scalar)| scalar.as_str().is_some_and(|text| text.trim().is_empty()));
                    if blank {
                        problems.push(Problem::new(field.name, ProblemCode::Required));
                    }
                }
                Check::MaxChars(max) => {
                    for (entry, scalar) in &parts {
                        let text = scalar.as_str().unwrap_or(entry);
                        if text.chars().count() > *max {
                            let max = u32::try_from(*max).unwrap_or(u32::MAX);
                            problems.push(Problem::new(FieldId::new(field, entry).as_str(), ProblemCode::TooLong { max }));
                        }
                    }
                }
                Check::MaxItems(max) if parts.len() > *max => {
                    let max = u32::try_from(*max).unwrap_or(u32::MAX);
                    problems.push(Problem::new(field.name, ProblemCode::TooMany { max }));
                }
                Check::MaxItems(_) => {}
            }
        }
        // A member that is no value of its type could not be read back.
        for (entry, scalar) in &parts {
            let unnamed = entry.is_empty() && matches!(field.shape, Shape::Set | Shape::Keyed);
            if unnamed || field.key(entry).len() > MAX_KEY || field.canonical(entry, scalar).is_none() {
                problems.push(Problem::new(FieldId::new(field, entry).as_str(), ProblemCode::Format));
            }
        }
    }
    problems.extend((values.definition().rules)(values));
    problems
}

/// What is wrong with a form. A problem that the record already had does not keep the user from changing something else.
fn check_form(read: &Values, form: &Values, is_new: bool) -> Result<()> {
    let known = problems(read);
    let new: Vec<Problem> = problems(form).into_iter().filter(|problem| is_new || !known.contains(problem)).collect();
    if new.is_empty() { Ok(()) } else { Err(Error::Invalid(new)) }
}

/// The record that a form goes into.
struct Target {
    document: Document,
    generation: u32,
    is_new: bool,
    /// The heads that the form was read at.
    base: Vec<ChangeHash>,
    /// The version under which saves of the form are remembered; empty for a new record.
    version: Vec<u8>,
}

impl Tx<'_> {
    /// A message for the changes of a new action.
    pub fn message(&self, kind: Code, source: Code) -> Message {
        Message { kind, source, action: ActionId::generate(self.env) }
    }

    /// Whether the person of this device may delete a record with these values, or bring it back.
    pub(crate) fn may_delete(&self, values: &Values) -> Result<bool> {
        Ok(self.member()?.is_none_or(|member| member.may_delete(values)))
    }

    pub(super) fn save_record<R: Record>(&mut self, record: &R, message: &Message) -> Result<bool> {
        self.save_form(R::DEFINITION, record.record_id(), record.version(), &record.to_values(), message)
    }

    /// Marks a record deleted, or alive again.
    pub(super) fn set_deleted(&mut self, kind: Kind, id: RecordId, deleted: bool, message: &Message) -> Result<bool> {
        let definition = kind.definition();
        let (stored, document) = open_for_reading(self.sql, definition, id)?;
        let mut form = (definition.normalize)(&document.read(None).values);
        let Some(FieldValue::Register(value)) = form.get_mut(DELETED) else {
            return Err(Error::Internal(format!("{kind} has no field deleted")));
        };
        if value.is_null() != deleted {
            return Ok(false);
        }
        *value = crate::value::Register::to_scalar(&deleted.then(|| -> Instant { self.now() }));
        let version = version_of(&stored, &document);
        self.save_form(definition, id, &version, &form, message)
    }

    /// Saves the values of a form that was read at `version`. Returns whether anything was written.
    pub(super) fn save_form(
        &mut self,
        definition: &'static Definition,
        id: RecordId,
        version: &str,
        form: &Values,
        message: &Message,
    ) -> Result<bool> {
        let Target { mut document, generation, is_new, base, version } = self.target(definition, id, version)?;
        let before = document.read(None).values;
        let read_at = if document.same_as(&base) { before.clone() } else { document.read(Some(&base)).values };
        let compared = (definition.normalize)(&read_at);
        check_form(&compared, form, is_new)?;
        let mut saved = if planted(Plant::DoubleSave) { SavedForm::default() } else { SavedForm::load(self.sql, id, &version)? };
        let mut formed = BTreeMap::new();
        let edits: Vec<KeyEdit> =
            difference(&compared, form).into_iter().filter_map(|edit| saved.since(edit, &mut formed)).collect();
        if edits.is_empty() && !is_new {
            return Ok(false);
        }
        let own = |actor| is_own(self.sql, actor).unwrap_or(false) && !planted(Plant::OwnForOthers);
        let context = Context { base: &base, actor: self.actor, own: &own, formed: &formed, message, at_ms: self.now().ms };
        let written = document.write(edits.clone(), &context)?;
        if message.source == Code::typed() {
            saved.note(&edits, &written);
            saved.keep(self.sql, id, &version)?;
        }
        if written.is_empty() {
            return Ok(false);
        }
        self.keep_done(id, generation, &document, (!is_new).then_some(&before), message, &written)?;
        Ok(true)
    }

    /// Opens the record that a form of `version` goes into; a new one where there is none and the form names no version.
    fn target(&mut self, definition: &'static Definition, id: RecordId, version: &str) -> Result<Target> {
        let existing = self.open_doc(id)?;
        if existing.as_ref().is_some_and(|(stored, _)| stored.kind != definition.kind.code()) {
            return Err(Error::not_found(definition.kind, id));
        }
        let version: Option<Version> = if version.is_empty() { None } else { Some(version.parse()?) };
        let (generation, is_new, document) = match (existing, &version) {
            (Some((stored, document)), _) => (stored.generation, false, document),
            (None, None) => (0, true, Document::new(definition)?),
            (None, Some(_)) => return Err(Error::not_found(definition.kind, id)),
        };
        // A form without a version is that of a new record, and records begin in the first generation: of a later one it was
        // filled in before the erasure.
        if version.as_ref().map_or(0, |version| version.generation) != generation {
            return Err(Error::UnknownVersion);
        }
        let key = version.as_ref().map(Version::to_bytes).unwrap_or_default();
        let base = version.map_or_else(|| definition.skeleton.last(), |version| version.heads);
        if !base.iter().all(|hash| document.contains(hash)) {
            return Err(Error::UnknownVersion);
        }
        Ok(Target { document, generation, is_new, base, version: key })
    }
}
