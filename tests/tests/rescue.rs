//! What can be read of a damaged book goes on in a new one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::path::Path;
use std::sync::Arc;

use roadbook_core::book::{Book, Change, ContactSort, Finding, Vault};
use roadbook_core::records::{Contact, Deal};
use roadbook_core::sync::End;
use roadbook_core::{Error, Key};
use roadbook_tests::damage::{PAGE, flip};
use roadbook_tests::relay::Relay;
use roadbook_tests::{Device, World};

fn new_book(world: &Arc<World>, dir: &Path) -> Arc<Book> {
    let vault = Vault { key: Key::new([7; 32]), incarnation: [8; 16] };
    Arc::new(Book::create(dir, vault, world.clone()).unwrap())
}

fn deal(device: &Device, title: &str) -> Deal {
    device.book.save(&Deal { id: device.book.new_id().into(), title: title.into(), ..Deal::default() }).unwrap()
}

#[test]
fn whichever_page_of_a_book_is_lost_a_rescue_and_a_sync_bring_everything_back() {
    let world = World::new(1);
    let device = Device::new(&world);
    let mut relay = Relay::default();
    relay.join(&device.book, "Anna");
    let mut deals: Vec<Deal> = (0..30).map(|n| deal(&device, &format!("Deal {n}"))).collect();
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    for known in deals.iter_mut().take(10) {
        *known = device.book.save(&Deal { notes: format!("Not sent: {}", known.title), ..known.clone() }).unwrap();
    }
    deals.extend((30..35).map(|n| deal(&device, &format!("Deal {n}"))));
    let draft = Change::Deal(Deal { title: "Half a form".into(), ..deals[3].clone() });
    device.book.keep_draft("form", &draft).unwrap();
    device.book.shutdown();
    device.raw().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let path = device.dir.path().join("book.db");
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / PAGE;
    let (mut whole, mut lost, mut left_alone) = (0, 0, Vec::new());
    for page in 0..pages {
        flip(&mut file, page);
        let opened = Book::open(device.dir.path(), device.vault.clone(), world.clone());
        let place = tempfile::tempdir().unwrap();
        match opened {
            Err(error) => {
                assert!(matches!(error, Error::Corrupt(_)), "page {page}: {error}");
                left_alone.push(page);
            }
            Ok(book) => {
                let rescued = new_book(&world, place.path());
                let report = book.rescue(&rescued).unwrap();
                assert_eq!(report.records + report.unreadable.len() as u64, 35, "page {page}");
                assert_eq!(rescued.check().unwrap(), [], "page {page}");
                for deal in deals.iter().filter(|deal| !report.unreadable.contains(&deal.id.0)) {
                    assert_eq!(rescued.get::<Deal>(deal.id.0).unwrap().notes, deal.notes, "page {page}");
                }
                if !report.incomplete.contains(&"draft".to_owned()) {
                    assert!(rescued.draft("form").unwrap().is_some(), "page {page}");
                }
                whole += u64::from(report.unreadable.is_empty() && report.incomplete.is_empty());
                lost += report.unreadable.len();
                let found = book.check().unwrap();
                assert!(report.unreadable.iter().all(|id| found.contains(&Finding::Unreadable { id: *id })), "page {page}");
                // Without its account the book has no workspace, and has to join.
                if !report.incomplete.contains(&"meta".to_owned()) {
                    let mut relay = relay.copy();
                    assert!(matches!(relay.sync_book(&rescued), End::Done(_)), "page {page}");
                    assert!(matches!(relay.sync_book(&rescued), End::Done(_)), "page {page}");
                    assert_eq!(relay.len(), 35, "page {page}");
                    let status = rescued.status().unwrap();
                    assert_eq!((status.records, status.pending_changes, status.unreadable), (35, 0, 0), "page {page}");
                    for deal in &deals {
                        let read = rescued.get::<Deal>(deal.id.0).unwrap();
                        assert_eq!((&read.title, &read.notes), (&deal.title, &deal.notes), "page {page}");
                    }
                    rescued.save(&Deal { title: "Goes on".into(), ..rescued.get(deals[0].id.0).unwrap() }).unwrap();
                    assert!(matches!(relay.sync_book(&rescued), End::Done(_)), "page {page}");
                    assert_eq!(rescued.refusals().unwrap(), [], "page {page}");
                }
            }
        }
        flip(&mut file, page);
    }
    // The pages of the schema are what opens a book.
    assert!(left_alone.len() < 10, "{left_alone:?}");
    assert!(whole > pages / 3 && lost > 0, "{whole} of {pages}, {lost}");
}

#[test]
fn edits_that_wait_stand_in_a_record_that_is_fetched_again_after_a_rescue() {
    let world = World::new(4);
    let device = Device::new(&world);
    let mut relay = Relay::default();
    relay.join(&device.book, "Anna");
    let deals: Vec<Deal> = (0..30).map(|n| deal(&device, &format!("Deal {n}"))).collect();
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    for known in &deals {
        device.book.save(&Deal { notes: "Not sent.".into(), ..known.clone() }).unwrap();
    }
    device.book.shutdown();
    device.raw().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(device.dir.path().join("book.db")).unwrap();
    let mut lost = 0;
    for page in 0..file.metadata().unwrap().len() / PAGE {
        flip(&mut file, page);
        if let Ok(book) = Book::open(device.dir.path(), device.vault.clone(), world.clone()) {
            let place = tempfile::tempdir().unwrap();
            let rescued = new_book(&world, place.path());
            let report = book.rescue(&rescued).unwrap();
            if !report.unreadable.is_empty() && report.incomplete.is_empty() {
                let mut relay = relay.copy();
                // What is lost comes back before the edits of it are taken.
                relay.holds = Some(Box::new(|_| true));
                relay.sync_book(&rescued);
                for id in &report.unreadable {
                    assert_eq!(rescued.get::<Deal>(*id).unwrap().notes, "Not sent.", "page {page}");
                    lost += 1;
                }
                relay.holds = None;
                for _ in 0..2 {
                    let end = relay.sync_book(&rescued);
                    assert!(matches!(end, End::Done(_)), "page {page}: {end:?}");
                }
                let other = Device::new(&world);
                relay.join(&other.book, "Boris");
                assert_eq!(other.book.status().unwrap().state_hash, rescued.status().unwrap().state_hash, "page {page}");
            }
        }
        flip(&mut file, page);
    }
    assert!(lost > 0);
}

#[test]
fn a_rescue_that_is_interrupted_leaves_the_new_book_empty_and_is_begun_again() {
    let world = World::new(3);
    let device = Device::new(&world);
    for n in 0..3 {
        deal(&device, &format!("Deal {n}"));
    }
    let other = Device::new(&world);
    let rescued = &other.book;
    // The last thing that is copied finds no place.
    let meddler = "CREATE TRIGGER meddler BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'no'); END";
    let raw = other.raw();
    raw.execute_batch(meddler).unwrap();
    assert!(device.book.rescue(rescued).is_err());
    assert_eq!((rescued.status().unwrap().records, rescued.status().unwrap().pending_changes), (0, 0));
    raw.execute_batch("DROP TRIGGER meddler").unwrap();
    assert_eq!(device.book.rescue(rescued).unwrap().records, 3);
    assert_eq!(rescued.status().unwrap().pending_changes, 3);
}

#[test]
fn a_book_without_damage_is_rescued_as_it_is_and_only_into_an_empty_one() {
    let world = World::new(2);
    let device = Device::new(&world);
    let contact = Contact { id: device.book.new_id().into(), family_name: "Petrov".into(), ..Contact::default() };
    let saved = device.book.save(&contact).unwrap();
    device.book.set_region(&"DE".parse().unwrap()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let rescued = new_book(&world, place.path());
    let report = device.book.rescue(&rescued).unwrap();
    assert_eq!((report.records, report.unreadable.len(), report.incomplete.len()), (1, 0, 0));
    assert_eq!(rescued.get::<Contact>(saved.id.0).unwrap(), saved);
    assert_eq!(rescued.contacts(&Default::default(), ContactSort::Name, None, 9).unwrap().items.len(), 1);
    assert_eq!(rescued.region().unwrap().code(), "DE");
    assert_eq!(rescued.status().unwrap().pending_changes, 1);
    rescued.undo(None).unwrap();
    assert!(matches!(device.book.rescue(&rescued), Err(Error::BookExists)));
}
