//! Real processes that are killed while they work: clients that write and sync, and their server. The choices repeat
//! with the seed; the timing is the machine's.
//!
//! `ROADBOOK_KILLS` says how often (40), `ROADBOOK_SEED` which choices (1).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::cell::RefCell;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use roadbook_tests::process::{Desk, names, said};
use roadbook_tests::random::Random;
use roadbook_tests::server::{Server, admin, command};
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

/// Kills runs of a verb at moments spread over the time that a whole run takes here, until some were killed at work and some
/// were done: on a machine that has become slower or faster meanwhile, the moments follow. `look` is given each run's place and
/// whether it was done.
fn kill_often<T>(
    random: &mut Random,
    rehearsal: Duration,
    mut run: impl FnMut(u64) -> (T, Child),
    mut look: impl FnMut(&T, bool),
) {
    let rounds = number("ROADBOOK_KILLS", 40) / 4;
    // The last moments lie beyond the end.
    let mut span = u64::try_from(rehearsal.as_micros()).unwrap() * 5 / 4;
    let (mut killed, mut done) = (0, 0);
    for round in 0.. {
        if round >= rounds {
            match (killed, done) {
                (0, _) => span /= 2,
                (_, 0) => span *= 2,
                _ => return,
            }
        }
        let (place, mut child) = run(round);
        // One moment out of each part of the time.
        let part = span / rounds;
        std::thread::sleep(Duration::from_micros(part * (round % rounds) + random.below(part.max(1))));
        child.kill().unwrap();
        // A killed process has no exit code.
        let is_done = child.wait().unwrap().code().is_some();
        *(if is_done { &mut done } else { &mut killed }) += 1;
        look(&place, is_done);
    }
}

fn start(desk: &Desk, verb: &[&str]) -> Child {
    desk.command(verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long a whole run takes.
fn timed(desk: &Desk, verb: &[&str]) -> Duration {
    let began = Instant::now();
    let output = desk.run(verb);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", said(&output));
    began.elapsed()
}

/// A desk of its own for each round, so that each run has the whole work before it.
fn new_desk(dir: &Path, name: impl std::fmt::Display) -> Desk {
    let folder = dir.join(name.to_string());
    std::fs::create_dir(&folder).unwrap();
    Desk::at(&folder)
}

#[test]
fn a_join_that_was_killed_can_be_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let server = Server::with_people(&dir.path().join("server"), WORKSPACE, &["Anna", "Boris"]);
    let anna = Desk::joined(&dir.path().join("Anna"), &server, WORKSPACE, "Anna");
    anna.json(&["contact", "add", "Everybody's"]);
    anna.json(&["sync"]);
    let code = RefCell::new(server.invite(WORKSPACE, "Boris"));
    let whole = timed(&new_desk(dir.path(), "whole"), &["join", &server.url, "--invite", &code.borrow()]);
    kill_often(
        &mut random,
        whole,
        |round| {
            *code.borrow_mut() = server.invite(WORKSPACE, "Boris");
            let desk = new_desk(dir.path(), round);
            let child = start(&desk, &["join", &server.url, "--invite", &code.borrow()]);
            (desk, child)
        },
        |desk, is_done| {
            let again = desk.run(&["join", &server.url, "--invite", &code.borrow()]);
            // The code is used up where the first run got through, whether that was told or not: then the book has joined.
            if !again.status.success() {
                assert!(is_done || said(&again).contains("invitation"), "{}", said(&again));
            }
            desk.json(&["sync"]);
            assert_eq!(desk.json(&["contact", "list"])["items"].as_array().unwrap().len(), 1);
            desk.assert_sound();
            // Whatever the making of the book had left is gone by now.
            assert_nothing_half_written(&desk.store());
        },
    );
}

#[test]
fn an_import_that_was_killed_keeps_whole_batches_and_run_again_adds_each_card_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");
    let import = ["import", cards.to_str().unwrap()];
    let desk_with_book = |name: &dyn std::fmt::Display| {
        let desk = new_desk(dir.path(), name);
        desk.json(&["init"]);
        desk
    };
    let contacts = |desk: &Desk| desk.json(&["contact", "list", "--all"])["items"].as_array().unwrap().len();
    let whole = timed(&desk_with_book(&"whole"), &import);
    kill_often(
        &mut random,
        whole,
        |round| {
            let desk = desk_with_book(&round);
            let child = start(&desk, &import);
            (desk, child)
        },
        |desk, is_done| {
            assert_nothing_half_written(&desk.store());
            let kept = contacts(desk);
            assert!(if is_done { kept == 120 } else { matches!(kept, 0 | 99 | 100 | 120) }, "{kept} of 120");
            desk.assert_sound();
            let again = desk.run(&import);
            assert_eq!(again.status.code(), Some(3), "one card of the file is broken: {}", said(&again));
            assert_eq!(contacts(desk), 120, "each card once");
            desk.assert_sound();
        },
    );
}

#[test]
fn an_export_that_was_killed_leaves_the_file_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");
    let desk = Desk::at(dir.path());
    desk.json(&["init"]);
    assert_eq!(desk.run(&["import", cards.to_str().unwrap()]).status.code(), Some(3));
    let verb = ["export", "--format", "vcard", "-o", "book.vcf"];
    let (whole, export) = (timed(&desk, &verb), desk.path("book.vcf"));
    let right = std::fs::read(&export).unwrap();
    assert_eq!(right.windows(9).filter(|words| words == b"END:VCARD").count(), 120);
    kill_often(
        &mut random,
        whole,
        |_| {
            let _ = std::fs::remove_file(&export);
            (Desk::at(dir.path()), start(&desk, &verb))
        },
        |_, is_done| match std::fs::read(&export) {
            Ok(found) => assert_eq!(found, right),
            Err(error) => assert!(!is_done, "{error}"),
        },
    );
    desk.assert_sound();
}

#[test]
fn a_book_whose_making_was_killed_can_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let whole = timed(&new_desk(dir.path(), "whole"), &["init"]);
    kill_often(
        &mut random,
        whole,
        |round| {
            let desk = new_desk(dir.path(), round);
            let child = start(&desk, &["init"]);
            (desk, child)
        },
        |desk, is_done| {
            // Made, or not: a person does what the message says.
            let status = desk.run(&["status", "--json"]);
            if !status.status.success() {
                let answer: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
                assert!(!is_done && answer["error"]["code"] == "no_book", "{answer}");
                desk.json(&["init"]);
            }
            desk.json(&["contact", "add", "Anna"]);
            desk.assert_sound();
        },
    );
}

/// How long a verb of the server takes here.
fn timed_admin(data: &Path, verb: &[&str]) -> Duration {
    let began = Instant::now();
    admin(data, verb);
    began.elapsed()
}

fn start_admin(data: &Path, verb: &[&str]) -> Child {
    command(data, verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn server_state(data: &Path) -> String {
    let shown: serde_json::Value = serde_json::from_str(&admin(data, &["workspace", "show", "--json", WORKSPACE])).unwrap();
    shown["state_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_or_a_restore_that_was_killed_leaves_whole_files_and_can_be_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(number("ROADBOOK_SEED", 1));
    let cards = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");
    let data = dir.path().join("server");
    let mut server = Server::with_people(&data, WORKSPACE, &["Anna"]);
    let anna = Desk::joined(&dir.path().join("Anna"), &server, WORKSPACE, "Anna");
    assert_eq!(anna.run(&["import", cards.to_str().unwrap()]).status.code(), Some(3));
    anna.json(&["sync"]);

    // The server goes on serving meanwhile.
    let backup = |name: &dyn std::fmt::Display| dir.path().join(format!("backup-{name}"));
    let before = server_state(&data);
    let whole = backup(&"whole");
    let rehearsal = timed_admin(&data, &["backup", "--output", whole.to_str().unwrap()]);
    kill_often(
        &mut random,
        rehearsal,
        |round| (backup(&round), start_admin(&data, &["backup", "--output", backup(&round).to_str().unwrap()])),
        |file, is_done| {
            let elsewhere = tempfile::tempdir().unwrap();
            if file.exists() {
                admin(elsewhere.path(), &["restore", file.to_str().unwrap()]);
                assert_eq!(server_state(elsewhere.path()), before);
            } else {
                assert!(!is_done, "a backup that was done is there");
                admin(&data, &["backup", "--output", file.to_str().unwrap()]);
            }
        },
    );

    anna.json(&["contact", "add", "Newer"]);
    anna.json(&["sync"]);
    server.kill();
    let after = server_state(&data);
    assert_ne!(before, after);
    let restore = ["restore", "--force", whole.to_str().unwrap()];
    let copy = |name: &dyn std::fmt::Display| {
        let copy = dir.path().join(format!("copy-{name}"));
        std::fs::create_dir(&copy).unwrap();
        for file in names(&data).iter().filter(|file| !file.starts_with('.')) {
            std::fs::copy(data.join(file), copy.join(file)).unwrap();
        }
        copy
    };
    let rehearsal = timed_admin(&copy(&"whole"), &restore);
    kill_often(
        &mut random,
        rehearsal,
        |round| {
            let copy = copy(&round);
            let child = start_admin(&copy, &restore);
            (copy, child)
        },
        |copy, is_done| {
            admin(copy, &["doctor"]);
            let state = server_state(copy);
            assert!(state == before || (!is_done && state == after), "neither the old database nor the backup");
            admin(copy, &restore);
            admin(copy, &["doctor"]);
            assert_eq!(server_state(copy), before);
        },
    );
}
