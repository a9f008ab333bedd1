//! The store: what it keeps through restarts, wrong keys, damage, other processes; and that what is derived is derived.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use roadbook_core::book::{
    Book, Change, ContactFilter, ContactSort, DealFilter, DealSort, Finding, Notice, Owner, TaskFilter, TaskSort, Vault, Watcher,
};
use roadbook_core::env::Env as _;
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::value::{Channel, ChannelKind, Due, Money, Outcome, RecordLink, Stage};
use roadbook_core::{Error, Key};
use roadbook_tests::damage::{PAGE, flip};
use roadbook_tests::{Device, World};

fn deal(device: &Device, title: &str) -> Deal {
    device.book.save(&Deal { id: device.book.new_id().into(), title: title.into(), ..Deal::default() }).unwrap()
}

#[test]
fn a_wrong_key_is_told_apart_from_damage_and_from_an_empty_folder() {
    let world = World::new(1);
    let device = Device::new(&world);
    deal(&device, "Pumps");
    device.book.shutdown();
    let open = |vault: &Vault, dir: &std::path::Path| Book::open(dir, vault.clone(), world.clone()).err();
    let wrong = Vault { key: Key::new([9; 32]), ..device.vault.clone() };
    assert!(matches!(open(&wrong, device.dir.path()), Some(Error::WrongKey)));
    assert!(matches!(open(&device.vault, tempfile::tempdir().unwrap().path()), Some(Error::NoBook)));
    assert!(matches!(Book::create(device.dir.path(), device.vault.clone(), world.clone()).err(), Some(Error::BookExists)));
    assert!(open(&device.vault, device.dir.path()).is_none());
}

#[test]
fn a_damaged_page_is_reported_hides_nothing_else_and_spoils_no_connection() {
    let world = World::new(2);
    let device = Device::new(&world);
    let deals: Vec<Deal> = (0..60).map(|n| deal(&device, &format!("Deal {n}"))).collect();
    device.book.shutdown();
    let differs = Finding::RowDiffers { id: deals[29].id.0 };
    let path = device.dir.path().join("book.db");
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / PAGE;
    let is_file = |finding: &Finding| matches!(finding, Finding::File { .. });
    let open = || Book::open(device.dir.path(), device.vault.clone(), world.clone());
    let (mut beside, mut unreadable, mut exported, mut saved) = (0, 0, 0, 0);
    for page in 0..pages {
        // Something that a check has to find beside the damage.
        device.raw().execute_batch("UPDATE deal SET title = 'Valves' WHERE n = 30; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        flip(&mut file, page);
        match open() {
            Err(error) => assert!(matches!(error, Error::Corrupt(_)), "page {page}: {error}"),
            Ok(book) => {
                let findings = book.check().unwrap();
                assert!(findings.iter().any(is_file), "page {page}: {findings:?}");
                let named = |id| findings.contains(&Finding::Unreadable { id });
                assert!(findings.contains(&differs) || named(deals[29].id.0), "page {page}: {findings:?}");
                beside += u64::from(findings.contains(&differs));
                for deal in &deals[1..] {
                    match book.get::<Deal>(deal.id.0) {
                        Ok(read) => assert_eq!(&read, deal, "page {page}"),
                        // Its own page, or one of the index that leads there.
                        Err(error) => assert!(matches!(error, Error::Corrupt(_)), "page {page}: {error}"),
                    }
                }
                unreadable += findings.iter().filter(|finding| matches!(finding, Finding::Unreadable { .. })).count();
                let mut out = Vec::new();
                let report = book.export_json(&mut out).unwrap();
                assert_eq!(report.written + report.left_out.len() as u64, 60, "page {page}");
                assert!(report.left_out.iter().all(|left| named(left.record.id)), "page {page}");
                serde_json::from_slice::<serde_json::Value>(&out).unwrap();
                exported += report.written;
                let edited = book.save(&Deal { title: format!("Page {page}"), ..deals[0].clone() });
                match &edited {
                    Ok(deal) => assert_eq!(book.get::<Deal>(deal.id.0).unwrap().title, format!("Page {page}")),
                    Err(error) => assert!(matches!(error, Error::Corrupt(_)), "page {page}: {error}"),
                }
                saved += u64::from(edited.is_ok());
                let rebuilt = book.rebuild();
                assert!(matches!(rebuilt, Ok(_) | Err(Error::Corrupt(_))), "page {page}: {rebuilt:?}");
                // The same book works on once the page is whole: no connection remembers it.
                flip(&mut file, page);
                book.save(&deals[0]).unwrap();
                assert!(book.check().unwrap().iter().all(|finding| !is_file(finding)), "page {page}");
                flip(&mut file, page);
            }
        }
        flip(&mut file, page);
    }
    // Most pages hold something else than what is looked at.
    assert!(beside > pages / 2 && saved > pages / 4 && exported > pages * 30, "{pages}: {beside}, {saved}, {exported}");
    assert!(unreadable > 0);
}

#[test]
fn the_file_shows_nothing_of_what_it_holds() {
    let world = World::new(3);
    let device = Device::new(&world);
    deal(&device, "Plaintext-probe-string");
    device.book.shutdown();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(device.dir.path()).unwrap() {
        std::fs::File::open(entry.unwrap().path()).unwrap().read_to_end(&mut bytes).unwrap();
    }
    assert!(bytes.starts_with(b"SQLite format 3\0"), "iOS must see a SQLite file");
    let probe = b"Plaintext-probe";
    assert!(!bytes.windows(probe.len()).any(|window| window.eq_ignore_ascii_case(probe)));
}

#[test]
fn a_store_of_a_newer_release_asks_for_an_update() {
    let world = World::new(4);
    let device = Device::new(&world);
    device.book.shutdown();
    device.raw().execute_batch("PRAGMA user_version = 99").unwrap();
    let opened = Book::open(device.dir.path(), device.vault.clone(), world.clone());
    assert!(matches!(opened.err(), Some(Error::UpgradeNeeded { found: 99, .. })));
}

#[test]
fn a_closed_book_says_so() {
    let world = World::new(5);
    let device = Device::new(&world);
    let saved = deal(&device, "Pumps");
    device.book.shutdown();
    device.book.shutdown();
    assert!(matches!(device.book.get::<Deal>(saved.id.0), Err(Error::Closed)));
    assert!(matches!(device.book.save(&saved), Err(Error::Closed)));
}

#[test]
fn rebuilding_gives_what_incremental_writing_gave() {
    let world = World::new(6);
    let device = Device::new(&world);
    let book = &device.book;
    let contact = Contact {
        id: book.new_id().into(),
        family_name: "Ёлкин".into(),
        tags: vec!["vip".into()],
        channels: vec![Channel::typed(book.new_entry_id(), ChannelKind::Phone, "+74951234567", &Default::default())],
        ..Contact::default()
    };
    let contact = book.save(&contact).unwrap();
    for n in 0..20 {
        let mut form = deal(&device, &format!("Deal {n}"));
        form.contacts = vec![contact.id];
        form.value = Some(Money { minor: n * 100, currency: "EUR".into() });
        let mut form = book.save(&form).unwrap();
        form.title = format!("Deal {}", n * 7 % 20);
        form.contacts.clear();
        book.save(&form).unwrap();
    }
    book.delete(Kind::Deal, deal(&device, "Gone").id.0).unwrap();
    let before = device.dump();
    let report = book.rebuild().unwrap();
    assert_eq!((report.records, report.unreadable.len()), (22, 0));
    assert_eq!(device.dump(), before);
    assert_eq!(book.search("ёлк", 9).unwrap().len(), 1);
    assert_eq!(book.search("1234567", 9).unwrap().len(), 1);
    assert!(book.check().unwrap().is_empty());
}

#[test]
fn an_empty_file_is_never_taken_for_a_book() {
    let world = World::new(16);
    let device = Device::new(&world);
    deal(&device, "Pumps");
    device.book.shutdown();
    std::fs::write(device.dir.path().join("book.db"), b"").unwrap();
    let opened = Book::open(device.dir.path(), device.vault.clone(), world.clone());
    assert!(matches!(opened.err(), Some(Error::Corrupt(_))));
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("book.db"), b"").unwrap();
    assert!(matches!(Book::open(elsewhere.path(), device.vault.clone(), world.clone()).err(), Some(Error::NoBook)));
    assert!(Book::create(elsewhere.path(), device.vault.clone(), world.clone()).is_ok());
}

#[test]
fn a_book_whose_creation_died_half_way_can_be_created_and_never_with_another_key() {
    let world = World::new(19);
    let device = Device::new(&world);
    let elsewhere = tempfile::tempdir().unwrap();
    let half = rusqlite::Connection::open(elsewhere.path().join("book.db")).unwrap();
    half.execute_batch(&device.vault.key.pragma()).unwrap();
    half.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    drop(half);
    assert!(std::fs::metadata(elsewhere.path().join("book.db")).unwrap().len() > 0);
    let open = |vault: &Vault| Book::open(elsewhere.path(), vault.clone(), world.clone()).map(drop).err();
    let create = |vault: &Vault| Book::create(elsewhere.path(), vault.clone(), world.clone()).map(drop).err();
    assert!(matches!(open(&device.vault), Some(Error::NoBook)));
    assert!(matches!(create(&Vault { key: Key::new([9; 32]), ..device.vault.clone() }), Some(Error::BookExists)));
    assert!(create(&device.vault).is_none());

    // Died before the last step: the book is there, and opening it makes good what is missing.
    std::fs::remove_file(elsewhere.path().join("key.check")).unwrap();
    assert!(matches!(create(&device.vault), Some(Error::BookExists)));
    assert!(open(&device.vault).is_none());
    assert!(elsewhere.path().join("key.check").exists());
}

#[test]
fn a_record_that_would_be_too_large_to_open_is_not_written() {
    let world = World::new(17);
    let device = Device::new(&world);
    let saved = deal(&device, "Pumps");
    let mut form = saved.clone();
    for round in 0..8u32 {
        form.notes = (0..90_000u32).map(|n| char::from_u32(0x430 + (n * 7 + round * 13 + n / 97) % 32).unwrap()).collect();
        match device.book.save(&form) {
            Ok(next) => form = next,
            Err(error) => {
                assert!(matches!(error, Error::Invalid(_)), "{error}");
                assert!(device.book.get::<Deal>(saved.id.0).is_ok());
                return;
            }
        }
    }
    panic!("a document of any size is taken");
}

#[test]
fn every_query_table_has_the_columns_of_its_definition() {
    let device = Device::new(&World::new(15));
    let raw = device.raw();
    for kind in Kind::ALL {
        let definition = kind.definition();
        let mut statement = raw.prepare(&format!("SELECT name FROM pragma_table_info('{}')", definition.table)).unwrap();
        let found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let expected: Vec<&str> = ["n", "sort", "letter"].into_iter().chain(definition.columns()).collect();
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn a_row_that_differs_from_its_document_is_found_and_repaired() {
    let world = World::new(7);
    let mut device = Device::new(&world);
    let saved = deal(&device, "Pumps");
    device.book.shutdown();
    device.raw().execute_batch("UPDATE deal SET title = 'Valves'").unwrap();
    device.restart().unwrap();
    assert_eq!(device.book.check().unwrap(), [Finding::RowDiffers { id: saved.id.0 }]);
    device.book.rebuild().unwrap();
    assert!(device.book.check().unwrap().is_empty());
    assert_eq!(device.book.get::<Deal>(saved.id.0).unwrap(), saved);
}

#[test]
fn links_disputes_and_words_that_differ_from_their_document_are_found_and_repaired() {
    let world = World::new(22);
    let mut device = Device::new(&world);
    let pumps = deal(&device, "Pumps");
    let links = vec![RecordLink { kind: Kind::Deal, id: pumps.id.0 }];
    let task = TaskItem { id: device.book.new_id().into(), title: "Call".into(), links, ..TaskItem::default() };
    device.book.save(&task).unwrap();
    for (damage, found) in [
        ("DELETE FROM link", task.id.0),
        ("UPDATE doc SET disputed = 1 WHERE n = 1", pumps.id.0),
        ("DELETE FROM search WHERE rowid = 1", pumps.id.0),
        // An index that SQLite takes for an empty one.
        ("DELETE FROM search WHERE rowid = 2; UPDATE search_data SET block = x'00' WHERE id = 10", pumps.id.0),
    ] {
        device.book.shutdown();
        device.raw().execute_batch(damage).unwrap();
        device.restart().unwrap();
        let findings = device.book.check().unwrap();
        assert!(findings.contains(&Finding::RowDiffers { id: found }), "{damage}: {findings:?}");
        device.book.rebuild().unwrap();
        assert!(device.book.check().unwrap().is_empty(), "{damage}");
    }
}

#[test]
fn a_document_that_is_not_the_one_of_its_head_is_named_and_its_row_stays() {
    let world = World::new(32);
    for damage in ["UPDATE doc SET heads = zeroblob(32) WHERE n = 1", "UPDATE doc SET bytes = x'0001020304' WHERE n = 1"] {
        let mut device = Device::new(&world);
        let (pumps, valves) = (deal(&device, "Pumps"), deal(&device, "Valves"));
        device.book.shutdown();
        device.raw().execute_batch(damage).unwrap();
        device.restart().unwrap();
        let unreadable = [Finding::Unreadable { id: pumps.id.0 }];
        assert_eq!(device.book.check().unwrap(), unreadable, "{damage}");
        let report = device.book.rebuild().unwrap();
        assert_eq!((report.records, report.unreadable), (1, vec![pumps.id.0]), "{damage}");
        assert_eq!(device.book.check().unwrap(), unreadable, "nothing is guessed");
        let listed = device.book.deals(&DealFilter::default(), DealSort::Title, None, 9).unwrap();
        assert_eq!(listed.items.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["Pumps", "Valves"]);
        assert_eq!(device.book.get::<Deal>(valves.id.0).unwrap(), valves);
    }
}

#[test]
fn a_number_that_is_not_found_by_its_digits_is_found_by_a_check_and_repaired() {
    let world = World::new(33);
    let mut device = Device::new(&world);
    let channel = Channel::typed(device.book.new_entry_id(), ChannelKind::Phone, "+49 30 1234567", &Default::default());
    let contact =
        Contact { id: device.book.new_id().into(), family_name: "Petrov".into(), channels: vec![channel], ..Contact::default() };
    let saved = device.book.save(&contact).unwrap();
    device.book.shutdown();
    device.raw().execute_batch("DELETE FROM phone").unwrap();
    device.restart().unwrap();
    assert_eq!(device.book.search("1234567", 9).unwrap().len(), 0);
    assert!(device.book.check().unwrap().contains(&Finding::RowDiffers { id: saved.id.0 }));
    device.book.rebuild().unwrap();
    assert_eq!(device.book.check().unwrap(), []);
    assert_eq!(device.book.search("1234567", 9).unwrap().len(), 1);
}

#[test]
fn a_damaged_search_index_is_found_beside_other_findings_and_made_again() {
    let world = World::new(23);
    let mut device = Device::new(&world);
    let pumps = deal(&device, "Pumps");
    device.book.shutdown();
    let raw = device.raw();
    raw.execute_batch("UPDATE search_data SET block = zeroblob(8) WHERE id > 10; UPDATE deal SET title = 'Valves'").unwrap();
    drop(raw);
    device.restart().unwrap();
    let findings = device.book.check().unwrap();
    assert!(findings.iter().any(|finding| matches!(finding, Finding::File { .. })), "{findings:?}");
    assert!(findings.contains(&Finding::RowDiffers { id: pumps.id.0 }), "{findings:?}");
    device.book.rebuild().unwrap();
    assert_eq!(device.book.check().unwrap(), []);
    assert_eq!(device.book.search("pumps", 9).unwrap().len(), 1);
}

#[test]
fn a_search_that_finds_many_contacts_still_shows_deals_and_tasks() {
    let device = Device::new(&World::new(24));
    let new = || device.book.new_id();
    let contacts =
        (0..30).map(|_| Change::Contact(Contact { id: new().into(), family_name: "Pump".into(), ..Contact::default() }));
    device.book.apply(&contacts.collect::<Vec<_>>(), "typed").unwrap();
    deal(&device, "Pump");
    device.book.save(&TaskItem { id: new().into(), title: "Pump".into(), ..TaskItem::default() }).unwrap();
    let kinds = |limit| {
        let found = device.book.search("pump", limit).unwrap();
        Kind::ALL.map(|kind| found.iter().filter(|found| found.record.kind == kind).count())
    };
    assert_eq!(kinds(50), [30, 1, 1]);
    assert_eq!(kinds(10), [8, 1, 1]);
    assert_eq!(kinds(2).iter().sum::<usize>(), 2);
    assert_eq!(kinds(0), [0, 0, 0]);
}

#[test]
fn a_check_after_a_rebuild_finds_no_damage_that_is_not_there() {
    let world = World::new(20);
    let mut device = Device::new(&world);
    for n in 0..4 {
        deal(&device, &format!("Pumps {n}"));
        device.restart().unwrap();
        assert!(device.book.check().unwrap().is_empty());
        device.book.rebuild().unwrap();
        assert_eq!(device.book.check().unwrap(), []);
    }
}

#[test]
fn two_processes_write_one_store_and_observers_hear_of_both() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<Notice>>);
    impl Watcher for Heard {
        fn changed(&self, notice: &Notice) {
            self.0.lock().unwrap().push(notice.clone());
        }
    }
    let world = World::new(8);
    let device = Device::new(&world);
    let other = Book::open(device.dir.path(), device.vault.clone(), world.clone()).unwrap();
    let heard = Arc::new(Heard::default());
    let watch = device.book.watch(heard.clone());
    let first = deal(&device, "Here");
    assert_eq!(heard.0.lock().unwrap().drain(..).map(|notice| notice.records.unwrap().len()).collect::<Vec<_>>(), [1]);
    let mut form: Deal = other.get(first.id.0).unwrap();
    form.title = "There".into();
    other.save(&form).unwrap();
    device.book.notice_other_processes().unwrap();
    device.book.notice_other_processes().unwrap();
    assert_eq!(heard.0.lock().unwrap().drain(..).map(|notice| notice.records).collect::<Vec<_>>(), [None]);
    assert_eq!(device.book.get::<Deal>(first.id.0).unwrap().title, "There");
    watch.cancel();
    deal(&device, "Unheard");
    assert!(heard.0.lock().unwrap().is_empty());
}

#[test]
fn a_reader_does_not_wait_for_a_writer() {
    let world = World::new(9);
    let device = Device::new(&world);
    deal(&device, "Pumps");
    let raw = device.raw();
    raw.execute_batch("BEGIN IMMEDIATE; UPDATE doc SET disputed = 0").unwrap();
    assert_eq!(device.book.search("pump", 9).unwrap().len(), 1);
    raw.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn many_records_saved_together_are_one_action_and_one_undo() {
    let world = World::new(10);
    let device = Device::new(&world);
    let book = &device.book;
    let mut form = deal(&device, "Pumps");
    form.position.stage = Stage::Proposal;
    let task = TaskItem {
        id: book.new_id().into(),
        title: "Send the offer".into(),
        due: Some(Due::Date { date: "2026-12-01".parse().unwrap() }),
        links: vec![RecordLink { kind: Kind::Deal, id: form.id.0 }],
        ..TaskItem::default()
    };
    let applied = book.apply(&[Change::Deal(form.clone()), Change::Task(task.clone())], "call").unwrap();
    let about = TaskFilter { about: Some(form.id.0), ..TaskFilter::default() };
    assert_eq!(book.tasks(&about, TaskSort::Due, None, 9).unwrap().items.len(), 1);
    assert_eq!(book.status().unwrap().pending_actions, 2);
    let report = book.undo(applied.action).unwrap();
    assert_eq!((report.records.len(), report.skipped.len()), (2, 0));
    assert_eq!(book.get::<Deal>(form.id.0).unwrap().position.stage, Stage::New);
    assert!(book.tasks(&about, TaskSort::Due, None, 9).unwrap().items.is_empty());
    book.undo(Some(report.action)).unwrap();
    assert_eq!(book.get::<Deal>(form.id.0).unwrap().position.stage, Stage::Proposal);
    assert_eq!(book.tasks(&about, TaskSort::Due, None, 9).unwrap().items.len(), 1);
    assert!(book.apply(&[], "Not a code!").is_err());
}

#[test]
fn a_part_that_is_wrong_keeps_all_from_being_written() {
    let world = World::new(11);
    let device = Device::new(&world);
    let good = Deal { id: device.book.new_id().into(), title: "Good".into(), ..Deal::default() };
    let bad = TaskItem { id: device.book.new_id().into(), ..TaskItem::default() };
    assert!(matches!(device.book.apply(&[Change::Deal(good), Change::Task(bad)], "call"), Err(Error::Invalid(_))));
    assert_eq!(device.book.status().unwrap().records, 0);
}

#[test]
fn a_draft_survives_the_death_of_the_app() {
    let world = World::new(12);
    let mut device = Device::new(&world);
    let mut form = deal(&device, "Pumps");
    form.notes = "half a sen".into();
    form.tags = vec!["a/b".into()];
    device.book.keep_draft("deal-form", &Change::Deal(form.clone())).unwrap();
    device.restart().unwrap();
    assert_eq!(device.book.draft("deal-form").unwrap().unwrap().record, Change::Deal(form.clone()));
    device.book.drop_draft("deal-form").unwrap();
    assert!(device.book.draft("deal-form").unwrap().is_none());
}

#[test]
fn lists_page_by_key_and_filter_by_what_reps_ask_for() {
    let world = World::new(13);
    let device = Device::new(&world);
    let book = &device.book;
    for n in 0..25 {
        let mut form = Deal { id: book.new_id().into(), title: format!("Deal {n:02}"), ..Deal::default() };
        if n % 5 == 0 {
            form.position.outcome = Outcome::Won;
            form.value = Some(Money { minor: 1, currency: "EUR".into() });
            form.tags = vec!["vip".into()];
        }
        book.save(&form).unwrap();
    }
    let mut titles = Vec::new();
    let mut after = None;
    loop {
        let page = book.deals(&DealFilter::default(), DealSort::Title, after.as_deref(), 7).unwrap();
        titles.extend(page.items.into_iter().map(|row| row.title));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(titles, (0..25).map(|n| format!("Deal {n:02}")).collect::<Vec<_>>());
    let won = DealFilter { outcome: Some(Outcome::Won), ..DealFilter::default() };
    assert_eq!(book.deals(&won, DealSort::CloseDate, None, 50).unwrap().items.len(), 5);
    let tagged = DealFilter { tag: Some("vip".into()), ..DealFilter::default() };
    let first = book.deals(&tagged, DealSort::Title, None, 3).unwrap();
    assert_eq!(first.items.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["Deal 00", "Deal 05", "Deal 10"]);
    assert_eq!(book.deals(&tagged, DealSort::Title, first.next.as_deref(), 3).unwrap().items.len(), 2);
    let half = DealFilter { tag: Some("vi".into()), ..DealFilter::default() };
    assert!(book.deals(&half, DealSort::Title, None, 50).unwrap().items.is_empty(), "a tag is a whole word");
    let mine = DealFilter { owner: Some(Owner::Me), ..DealFilter::default() };
    assert_eq!(book.deals(&mine, DealSort::Recent, None, 50).unwrap().items.len(), 25);
    assert!(matches!(book.deals(&won, DealSort::Title, Some("no token"), 50), Err(Error::Invalid(_))));
    assert!(book.contacts(&ContactFilter::default(), ContactSort::Recent, None, 50).unwrap().items.is_empty());
}

#[test]
fn lists_begin_with_what_was_changed_last_or_is_due_first() {
    let world = World::new(32);
    let device = Device::new(&world);
    let book = &device.book;
    for (name, date) in [("a", Some("2026-12-09")), ("b", None), ("c", Some("2026-12-02"))] {
        let close_date = date.map(|date| date.parse().unwrap());
        book.save(&Deal { id: book.new_id().into(), title: name.into(), close_date, ..Deal::default() }).unwrap();
        let due = close_date.map(|date| Due::Date { date });
        book.save(&TaskItem { id: book.new_id().into(), title: name.into(), due, ..TaskItem::default() }).unwrap();
        book.save(&Contact { id: book.new_id().into(), family_name: name.into(), ..Contact::default() }).unwrap();
        world.pass(1_000);
    }
    let deals = |sort| book.deals(&DealFilter::default(), sort, None, 9).unwrap().items.into_iter().map(|row| row.title);
    let tasks = |sort| book.tasks(&TaskFilter::default(), sort, None, 9).unwrap().items.into_iter().map(|row| row.title);
    let contacts = |sort| {
        let rows = book.contacts(&ContactFilter::default(), sort, None, 9).unwrap().items;
        rows.into_iter().map(|row| row.family_name)
    };
    assert_eq!(deals(DealSort::CloseDate).collect::<String>(), "cab", "what has no date comes last");
    assert_eq!(tasks(TaskSort::Due).collect::<String>(), "cab");
    for names in [deals(DealSort::Recent).collect::<String>(), tasks(TaskSort::Recent).collect()] {
        assert_eq!(names, "cba");
    }
    assert_eq!(contacts(ContactSort::Recent).collect::<String>(), "cba");
    assert_eq!(contacts(ContactSort::Name).collect::<String>(), "abc");
}

#[test]
fn a_restored_or_copied_store_writes_as_another_actor() {
    let world = World::new(14);
    let device = Device::new(&world);
    let saved = deal(&device, "Pumps");
    assert_eq!(device.book.status().unwrap().copied_at_ms, None);
    device.book.shutdown();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(device.dir.path().join("book.db"), copy.path().join("book.db")).unwrap();
    let elsewhere = Vault { incarnation: [7; 16], ..device.vault.clone() };
    let book = Book::open(copy.path(), elsewhere, world.clone()).unwrap();
    assert_eq!(book.status().unwrap().copied_at_ms, Some(world.now().ms));
    let mut form: Deal = book.get(saved.id.0).unwrap();
    form.title = "Valves".into();
    book.save(&form).unwrap();
    let authors: Vec<bool> = book.history(saved.id.0).unwrap().iter().map(|entry| entry.author.own).collect();
    assert_eq!(authors, [false, true]);
}

#[test]
fn a_check_between_edits_finds_no_damage_in_the_indexes() {
    let device = Device::new(&World::new(31));
    // The connection that checks is kept, and the indexes change their shape between two checks.
    for n in 0..60 {
        deal(&device, &format!("Deal {n}"));
        assert_eq!(device.book.check().unwrap(), [], "after {n}");
    }
    device.book.rebuild().unwrap();
    assert_eq!(device.book.check().unwrap(), []);
}

#[test]
fn a_look_for_what_was_not_opened_waits_for_no_writer_where_there_is_nothing() {
    let device = Device::new(&World::new(31));
    deal(&device, "Pumps");
    let other = device.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(device.book.verify_some(10).unwrap(), 0);
    other.execute_batch("UPDATE doc SET state = 1; COMMIT").unwrap();
    assert_eq!(device.book.verify_some(0).unwrap(), 1);
    assert_eq!(device.book.verify_some(10).unwrap(), 0);
}
