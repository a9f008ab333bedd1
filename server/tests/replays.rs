//! Requests that somebody saw and sends again, and devices that are revoked while they speak.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::stranger::{Stranger, bearer, hello};
use common::{Server, code, contact, done, names, path_of};
use ed25519_dalek::SigningKey;
use roadbook_core::sync::wire::{self, JoinResponse, SyncRequest};
use roadbook_core::sync::{Event, Session, Step};
use roadbook_server::admin;
use roadbook_tests::{Device, World};

fn revoke(server: &Server, device: &Device) {
    let id = device.book.account().unwrap().unwrap().device.to_string();
    assert!(admin::revoke(server.store(), server.world.as_ref(), server.workspace().id, &id).unwrap().1);
}

#[test]
fn a_token_ends_a_quarter_of_an_hour_after_it_was_given_whatever_was_done_with_it() {
    let world = World::new(131);
    let server = Server::new(&world);
    let stranger = Stranger(SigningKey::from_bytes(&[1; 32]));
    let joined: JoinResponse = wire::decode(&stranger.join(&server, &hello(&server), &server.invite("Anna Berg")).body).unwrap();
    let authorization = bearer(&joined.token.token);
    for _ in 0..2 {
        assert!(server.sync_raw(&authorization, &SyncRequest::default()).is_ok());
        world.pass(15 * 30_000 - 1);
    }
    assert!(server.sync_raw(&authorization, &SyncRequest::default()).is_ok());
    world.pass(2);
    assert_eq!(server.sync_raw(&authorization, &SyncRequest::default()), Err("token_expired".into()));
}

#[test]
fn a_device_that_is_revoked_between_two_pages_gets_no_further_one() {
    let world = World::new(132);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    for at in 0..200 {
        let notes = world_noise(at);
        let form = roadbook_core::records::Contact { notes, ..contact(&anna, &format!("Large {at:03}")) };
        anna.book.save(&form).unwrap();
    }
    done(server.sync(&anna));
    let (authorization, request) = server.next_request(&boris);
    let first = server.sync_raw(&authorization, &SyncRequest { max_bytes: 1, ..request.clone() }).unwrap();
    assert!(first.more);
    revoke(&server, &boris);
    let next = SyncRequest { cursor: first.cursor, max_bytes: 1, ..request };
    assert_eq!(server.sync_raw(&authorization, &next), Err("device_revoked".into()));
}

fn world_noise(seed: u32) -> String {
    (0..2000u32).map(|at| char::from(b'a' + (seed.wrapping_mul(7919).wrapping_add(at * at * 31 + at) % 26) as u8)).collect()
}

#[test]
fn a_device_that_is_revoked_while_its_request_arrives_pushes_nothing_and_gets_nothing() {
    let world = World::new(133);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    done(server.sync(&anna));
    contact(&anna, "Too late");
    let (authorization, pushing) = server.next_request(&anna);
    let asking = SyncRequest { groups: Vec::new(), docs: Vec::new(), cursor: Vec::new(), epoch: Vec::new(), ..pushing.clone() };
    let started: Vec<(TcpStream, Vec<u8>)> = [pushing, asking]
        .iter()
        .map(|request| {
            let body = wire::encode(request).unwrap();
            let mut stream = TcpStream::connect(server.address).unwrap();
            let head = format!(
                "POST /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\nauthorization: {authorization}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            // The server asks for the body when it has looked at the token.
            let mut go_on = [0; 25];
            stream.read_exact(&mut go_on).unwrap();
            assert!(go_on.starts_with(b"HTTP/1.1 100"));
            (stream, body)
        })
        .collect();
    revoke(&server, &anna);
    for (mut stream, body) in started {
        stream.write_all(&body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 403") && text.contains("device_revoked"), "{text}");
    }
    assert_eq!(server.summary().records, 1);
}

#[test]
fn a_sync_request_that_is_sent_again_changes_nothing() {
    let world = World::new(134);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    let (authorization, request) = server.next_request(&anna);
    let first = server.sync_raw(&authorization, &request).unwrap();
    let (before, workspace) = (server.summary(), server.workspace());
    for _ in 0..3 {
        let again = server.sync_raw(&authorization, &request).unwrap();
        assert_eq!((again.verdicts, again.cursor), (first.verdicts.clone(), first.cursor.clone()));
    }
    assert_eq!((server.summary(), server.workspace()), (before, workspace));
    done(server.sync(&anna));
    assert_eq!(names(&anna), ["Ackermann"]);
}

#[test]
fn a_join_that_is_sent_again_gives_nothing_and_with_another_key_it_is_refused() {
    let world = World::new(135);
    let server = Server::new(&world);
    let (owner, thief) = (Stranger(SigningKey::from_bytes(&[1; 32])), Stranger(SigningKey::from_bytes(&[2; 32])));
    let (invitation, greeting) = (server.invite("Anna Berg"), hello(&server));
    let request = owner.join_request(&greeting, &invitation);
    assert_eq!(server.post("/v1/join", None, &request).status, 200);
    let before = (server.summary(), server.workspace());
    assert_eq!(code(&server.post("/v1/join", None, &request)), "nonce_expired");
    assert_eq!(code(&thief.join(&server, &hello(&server), &invitation)), "invitation_invalid");
    assert_eq!((server.summary(), server.workspace()), before);
    // The device itself signs anew, as one does whose answer got lost.
    assert_eq!(owner.join(&server, &hello(&server), &invitation).status, 200);
    assert_eq!(server.summary().devices, 1);
}

#[test]
fn a_token_request_that_is_sent_again_gives_no_second_token_also_after_a_restart() {
    let world = World::new(136);
    let mut server = Server::new(&world);
    let anna = server.device("Anna Berg");
    world.pass(16 * 60_000);
    // What somebody on the way sees of a device that asks for a token.
    let mut session = Session::sync(&anna.book, None).unwrap();
    let mut step = session.start().unwrap();
    let mut seen = None;
    while let Step::Send(request) = step {
        let answer = server.send(&request);
        if path_of(&request) == "/v1/token" {
            seen = Some(request);
        }
        step = session.next(Event::Answered(answer)).unwrap();
    }
    drop(session);
    let seen = seen.unwrap();
    assert_eq!(code(&server.send(&seen)), "nonce_expired");
    server.restart();
    assert_eq!(code(&server.send(&seen)), "nonce_expired");
    world.pass(5 * 60_000 + 1);
    assert_eq!(code(&server.send(&seen)), "nonce_expired");
    assert_eq!(done(server.sync(&anna)).requests, 1);
}
