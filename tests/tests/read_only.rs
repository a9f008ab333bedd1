//! Folders and files that nobody can write, root included: read-only mounts of the test's own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::process::{Command, Stdio};

use roadbook_core::Error;
use roadbook_core::records::Contact;
use roadbook_tests::namespace::{Disk, lock, with_own_mounts};
use roadbook_tests::process::{Desk, said};
use roadbook_tests::server::{Server, admin, programs};

const WORKSPACE: &str = "Firm";
const ROOM: u64 = 16 << 20;

fn names(desk: &Desk) -> Vec<String> {
    let list = desk.json(&["contact", "list", "--all"]);
    list["items"].as_array().unwrap().iter().map(|item| item["headline"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_book_in_a_folder_that_cannot_be_written_says_so_and_is_whole_afterwards() {
    with_own_mounts("a_book_in_a_folder_that_cannot_be_written_says_so_and_is_whole_afterwards", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), ROOM);
        let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna"]);
        let desk = Desk::joined(&disk.dir, &server, WORKSPACE, "Anna");
        desk.json(&["contact", "add", "Before"]);
        let (list, state) = (names(&desk), desk.state_hash());
        disk.lock();
        // Not even reading is possible: SQLite keeps an index of its log beside the file.
        for verb in [
            &["contact", "list"][..],
            &["contact", "add", "Too much"],
            &["sync"],
            &["export", "--format", "json", "-o", "book.json"],
        ] {
            let (code, message) = desk.fails(verb);
            assert_eq!(code, "read_only", "{verb:?}: {message}");
        }
        disk.unlock();
        assert_eq!((names(&desk), desk.state_hash()), (list, state));
        desk.json(&["sync"]);
        desk.assert_sound();

        // An app that has the book open already reads on.
        let book = desk.open();
        let contact = Contact { id: book.new_id().into(), family_name: "After".into(), ..Contact::default() };
        lock(&desk.store());
        assert_eq!(book.search("Before", 5).unwrap().len(), 1);
        let saved = book.save(&contact);
        assert!(matches!(saved, Ok(_) | Err(Error::ReadOnly)), "{saved:?}");
    });
}

#[test]
fn a_book_whose_file_cannot_be_written_is_read_and_refuses_to_be_written() {
    with_own_mounts("a_book_whose_file_cannot_be_written_is_read_and_refuses_to_be_written", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), ROOM);
        let desk = Desk::at(&disk.dir);
        desk.json(&["init"]);
        desk.json(&["contact", "add", "Before"]);
        lock(&desk.store().join("book.db"));
        assert_eq!(names(&desk), ["Before"]);
        assert_eq!(desk.json(&["search", "bef"])["items"].as_array().unwrap().len(), 1);
        let (code, message) = desk.fails(&["contact", "add", "Too much"]);
        assert_eq!(code, "read_only", "{message}");
        assert_eq!(names(&desk), ["Before"]);
        desk.assert_sound();
    });
}

#[test]
fn a_server_whose_data_cannot_be_written_says_so_and_takes_nothing() {
    with_own_mounts("a_server_whose_data_cannot_be_written_says_so_and_takes_nothing", || {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(&dir.path().join("disk"), ROOM);
        let data = disk.dir.join("server");
        let mut server = Server::with_people(&data, WORKSPACE, &["Anna"]);
        let desk = Desk::joined(&dir.path().join("anna"), &server, WORKSPACE, "Anna");
        server.kill();
        admin(&data, &["doctor"]);
        disk.lock();
        let start = Command::new(programs().join("roadbook-server"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(start.status.code(), Some(1), "{}", said(&start));
        assert!(said(&start).contains("Read-only file system"), "{}", said(&start));
        disk.unlock();

        // The file alone: the server reads, and takes nothing that it cannot keep.
        lock(&data.join("roadbook-server.db"));
        server.kill_and_start();
        desk.json(&["contact", "add", "Anna's"]);
        let (code, message) = desk.fails(&["sync"]);
        assert_eq!(code, "server", "{message}");
        assert_eq!(desk.json(&["status"])["pending_changes"], 1);
    });
}
