//! The day on which the server's disk dies, rehearsed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{Server, contact, done, names, path_of};
use roadbook_core::id::RecordId;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::{self, SyncRequest};
use roadbook_core::sync::{End, Event, RejoinReason, Session, Step, WaitReason};
use roadbook_server::backup::backup;
use roadbook_server::doctor::doctor;
use roadbook_server::restore::restore;
use roadbook_server::store::{Contents, SqliteStore};
use roadbook_tests::{Device, World};

fn edit(device: &Device, id: RecordId, change: impl FnOnce(&mut Contact)) {
    let mut form = device.book.get::<Contact>(id).unwrap();
    change(&mut form);
    device.book.save(&form).unwrap();
}

/// Every device and the server hold the same living records, nothing waits, and no change is stored twice.
fn assert_whole(server: &Server, devices: &[&Device], expected: &[String], deleted: u64) {
    let summary = server.summary();
    for device in devices {
        let status = device.book.status().unwrap();
        assert_eq!(status.state_hash, summary.state_hash);
        assert_eq!((status.pending_changes, status.refused, status.unreadable, status.disputed), (0, 0, 0, 0));
        assert_eq!(names(device), expected);
    }
    assert_eq!(summary.records, expected.len() as u64 + deleted);
    let report = doctor(&SqliteStore::open(&server.dir).unwrap(), false).unwrap();
    assert_eq!(report.findings, []);
    let conn = rusqlite::Connection::open(server.dir.join("roadbook-server.db")).unwrap();
    let twice: i64 = conn.query_row("SELECT count(*) - count(DISTINCT hash) FROM change", [], |row| row.get(0)).unwrap();
    assert_eq!(twice, 0);
}

#[test]
fn a_server_that_lost_its_folder_comes_back_from_a_backup_made_under_load_and_its_devices_fill_the_rest() {
    let world = World::new(111);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let shared = contact(&anna, "Shared").id.0;
    done(server.sync(&anna));
    done(server.sync(&boris));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");

    // Boris works on while the backup is made, again and again, so that one falls between two of his pushes.
    let working = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut count = 0;
            while working.load(Ordering::SeqCst) || count < 20 {
                contact(&boris, &format!("Load {count:03}"));
                done(server.sync(&boris));
                count += 1;
            }
        });
        for _ in 0..5 {
            backup(&server.dir, &file, world.as_ref(), true, true).unwrap();
        }
        working.store(false, Ordering::SeqCst);
        load.join().unwrap();
    });
    let saved = Contents::read(&file, true).unwrap();
    assert!((1..=server.summary().records).contains(&saved.records), "{saved:?}");

    // What comes after the backup: edits that build on each other across devices, a new device, and a deletion.
    done(server.sync(&anna));
    edit(&anna, shared, |form| form.job_title = "Buyer".into());
    done(server.sync(&anna));
    done(server.sync(&boris));
    edit(&boris, shared, |form| form.job_title = "Head of purchasing".into());
    let gone = contact(&boris, "Gone").id.0;
    done(server.sync(&boris));
    let late = server.device("Anna Berg");
    edit(&late, shared, |form| form.organization = "Pumps Ltd".into());
    contact(&late, "Late");
    done(server.sync(&late));
    boris.book.delete(roadbook_core::record::Kind::Contact, gone).unwrap();
    done(server.sync(&boris));
    done(server.sync(&anna));

    server.stop();
    std::fs::remove_dir_all(&server.dir).unwrap();
    // Nobody notices at once: work goes on without a network.
    contact(&anna, "Offline");
    edit(&boris, shared, |form| form.organization = "Pumps & Valves Ltd".into());
    restore(&server.dir, &file, world.as_ref(), false).unwrap();
    server.restart();
    assert_eq!(server.summary().records, saved.records);

    // One after the other comes back. Boris built on what only the late device has: his edit waits for it.
    done(server.sync(&anna));
    assert!(matches!(server.sync(&boris), End::Wait { reason: WaitReason::Held, .. }));
    assert!(matches!(server.sync(&late), End::Rejoin { reason: RejoinReason::Unknown, .. }));
    done(server.join(&late, &server.invite("Anna Berg")));
    for device in [&boris, &anna, &late, &boris, &anna] {
        done(server.sync(device));
    }
    let mut expected = names(&boris);
    expected.sort();
    assert!(expected.contains(&"Late".into()) && expected.contains(&"Offline".into()) && expected.contains(&"Shared".into()));
    assert!(!expected.contains(&"Gone".into()));
    for device in [&anna, &boris, &late] {
        let form = device.book.get::<Contact>(shared).unwrap();
        assert_eq!((form.job_title.as_str(), form.organization.as_str()), ("Head of purchasing", "Pumps & Valves Ltd"));
    }
    let restored = server.summary().restored.unwrap();
    assert_eq!((restored.back.len(), restored.missing.len()), (3, 0));
    assert_whole(&server, &[&anna, &boris, &late], &expected, 1);
}

#[test]
fn a_backup_that_was_only_copied_into_place_is_noticed_even_by_a_device_in_the_middle_of_its_pages() {
    let world = World::new(112);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    for at in 0..40 {
        let notes: String = (0..4000u32).map(|n| char::from(b'a' + (n.wrapping_mul(at * 7919 + n) % 26) as u8)).collect();
        let form = Contact { id: anna.book.new_id().into(), family_name: format!("Large {at:02}"), notes, ..Contact::default() };
        anna.book.save(&form).unwrap();
    }
    done(server.sync(&anna));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    backup(&server.dir, &file, world.as_ref(), false, false).unwrap();

    // Boris pushes his record with the request that brings him his first page, and then his train enters a tunnel.
    contact(&boris, "Boris's own");
    let mut session = Session::sync(&boris.book, None).unwrap();
    let mut step = session.start().unwrap();
    loop {
        let Step::Send(mut request) = step else { panic!("one page was enough: {step:?}") };
        let is_sync = path_of(&request) == "/v1/sync";
        if is_sync {
            let mut message: SyncRequest = wire::decode(&request.body).unwrap();
            message.max_bytes = 1;
            request.body = wire::encode(&message).unwrap();
        }
        step = session.next(Event::Answered(server.send(&request))).unwrap();
        if is_sync {
            break;
        }
    }
    drop(session);
    assert_eq!(boris.book.status().unwrap().pending_changes, 0);
    assert!(names(&boris).len() < 41);
    assert_eq!(server.summary().records, 41);

    server.stop();
    std::fs::copy(&file, server.dir.join("roadbook-server.db")).unwrap();
    server.restart();
    // The numbers that Boris's record had are given again.
    let third = server.device("Anna Berg");
    contact(&third, "Third");
    done(server.sync(&third));
    assert_eq!(server.summary().records, 41);

    for device in [&boris, &anna, &third, &boris] {
        done(server.sync(device));
    }
    let mut expected: Vec<String> = (0..40).map(|at| format!("Large {at:02}")).collect();
    expected.extend(["Boris's own".to_owned(), "Third".to_owned()]);
    expected.sort();
    assert_whole(&server, &[&anna, &boris, &third], &expected, 0);
}

#[test]
fn a_backup_that_was_only_copied_into_place_is_noticed_by_every_device_that_had_gone_further() {
    let world = World::new(113);
    let mut server = Server::new(&world);
    let devices: Vec<Device> = ["Anna Berg", "Boris Król", "Anna Berg"].map(|person| server.device(person)).into();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    let mut expected = Vec::new();
    for round in 0..4 {
        if round == 2 {
            backup(&server.dir, &file, world.as_ref(), false, false).unwrap();
        }
        for (at, device) in devices.iter().enumerate() {
            expected.push(format!("Round {round} device {at}"));
            contact(device, &format!("Round {round} device {at}"));
            done(server.sync(device));
        }
    }
    server.stop();
    std::fs::copy(&file, server.dir.join("roadbook-server.db")).unwrap();
    server.restart();
    // The server moves on before the others come back: as far as it was, and further.
    for at in 0..9 {
        expected.push(format!("Later {at}"));
        contact(&devices[0], &format!("Later {at}"));
        done(server.sync(&devices[0]));
    }
    let log = log();
    for device in devices.iter().chain(&devices) {
        done(server.sync(device));
    }
    expected.sort();
    assert_whole(&server, &devices.iter().collect::<Vec<_>>(), &expected, 0);
    // The administrator sees it, too.
    let said = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    for device in &devices[1..] {
        let id = device.book.account().unwrap().unwrap().device.to_string();
        assert!(said.lines().any(|line| line.contains("without `restore`") && line.contains(&id)), "{id}: {said}");
    }
}

/// What the servers of this process log from now on.
fn log() -> Arc<Mutex<Vec<u8>>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = {
        let log = Arc::clone(&log);
        move || Log(Arc::clone(&log))
    };
    tracing_subscriber::fmt().with_ansi(false).with_writer(writer).init();
    log
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
