//! The end of a process that has a book open: exit handlers of SQLCipher and OpenSSL run while its threads still do.
//!
//! `ROADBOOK_LEAVES` says how often (30).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use roadbook_tests::process::{Desk, said};
use roadbook_tests::random::Random;
use roadbook_tests::server::{Server, admin};
use roadbook_tests::{Device, World};

fn times() -> u64 {
    std::env::var("ROADBOOK_LEAVES").map_or(30, |text| text.parse().expect("a number"))
}

/// How many files under this folder this process has open.
#[cfg(target_os = "linux")]
fn open_files(dir: &std::path::Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    files.filter(|file| std::fs::read_link(file.path()).is_ok_and(|path| path.starts_with(dir))).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_book_that_was_shut_down_has_no_file_open_whatever_other_threads_do_with_it() {
    let mut random = Random::new(1);
    for _ in 0..times() {
        let device = Device::new(&World::new(random.draw()));
        let dir = device.dir.path().canonicalize().unwrap();
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let book = Arc::clone(&device.book);
                std::thread::spawn(move || while book.status().is_ok() {})
            })
            .collect();
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        device.book.shutdown();
        assert_eq!(open_files(&dir), 0);
        for reader in readers {
            reader.join().unwrap();
        }
    }
}

#[test]
fn a_process_that_shuts_its_book_down_before_it_exits_ends_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(dir.path());
    desk.json(&["init"]);
    for seed in 0..times() {
        let mut leave = Command::new(env!("CARGO_BIN_EXE_roadbook-client"));
        let output = leave.arg("leave").arg(dir.path()).arg(seed.to_string()).output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, said(&output));
    }
    desk.assert_sound();
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_stop_while_it_works_ends_cleanly_and_keeps_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(2);
    let mut server = Server::with_people(&dir.path().join("server"), "Firm", &["Anna"]);
    let desk = Desk::joined(&dir.path().join("anna"), &server, "Firm", "Anna");
    let cards = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");
    desk.run(&["import", cards.to_str().unwrap()]);
    for n in 0..times() / 3 {
        desk.json(&["contact", "add", &format!("Number {n}")]);
        let mut sync = desk.command(&["sync", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        let status = server.stop();
        assert!(status.success(), "the server ended with {status}");
        sync.wait().unwrap();
        server.start_again();
    }
    desk.json(&["sync"]);
    let shown: serde_json::Value = serde_json::from_str(&admin(server.data(), &["workspace", "show", "--json", "Firm"])).unwrap();
    assert_eq!(shown["state_hash"].as_str().unwrap(), desk.state_hash());
}
