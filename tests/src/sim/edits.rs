//! Forms, whatever their kind, and what users do to them.

use roadbook_core::Result;
use roadbook_core::book::{Book, Change, Conflict, ContactFilter, ContactSort, DealFilter, DealSort, TaskFilter, TaskSort};
use roadbook_core::id::RecordId;
use roadbook_core::record::{Kind, Record as _, Values};
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::value::{
    Channel, ChannelKind, CustomField, CustomValue, Money, Outcome, PostalAddress, Priority, RecordLink, Region, Stage,
    TaskStatus,
};

use super::Dice;

/// A record of any kind as a form; the same type that [`Book::apply`] takes.
pub type Form = Change;

/// The record of a form.
pub fn link(form: &Form) -> RecordLink {
    match form {
        Change::Contact(record) => RecordLink { kind: Kind::Contact, id: record.id.0 },
        Change::Deal(record) => RecordLink { kind: Kind::Deal, id: record.id.0 },
        Change::Task(record) => RecordLink { kind: Kind::Task, id: record.id.0 },
        Change::Delete(kind, id) => RecordLink { kind: *kind, id: *id },
    }
}

/// The values of a form.
pub fn values(form: &Form) -> Option<Values> {
    match form {
        Change::Contact(record) => Some(record.to_values()),
        Change::Deal(record) => Some(record.to_values()),
        Change::Task(record) => Some(record.to_values()),
        Change::Delete(..) => None,
    }
}

/// Saves a form.
pub fn save(book: &Book, form: &Form) -> Result<Form> {
    match form {
        Change::Contact(record) => book.save(record).map(Change::Contact),
        Change::Deal(record) => book.save(record).map(Change::Deal),
        Change::Task(record) => book.save(record).map(Change::Task),
        Change::Delete(kind, id) => book.delete(*kind, *id).map(|()| form.clone()),
    }
}

/// Opens the form of a record.
pub fn open(book: &Book, record: RecordLink) -> Result<Form> {
    match record.kind {
        Kind::Contact => book.get(record.id).map(Change::Contact),
        Kind::Deal => book.get(record.id).map(Change::Deal),
        Kind::Task => book.get(record.id).map(Change::Task),
        Kind::Unknown => unreachable!("nothing shows such a record"),
    }
}

/// What a record's page shows, as far as it must agree with others: the form, and its conflicts.
pub fn sheet(book: &Book, record: RecordLink) -> Result<(Form, Vec<Conflict>)> {
    Ok(match record.kind {
        Kind::Contact => book.sheet(record.id).map(|sheet| (Change::Contact(sheet.record), sheet.conflicts))?,
        Kind::Deal => book.sheet(record.id).map(|sheet| (Change::Deal(sheet.record), sheet.conflicts))?,
        Kind::Task => book.sheet(record.id).map(|sheet| (Change::Task(sheet.record), sheet.conflicts))?,
        Kind::Unknown => unreachable!("nothing shows such a record"),
    })
}

/// Orders of lists, by number: the last changed first, by name or title, by date.
pub const ORDERS: usize = 3;

/// Which records of a kind, in which order.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// The kind.
    pub kind: Kind,
    /// Deleted ones instead of living ones.
    pub deleted: bool,
    /// The order; contacts have no date.
    pub order: usize,
}

impl Wanted {
    /// Living ones, the last changed first.
    pub fn living(kind: Kind) -> Self {
        Self { kind, deleted: false, order: 0 }
    }
}

/// A page of records that lists show, and where the next one begins.
pub fn page(book: &Book, wanted: Wanted, after: Option<&str>, limit: u32) -> Result<(Vec<RecordId>, Option<String>)> {
    let Wanted { kind, deleted, order } = wanted;
    Ok(match kind {
        Kind::Contact => {
            let filter = ContactFilter { deleted, ..ContactFilter::default() };
            let page = book.contacts(&filter, [ContactSort::Recent, ContactSort::Name][order % 2], after, limit)?;
            (page.items.into_iter().map(|row| row.id.0).collect(), page.next)
        }
        Kind::Deal => {
            let filter = DealFilter { deleted, ..DealFilter::default() };
            let sort = [DealSort::Recent, DealSort::Title, DealSort::CloseDate][order % ORDERS];
            let page = book.deals(&filter, sort, after, limit)?;
            (page.items.into_iter().map(|row| row.id.0).collect(), page.next)
        }
        Kind::Task => {
            let filter = TaskFilter { deleted, ..TaskFilter::default() };
            let sort = [TaskSort::Recent, TaskSort::Title, TaskSort::Due][order % ORDERS];
            let page = book.tasks(&filter, sort, after, limit)?;
            (page.items.into_iter().map(|row| row.id.0).collect(), page.next)
        }
        Kind::Unknown => (Vec::new(), None),
    })
}

/// All records that lists show, in pages.
pub fn pages(book: &Book, wanted: Wanted, limit: u32) -> Result<Vec<RecordId>> {
    let (mut all, mut next) = page(book, wanted, None, limit)?;
    while let Some(after) = next {
        let (more, beyond) = page(book, wanted, Some(&after), limit)?;
        all.extend(more);
        next = beyond;
    }
    Ok(all)
}

/// A record that lists show, or none.
pub fn any_record(book: &Book, dice: &mut Dice) -> Result<Option<RecordLink>> {
    let first = dice.below(3);
    for turn in 0..3 {
        let kind = Kind::ALL[(first + turn) % 3];
        let wanted = Wanted { deleted: dice.chance(5), ..Wanted::living(kind) };
        let (ids, _) = page(book, wanted, None, 12)?;
        if let Some(id) = dice.pick(&ids) {
            return Ok(Some(RecordLink { kind, id: *id }));
        }
    }
    Ok(None)
}

/// An empty form of a new record; one field is filled, so that it can be saved.
pub fn new_form(book: &Book, kind: Kind, word: String) -> Form {
    match kind {
        Kind::Contact => Change::Contact(Contact { id: book.new_id().into(), family_name: word, ..Contact::default() }),
        Kind::Deal => Change::Deal(Deal { id: book.new_id().into(), title: word, ..Deal::default() }),
        Kind::Task => Change::Task(TaskItem { id: book.new_id().into(), title: word, ..TaskItem::default() }),
        Kind::Unknown => unreachable!("nobody makes such a record"),
    }
}

fn note(notes: &mut String, word: &str) {
    notes.push(' ');
    notes.push_str(word);
}

fn custom(x: &mut Vec<CustomField>, book: &Book, word: &str) {
    x.push(CustomField { id: book.new_entry_id(), value: CustomValue::Text { text: word.to_owned() } });
}

/// Changes one or two fields of a form: one gets the word, the other may be anything, also taken away.
pub fn touch(book: &Book, form: &mut Form, word: &str, dice: &mut Dice) {
    let text = word.to_owned();
    match form {
        Change::Contact(contact) => {
            // What is taken away goes first: the word must stay.
            if dice.chance(15) && !contact.tags.is_empty() {
                contact.tags.remove(0);
            }
            if dice.chance(10) {
                contact.channels.pop();
            }
            match dice.below(10) {
                0 => contact.given_name = text,
                1 | 2 => contact.family_name = text,
                3 => contact.organization = text,
                4 => contact.job_title = text,
                5 => contact.tags.push(text),
                6 => match dice.below(contact.channels.len() + 1) {
                    at if at < contact.channels.len() => contact.channels[at].value = text,
                    _ => contact.channels.push(Channel::typed(book.new_entry_id(), ChannelKind::Email, word, &Region::default())),
                },
                7 => note(&mut contact.notes, word),
                8 => contact.addresses.push(PostalAddress {
                    id: book.new_entry_id(),
                    street: text,
                    city: "Łódź".to_owned(),
                    ..PostalAddress::default()
                }),
                _ => custom(&mut contact.x, book, word),
            }
        }
        Change::Deal(deal) => {
            match dice.below(8) {
                0..=2 => deal.title = text,
                3 => deal.organization = text,
                4 => deal.tags.push(text),
                5 => note(&mut deal.notes, word),
                6 => custom(&mut deal.x, book, word),
                _ => {
                    deal.lost_reason = text;
                    deal.position.outcome = Outcome::Lost;
                }
            }
            match dice.below(6) {
                0 => deal.value = Some(Money { minor: dice.below(100_000) as i64, currency: "EUR".to_owned() }),
                1 => deal.position.stage = Stage::Proposal,
                2 if deal.value.is_some() => deal.position.outcome = Outcome::Won,
                3 => deal.contacts.push(book.new_id().into()),
                _ => {}
            }
        }
        Change::Task(task) => {
            match dice.below(6) {
                0..=2 => task.title = text,
                3 => task.tags.push(text),
                4 => note(&mut task.notes, word),
                _ => custom(&mut task.x, book, word),
            }
            match dice.below(6) {
                0 => task.status = TaskStatus::Done,
                1 => task.priority = Priority::Urgent,
                2 => task.due = "2026-12-31T09:00[Europe/Berlin]".parse().ok(),
                3 => task.links.push(RecordLink { kind: Kind::Deal, id: book.new_id() }),
                _ => {}
            }
        }
        Change::Delete(..) => {}
    }
}

/// How often a form's text fields hold a word.
pub fn times(form: &Form, word: &str) -> usize {
    let notes = match form {
        Change::Contact(record) => &record.notes,
        Change::Deal(record) => &record.notes,
        Change::Task(record) => &record.notes,
        Change::Delete(..) => return 0,
    };
    notes.matches(word).count()
}
