//! The feed in pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done, names};
use roadbook_core::book::Change;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::{Form, SyncRequest};
use roadbook_tests::{Device, World};

/// Text that does not shrink to nothing.
fn noise(seed: usize, length: usize) -> String {
    let mut state = seed as u64 * 2_654_435_761 + 1;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'a' + (state >> 40) as u8 % 26));
    }
    text
}

fn with_notes(device: &Device, at: usize) -> Contact {
    Contact {
        id: device.book.new_id().into(),
        family_name: format!("Contact {at:03}"),
        notes: noise(at, 2000),
        ..Contact::default()
    }
}

#[test]
fn a_group_of_two_hundred_records_comes_in_pages() {
    let world = World::new(31);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let changes: Vec<Change> = (0..200).map(|at| Change::Contact(with_notes(&anna, at))).collect();
    anna.book.apply(&changes, "import").unwrap();
    done(server.sync(&anna));
    assert_eq!(server.summary().sequence, 1);
    let boris = Device::new(&world);
    done(server.join(&boris, &server.invite("Boris Król")));
    assert_eq!(names(&boris).len(), 200);

    // A device that asks for small pages: inside one number of the feed.
    let (authorization, request) = server.next_request(&boris);
    let mut request = SyncRequest { cursor: Vec::new(), max_bytes: 1, ..request };
    let (mut pages, mut ids) = (0, Vec::new());
    loop {
        let answer = server.sync_raw(&authorization, &request).unwrap();
        let bytes: usize = answer.entries.iter().map(|entry| entry.snapshot.as_ref().unwrap().len()).sum();
        assert!(bytes <= 64 * 1024);
        ids.extend(answer.entries.into_iter().map(|entry| entry.id));
        request.cursor = answer.cursor;
        pages += 1;
        if !answer.more {
            break;
        }
        assert_eq!(request.cursor.len(), 48);
    }
    assert!(pages >= 8, "{pages}");
    assert_eq!(request.cursor.len(), 16);
    assert_eq!(ids.len(), 200);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[test]
fn records_that_change_between_two_pages_are_complete_in_the_end() {
    let world = World::new(32);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let boris = server.device("Boris Król");
    let mut contacts = Vec::new();
    for at in 0..100 {
        contacts.push(anna.book.save(&with_notes(&anna, at)).unwrap());
    }
    done(server.sync(&anna));
    let edit = |at: usize, title: &str| {
        let form = anna.book.get::<Contact>(contacts[at].id.0).unwrap();
        anna.book.save(&Contact { job_title: title.into(), ..form }).unwrap();
    };
    // While Boris pulls page after page, Anna changes what he has, what he is about to get, and what is far ahead.
    let pages = server.sync_in_pages(&boris, 64 * 1024, |page| {
        if (1..4).contains(&page) {
            for at in [0, 20, 50, 80, 99] {
                edit(at, &format!("Title {page}"));
            }
            done(server.sync(&anna));
        }
    });
    assert!(pages >= 4, "{pages}");
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
    assert_eq!(boris.book.get::<Contact>(contacts[80].id.0).unwrap().job_title, "Title 3");
    assert_eq!(boris.book.status().unwrap().unreadable, 0);

    // The same with a device that has everything and gets single changes.
    for at in 0..100 {
        edit(at, "Title 4");
    }
    done(server.sync(&anna));
    let report = done(server.sync(&boris));
    assert_eq!((report.pulled, report.set_aside), (100, 0));
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn a_device_that_has_the_rest_gets_changes_and_a_new_one_gets_snapshots_with_rows() {
    let world = World::new(33);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = anna.book.save(&with_notes(&anna, 1)).unwrap().id.0;
    done(server.sync(&anna));
    done(server.sync(&boris));
    let form = anna.book.get::<Contact>(id).unwrap();
    anna.book.save(&Contact { job_title: "Buyer".into(), ..form }).unwrap();
    done(server.sync(&anna));
    let (authorization, request) = server.next_request(&boris);
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(answer.entries.len(), 1);
    assert_eq!((answer.entries[0].form, answer.entries[0].changes.as_ref().unwrap().len()), (Form::Changes, 1));
    assert!(answer.entries[0].changes.as_ref().unwrap()[0].len() < 400);

    let new = SyncRequest { epoch: Vec::new(), cursor: Vec::new(), ..request.clone() };
    let answer = server.sync_raw(&authorization, &new).unwrap();
    assert_eq!(answer.entries[0].form, Form::Snapshot);
    assert!(answer.entries[0].row.is_some() && answer.entries[0].row_version.is_some());
    assert_eq!(answer.entries[0].changed_ms, Some(common::now(&world)));

    // A device whose rows mean something else makes its own from the document.
    let mut older = new.clone();
    older.rows[0].major += 1;
    let answer = server.sync_raw(&authorization, &older).unwrap();
    assert!(answer.entries[0].row.is_none() && answer.entries[0].snapshot.is_some());

    // A device that asks for a record gets it whole, first, wherever it stands; and Anna's own edits never come back.
    let wanting = SyncRequest { want: vec![id.as_bytes().to_vec().into(); 3], ..request };
    let answer = server.sync_raw(&authorization, &wanting).unwrap();
    assert_eq!(answer.entries.iter().map(|entry| entry.form).collect::<Vec<_>>(), [Form::Snapshot, Form::Changes]);
    assert_eq!(done(server.sync(&anna)).pulled, 0);
}

#[test]
fn the_directory_comes_when_it_is_newer() {
    let world = World::new(34);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    let (authorization, request) = server.next_request(&anna);
    assert_eq!(server.sync_raw(&authorization, &request).unwrap().directory, None);
    let workspace = server.workspace();
    roadbook_server::admin::add_person(
        server.store(),
        world.as_ref(),
        workspace.id,
        "Carla",
        roadbook_server::store::Role::Administrator,
    )
    .unwrap();
    let directory = server.sync_raw(&authorization, &request).unwrap().directory.unwrap();
    assert!(directory.version > workspace.directory);
    let roles: Vec<_> = directory.people.iter().map(|person| (person.name.as_str(), person.role.as_str())).collect();
    assert!(roles.contains(&("Carla", "administrator")) && roles.len() == 3);
    assert_eq!(directory.actors.len(), 0, "the device has the actor already");
    let all = server.sync_raw(&authorization, &SyncRequest { directory: 0, ..request.clone() }).unwrap();
    let directory = all.directory.unwrap();
    assert_eq!(directory.people[directory.actors[0].person as usize].name, "Anna Berg");
    assert_eq!(directory.actors[0].device, "Phone");
    // Who has the older ones gets the new ones only.
    let boris = server.device("Boris Król");
    contact(&boris, "Bauer");
    done(server.sync(&boris));
    let request = SyncRequest { directory: directory.version, ..request };
    let newer = server.sync_raw(&authorization, &request).unwrap().directory.unwrap();
    let authors: Vec<_> = newer.actors.iter().map(|actor| newer.people[actor.person as usize].name.as_str()).collect();
    assert_eq!((authors, newer.people.len()), (vec!["Boris Król"], 3));
    // The numbers of another history say nothing.
    let request = SyncRequest { epoch: Vec::new(), cursor: Vec::new(), ..request };
    assert_eq!(server.sync_raw(&authorization, &request).unwrap().directory.unwrap().actors.len(), 2);
}
