//! Contacts in from vCard files.
//!
//! A card's record id is derived from its `UID`, or from what it says where it has none, so that the same file
//! imported again, or on another device, adds nothing. A card that was imported before is compared with what that
//! import wrote: only what changed in the file since is written, and what people changed meanwhile is kept.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use super::Book;
use super::cards::{card_id, card_note, contact_of};
use super::save::version_of;
use crate::access::{DELETED, is_deleted};
use crate::document::{Code, Document, Message, Version};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::import::vcard::{BrokenCard, Card, Cards, Item};
use crate::record::{FieldValue, Record, Values};
use crate::records::Contact;
use crate::store::{Meta, StoredDoc, Tx};
use crate::value::{Region, Scalar};

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Cards read.
    pub cards: u64,
    /// Contacts that are new.
    pub added: u64,
    /// Contacts that the file changed.
    pub updated: u64,
    /// Cards that changed nothing.
    pub unchanged: u64,
    /// Cards that could not be taken; the first thousand of them.
    pub problems: Vec<ImportProblem>,
    /// How many could not be taken.
    pub broken: u64,
    /// Whether it was stopped before the end.
    pub cancelled: bool,
}

/// A card that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// The file, as the caller named it.
    pub file: String,
    /// The line at which the card begins, from 1.
    pub line: u64,
    /// The line at fault, where it is known.
    pub fault_line: Option<u64>,
    /// Why, in words for a person.
    pub reason: String,
}

/// How far a long call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub bytes: u64,
    /// Cards read so far.
    pub cards: u64,
}

/// Why nothing is made of a card that was read.
const OTHER_KIND: &str = "The card names a record of this book that is no contact.";
const ERASED: &str = "The person on this card was erased for good; nothing of the card was taken.";
const GIVEN_AWAY: &str =
    "An undo took this contact back and it is somebody else's now; ask a manager or an administrator to bring it back.";

/// The field for what a card's note says.
const CARD_NOTE: &str = "card_note";

/// Cards of one transaction and of one push group.
const BATCH: usize = 100;
/// So many bytes without a full batch, and it is asked whether to go on.
const ASK_EVERY: u64 = 4 << 20;
const MAX_PROBLEMS: usize = 1000;

impl Book {
    /// The region whose national phone numbers are understood; empty where none is set.
    ///
    /// # Errors
    /// Those of the store.
    pub fn region(&self) -> Result<Region> {
        let text = self.read(|conn| Meta::Region.text(conn))?;
        text.filter(|text| !text.is_empty()).map_or(Ok(Region::default()), |text| text.parse())
    }

    /// Sets the region (ISO 3166-1, two letters) whose national phone numbers are understood.
    ///
    /// # Errors
    /// Those of the store.
    pub fn set_region(&self, region: &Region) -> Result<()> {
        self.write(|tx| Meta::Region.set(tx.sql, region.code().as_bytes()))
    }

    /// Takes the contacts of a vCard file (2.1, 3.0, 4.0), in bounded memory. A broken card is reported and the rest
    /// is taken; so is a card of a person who was erased, of a record of another kind, and of one that the role does not
    /// allow to bring back. The whole import is one action, so that one undo takes it back. National phone numbers are read
    /// as dialled in `region`, or in the book's where there is none. `progress` is asked after every hundred cards and every
    /// few megabytes; `false` stops the import, and what was taken stays.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read on; those of the store. What was taken before stays.
    pub fn import_vcard(
        &self,
        file: &str,
        reader: impl BufRead,
        region: Option<&Region>,
        progress: &dyn Fn(Progress) -> bool,
    ) -> Result<ImportReport> {
        let region = region.map_or_else(|| self.region(), |region| Ok(region.clone()))?;
        let message = self.write(|tx| Ok(tx.message(Code::import(), Code::vcard())))?;
        let mut report = ImportReport::default();
        let (read, stopped) = (Cell::new(0), Cell::new(false));
        let ask = |bytes| {
            stopped.set(!progress(Progress { bytes, cards: read.get() }));
            !stopped.get()
        };
        let mut cards = Cards::new(Asking { reader, bytes: 0, next: ASK_EVERY, ask: &ask });
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            let mut items = 0;
            for item in cards.by_ref().take(BATCH) {
                items += 1;
                match item {
                    Ok(Item::Card(card)) => batch.push(card),
                    Ok(Item::Broken(broken)) => report.broken_card(file, broken),
                    Err(_) if stopped.get() => {
                        report.cancelled = true;
                        return Ok(report);
                    }
                    Err(source) => return Err(Error::io(format!("cannot read {file}"), source)),
                }
            }
            report.cards += batch.len() as u64;
            read.set(report.cards);
            self.write(|tx| {
                for card in &batch {
                    tx.take_card(file, card, &region, &message, &mut report)?;
                }
                Ok(())
            })?;
            if items < BATCH {
                return Ok(report);
            }
            if !ask(cards.bytes_read()) {
                report.cancelled = true;
                return Ok(report);
            }
        }
    }
}

/// A reader that asks now and then whether to go on: a large file without a card fills no batch.
struct Asking<'a, R> {
    reader: R,
    bytes: u64,
    next: u64,
    ask: &'a dyn Fn(u64) -> bool,
}

impl<R: BufRead> BufRead for Asking<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes >= self.next {
            self.next = self.bytes + ASK_EVERY;
            if !(self.ask)(self.bytes) {
                return Err(io::Error::other("stopped"));
            }
        }
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes += amount as u64;
        self.reader.consume(amount);
    }
}

impl<R: BufRead> Read for Asking<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(out)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl ImportReport {
    fn broken_card(&mut self, file: &str, broken: BrokenCard) {
        self.problem(ImportProblem {
            file: file.to_owned(),
            line: broken.line,
            fault_line: broken.fault_line,
            reason: broken.reason.to_string(),
        });
    }

    /// Notes a card that was read and that nothing was made of.
    fn not_taken(&mut self, file: &str, card: &Card, reason: impl Into<String>) {
        self.problem(ImportProblem { file: file.to_owned(), line: card.line, fault_line: None, reason: reason.into() });
    }

    fn problem(&mut self, problem: ImportProblem) {
        self.broken += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

impl Tx<'_> {
    fn take_card(
        &mut self,
        file: &str,
        card: &Card,
        region: &Region,
        message: &Message,
        report: &mut ImportReport,
    ) -> Result<()> {
        let id = card_id(card);
        let definition = Contact::DEFINITION;
        let existing = StoredDoc::find(self.sql, id)?;
        let from_card = contact_of(id, card, region).to_values();
        let (is_new, version, form) = match &existing {
            None => (true, String::new(), from_card),
            Some(stored) if stored.kind != definition.kind.code() => {
                report.not_taken(file, card, OTHER_KIND);
                return Ok(());
            }
            Some(stored) => {
                let document = match stored.open() {
                    Ok(document) => document,
                    Err(error @ Error::Unreadable(_)) => {
                        report.not_taken(file, card, error.to_string());
                        return self.mark_unreadable(id);
                    }
                    Err(error) => return Err(error),
                };
                if is_erased(stored, &document) && !planted(Plant::ErasedCard) {
                    report.not_taken(file, card, ERASED);
                    return Ok(());
                }
                let imported = document.changes().into_iter().rev().find(|change| {
                    change
                        .message
                        .as_ref()
                        .is_some_and(|message| message.source == Code::vcard() && message.kind == Code::import())
                });
                match imported {
                    // What an undo took back comes again whole.
                    Some(_) if was_undone(&document) => {
                        let mut current = (definition.normalize)(&document.read(None).values);
                        // Asked before anything is written: the other cards of the batch are taken.
                        if !self.may_delete(&current)? {
                            report.not_taken(file, card, GIVEN_AWAY);
                            return Ok(());
                        }
                        current.set(DELETED, FieldValue::Register(Scalar::Null));
                        (true, version_of(stored, &document), over(current, &from_card))
                    }
                    Some(change) => {
                        let version = Version { generation: stored.generation, heads: vec![change.hash] }.to_string();
                        let base = (definition.normalize)(&document.read(Some(&[change.hash])).values);
                        let present = (definition.normalize)(&document.read(None).values);
                        let card = as_known(from_card, &base, &present);
                        (false, version, over(base, &card))
                    }
                    // A record that people made: the card fills what is empty and overwrites nothing.
                    None => {
                        let current = (definition.normalize)(&document.read(None).values);
                        (false, version_of(stored, &document), fill(current, &from_card))
                    }
                }
            }
        };
        match self.save_form(definition, id, &version, &form, message) {
            Ok(true) if is_new => report.added += 1,
            Ok(true) => report.updated += 1,
            Ok(false) => report.unchanged += 1,
            Err(Error::Invalid(problems)) => {
                let reason = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                report.not_taken(file, card, reason);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether the record is what an erasure left: a later generation that nobody brought back. A card would put the person
/// back into it, out of sight.
fn is_erased(stored: &StoredDoc, document: &Document) -> bool {
    stored.generation > 0 && is_deleted(&document.read(None).values)
}

/// Whether the record is deleted because the action that made it was undone.
fn was_undone(document: &Document) -> bool {
    let Some(field) = document.definition().field(DELETED) else { return false };
    let deletion = document.candidates(field, "", None).into_iter().next().filter(|deletion| !deletion.scalar.is_null());
    let Some(deletion) = deletion else { return false };
    let change = document.changes().into_iter().find(|change| change.hash == deletion.change);
    change.and_then(|change| change.message).is_some_and(|message| message.kind == Code::undo())
}

/// The card's values over what an earlier import wrote; what a card cannot say stays.
fn over(mut base: Values, card: &Values) -> Values {
    const SAID: [&str; 12] = [
        "given_name",
        "family_name",
        "middle_name",
        "name_prefix",
        "name_suffix",
        "organization",
        "job_title",
        "channels",
        "addresses",
        "birthday",
        CARD_NOTE,
        "tags",
    ];
    for name in SAID {
        if let Some(value) = card.get(name) {
            base.set(name, value.clone());
        }
    }
    merge_entries(&mut base, card, "x");
    base
}

/// The card without what people wrote into the record since the import that made `base`: an export says that in the card's
/// words, and it would come back beside what it was made of.
fn as_known(mut card: Values, base: &Values, present: &Values) -> Values {
    if let (Some(FieldValue::Register(Scalar::Str(said))), Some(note)) = (card.get(CARD_NOTE), base.get(CARD_NOTE))
        && Some(said.as_str()) == exported_note(present).as_deref()
    {
        card.set(CARD_NOTE, note.clone());
    }
    for name in ["channels", "addresses"] {
        let (Some(FieldValue::Keyed(before)), Some(FieldValue::Keyed(now))) = (base.get(name), present.get(name)) else {
            continue;
        };
        let Some(FieldValue::Keyed(said)) = card.get_mut(name) else { continue };
        for (id, entry) in now.iter().filter(|(id, entry)| before.get(*id) != Some(entry)) {
            said.retain(|other, scalar| before.contains_key(other) || !same_entry(entry, scalar));
            if let Some(entry) = before.get(id) {
                said.insert(id.clone(), entry.clone());
            }
        }
    }
    card
}

/// The note that an export makes of a record's.
fn exported_note(present: &Values) -> Option<String> {
    let Some(FieldValue::Text(notes)) = present.get("notes") else { return None };
    match present.get(CARD_NOTE) {
        Some(FieldValue::Register(Scalar::Str(note))) => card_note(note, notes),
        _ => card_note("", notes),
    }
}

fn fill(mut current: Values, card: &Values) -> Values {
    for (field, value) in card.iter() {
        match current.get(field.name) {
            Some(FieldValue::Set(_) | FieldValue::Keyed(_)) => merge_entries(&mut current, card, field.name),
            // An export writes both notes as the card's one.
            _ if field.name == CARD_NOTE && has_note(&current, value) => {}
            Some(value) if !value.is_empty() => {}
            _ => current.set(field.name, value.clone()),
        }
    }
    current
}

fn has_note(current: &Values, note: &FieldValue) -> bool {
    let (Some(FieldValue::Text(notes)), FieldValue::Register(Scalar::Str(note))) = (current.get("notes"), note) else {
        return false;
    };
    Card::text(notes).is_some_and(|notes| notes.contains(note.as_str()))
}

fn merge_entries(into: &mut Values, from: &Values, name: &str) {
    match (into.get_mut(name), from.get(name)) {
        (Some(FieldValue::Keyed(mine)), Some(FieldValue::Keyed(theirs))) => {
            for (id, scalar) in theirs {
                // The same number or address under another id was typed by a person, and came back in an export.
                if !mine.values().any(|known| same_entry(known, scalar)) {
                    mine.entry(id.clone()).or_insert_with(|| scalar.clone());
                }
            }
        }
        (Some(FieldValue::Set(mine)), Some(FieldValue::Set(theirs))) => mine.extend(theirs.iter().cloned()),
        _ => {}
    }
}

/// Whether two entries say the same, but for how they are labelled and understood, and for what a card cannot hold.
fn same_entry(known: &Scalar, card: &Scalar) -> bool {
    let meaning = |scalar: &Scalar| {
        let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(scalar.as_str()?).ok()?;
        for how in ["label", "preferred", "e164", "ext"] {
            object.remove(how);
        }
        for value in object.values_mut() {
            if let serde_json::Value::String(text) = value {
                *text = Card::text(text).unwrap_or_default();
            }
        }
        Some(object)
    };
    known == card || meaning(known).is_some_and(|known| meaning(card) == Some(known))
}
