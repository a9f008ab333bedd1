//! Rows that came with a snapshot: shown at once, and equal to what the document gives when it is opened.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use roadbook_core::Error;
use roadbook_core::book::{Book, ContactFilter, ContactSort, DealFilter, DealSort};
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::sync::End;
use roadbook_core::value::{
    Channel, ChannelKind, CustomField, CustomValue, Money, Outcome, PostalAddress, RecordLink, TaskStatus,
};
use roadbook_tests::relay::Relay;
use roadbook_tests::{Device, World};

/// Records in which every field holds something.
fn fill(book: &Book) -> [roadbook_core::id::RecordId; 3] {
    let entry = || book.new_entry_id();
    let custom = || vec![CustomField { id: "size".parse().unwrap(), value: CustomValue::Number { number: 7 } }];
    let contact = Contact {
        id: book.new_id().into(),
        given_name: "Пётр".into(),
        family_name: "Ёлкин".into(),
        middle_name: "Ильич".into(),
        name_prefix: "Dr.".into(),
        name_suffix: "Jr.".into(),
        organization: "Straße & Søn".into(),
        job_title: "Buyer".into(),
        owner: Some(book.new_id().into()),
        tags: vec!["a/b".into(), "vip".into()],
        channels: vec![
            Channel::typed(entry(), ChannelKind::Phone, "+7 495 123-45-67", &Default::default()),
            Channel::typed(entry(), ChannelKind::Email, "a@example.com", &Default::default()),
            Channel::typed(entry(), ChannelKind::Unknown { code: "pigeon".into() }, "grey", &Default::default()),
        ],
        addresses: vec![PostalAddress { id: entry(), city: "Łódź".into(), ..PostalAddress::default() }],
        birthday: Some("1985-04-12".parse().unwrap()),
        card_note: "From a card".into(),
        notes: "Likes tea.".into(),
        x: custom(),
        ..Contact::default()
    };
    let mut deal = Deal {
        id: book.new_id().into(),
        title: "Pumps".into(),
        value: Some(Money { minor: 5, currency: "JPY".into() }),
        close_date: Some("2026-12-31".parse().unwrap()),
        organization: "Elkin".into(),
        contacts: vec![contact.id],
        lost_reason: "Price".into(),
        notes: "Long.".into(),
        x: custom(),
        ..Deal::default()
    };
    deal.position.outcome = Outcome::Lost;
    let task = TaskItem {
        id: book.new_id().into(),
        title: "Call".into(),
        due: Some("2026-12-31T09:00[Europe/Berlin]".parse().unwrap()),
        status: TaskStatus::Unknown { code: "snoozed".into() },
        links: vec![RecordLink { kind: Kind::Deal, id: deal.id.0 }],
        tags: vec!["vip".into()],
        x: custom(),
        ..TaskItem::default()
    };
    book.save(&contact).unwrap();
    book.save(&deal).unwrap();
    book.save(&task).unwrap();
    [contact.id.0, deal.id.0, task.id.0]
}

/// The derived rows, without the numbers that each store gives to its records.
fn derived(device: &Device) -> Vec<String> {
    let dump = device.dump();
    let rows = dump.lines().filter(|line| !line.starts_with("doc "));
    let mut rows: Vec<String> =
        rows.map(|line| line.splitn(3, ' ').enumerate().filter(|(at, _)| *at != 1).map(|(_, part)| part).collect()).collect();
    rows.sort();
    rows
}

#[test]
fn a_row_from_the_server_is_the_row_that_the_document_gives() {
    let world = World::new(1);
    let mut relay = Relay::default();
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    let ids = fill(&anna.book);
    relay.join(&anna.book, "Anna");
    relay.join(&boris.book, "Boris");
    assert_eq!(derived(&boris), derived(&anna), "before any document was opened");
    assert_eq!(boris.book.search("elkin pyotr", 9).unwrap().len() + boris.book.search("elkin petr", 9).unwrap().len(), 1);
    let page = boris.book.contacts(&ContactFilter::default(), ContactSort::Name, None, 9).unwrap();
    assert_eq!(page.items[0].channels.len(), 3);
    assert_eq!(boris.book.verify_some(100).unwrap(), 0);
    assert_eq!(derived(&boris), derived(&anna));
    assert!(boris.book.check().unwrap().is_empty());
    assert_eq!(boris.book.get::<Contact>(ids[0]).unwrap(), anna.book.get::<Contact>(ids[0]).unwrap());
    assert_eq!(boris.book.get::<Deal>(ids[1]).unwrap(), anna.book.get::<Deal>(ids[1]).unwrap());
    assert_eq!(boris.book.get::<TaskItem>(ids[2]).unwrap(), anna.book.get::<TaskItem>(ids[2]).unwrap());
}

#[test]
fn a_document_that_cannot_be_opened_keeps_its_row_and_is_fetched_again() {
    let world = World::new(2);
    let mut relay = Relay::default();
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    let [_, deal, _] = fill(&anna.book);
    relay.join(&anna.book, "Anna");
    relay.join(&boris.book, "Boris");
    let damage = || boris.raw().execute("UPDATE doc SET bytes = x'0001020304' WHERE id = ?1", [deal.as_bytes()]).unwrap();
    damage();
    assert!(matches!(boris.book.get::<Deal>(deal), Err(Error::Unreadable(id)) if id == deal));
    let status = boris.book.status().unwrap();
    assert_eq!((status.unreadable, boris.book.search("pumps", 9).unwrap().len()), (1, 1));
    assert!(matches!(relay.sync_book(&boris.book), End::Done(_)));
    assert_eq!(boris.book.get::<Deal>(deal).unwrap(), anna.book.get::<Deal>(deal).unwrap());
    assert_eq!(boris.book.status().unwrap().unreadable, 0);
    // Also one that was opened before; and a rebuild keeps its row.
    damage();
    assert!(boris.book.save(&Deal { title: "Valves".into(), ..anna.book.get(deal).unwrap() }).is_err());
    assert_eq!(boris.book.rebuild().unwrap().unreadable, [deal]);
    let page = boris.book.deals(&DealFilter::default(), DealSort::Title, None, 9).unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(matches!(relay.sync_book(&boris.book), End::Done(_)));
    assert_eq!(boris.book.get::<Deal>(deal).unwrap(), anna.book.get::<Deal>(deal).unwrap());
    assert_eq!(boris.book.search("pumps", 9).unwrap().len(), 1);
}
