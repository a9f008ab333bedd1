//! Real processes that are killed while they work: clients that write and sync, and their server. The choices repeat
//! with the seed; the timing is the machine's.
//!
//! `ROADBOOK_KILLS` says how often (40), `ROADBOOK_SEED` which choices (1).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use roadbook_tests::process::{Desk, names, said};
use roadbook_tests::random::Random;
use roadbook_tests::server::{Server, admin};
use roadbook_tests::writer::{Reported, Writer, assert_holds};

const WORKSPACE: &str = "Firm";
const PEOPLE: [&str; 4] = ["Anna", "Boris", "Clara", "Olga"];

/// Everything that may lie in the folder of a book.
const FILES: [&str; 6] = ["book.db", "book.db-shm", "book.db-wal", "incarnation", "key.check", "sync.lock"];

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn pause(random: &mut Random, up_to_ms: u64) {
    std::thread::sleep(Duration::from_micros(random.below(up_to_ms * 1000)));
}

fn assert_nothing_half_written(dir: &Path) {
    // A draft that a kill left behind is out of sight.
    for name in names(dir).into_iter().filter(|name| !name.starts_with('.')) {
        assert!(FILES.contains(&name.as_str()), "{name} was left in the folder of a book");
    }
}

#[test]
fn what_was_reported_survives_the_death_of_clients_and_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let data = dir.path().join("server");
    let mut server = Server::with_people(&data, WORKSPACE, &PEOPLE);
    let desks: Vec<Desk> =
        PEOPLE[..3].iter().map(|person| Desk::joined(&dir.path().join(person), &server, WORKSPACE, person)).collect();
    desks[0].json(&["deal", "add", "Everybody's"]);
    for desk in &desks {
        desk.json(&["sync"]);
    }
    let mut reported = vec![Reported::default(); desks.len()];
    let mut writers: Vec<Writer> = desks.iter().map(|desk| Writer::start(desk, random.draw())).collect();

    for _ in 0..number("ROADBOOK_KILLS", 40) {
        pause(&mut random, 250);
        let victim = random.below(desks.len() as u64 + 1) as usize;
        if victim == desks.len() {
            server.kill();
            pause(&mut random, 100);
            server.kill_and_start();
            continue;
        }
        let writer = writers.remove(victim);
        writer.kill(&mut reported[victim]);
        assert_nothing_half_written(&desks[victim].store());
        assert_holds(&desks[victim].open(), &reported[victim].saved, PEOPLE[victim]);
        writers.insert(victim, Writer::start(&desks[victim], random.draw()));
    }
    for (at, writer) in writers.into_iter().enumerate() {
        writer.kill(&mut reported[at]);
    }
    server.kill_and_start();
    assert!(reported.iter().all(|reported| !reported.synced.is_empty()), "every client must have got through to the server");

    // Before anybody comes back: what the server had acknowledged, it gives to a newcomer.
    let observer = Desk::joined(&dir.path().join("Olga"), &server, WORKSPACE, "Olga");
    for (at, person) in PEOPLE[..3].iter().enumerate() {
        assert_holds(&observer.open(), &reported[at].synced, &format!("the server, of {person}"));
        assert_holds(&desks[at].open(), &reported[at].saved, person);
    }

    // Once up and once down.
    for _ in 0..2 {
        for desk in desks.iter().chain([&observer]) {
            desk.json(&["sync"]);
        }
    }
    let shown: serde_json::Value =
        serde_json::from_str(&admin(server.data(), &["workspace", "show", "--json", WORKSPACE])).unwrap();
    for desk in desks.iter().chain([&observer]) {
        assert_eq!(desk.state_hash(), shown["state_hash"].as_str().unwrap());
        desk.assert_sound();
        assert_nothing_half_written(&desk.store());
    }
    for reported in &reported {
        assert_holds(&observer.open(), &reported.saved, "after the sync");
    }
    server.kill();
    admin(&data, &["doctor"]);
}

/// Runs a verb again and again, killed after ever other times, and at last to its end.
fn kill_often(desk: &Desk, random: &mut Random, arguments: &[&str], mut look: impl FnMut()) -> std::process::Output {
    for _ in 0..number("ROADBOOK_KILLS", 40) / 4 {
        let mut child = desk.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pause(random, 40);
        child.kill().unwrap();
        child.wait().unwrap();
        look();
    }
    desk.run(arguments)
}

#[test]
fn a_verb_that_was_killed_can_be_run_again_and_leaves_no_half_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna"]);
    let code = server.invite(WORKSPACE, "Anna");
    let folder = dir.path().join("desk");
    std::fs::create_dir(&folder).unwrap();
    let desk = Desk::at(&folder);
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");

    let joined = kill_often(&desk, &mut random, &["join", &server.url, "--invite", &code], || {});
    assert!(joined.status.success(), "{}", said(&joined));
    let imported = kill_often(&desk, &mut random, &["import", cards.to_str().unwrap()], || {
        assert_nothing_half_written(&desk.store());
    });
    assert_eq!(imported.status.code(), Some(3), "one card of the file is broken: {}", said(&imported));
    assert_eq!(desk.json(&["contact", "list", "--all"])["items"].as_array().unwrap().len(), 120, "each card once");
    desk.json(&["sync"]);

    let export = desk.path("book.vcf");
    let mut whole: Option<Vec<u8>> = None;
    let exported = kill_often(&desk, &mut random, &["export", "--format", "vcard", "-o", "book.vcf"], || {
        if let Ok(found) = std::fs::read(&export) {
            assert_eq!(
                found.windows(9).filter(|words| words == b"END:VCARD").count(),
                120,
                "the file is there whole or not at all"
            );
            whole = Some(found);
        }
    });
    assert!(exported.status.success(), "{}", said(&exported));
    if let Some(whole) = whole {
        assert_eq!(whole, std::fs::read(&export).unwrap());
    }
    desk.assert_sound();
}

#[test]
fn a_book_whose_making_was_killed_can_be_made() {
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    for _ in 0..number("ROADBOOK_KILLS", 40) {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::at(dir.path());
        let mut child = desk.command(&["init"]).stdout(Stdio::null()).spawn().unwrap();
        pause(&mut random, 40);
        child.kill().unwrap();
        child.wait().unwrap();
        // Made, or not: a person does what the message says.
        let status = desk.run(&["status", "--json"]);
        if !status.status.success() {
            let answer: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
            assert_eq!(answer["error"]["code"], "no_book", "{answer}");
            desk.json(&["init"]);
        }
        desk.json(&["contact", "add", "Anna"]);
        desk.assert_sound();
    }
}
