//! Devices meet through the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{FIRM, Server, contact, done, names};
use roadbook_core::book::FieldChange;
use roadbook_core::records::{Contact, Deal};
use roadbook_core::sync::wire::{self, SyncRequest};
use roadbook_core::sync::{End, Event, RejoinReason, Session, Step};
use roadbook_tests::{Device, World};

#[test]
fn two_devices_meet_and_edits_made_before_joining_come_along() {
    let world = World::new(1);
    let server = Server::new(&world);
    let (anna, boris) = (Device::new(&world), Device::new(&world));
    contact(&anna, "Ackermann");
    contact(&boris, "Bauer");
    done(server.join(&anna, &server.invite("Anna Berg")));
    done(server.join(&boris, &server.invite("Boris Król")));
    done(server.sync(&anna));
    assert_eq!(names(&anna), ["Ackermann", "Bauer"]);
    assert_eq!(names(&boris), ["Ackermann", "Bauer"]);
    let (one, two) = (anna.book.status().unwrap(), boris.book.status().unwrap());
    assert_eq!(one.state_hash, two.state_hash);
    assert_eq!(one.state_hash, server.summary().state_hash);
    assert_eq!(one.workspace.as_deref(), Some(FIRM));
    assert_eq!((one.pending_changes, two.pending_changes), (0, 0));
    assert_eq!(server.summary().records, 2);
}

#[test]
fn an_idle_sync_is_one_request_of_at_most_500_bytes() {
    let world = World::new(2);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    for at in 0..50 {
        contact(&anna, &format!("Contact {at:03}"));
    }
    done(server.sync(&anna));
    let report = done(server.sync(&anna));
    assert_eq!((report.requests, report.pushed, report.pulled), (1, 0, 0));
    assert!(report.bytes_up + report.bytes_down <= 500, "{report:?}");
}

#[test]
fn a_conflict_made_offline_shows_on_both_devices_with_both_authors() {
    let world = World::new(3);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = contact(&anna, "Meier").id.0;
    done(server.sync(&anna));
    done(server.sync(&boris));
    for (device, title) in [(&anna, "Buyer"), (&boris, "Head of purchasing")] {
        world.pass(60_000);
        let form = device.book.get::<Contact>(id).unwrap();
        device.book.save(&Contact { job_title: title.into(), ..form }).unwrap();
    }
    done(server.sync(&anna));
    done(server.sync(&boris));
    done(server.sync(&anna));
    for device in [&anna, &boris] {
        let conflicts = device.book.conflicts(id).unwrap();
        assert_eq!(conflicts.len(), 1);
        let values: Vec<(&str, &str)> =
            conflicts[0].values.iter().map(|value| (value.text.as_str(), value.author.name.as_str())).collect();
        assert_eq!(values, [("Head of purchasing", "Boris Król"), ("Buyer", "Anna Berg")]);
    }
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn two_workspaces_cannot_see_each_other() {
    let world = World::new(4);
    let server = Server::new(&world);
    let other = roadbook_server::admin::create_workspace(server.store(), world.as_ref(), "Other firm").unwrap();
    roadbook_server::admin::add_person(server.store(), world.as_ref(), other, "Carla", roadbook_server::store::Role::Rep)
        .unwrap();
    let anna = server.device("Anna Berg");
    let carla = Device::new(&world);
    done(server.join(&carla, &server.invite_to("other firm", "carla")));
    let id = contact(&anna, "Secret").id.0;
    done(server.sync(&anna));
    done(server.sync(&carla));
    assert!(names(&carla).is_empty());
    assert!(carla.book.people().unwrap().iter().all(|person| person.name == "Carla"));
    // Asking for it by its id gives what asking for nothing gives.
    let (authorization, mut request) = server.next_request(&carla);
    request.want = vec![id.as_bytes().to_vec().into()];
    assert!(server.sync_raw(&authorization, &request).unwrap().entries.is_empty());
    request.want.clear();
    (request.epoch, request.cursor) = (Vec::new(), Vec::new());
    assert!(server.sync_raw(&authorization, &request).unwrap().entries.is_empty());
    assert_eq!(roadbook_server::admin::summary(server.store(), other).unwrap().records, 0);
}

#[test]
fn a_server_that_restarts_keeps_tokens_and_data() {
    let world = World::new(5);
    let mut server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    let before = server.summary();
    server.restart();
    assert_eq!(server.summary(), before);
    contact(&anna, "Bauer");
    let (authorization, request) = server.next_request(&anna);
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(answer.verdicts.len(), 1);
    assert_eq!(server.summary().records, 2);
}

/// The files that an administrator copies.
const DATA: [&str; 2] = ["roadbook-server.db", "roadbook-server.secret"];

/// Copies the data of the server, which is stopped for it.
fn back_up(server: &mut Server) -> tempfile::TempDir {
    server.stop();
    let backup = tempfile::tempdir().unwrap();
    for name in DATA {
        std::fs::copy(server.dir.join(name), backup.path().join(name)).unwrap();
    }
    server.restart();
    backup
}

/// Puts the data back.
fn put_back(server: &mut Server, backup: &tempfile::TempDir) {
    server.stop();
    for name in ["roadbook-server.db-wal", "roadbook-server.db-shm"] {
        let _ = std::fs::remove_file(server.dir.join(name));
    }
    for name in DATA {
        std::fs::copy(backup.path().join(name), server.dir.join(name)).unwrap();
    }
    server.restart();
}

#[test]
fn a_server_put_back_while_a_device_walks_gets_again_what_the_device_pushed_meanwhile() {
    let world = World::new(8);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    for at in 0..60 {
        let notes = "long enough for several pages ".repeat(60);
        let contact = Contact { id: anna.book.new_id().into(), family_name: format!("Record {at}"), notes, ..Contact::default() };
        anna.book.save(&contact).unwrap();
    }
    done(server.sync(&anna));
    let backup = back_up(&mut server);
    contact(&boris, "Boris's own");
    // One page, and the app is closed: Boris stands in the middle, and his edit is accepted.
    let mut session = Session::sync(&boris.book, None).unwrap();
    let Step::Send(mut request) = session.start().unwrap() else { panic!("it sends") };
    let mut message: SyncRequest = wire::decode(&request.body).unwrap();
    message.max_bytes = 1;
    request.body = wire::encode(&message).unwrap();
    assert!(matches!(session.next(Event::Answered(server.send(&request))).unwrap(), Step::Send(_)));
    drop(session);
    assert_eq!((boris.book.status().unwrap().pending_changes, server.summary().records), (0, 61));
    put_back(&mut server, &backup);
    done(server.sync(&boris));
    assert_eq!(server.summary().records, 61);
    assert_eq!(server.summary().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_server_put_back_from_a_backup_is_noticed_and_gets_everything_again() {
    let world = World::new(6);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "Before the backup");
    done(server.sync(&anna));
    let backup = back_up(&mut server);
    contact(&anna, "After the backup");
    let boriss = contact(&boris, "Boris's own");
    done(server.sync(&anna));
    done(server.sync(&boris));
    done(server.sync(&anna));
    put_back(&mut server, &backup);
    assert_eq!(server.summary().records, 1);
    // A new device takes the numbers again that Boris's cursor knows: only the chain tells the difference.
    let third = server.device("Anna Berg");
    for at in 0..5 {
        contact(&third, &format!("Third {at}"));
    }
    done(server.sync(&third));
    assert!(server.summary().sequence > 3);
    let form = boris.book.get::<Contact>(boriss.id.0).unwrap();
    boris.book.save(&Contact { job_title: "Owner".into(), ..form }).unwrap();
    let (authorization, request) = server.next_request(&boris);
    assert_eq!(server.sync_raw(&authorization, &request), Err("epoch_changed".into()));
    done(server.sync(&boris));
    done(server.sync(&anna));
    done(server.sync(&boris));
    done(server.sync(&third));
    let hash = server.summary().state_hash;
    for device in [&anna, &boris, &third] {
        assert_eq!(names(device)[..3], ["After the backup", "Before the backup", "Boris's own"]);
        assert_eq!(names(device).len(), 8);
        assert_eq!(device.book.status().unwrap().state_hash, hash);
    }
}

#[test]
fn a_revoked_device_is_refused_at_once_and_may_be_invited_again() {
    let world = World::new(7);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    let workspace = server.workspace().id;
    let id = anna.book.account().unwrap().unwrap().device.to_string();
    let (device, revoked) = roadbook_server::admin::revoke(server.store(), world.as_ref(), workspace, &id).unwrap();
    assert_eq!((device.id.to_string(), revoked), (id.clone(), true));
    contact(&anna, "Bauer");
    for _ in 0..2 {
        assert!(matches!(server.sync(&anna), End::Rejoin { reason: RejoinReason::Revoked, .. }));
        // A token that was good goes on being refused when it has ended, and a new one is not given.
        world.pass(3_600_000);
    }
    assert_eq!(server.summary().records, 1);
    // The administrator lets it in again: it keeps its id, and nothing that waited is lost.
    done(server.join(&anna, &server.invite("Anna Berg")));
    assert_eq!(anna.book.account().unwrap().unwrap().device.to_string(), id);
    assert_eq!(server.summary().records, 2);
}

#[test]
fn a_device_is_revoked_by_the_beginning_of_its_id_if_that_is_enough() {
    let world = World::new(8);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let workspace = server.workspace().id;
    let id = boris.book.account().unwrap().unwrap().device.to_string();
    let revoke = |prefix: &str| roadbook_server::admin::revoke(server.store(), world.as_ref(), workspace, prefix);
    assert!(matches!(revoke("0"), Err(roadbook_server::Error::AmbiguousDevice { count: 2, .. })));
    assert!(matches!(revoke(""), Err(roadbook_server::Error::NoDevice(_))));
    assert_eq!(revoke(&id[..34].to_uppercase()).unwrap().0.id.to_string(), id);
    assert!(!revoke(&id).unwrap().1);
    done(server.sync(&anna));
    assert!(matches!(server.sync(&boris), End::Rejoin { reason: RejoinReason::Revoked, .. }));
    // Its tokens do not help it, and the change that was ready is not taken.
    contact(&boris, "Too late");
    let listed = roadbook_server::admin::devices(server.store(), workspace).unwrap();
    let shown: Vec<_> = listed.iter().map(|(device, person)| (person.as_str(), device.revoked_ms.is_some())).collect();
    assert_eq!(shown, [("Anna Berg", false), ("Boris Król", true)]);
    assert_eq!(server.summary().records, 0);
}

#[test]
fn a_server_that_was_put_back_may_give_an_id_to_a_record_of_another_kind() {
    let world = World::new(73);
    let mut server = Server::new(&world);
    let (anna, boris, late) = (server.device("Anna Berg"), server.device("Boris Król"), server.device("Boris Król"));
    let backup = back_up(&mut server);
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["Ackermann"]);
    let known = boris.book.get::<Contact>(id).unwrap();
    boris.book.save(&Contact { job_title: "Buyer".into(), ..known }).unwrap();
    put_back(&mut server, &backup);
    late.book.save(&Deal { id: id.into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    for device in [&late, &boris, &boris, &anna, &anna] {
        done(server.sync(device));
    }
    for device in [&boris, &anna] {
        assert_eq!(device.book.get::<Deal>(id).unwrap().title, "Pumps");
        assert_eq!(names(device), Vec::<String>::new());
        let status = device.book.status().unwrap();
        assert_eq!((status.unreadable, status.state_hash), (0, server.summary().state_hash));
        assert_eq!(device.book.check().unwrap(), []);
    }
    // Each still has what was written, to be read and typed anew elsewhere; Boris's edit was written on Anna's record.
    for (device, field, text) in [(&anna, "family_name", "Ackermann"), (&boris, "job_title", "Buyer")] {
        let refusals = device.book.refusals().unwrap();
        assert_eq!((refusals.len(), refusals[0].reason.as_str()), (1, "kind"));
        let shown = |change: &FieldChange| change.field.as_str() == field && change.after.as_deref() == Some(text);
        assert!(refusals[0].changes.iter().any(shown) && !refusals[0].can_retry, "{:?}", refusals[0]);
    }
}

#[test]
fn a_record_that_came_damaged_is_forgotten_when_the_server_lost_it() {
    let world = World::new(75);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let backup = back_up(&mut server);
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    let conn = rusqlite::Connection::open(server.dir.join(roadbook_server::store::DATABASE)).unwrap();
    conn.execute("UPDATE doc SET bytes = x'00'", []).unwrap();
    drop(conn);
    done(server.sync(&boris));
    assert_eq!(boris.book.status().unwrap().unreadable, 1);
    put_back(&mut server, &backup);
    done(server.sync(&boris));
    let status = boris.book.status().unwrap();
    assert_eq!((status.unreadable, status.state_hash), (0, server.summary().state_hash));
}

#[test]
fn a_refused_edit_on_what_another_device_wrote_is_shown_after_the_server_lost_both() {
    let world = World::new(74);
    let mut server = Server::new(&world);
    let (anna, boris, late) = (server.device("Anna Berg"), server.device("Boris Król"), server.device("Boris Król"));
    let backup = back_up(&mut server);
    let id = contact(&anna, "Ackermann").id.0;
    for device in [&anna, &boris] {
        done(server.sync(device));
    }
    let retitle = |device: &Device, title: &str| {
        let form = device.book.get::<Contact>(id).unwrap();
        device.book.save(&Contact { job_title: title.into(), ..form }).unwrap();
    };
    retitle(&boris, "Buyer");
    for device in [&boris, &anna] {
        done(server.sync(device));
    }
    retitle(&anna, "Head of purchasing");
    put_back(&mut server, &backup);
    late.book.save(&Deal { id: id.into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    for device in [&late, &anna, &anna] {
        done(server.sync(device));
    }
    let refused: Vec<_> = anna.book.refusals().unwrap().into_iter().flat_map(|refusal| refusal.changes).collect();
    let titles: Vec<_> =
        refused.into_iter().filter(|change| change.field.as_str() == "job_title").map(|change| change.after).collect();
    assert_eq!(titles, [Some("Head of purchasing".to_owned())]);
}

#[test]
fn a_device_whose_store_went_back_gets_its_own_later_records_again() {
    let world = World::new(71);
    let server = Server::new(&world);
    let mut anna = server.device("Anna Berg");
    contact(&anna, "Earlier");
    done(server.sync(&anna));
    anna.book.shutdown();
    let (file, backup) = (anna.dir.path().join("book.db"), tempfile::NamedTempFile::new().unwrap());
    std::fs::copy(&file, backup.path()).unwrap();
    anna.restart().unwrap();
    contact(&anna, "Later");
    done(server.sync(&anna));
    anna.book.shutdown();
    std::fs::copy(backup.path(), &file).unwrap();
    anna.restart().unwrap();
    done(server.sync(&anna));
    assert_eq!(names(&anna), ["Earlier", "Later"]);
}
