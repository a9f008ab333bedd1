//! Putting a backup back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{FIRM, Server, contact, done, names};
use roadbook_core::sync::{End, RejoinReason};
use roadbook_server::backup::backup;
use roadbook_server::restore::restore;
use roadbook_server::store::{Contents, Role};
use roadbook_server::{Error, admin};
use roadbook_tests::{Device, World};

/// A server with Anna's record in it, its backup, and a later record of Anna.
struct Place {
    world: Arc<World>,
    server: Server,
    anna: Device,
    /// Beside the server's folder, and gone with it.
    file: PathBuf,
}

fn place(seed: u64) -> Place {
    let world = World::new(seed);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Before");
    done(server.sync(&anna));
    let file = server.dir.with_file_name("backup");
    backup(&server.dir, &file, world.as_ref(), false, false).unwrap();
    contact(&anna, "After");
    done(server.sync(&anna));
    Place { world, server, anna, file }
}

#[test]
fn after_a_restore_devices_push_their_own_changes_again_and_the_administrator_sees_who_did() {
    let Place { world, mut server, anna, file } = place(91);
    let boris = server.device("Boris Król");
    let (before, full) = (server.summary(), server.summary().state_hash);
    assert!(before.restored.is_none());
    server.stop();
    restore(&server.dir, &file, world.as_ref(), true).unwrap();
    server.restart();
    let restored = server.summary().restored.unwrap();
    assert_ne!(server.summary().epoch, before.epoch);
    assert_eq!((restored.at_ms, restored.sequence), (common::now(&world), 1));
    // Boris joined after the backup was made: the server does not know him, and he joins again.
    assert_eq!(restored.back.len(), 0);
    assert_eq!(restored.missing.iter().map(|device| device.person.as_str()).collect::<Vec<_>>(), ["Anna Berg"]);
    assert!(matches!(server.sync(&boris), End::Rejoin { reason: RejoinReason::Unknown, .. }));
    done(server.join(&boris, &server.invite("Boris Król")));
    assert_eq!(names(&boris), ["After", "Before"]);
    assert_eq!(server.summary().records, 1);

    done(server.sync(&anna));
    let summary = server.summary();
    let restored = summary.restored.unwrap();
    assert_eq!(restored.missing, []);
    let annas = restored.back.iter().find(|device| device.person == "Anna Berg").unwrap();
    assert_eq!((annas.name.as_str(), annas.changes), ("Phone", 1));
    assert_eq!((summary.records, summary.state_hash), (2, full.clone()));
    done(server.sync(&boris));
    for device in [&anna, &boris] {
        assert_eq!(device.book.status().unwrap().state_hash, full);
        assert_eq!(names(device), ["After", "Before"]);
    }
    // Once is enough.
    assert_eq!(done(server.sync(&anna)).requests, 1);
}

#[test]
fn nothing_is_restored_under_a_running_server() {
    let Place { world, mut server, file, .. } = place(92);
    assert!(matches!(restore(&server.dir, &file, world.as_ref(), true), Err(Error::InUse(_))));
    assert_eq!(server.summary().records, 2);
    server.stop();
    restore(&server.dir, &file, world.as_ref(), true).unwrap();
}

#[test]
fn newer_data_is_replaced_only_when_asked_and_kept_then() {
    let Place { world, mut server, file, .. } = place(93);
    let full = server.summary().state_hash;
    server.stop();
    let error = restore(&server.dir, &file, world.as_ref(), false).unwrap_err();
    assert!(matches!(error, Error::NewerData { .. }) && error.to_string().contains("--force"), "{error}");
    server.restart();
    assert_eq!(server.summary().state_hash, full);
    server.stop();
    let kept = restore(&server.dir, &file, world.as_ref(), true).unwrap().kept.unwrap();
    assert_eq!(Contents::read(&kept, true).unwrap().records, 2);
    // The same backup once more: what is there has nothing that the backup lacks. Both are kept.
    let again = restore(&server.dir, &file, world.as_ref(), false).unwrap().kept.unwrap();
    assert_ne!(kept, again);
    // And the way back.
    restore(&server.dir, &kept, world.as_ref(), false).unwrap();
    server.restart();
    assert_eq!(server.summary().state_hash, full);
}

#[test]
fn a_history_that_went_another_way_counts_as_newer() {
    let Place { world, mut server, file, .. } = place(94);
    server.stop();
    let second = file.with_file_name("second");
    backup(&server.dir, &second, world.as_ref(), false, false).unwrap();
    restore(&server.dir, &file, world.as_ref(), true).unwrap();
    server.restart();
    // Another record under the number that the second backup gave to Anna's.
    let third = server.device("Anna Berg");
    contact(&third, "Third");
    done(server.sync(&third));
    server.stop();
    assert!(matches!(restore(&server.dir, &second, world.as_ref(), false), Err(Error::NewerData { .. })));
}

#[test]
fn a_revocation_stays_though_the_backup_was_made_after_more_had_happened() {
    let world = World::new(99);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "Before");
    done(server.sync(&anna));
    let revoke = |server: &Server, device: &Device| {
        let id = device.book.account().unwrap().unwrap().device.to_string();
        assert!(admin::revoke(server.store(), world.as_ref(), server.workspace().id, &id).unwrap().1);
    };
    let (older, later) = (server.dir.with_file_name("older"), server.dir.with_file_name("later"));
    backup(&server.dir, &older, world.as_ref(), false, false).unwrap();
    world.pass(1000);
    for _ in 0..3 {
        server.device("Boris Król");
    }
    revoke(&server, &boris);
    backup(&server.dir, &later, world.as_ref(), false, false).unwrap();
    server.stop();
    std::fs::remove_dir_all(&server.dir).unwrap();
    restore(&server.dir, &older, world.as_ref(), false).unwrap();
    // Nothing was done since, so that the later one has all that is there. The older one lacks a revocation then.
    restore(&server.dir, &later, world.as_ref(), false).unwrap();
    assert!(matches!(restore(&server.dir, &older, world.as_ref(), false), Err(Error::NewerData { .. })));
    assert_eq!(restore(&server.dir, &older, world.as_ref(), true).unwrap().history.revoked, 1);
    server.restart();
    // The directory of the later one has had more versions, and knows nothing of this.
    revoke(&server, &anna);
    server.stop();
    assert!(matches!(restore(&server.dir, &later, world.as_ref(), false), Err(Error::NewerData { .. })));
    assert_eq!(restore(&server.dir, &later, world.as_ref(), true).unwrap().history.revoked, 1);
    server.restart();
    for device in [&anna, &boris] {
        assert!(matches!(server.sync(device), End::Rejoin { reason: RejoinReason::Revoked, .. }));
    }
}

#[test]
fn a_person_a_device_or_a_right_that_the_backup_has_not_is_not_lost_unasked() {
    let world = World::new(100);
    let mut server = Server::new(&world);
    let boris = server.device("Boris Król");
    world.pass(1000);
    let id = boris.book.account().unwrap().unwrap().device.to_string();
    assert!(admin::revoke(server.store(), world.as_ref(), server.workspace().id, &id).unwrap().1);
    world.pass(1000);
    let file = server.dir.with_file_name("backup");
    let refuses = |server: &mut Server| {
        server.stop();
        let refused = matches!(restore(&server.dir, &file, world.as_ref(), false), Err(Error::NewerData { .. }));
        // For the next attempt there is nothing newer.
        restore(&server.dir, &file, world.as_ref(), true).unwrap();
        server.restart();
        refused
    };
    backup(&server.dir, &file, world.as_ref(), false, false).unwrap();
    assert!(!refuses(&mut server));
    admin::add_person(server.store(), world.as_ref(), server.workspace().id, "Carla", Role::Rep).unwrap();
    assert!(refuses(&mut server));
    server.device("Anna Berg");
    assert!(refuses(&mut server));
    // A device that was let in again.
    done(server.join(&boris, &server.invite("Boris Król")));
    assert!(refuses(&mut server));
    assert!(!refuses(&mut server));
}

#[test]
fn a_file_that_is_no_whole_backup_changes_nothing() {
    let Place { world, mut server, file, .. } = place(95);
    server.stop();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let names = |dir: &std::path::Path| std::fs::read_dir(dir).unwrap().count();
    let before = names(&server.dir);
    assert!(matches!(restore(&server.dir, &file, world.as_ref(), true), Err(Error::BadFile { .. })));
    assert!(matches!(restore(&server.dir, &file.with_file_name("none"), world.as_ref(), true), Err(Error::Io { .. })));
    assert_eq!(names(&server.dir), before);
    server.restart();
    assert_eq!(server.summary().records, 2);
}

#[test]
fn data_that_cannot_be_read_is_replaced_only_when_asked_and_kept_with_its_log() {
    let Place { world, mut server, anna, file } = place(96);
    let full = server.summary().state_hash;
    server.stop();
    let database = server.dir.join("roadbook-server.db");
    std::fs::write(&database, b"what a dying disk left").unwrap();
    std::fs::write(server.dir.join("roadbook-server.db-wal"), b"and its log").unwrap();
    assert!(matches!(restore(&server.dir, &file, world.as_ref(), false), Err(Error::UnreadableData { .. })));
    let kept = restore(&server.dir, &file, world.as_ref(), true).unwrap().kept.unwrap();
    assert_eq!(std::fs::read(&kept).unwrap(), b"what a dying disk left");
    server.restart();
    done(server.sync(&anna));
    assert_eq!(server.summary().state_hash, full);
}

#[test]
fn what_ended_after_the_backup_does_not_come_back() {
    let Place { world, mut server, anna, file } = place(97);
    let old = server.invite("Boris Król");
    backup(&server.dir, &file, world.as_ref(), true, false).unwrap();
    let (authorization, request) = server.next_request(&anna);
    let id = anna.book.account().unwrap().unwrap().device.to_string();
    admin::revoke(server.store(), world.as_ref(), server.workspace().id, &id).unwrap();
    server.stop();
    let history = restore(&server.dir, &file, world.as_ref(), true).unwrap().history;
    assert_eq!((history.invitations, history.revoked), (1, 1));
    server.restart();
    // The invitation may have been taken between the backup and the restore: its code is good no more.
    let end = server.join(&Device::new(&world), &old);
    assert!(matches!(end, End::Rejoin { reason: RejoinReason::Invitation, .. }), "{end:?}");
    // The phone was lost between the backup and the restore.
    assert!(matches!(server.sync(&anna), End::Rejoin { reason: RejoinReason::Revoked, .. }));
    assert_eq!(server.sync_raw(&authorization, &request), Err("token_expired".into()));
    assert_eq!(server.summary().restored.unwrap().missing, []);
    assert_eq!(admin::devices(server.store(), admin::workspace(server.store(), FIRM).unwrap().id).unwrap().len(), 1);
}

#[test]
fn a_restore_into_a_new_folder_makes_it() {
    let Place { world, server, file, .. } = place(98);
    let dir = file.with_file_name("new").join("folder");
    let restored = restore(&dir, &file, world.as_ref(), false).unwrap();
    assert_eq!((restored.kept, restored.contents.records), (None, 1));
    let other = Server::start(&dir, &world);
    assert_eq!(other.store().server_id(), server.store().server_id());
    assert_eq!(other.summary().records, 1);
}
