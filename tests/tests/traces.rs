//! What a book leaves on the disk and in texts: nothing of what it holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roadbook_core::Error;
use roadbook_core::book::{Book, Change};
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::sync::Session;
use roadbook_core::value::{Channel, ChannelKind, CustomField, CustomValue, PostalAddress, Region};
use roadbook_tests::process::{Desk, names};

/// In every field: a word, and the digits of a number.
const WORD: &str = "Zebrafinkenprobe";
const DIGITS: &str = "30987612345";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(dir) {
        let path = dir.join(name);
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The probes as they might be written: in UTF-8 and both orders of UTF-16, in small letters.
fn needles() -> Vec<Vec<u8>> {
    [WORD, DIGITS]
        .iter()
        .map(|probe| probe.to_lowercase())
        .flat_map(|probe| {
            let units = || probe.encode_utf16();
            let (little, big) = (units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect());
            [probe.clone().into_bytes(), little, big]
        })
        .collect()
}

fn assert_no_trace(bytes: &[u8], what: &str) {
    let folded = bytes.to_ascii_lowercase();
    for needle in needles() {
        assert!(!folded.windows(needle.len()).any(|window| window == needle), "{what} shows what the book holds");
    }
}

/// Returns how many files there were.
fn assert_no_trace_in(dir: &Path) -> usize {
    let files = files(dir);
    for file in &files {
        assert_no_trace(&std::fs::read(file).unwrap(), &file.display().to_string());
        assert_no_trace(file.display().to_string().as_bytes(), "the name of a file");
    }
    files.len()
}

fn custom(book: &Book) -> Vec<CustomField> {
    vec![CustomField { id: book.new_entry_id(), value: CustomValue::Text { text: WORD.into() } }]
}

/// A contact with the probe in every field of text.
fn contact(book: &Book) -> Contact {
    let text = || WORD.to_owned();
    let channel = |kind, value: &str| Channel {
        label: Some(text()),
        ..Channel::typed(book.new_entry_id(), kind, value, &Region::default())
    };
    Contact {
        id: book.new_id().into(),
        given_name: text(),
        family_name: text(),
        middle_name: text(),
        name_prefix: text(),
        name_suffix: text(),
        organization: text(),
        job_title: text(),
        tags: vec![text()],
        card_note: text(),
        notes: text(),
        channels: vec![
            channel(ChannelKind::Phone, &format!("+49{DIGITS}")),
            channel(ChannelKind::Email, &format!("{WORD}@example.org")),
        ],
        addresses: vec![PostalAddress {
            id: book.new_entry_id(),
            label: Some(text()),
            street: text(),
            city: text(),
            region: text(),
            postcode: DIGITS.into(),
            country: text(),
        }],
        x: custom(book),
        ..Contact::default()
    }
}

#[test]
fn no_file_of_a_book_shows_what_was_written_searched_drafted_or_imported() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(&dir.path().join("desk"));
    std::fs::create_dir(desk.path("")).unwrap();
    desk.json(&["init"]);
    let book = Arc::new(desk.open());
    let text = || WORD.to_owned();
    let contact = book.save(&contact(&book)).unwrap();
    let deal = Deal {
        id: book.new_id().into(),
        title: text(),
        organization: text(),
        tags: vec![text()],
        contacts: vec![contact.id],
        lost_reason: text(),
        notes: text(),
        x: custom(&book),
        ..Deal::default()
    };
    book.save(&deal).unwrap();
    let task = TaskItem {
        id: book.new_id().into(),
        title: text(),
        tags: vec![text()],
        notes: text(),
        x: custom(&book),
        ..TaskItem::default()
    };
    book.save(&task).unwrap();
    assert_eq!(book.search(WORD, 10).unwrap().len(), 3);
    assert_eq!(book.search(DIGITS, 10).unwrap().len(), 1);
    book.keep_draft("form", &Change::Contact(Contact { notes: format!("{WORD} {DIGITS}"), ..contact.clone() })).unwrap();
    let card = format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{WORD}\r\nTEL:+49{DIGITS}\r\nNOTE:{WORD}\r\nEND:VCARD\r\n");
    assert_eq!(book.import_vcard("cards", card.as_bytes(), None, &|_| true).unwrap().added, 1);
    book.delete(roadbook_core::record::Kind::Task, task.id.0).unwrap();
    let _session = Session::sync(&book, None).unwrap();

    // Open, with its log and its index; closed; and rebuilt.
    assert!(assert_no_trace_in(&desk.store()) >= 5, "the database, its log and index, the lock, the installation");
    book.rebuild().unwrap();
    assert_no_trace_in(&desk.store());
    book.shutdown();
    assert_no_trace_in(&desk.store());
}

#[test]
fn the_command_line_leaves_nothing_outside_the_book_and_no_temporary_file() {
    let dir = tempfile::tempdir().unwrap();
    let (home, temporary) = (dir.path().join("home"), dir.path().join("temporary"));
    std::fs::create_dir(&temporary).unwrap();
    std::fs::create_dir(&home).unwrap();
    std::fs::write(dir.path().join("cards.vcf"), format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{WORD}\r\nEND:VCARD\r\n")).unwrap();
    let desk = Desk::at(&home);
    for verb in [
        &["init"][..],
        &["contact", "add", WORD, "--phone", &format!("+49{DIGITS}"), "--notes", WORD],
        &["import", "../cards.vcf"],
        &["search", WORD],
        &["export", "--format", "json"],
        &["doctor", "--rebuild"],
    ] {
        let output = desk.command(verb).env("HOME", &home).env("TMPDIR", &temporary).env("SQLITE_TMPDIR", &temporary).output();
        assert!(output.unwrap().status.success(), "{verb:?}");
    }
    assert_no_trace_in(&home);
    assert_eq!(names(&home), ["book", "book.key"]);
    assert!(names(&temporary).is_empty());
}

#[test]
fn errors_of_the_core_do_not_repeat_what_was_typed() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(dir.path());
    desk.json(&["init"]);
    let book = desk.open();
    let long = WORD.repeat(20);
    let mut texts = Vec::new();
    let mut told = |error: Error| texts.push(error.to_string());
    let contact = contact(&book);
    let id = contact.id;
    told(book.save(&Contact { family_name: long.clone(), tags: vec![long.clone()], ..contact.clone() }).unwrap_err());
    told(book.save(&Deal { id: book.new_id().into(), lost_reason: long.repeat(5), ..Deal::default() }).unwrap_err());
    told(book.get::<Contact>(id.0).unwrap_err());
    let mut saved = book.save(&contact).unwrap();
    saved.version = WORD.into();
    told(book.save(&saved).unwrap_err());
    let broken = format!("BEGIN:VCARD\r\nVERSION:4.0\r\n{WORD}\r\nFN:{WORD}\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:{WORD}\r\n");
    let report = book.import_vcard("cards", broken.as_bytes(), None, &|_| true).unwrap();
    assert!(report.broken > 0);
    texts.extend(report.problems.iter().map(|problem| problem.reason.clone()));
    for text in texts {
        assert_no_trace(text.as_bytes(), &text);
    }
}
