//! Full disks, for real: a small disk of the test's own. What was acknowledged stays, what fails says why, and all goes on
//! when there is room.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use roadbook_cli::http::{Client, drive};
use roadbook_core::Error;
use roadbook_core::book::{Book, ContactFilter, ContactSort};
use roadbook_core::records::Contact;
use roadbook_core::sync::{End, Session};
use roadbook_tests::namespace::{Disk, with_own_mounts};
use roadbook_tests::process::{Desk, names, said};
use roadbook_tests::server::{Server, admin};

const WORKSPACE: &str = "Firm";
const SMALL: u64 = 4 << 20;
const PAGE: u64 = 4096;

fn contact(book: &Book, name: &str) -> Result<Contact, Error> {
    // Much text: not even the log has room for it by chance.
    let notes = "x".repeat(20_000);
    book.save(&Contact { id: book.new_id().into(), family_name: name.into(), notes, ..Contact::default() })
}

fn count(book: &Book) -> usize {
    book.contacts(&ContactFilter::default(), ContactSort::Name, None, 500).unwrap().items.len()
}

fn cards(n: usize) -> String {
    (0..n)
        .map(|n| {
            format!("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:card-{n}\r\nFN:Card {n}\r\nNOTE:{}\r\nEND:VCARD\r\n", "y".repeat(8000))
        })
        .collect()
}

fn sync(book: &Arc<Book>) -> Result<End, Error> {
    drive(&mut Session::sync(book, None)?, &Client::new()).map(|trip| trip.end)
}

#[test]
fn an_app_on_a_full_disk_says_so_keeps_what_it_has_and_goes_on_when_there_is_room() {
    with_own_mounts("an_app_on_a_full_disk_says_so_keeps_what_it_has_and_goes_on_when_there_is_room", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), SMALL);
        let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
        let desk = Desk::joined(&disk.dir.join("anna"), &server, WORKSPACE, "Anna");
        let boris = Desk::joined(&dir.path().join("boris"), &server, WORKSPACE, "Boris");
        let book = Arc::new(desk.open());
        contact(&book, "before").unwrap();
        let boris_book = boris.open();
        for n in 0..20 {
            contact(&boris_book, &format!("Boris's {n}")).unwrap();
        }
        drop(boris_book);
        boris.json(&["sync"]);

        for room in [0, PAGE, 4 * PAGE, 16 * PAGE] {
            disk.fill(room);
            let (held, state) = (count(&book), book.status().unwrap().state_hash);
            assert!(matches!(contact(&book, "too much"), Err(Error::NoSpace)) || room > 4 * PAGE, "{room}");
            let imported = book.import_vcard("cards", cards(50).as_bytes(), None, &|_| true);
            assert!(matches!(imported, Err(Error::NoSpace)), "{room}: {imported:?}");
            let synced = sync(&book);
            assert!(matches!(synced, Err(Error::NoSpace)), "{room}: {synced:?}");
            // Reading goes on, and nothing of what failed is there.
            if room <= 4 * PAGE {
                assert_eq!((count(&book), book.status().unwrap().state_hash), (held, state), "{room}");
            }
            assert!(book.check().unwrap().is_empty());
            let exported = book.export_file(&disk.dir.join("book.vcf"), &|out| book.export_vcard(out));
            assert!(matches!(exported, Err(Error::NoSpace)) || room > 4 * PAGE, "{room}: {exported:?}");
            let _ = std::fs::remove_file(disk.dir.join("book.vcf"));
            disk.empty();
        }
        // Closed on a full disk, too.
        disk.fill(0);
        drop(book);
        disk.empty();

        let book = Arc::new(desk.open());
        assert!(matches!(sync(&book).unwrap(), End::Done(_)));
        contact(&book, "after").unwrap();
        assert_eq!(book.import_vcard("cards", cards(50).as_bytes(), None, &|_| true).unwrap().added, 50);
        book.export_file(&disk.dir.join("book.vcf"), &|out| book.export_vcard(out)).unwrap();
        assert!(matches!(sync(&book).unwrap(), End::Done(_)));
        drop(book);
        boris.json(&["sync"]);
        assert_eq!(desk.state_hash(), boris.state_hash());
        desk.assert_sound();
        assert_eq!(names(&disk.dir), ["anna", "book.vcf"]);
    });
}

#[test]
fn the_command_line_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    with_own_mounts("the_command_line_on_a_full_disk_says_so_and_goes_on_when_there_is_room", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), SMALL);
        let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
        let desk = Desk::joined(&disk.dir.join("anna"), &server, WORKSPACE, "Anna");
        let boris = Desk::joined(&dir.path().join("boris"), &server, WORKSPACE, "Boris");
        std::fs::write(dir.path().join("cards.vcf"), cards(50)).unwrap();
        let cards = dir.path().join("cards.vcf").display().to_string();
        let notes = "z".repeat(20_000);
        desk.json(&["contact", "add", "Before", "--notes", &notes]);
        boris.json(&["import", &cards]);
        boris.json(&["sync"]);
        let state = desk.state_hash();

        // With no room at all not even the log can be begun; with a little it is, and the write fails.
        for room in [0, 12 * PAGE] {
            disk.fill(room);
            for verb in [
                &["contact", "add", "Too much", "--notes", &notes][..],
                &["import", &cards],
                &["sync"],
                &["export", "--format", "json", "-o", "book.json"],
            ] {
                let (code, message) = desk.fails(verb);
                assert_eq!(code, "no_space", "{room}: {}: {message}", verb[0]);
                assert!(message.contains("no room left"), "{message}");
            }
            disk.empty();
            assert_eq!(desk.state_hash(), state);
            desk.assert_sound();
        }
        assert_eq!(names(&desk.path("")), ["book", "book.key"], "no half export is left");

        desk.json(&["contact", "add", "After", "--notes", &notes]);
        desk.json(&["sync"]);
        boris.json(&["sync"]);
        assert_eq!(desk.state_hash(), boris.state_hash());
    });
}

#[test]
fn a_book_that_found_no_room_to_be_made_can_be_made_later() {
    with_own_mounts("a_book_that_found_no_room_to_be_made_can_be_made_later", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), SMALL);
        let desk = Desk::at(&disk.dir);
        for pages in (0..100).step_by(3) {
            disk.fill(pages * PAGE);
            let output = desk.run(&["init", "--json"]);
            disk.empty();
            if !output.status.success() {
                assert!(said(&output).contains("\"no_space\""), "{pages}: {}", said(&output));
                // Where the last step alone is missing there is a book already.
                desk.run(&["init"]);
            }
            desk.json(&["contact", "add", "Anna"]);
            desk.assert_sound();
            std::fs::remove_dir_all(desk.store()).unwrap();
            std::fs::remove_file(desk.path("book.key")).unwrap();
        }
    });
}

fn stored_contacts(desk: &Desk) -> usize {
    desk.json(&["contact", "list", "--all"])["items"].as_array().unwrap().len()
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_server_on_a_full_disk_takes_nothing_that_it_cannot_keep() {
    with_own_mounts("a_server_on_a_full_disk_takes_nothing_that_it_cannot_keep", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), SMALL);
        let data = disk.dir.join("server");
        let mut server = Server::with_people(&data, WORKSPACE, &["Anna", "Boris", "Clara"]);
        let anna = Desk::joined(&dir.path().join("anna"), &server, WORKSPACE, "Anna");
        let boris = Desk::joined(&dir.path().join("boris"), &server, WORKSPACE, "Boris");
        let late = server.invite(WORKSPACE, "Clara");
        anna.json(&["contact", "add", "Before"]);
        anna.json(&["sync"]);
        write(&dir.path().join("cards.vcf"), cards(100).as_bytes());
        anna.json(&["import", &dir.path().join("cards.vcf").display().to_string()]);
        let pending = anna.json(&["status"])["pending_changes"].clone();

        disk.fill(0);
        let (code, message) = anna.fails(&["sync"]);
        assert_eq!(code, "server", "{message}");
        assert!(message.contains("your edits are kept"), "{message}");
        assert_eq!(anna.json(&["status"])["pending_changes"], pending);
        std::fs::create_dir(dir.path().join("clara")).unwrap();
        let clara = Desk::at(&dir.path().join("clara"));
        assert_eq!(clara.fails(&["join", &server.url, "--invite", &late]).0, "server");
        // Who only reads is answered.
        boris.json(&["sync"]);
        assert_eq!(stored_contacts(&boris), 1);

        disk.empty();
        clara.json(&["join", &server.url, "--invite", &late]);
        anna.json(&["sync"]);
        // What it acknowledged outlives its death, also on a disk that is full again.
        disk.fill(0);
        server.kill();
        disk.empty();
        server.kill_and_start();
        for desk in [&boris, &clara] {
            desk.json(&["sync"]);
            assert_eq!(stored_contacts(desk), 101);
            assert_eq!(desk.state_hash(), anna.state_hash());
        }
        server.kill();
        admin(&data, &["doctor"]);
    });
}
