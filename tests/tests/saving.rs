//! Saving forms: what is written, and what is not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use roadbook_core::book::{Change, ContactFilter, ContactSort};
use roadbook_core::id::DealId;
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal};
use roadbook_core::value::{Channel, ChannelKind, Money};
use roadbook_core::{Error, ProblemCode};
use roadbook_tests::{Device, World};

#[test]
fn edit_while_offline_survives_restart() {
    let world = World::new(1);
    let mut device = Device::new(&world);
    let id = device.book.new_id();
    let deal = device.book.save(&Deal { id: DealId(id), title: "Pumps".into(), ..Deal::default() }).unwrap();
    let mut form = deal.clone();
    form.value = Some(Money { minor: 1_250_000, currency: "EUR".into() });
    form.notes = "Call before noon.".into();
    form.tags = vec!["vip".into()];
    let saved = device.book.save(&form).unwrap();
    assert_ne!(saved.version, deal.version);
    device.restart().unwrap();
    assert_eq!(device.book.get::<Deal>(id).unwrap(), saved);
    assert_eq!(device.book.history(id).unwrap().len(), 2);
}

#[test]
fn a_contact_is_found_by_name_in_any_script_and_by_digits() {
    let world = World::new(2);
    let device = Device::new(&world);
    device.book.set_region(&"RU".parse().unwrap()).unwrap();
    let region = device.book.region().unwrap();
    let id = device.book.new_id();
    let phone = Channel::typed(device.book.new_entry_id(), ChannelKind::Phone, "8 (495) 123-45-67", &region);
    let contact = Contact {
        id: id.into(),
        family_name: "Ёлкин".into(),
        given_name: "Пётр".into(),
        channels: vec![phone],
        ..Contact::default()
    };
    device.book.save(&contact).unwrap();
    for text in ["елк", "Ёлк", "elkin", "petr elk", "ПЁТР", "1234567", "+7495", "495 123"] {
        let found = device.book.search(text, 10).unwrap();
        assert_eq!(found.iter().map(|found| found.record.id).collect::<Vec<_>>(), [id], "{text}");
    }
    for text in ["ивано", "7654321", "?"] {
        assert!(device.book.search(text, 10).unwrap().is_empty(), "{text}");
    }
    let page =
        device.book.contacts(&ContactFilter { text: "елк".into(), ..Default::default() }, ContactSort::Name, None, 50).unwrap();
    assert_eq!(page.items[0].channels[0].e164.as_deref(), Some("+74951234567"));
}

#[test]
fn a_double_tap_writes_once() {
    let world = World::new(3);
    let device = Device::new(&world);
    let id = device.book.new_id();
    let form = Deal { id: DealId(id), title: "Pumps".into(), ..Deal::default() };
    let first = device.book.save(&form).unwrap();
    let second = device.book.save(&form).unwrap();
    assert_eq!(first, second);
    assert_eq!(device.book.save(&second).unwrap(), second);
    assert_eq!(device.book.history(id).unwrap().len(), 1);
    // The same form with another thought: it is compared with what the form wrote first.
    let third = device.book.save(&Deal { title: "Pumps and valves".into(), ..form.clone() }).unwrap();
    assert_eq!(third.title, "Pumps and valves");
    assert_eq!(device.book.save(&form).unwrap().title, "Pumps");
    assert!(device.book.conflicts(id).unwrap().is_empty());
}

#[test]
fn two_forms_open_at_one_version_keep_each_others_edits() {
    let world = World::new(5);
    let device = Device::new(&world);
    let deal = device.book.save(&Deal { id: device.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    let (mut first, mut second) = (deal.clone(), deal.clone());
    first.title = "Valves".into();
    first.tags = vec!["vip".into()];
    device.book.save(&first).unwrap();
    second.organization = "Elkin".into();
    let saved = device.book.save(&second).unwrap();
    assert_eq!((saved.title.as_str(), saved.organization.as_str(), saved.tags.len()), ("Valves", "Elkin", 1));
    assert!(device.book.conflicts(deal.id.0).unwrap().is_empty());
}

#[test]
fn all_problems_are_named_and_nothing_is_written() {
    let world = World::new(4);
    let device = Device::new(&world);
    let value = Some(Money { minor: 1, currency: "XQQ".into() });
    let form = Deal { id: device.book.new_id().into(), value, lost_reason: "x".repeat(501), ..Deal::default() };
    let Err(Error::Invalid(problems)) = device.book.save(&form) else { panic!("the form is wrong") };
    let named: Vec<_> = problems.iter().map(|problem| (problem.field.as_str(), problem.code.clone())).collect();
    assert_eq!(
        named,
        [
            ("title", ProblemCode::Required),
            ("lost_reason", ProblemCode::TooLong { max: 500 }),
            ("value", ProblemCode::UnknownCurrency)
        ]
    );
    assert!(matches!(device.book.get::<Deal>(form.id.0), Err(Error::NotFound { .. })));
}

#[test]
fn a_form_without_a_version_brings_nothing_back_into_an_erased_record() {
    let device = Device::new(&World::new(6));
    let form = Contact { id: device.book.new_id().into(), family_name: "Elkin".into(), ..Contact::default() };
    device.book.save(&form).unwrap();
    device.book.erase(Kind::Contact, form.id.0).unwrap();
    assert!(matches!(device.book.save(&form), Err(Error::UnknownVersion)));
    assert!(matches!(device.book.apply(&[Change::Contact(form.clone())], "visit"), Err(Error::UnknownVersion)));
    let erased: Contact = device.book.get(form.id.0).unwrap();
    assert!(erased.deleted.is_some() && erased.family_name.is_empty());
}

#[test]
fn a_search_for_letters_that_are_none_to_the_index_finds_the_words_around_them() {
    let device = Device::new(&World::new(7));
    let id = device.book.new_id();
    let contact =
        Contact { id: id.into(), family_name: "a🅰b".into(), given_name: "Anna\u{1fae0}Berg".into(), ..Contact::default() };
    device.book.save(&contact).unwrap();
    for text in ["a🅰b", "a b", "ann\u{1fae0}ber", "berg"] {
        let found = device.book.search(text, 10).unwrap();
        assert_eq!(found.iter().map(|found| found.record.id).collect::<Vec<_>>(), [id], "{text}");
    }
    for text in ["🅰", "\u{19b0}"] {
        assert!(device.book.search(text, 10).unwrap().is_empty(), "{text}");
    }
}

#[test]
fn a_record_that_is_full_says_so_and_stays_as_it_was() {
    let device = Device::new(&World::new(77));
    let mut form = Deal { id: device.book.new_id().into(), title: "Pumps".into(), ..Deal::default() };
    for letter in ["x", "y"] {
        form.notes = letter.repeat(95_000);
        form = device.book.save(&form).unwrap();
    }
    let fuller = Deal { notes: "z".repeat(95_000), ..form.clone() };
    let Err(Error::Invalid(problems)) = device.book.save(&fuller) else { panic!("it has no room") };
    assert_eq!(problems.iter().map(|problem| &problem.code).collect::<Vec<_>>(), [&ProblemCode::NoRoom]);
    assert_eq!(problems[0].to_string(), "record is more than fits; write less at once, or begin a new record");
    assert_eq!(device.book.get::<Deal>(form.id.0).unwrap(), form);
}
