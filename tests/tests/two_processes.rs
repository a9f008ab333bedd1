//! Two processes on one store: an app and its background job, or two terminals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::process::Stdio;
use std::time::Duration;

use roadbook_tests::line::{Line, Way};
use roadbook_tests::process::Desk;
use roadbook_tests::server::Server;
use roadbook_tests::writer::{Reported, Writer, assert_holds};

const WORKSPACE: &str = "Firm";

#[test]
fn what_two_processes_write_and_sync_at_once_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
    let desk = Desk::joined(&dir.path().join("anna"), &server, WORKSPACE, "Anna");
    let boris = Desk::joined(&dir.path().join("boris"), &server, WORKSPACE, "Boris");
    desk.json(&["deal", "add", "Everybody's"]);
    let mut reported = [Reported::default(), Reported::default()];
    for round in 0..3 {
        let writers = [Writer::start(&desk, round), Writer::start(&desk, 100 + round)];
        std::thread::sleep(Duration::from_millis(700));
        for (writer, reported) in writers.into_iter().zip(&mut reported) {
            writer.kill(reported);
        }
    }
    desk.json(&["sync"]);
    boris.json(&["sync"]);
    assert_eq!(desk.state_hash(), boris.state_hash());
    for reported in &reported {
        assert!(!reported.saved.is_empty());
        assert_holds(&desk.open(), &reported.saved, "Anna's book");
        assert_holds(&boris.open(), &reported.saved, "Boris's book");
    }
    assert_eq!(desk.json(&["status"])["refused"], 0, "both wrote as one device");
    desk.assert_sound();
}

#[test]
fn a_second_sync_is_told_that_one_is_at_work_and_a_killed_one_leaves_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna"]);
    let line = Line::new(Way::To(server.address().to_owned()));
    let desk = Desk::at(dir.path());
    desk.json(&["join", &line.url, "--invite", &server.invite(WORKSPACE, "Anna")]);

    let waiting = line.turn(Way::Deaf);
    let mut first = desk.command(&["sync"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Its request is on the line: it holds the lock.
    waiting.recv().unwrap();
    let (code, message) = desk.fails(&["sync"]);
    assert_eq!(code, "busy", "{message}");
    assert!(message.contains("another process") && message.contains("try again in a moment"), "{message}");
    // Everything else goes on.
    desk.json(&["contact", "add", "Meanwhile"]);
    assert_eq!(desk.json(&["contact", "list"])["items"].as_array().unwrap().len(), 1);
    first.kill().unwrap();
    first.wait().unwrap();

    line.turn(Way::To(server.address().to_owned()));
    desk.json(&["sync"]);
    assert_eq!(desk.json(&["status"])["pending_changes"], 0);
}
