//! A hostile member among others: what is refused is refused alone.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit};
use common::{Server, contact, done, names};
use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::record::Kind;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::{self, Outcome, PushDoc, PushGroup, PushItem, SyncRequest, SyncResponse};
use roadbook_server::admin;
use roadbook_server::store::Role;
use roadbook_tests::{Device, World};

/// Bytes that no writer of ours makes, each with the verdict that it gets.
fn attacks(good: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let flipped = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 0xff;
        bytes
    };
    let mut bomb = vec![1];
    bomb.extend(zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap());
    vec![
        (Vec::new(), "malformed"),
        (vec![0], "malformed"),
        (vec![9, 1, 2, 3], "malformed"),
        (vec![1, 0x28, 0xb5, 0x2f, 0xfd], "malformed"),
        (seal_envelope(b"\x85\x6f\x4a\x83 and nothing good after it"), "malformed"),
        (seal_envelope(&vec![0x41; 300_000]), "too_large"),
        (good[..good.len() - 1].to_vec(), "malformed"),
        (flipped(4), "malformed"),
        (flipped(good.len() - 2), "malformed"),
        (bomb, "too_large"),
    ]
}

#[test]
fn good_groups_go_through_between_hostile_ones_of_the_same_push() {
    let world = World::new(501);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "First");
    contact(&anna, "Second");
    let (authorization, mut request) = server.next_request(&anna);
    assert_eq!(request.groups.len(), 2);
    let good = request.groups[0].items[0].change.clone();
    let mut expected = vec![(Outcome::Accepted, String::new())];
    let last = request.groups.pop().unwrap();
    for (at, (change, code)) in (0u8..).zip(attacks(&good)) {
        request.groups.push(PushGroup { id: vec![0xa0, at], items: vec![PushItem { doc: 0, change }] });
        expected.push((Outcome::Refused, code.to_owned()));
    }
    // Items that name nothing, and a record that is somebody's word only.
    request.groups.push(PushGroup { id: vec![0xb0], items: vec![PushItem { doc: 99, change: good.clone() }] });
    request.docs.push(PushDoc { id: b"short".to_vec(), generation: 0, kind: 1 });
    let nowhere = u32::try_from(request.docs.len() - 1).unwrap();
    request.groups.push(PushGroup { id: vec![0xb1], items: vec![PushItem { doc: nowhere, change: good.clone() }] });
    request.groups.push(PushGroup { id: vec![0xb2], items: Vec::new() });
    request.groups.push(PushGroup { id: vec![0xb3; 40], items: vec![PushItem { doc: 0, change: good }] });
    expected.extend(vec![(Outcome::Refused, "malformed".to_owned()); 4]);
    request.groups.push(last);
    expected.push((Outcome::Accepted, String::new()));

    let answer = server.sync_raw(&authorization, &request).unwrap();
    let verdicts: Vec<(Outcome, String)> =
        answer.verdicts.into_iter().map(|verdict| (verdict.outcome, verdict.code.unwrap_or_default())).collect();
    assert_eq!(verdicts, expected);
    // Others live on, and so does the one whose device was abused.
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["First", "Second"]);
    done(server.sync(&anna));
    assert_eq!(anna.book.status().unwrap().state_hash, boris.book.status().unwrap().state_hash);
}

#[test]
fn a_connection_lives_on_after_a_hostile_push() {
    let world = World::new(504);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "First");
    let (authorization, request) = server.next_request(&anna);
    let good = request.groups[0].items[0].change.clone();
    let mut hostile = request.clone();
    hostile.groups = (0u8..)
        .zip(attacks(&good))
        .map(|(at, (change, _))| PushGroup { id: vec![0xa0, at], items: vec![PushItem { doc: 0, change }] })
        .collect();
    let mut line = server.line();
    let answer = line.post("/v1/sync", &authorization, &wire::encode(&hostile).unwrap());
    let verdicts = wire::decode::<SyncResponse>(&answer.body).unwrap().verdicts;
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.outcome == Outcome::Refused));
    assert_eq!(line.post("/v1/sync", &authorization, b"\x01junk").status, 400);
    assert_eq!(line.post("/v1/nothing", &authorization, b"").status, 404);
    let answer = line.post("/v1/sync", &authorization, &wire::encode(&request).unwrap());
    assert_eq!(wire::decode::<SyncResponse>(&answer.body).unwrap().verdicts[0].outcome, Outcome::Accepted);
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["First"]);
}

#[test]
fn what_was_stolen_from_another_workspace_opens_no_door_there() {
    let world = World::new(505);
    let server = Server::new(&world);
    let other = admin::create_workspace(server.store(), world.as_ref(), "Other firm").unwrap();
    admin::add_person(server.store(), world.as_ref(), other, "Carla", Role::Rep).unwrap();
    let (anna, boris, carla) = (server.device("Anna Berg"), server.device("Boris Król"), Device::new(&world));
    done(server.join(&carla, &server.invite_to("other firm", "carla")));
    let known = contact(&anna, "Known");
    done(server.sync(&anna));
    anna.book.save(&Contact { job_title: "Buyer".into(), ..known }).unwrap();
    contact(&anna, "New");
    let (_, stolen) = server.next_request(&anna);
    let (authorization, own) = server.next_request(&carla);
    let before = server.summary();
    let answer = server.sync_raw(&authorization, &SyncRequest { docs: stolen.docs, groups: stolen.groups, ..own }).unwrap();
    let said = answer.verdicts.iter().map(|verdict| (verdict.outcome, verdict.code.as_deref().unwrap_or_default()));
    // The one builds on what is not there; the other is a record of Carla's own firm now, whoever wrote it elsewhere.
    assert_eq!(said.collect::<Vec<_>>(), [(Outcome::Held, "missing"), (Outcome::Accepted, "")]);
    done(server.sync(&carla));
    assert_eq!(names(&carla), ["New"]);
    assert!(carla.book.people().unwrap().iter().all(|person| person.name == "Carla"));
    assert_eq!(server.summary(), before, "Anna's firm has nothing of it");
    assert_eq!(done(server.sync(&anna)).pushed, 2, "and takes from Anna what she wrote");
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["Known", "New"]);
}

/// Bytes that hardly fold, all of them printable.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 40) as u8 % 95)
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_record_as_large_as_one_may_be_that_does_not_fold_reaches_everybody() {
    let world = World::new(503);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = anna.book.new_id();
    let skeleton = Document::new(Kind::Contact.definition()).unwrap();
    let mut writer = AutoCommit::load(&skeleton.save()[1..]).unwrap().with_actor(ActorId::from([7u8; 16].as_slice()));
    let fields =
        ["given_name", "family_name", "middle_name", "organization", "job_title", "x/a", "x/b", "x/c", "x/d", "x/e", "x/f"];
    for (at, field) in (1u8..).zip(fields) {
        writer.put(automerge::ROOT, field, noise(at.into(), 255_000)).unwrap();
        writer.commit_with(CommitOptions::default().with_time(1)).unwrap();
        let change = seal_envelope(writer.get_last_local_change().unwrap().raw_bytes());
        let (authorization, mut request) = server.next_request(&anna);
        request.docs = vec![PushDoc { id: id.as_bytes().to_vec(), generation: 0, kind: 1 }];
        request.groups = vec![PushGroup { id: vec![0xc0, at], items: vec![PushItem { doc: 0, change }] }];
        let answer = server.sync_raw(&authorization, &request).unwrap();
        assert_eq!((answer.verdicts[0].outcome, answer.verdicts[0].code.as_deref()), (Outcome::Accepted, None));
    }
    contact(&anna, "Beside");
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(names(&boris).len(), 2);
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn a_poisoned_record_that_is_stored_already_is_set_aside_alone() {
    let world = World::new(502);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let (bad, good) = (contact(&anna, "Bad"), contact(&anna, "Good"));
    done(server.sync(&anna));
    let conn = rusqlite::Connection::open(server.dir.join(roadbook_server::store::DATABASE)).unwrap();
    let id = bad.id.0;
    let bytes: Vec<u8> = conn.query_row("SELECT bytes FROM doc WHERE id = ?1", [id.as_bytes()], |row| row.get(0)).unwrap();
    for poison in [vec![], vec![0], seal_envelope(&vec![0xff; 1000]), bytes[..bytes.len() / 2].to_vec()] {
        conn.execute("UPDATE doc SET bytes = ?2 WHERE id = ?1", rusqlite::params![id.as_bytes(), poison]).unwrap();
        done(server.sync(&boris));
        assert_eq!(names(&boris), ["Good"]);
        assert_eq!(boris.book.status().unwrap().unreadable, 1);
        let edit = |contact: &Contact| {
            let form: Contact = anna.book.get(contact.id.0).unwrap();
            let job_title = format!("{} more", form.job_title);
            anna.book.save(&Contact { job_title, ..form }).unwrap();
        };
        edit(&bad);
        edit(&good);
        let end = server.sync(&anna);
        assert_eq!((end.report().held, end.report().pushed > 0), (anna.book.status().unwrap().pending_changes, true), "{end:?}");
    }
    conn.execute("UPDATE doc SET bytes = ?2 WHERE id = ?1", rusqlite::params![id.as_bytes(), bytes]).unwrap();
    // What waited goes through, and the record is fetched by itself.
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["Bad", "Good"]);
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
    assert_eq!((boris.book.status().unwrap().unreadable, anna.book.status().unwrap().pending_changes), (0, 0));
}
