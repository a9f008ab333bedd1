//! Derived rows. Those that came with a snapshot are shown at once, and equal what the document gives when it is opened; those of
//! an older release are made again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::sync::Arc;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ROOT};
use roadbook_core::Error;
use roadbook_core::book::{Book, ContactFilter, ContactSort, DealFilter, DealSort, Finding};
use roadbook_core::document::seal_envelope;
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::sync::{End, Event, Session, Step, wire};
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

/// A snapshot with a number for a title, as a program without the gate could write it: it passes the scan of its bytes.
fn with_broken_title(snapshot: &[u8]) -> Vec<u8> {
    let mut writer = AutoCommit::load(&snapshot[1..]).unwrap().with_actor(ActorId::from([1; 16].as_slice()));
    writer.put(ROOT, "title", 5_i64).unwrap();
    writer.commit_with(CommitOptions::default().with_time(1)).unwrap();
    seal_envelope(&writer.save_nocompress())
}

#[test]
fn a_record_that_cannot_be_opened_is_asked_for_less_and_less_often_though_a_good_row_comes_with_it() {
    let world = World::new(3);
    let mut relay = Relay::default();
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.join(&anna.book, "Anna");
    // Whether the record is asked for in a session that gets it broken.
    let mut gets_it_broken = |mut session: Session| {
        let mut asked = false;
        let mut step = session.start().unwrap();
        loop {
            let request = match step {
                Step::End(end) => {
                    assert!(matches!(end, End::Done(_)), "{end:?}");
                    break asked;
                }
                Step::Send(request) => request,
            };
            let mut answer = relay.answer(&request);
            if request.url.ends_with("/v1/sync") {
                asked |= !wire::decode::<wire::SyncRequest>(&request.body).unwrap().want.is_empty();
                let mut page: wire::SyncResponse = wire::decode(&answer.body).unwrap();
                for entry in &mut page.entries {
                    entry.snapshot = entry.snapshot.as_deref().map(with_broken_title);
                }
                answer.body = wire::encode(&page).unwrap();
            }
            step = session.next(Event::Answered(answer)).unwrap();
        }
    };
    assert!(!gets_it_broken(Session::join(&boris.book, "http://relay", "code", "Boris").unwrap()));
    assert_eq!(boris.book.search("pumps", 9).unwrap().len(), 1, "shown by its row");
    let mut again = |minutes: i64| {
        world.pass(minutes * 60_001);
        assert_eq!(boris.book.verify_some(9).unwrap(), 0);
        assert!(matches!(boris.book.get::<Deal>(deal.id.0), Err(Error::Unreadable(_))));
        gets_it_broken(Session::sync(&boris.book, None).unwrap())
    };
    assert_eq!([0, 0, 0, 0, 1, 1, 2].map(&mut again), [true, true, true, false, true, false, true]);
    assert_eq!(boris.book.status().unwrap().unreadable, 1);
    world.pass(86_400_000);
    assert!(matches!(relay.sync_book(&boris.book), End::Done(_)));
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().title, "Pumps");
    assert_eq!((boris.book.status().unwrap().unreadable, boris.book.search("pumps", 9).unwrap().len()), (0, 1));
}

#[test]
fn whatever_writes_a_record_that_an_older_release_indexed_indexes_all_of_it_again() {
    fn edit(book: &Book, id: roadbook_core::id::RecordId) {
        let form: Deal = book.get(id).unwrap();
        book.save(&Deal { lost_reason: "Price".into(), ..form }).unwrap();
    }
    let world = World::new(4);
    let mut relay = Relay::default();
    let (mut anna, boris) = (Device::new(&world), Device::new(&world));
    let buyer = Contact { id: anna.book.new_id().into(), family_name: "Elkin".into(), ..Contact::default() };
    let buyer = anna.book.save(&buyer).unwrap().id;
    let [mine, theirs] = ["Pumps", "Valves"].map(|title| {
        let deal = Deal { id: anna.book.new_id().into(), title: title.into(), contacts: vec![buyer], ..Deal::default() };
        anna.book.save(&deal).unwrap().id.0
    });
    relay.join(&anna.book, "Anna");
    relay.join(&boris.book, "Boris");
    anna.book.shutdown();
    anna.raw()
        .execute_batch(
            "UPDATE doc SET row_major = 0, row_minor = 0;
             DELETE FROM link;
             INSERT INTO search(search) VALUES ('delete-all');
             INSERT INTO search(rowid, words, latin) SELECT n, 'ancient', '' FROM doc;",
        )
        .unwrap();
    anna.restart().unwrap();
    let found = |text: &str| anna.book.search(text, 9).unwrap().len();
    let links = || anna.raw().query_row("SELECT count(*) FROM link", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((found("ancient"), found("pumps"), links()), (3, 0, 0));
    // What is edited is in no index, so that the text that is indexed stays the same.
    edit(&anna.book, mine);
    assert_eq!((found("ancient"), found("pumps"), links()), (2, 1, 1));
    edit(&boris.book, theirs);
    for device in [&boris, &anna] {
        assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    }
    assert_eq!((found("ancient"), found("valves"), links()), (1, 1, 2));
    assert_eq!(anna.book.verify_some(9).unwrap(), 0);
    assert_eq!((found("ancient"), found("elkin"), links()), (0, 1, 2));
    assert_eq!(anna.book.check().unwrap(), []);
}

#[test]
fn a_check_while_somebody_saves_takes_no_row_for_wrong() {
    let device = Device::new(&World::new(5));
    let book = Arc::clone(&device.book);
    let new = |n| Deal { id: book.new_id().into(), title: format!("Deal {n}"), ..Deal::default() };
    let mut deals: Vec<Deal> = (0..40).map(|n| book.save(&new(n)).unwrap()).collect();
    let saving = std::thread::spawn(move || {
        for _ in 0..5 {
            for deal in &mut deals {
                let form = Deal { title: format!("{} again", deal.title), ..deal.clone() };
                *deal = book.save(&form).unwrap();
            }
        }
    });
    while !saving.is_finished() {
        let findings = device.book.check().unwrap();
        assert!(!findings.iter().any(|finding| matches!(finding, Finding::RowDiffers { .. })), "{findings:?}");
    }
    saving.join().unwrap();
}
