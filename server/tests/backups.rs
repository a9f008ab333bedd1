//! Copies of the data, made while others write.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::path::Path;

use common::{Server, contact, done};
use roadbook_server::Error;
use roadbook_server::backup::backup;
use roadbook_server::store::Contents;
use roadbook_tests::World;

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_beside_a_running_server_is_one_whole_file_that_only_its_owner_reads() {
    let world = World::new(81);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("monday.backup");
    let made = backup(&server.dir, &file, world.as_ref(), false, true).unwrap();
    assert_eq!((made.workspaces.len(), made.records), (1, 1));
    assert_eq!(made.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(names_in(place.path()), ["monday.backup"]);
    assert_eq!(Contents::read(&file, true).unwrap(), made);
    // What comes later is not in it, and the server is as it was.
    contact(&anna, "Bauer");
    done(server.sync(&anna));
    assert_eq!(server.summary().records, 2);
    assert_eq!(Contents::read(&file, true).unwrap().records, 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_asked() {
    let world = World::new(82);
    let server = Server::new(&world);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    std::fs::write(&file, b"something of mine").unwrap();
    assert!(matches!(backup(&server.dir, &file, world.as_ref(), false, false), Err(Error::FileExists(_))));
    assert_eq!(std::fs::read(&file).unwrap(), b"something of mine");
    backup(&server.dir, &file, world.as_ref(), true, false).unwrap();
    assert_eq!(Contents::read(&file, true).unwrap().workspaces.len(), 1);
    assert_eq!(names_in(place.path()), ["backup"]);
}

#[test]
fn a_backup_that_fails_leaves_nothing_behind() {
    let world = World::new(83);
    let server = Server::new(&world);
    let place = tempfile::tempdir().unwrap();
    assert!(backup(&server.dir, &place.path().join("no/such/folder"), world.as_ref(), false, false).is_err());
    assert!(matches!(backup(place.path(), &place.path().join("backup"), world.as_ref(), false, false), Err(Error::NoData(_))));
    // A folder stands where the file should: the copy is made, and cannot get its name.
    std::fs::create_dir(place.path().join("taken")).unwrap();
    assert!(backup(&server.dir, &place.path().join("taken"), world.as_ref(), true, false).is_err());
    assert_eq!(names_in(place.path()), ["taken"]);
}

#[test]
fn what_is_no_backup_is_named_as_such() {
    let world = World::new(84);
    let mut server = Server::new(&world);
    let anna = server.device("Anna Berg");
    for at in 0..50 {
        contact(&anna, &format!("Contact {at}"));
    }
    done(server.sync(&anna));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("backup");
    backup(&server.dir, &file, world.as_ref(), false, false).unwrap();
    server.stop();
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    for byte in damaged.iter_mut().skip(whole.len() / 2).take(6000) {
        *byte = 0xa5;
    }
    let other = place.path().join("other");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for bytes in [damaged, whole[..whole.len() / 2].to_vec(), b"text".to_vec(), std::fs::read(&other).unwrap(), Vec::new()] {
        std::fs::write(&file, bytes).unwrap();
        let error = Contents::read(&file, true).unwrap_err();
        assert!(matches!(error, Error::BadFile { .. }) && error.to_string().contains("backup"), "{error}");
    }
}
