//! Texts that people type or that other programs keep for the core: versions, ids, money, dates, numbers, codes. The first
//! byte chooses what the rest is read as. What can be read is written and read again as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use roadbook_core::document::{ActionId, Code, Message, Version};
use roadbook_core::id::{EntryId, RecordId};
use roadbook_core::record::{FieldId, Kind};
use roadbook_core::search::{Query, fold, sort_key};
use roadbook_core::value::{
    Due, Instant, LocalDate, Money, PhoneNumber, Position, RecordLink, Region, Scalar, TaskStatus, ZonedPlan, digits,
};
use roadbook_server::invitation;

use crate::parts::choice;

/// How a text is read.
type Reader = fn(&str);

/// Every way to read a text, in the order of the first byte.
const READERS: [Reader; 19] = [
    same::<Version>,
    same::<Message>,
    same::<ActionId>,
    same::<Code>,
    same::<RecordId>,
    same::<EntryId>,
    same::<RecordLink>,
    same::<Money>,
    same::<LocalDate>,
    instant,
    plan,
    same::<Due>,
    same::<Position>,
    same::<TaskStatus>,
    same::<FieldId>,
    amount,
    phone,
    invitation,
    search,
];

pub fn run(input: &[u8]) {
    let (reader, rest) = choice(input);
    let text = String::from_utf8_lossy(rest);
    match READERS.get(usize::from(reader) % (READERS.len() + 1)) {
        Some(read) => read(&text),
        None => fields(&text),
    }
}

/// Reads, writes and reads again.
fn read<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let written = value.to_string();
    assert_eq!(written.parse().ok().as_ref(), Some(&value), "{written:?}");
    Some(value)
}

fn same<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let _ = read::<T>(text);
}

fn instant(text: &str) {
    if let Some(at) = read::<Instant>(text) {
        let _ = at.to_rfc3339();
    }
}

fn plan(text: &str) {
    if let Some(plan) = read::<ZonedPlan>(text) {
        let _ = plan.instant().0.to_rfc3339();
    }
}

fn amount(text: &str) {
    if let Ok(money) = Money::parse(text) {
        assert_eq!(Money::parse(&money.to_text()).as_ref(), Ok(&money), "what people read can be typed");
    }
    if let Ok(money) = text.parse::<Money>() {
        let _ = money.to_text();
    }
}

fn phone(text: &str) {
    let (region, number) = text.split_at_checked(2).unwrap_or(("", text));
    let region: Region = region.parse().unwrap_or_default();
    let read = PhoneNumber::read(number, &region);
    if let Some(e164) = read.e164 {
        assert!(e164.len() <= 16 && e164.starts_with('+') && digits(&e164).len() == e164.len() - 1, "{e164}");
    }
}

fn invitation(text: &str) {
    let typed: String = text.chars().flat_map(|c| [c, '-', ' ']).collect();
    assert_eq!(invitation::hash(text), invitation::hash(&typed));
}

fn search(text: &str) {
    let _ = (Query::parse(text), sort_key(text));
    let folded = fold(text);
    assert_eq!(fold(&folded), folded, "what is folded stays as it is");
}

/// The text as the value of every field of every kind: of its type it has one canonical form.
fn fields(text: &str) {
    let (entry, text) = text.split_once('\n').unwrap_or(("a", text));
    let scalars = [Scalar::Str(text.to_owned()), Scalar::Bytes(text.as_bytes().to_vec()), Scalar::Int(text.len() as i64)];
    for kind in Kind::ALL {
        for field in kind.definition().fields {
            for scalar in &scalars {
                let Some(canonical) = field.canonical(entry, scalar) else { continue };
                assert_eq!(field.canonical(entry, &canonical).as_ref(), Some(&canonical), "{kind} {}", field.name);
                let _ = (field.display(entry, &canonical), (field.rank)(&canonical));
            }
        }
    }
}
