//! Requests of those who are not known, or send what is no request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use common::stranger::{Stranger, bearer, hello};
use common::{Server, ask_without_reading, code, contact, done, now, path_of};
use roadbook_core::sync::wire::{
    self, HelloRequest, JoinRequest, JoinResponse, MAX_REQUEST, SyncRequest, TokenRequest, TokenResponse,
};
use roadbook_core::sync::{End, Event, RejoinReason, Session, Step};
use roadbook_server::admin;
use roadbook_server::serve::Door;
use roadbook_server::store::Revocation;
use roadbook_tests::{Device, World};

use ed25519_dalek::{Signer as _, SigningKey};

/// A join as a proxy passes it on.
fn join_through(server: &Server, forwarded: &str, join: &[u8]) -> roadbook_core::sync::Response {
    let head = format!(
        "POST /v1/join HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {forwarded}\r\ncontent-length: {}\r\n\r\n",
        join.len()
    );
    server.exchange(head.as_bytes(), join)
}

#[test]
fn an_invitation_works_once_and_a_lost_answer_can_be_repeated() {
    let world = World::new(41);
    let server = Server::new(&world);
    let invitation = server.invite("Anna Berg");
    let (anna, other) = (Device::new(&world), Device::new(&world));
    let mut session = Session::join(&anna.book, &server.url(), &invitation, "Phone").unwrap();
    let mut step = session.start().unwrap();
    while let Step::Send(request) = &step {
        let answer = server.send(request);
        // The server took the invitation, and the answer got lost.
        let lost = path_of(request) == "/v1/join";
        step = session.next(if lost { Event::Unreachable } else { Event::Answered(answer) }).unwrap();
    }
    assert!(matches!(step, Step::End(End::Wait { .. })));
    drop(session);
    let end = server.join(&other, &invitation);
    assert!(matches!(end, End::Rejoin { reason: RejoinReason::Invitation, .. }), "{end:?}");
    done(server.join(&anna, &invitation.to_lowercase().replace('-', " ")));
    assert_eq!(server.summary().devices, 1);
}

#[test]
fn an_invitation_that_has_ended_is_refused() {
    let world = World::new(42);
    let server = Server::new(&world);
    let invitation = server.invite("Anna Berg");
    world.pass(24 * 3_600_000);
    let end = server.join(&Device::new(&world), &invitation);
    assert!(matches!(end, End::Rejoin { reason: RejoinReason::Invitation, .. }), "{end:?}");
}

#[test]
fn an_invitation_ends_with_the_revocation_of_a_device_of_its_person_or_when_it_is_withdrawn() {
    let world = World::new(52);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let workspace = server.workspace().id;
    let open = || -> Vec<String> {
        let open = admin::invitations(server.store(), world.as_ref(), workspace).unwrap();
        open.into_iter().map(|(_, person)| person.name).collect()
    };
    let refused = |invitation: &str| {
        let end = server.join(&Device::new(&world), invitation);
        assert!(matches!(end, End::Rejoin { reason: RejoinReason::Invitation, .. }), "{end:?}");
    };
    // The one that the device was let in with is taken, and stays so.
    assert_eq!(open(), Vec::<String>::new());
    let (first, second, boriss) = (server.invite("Anna Berg"), server.invite("Anna Berg"), server.invite("Boris Król"));
    assert_eq!(open(), ["Anna Berg", "Anna Berg", "Boris Król"]);
    let id = anna.book.account().unwrap().unwrap().device.to_string();
    let (device, person) = admin::device(server.store(), workspace, &id).unwrap();
    assert_eq!(person, "Anna Berg");
    let revoke = || server.store().revoke(workspace, device.id, now(&world)).unwrap();
    assert_eq!(revoke(), Revocation { device: true, invitations: 2 });
    assert_eq!(open(), ["Boris Król"]);
    refused(&first);
    refused(&second);
    // Whoever is invited again afterwards is not shut out by a second revocation of the lost device.
    let third = server.invite("Anna Berg");
    assert_eq!(revoke(), Revocation { device: false, invitations: 0 });
    done(server.join(&Device::new(&world), &third));

    let (person, ended) = admin::withdraw(server.store(), world.as_ref(), workspace, " boris król").unwrap();
    assert_eq!((person.name.as_str(), ended), ("Boris Król", 1));
    refused(&boriss);
    assert_eq!(admin::withdraw(server.store(), world.as_ref(), workspace, "Boris Król").unwrap().1, 0);
    // What has ended by itself is not open, and a clock that is set back does not open what was withdrawn.
    let late = server.invite("Boris Król");
    world.pass(24 * 3_600_000);
    assert_eq!(open(), Vec::<String>::new());
    assert_eq!(admin::withdraw(server.store(), world.as_ref(), workspace, "Boris Król").unwrap().1, 0);
    world.pass(-24 * 3_600_000);
    refused(&late);
}

#[test]
fn guessing_at_invitations_ends_after_ten_for_the_one_who_guesses_and_for_nobody_else() {
    let world = World::new(43);
    let mut kept = Server::new(&world);
    kept.stop();
    let door = Door { trusted: vec!["127.0.0.1".parse().unwrap()], ..Door::default() };
    let server = Server::start_with(&kept.dir, &world, door);
    let stranger = Stranger(SigningKey::from_bytes(&[1; 32]));
    let hello = hello(&server);
    let from =
        |source: &str, code: &str| join_through(&server, &format!("9.9.9.9, {source}"), &stranger.join_request(&hello, code));
    for at in 0..10 {
        let source = format!("2001:db8::{at}");
        assert_eq!(code(&from(&source, &format!("AAAA-BBBB-CCCC-DDDD-00{at:02}"))), "invitation_invalid");
    }
    let answer = from("2001:db8::ffff", "AAAA-BBBB-CCCC-DDDD-EEEE");
    assert_eq!((answer.status, code(&answer).as_str()), (429, "too_many"));
    let error: wire::ErrorResponse = wire::decode(&answer.body).unwrap();
    assert!((1..=61).contains(&error.retry_after_s.unwrap()));
    // Whoever has an invitation joins as ever.
    assert_eq!(from("2001:db8:0:1::1", &server.invite("Boris Król")).status, 200);
    done(server.join(&Device::new(&world), &server.invite("Anna Berg")));
    world.pass(61_000);
    assert_eq!(code(&from("2001:db8::ffff", "AAAA-BBBB-CCCC-DDDD-EEEE")), "invitation_invalid");
}

#[test]
fn nobody_chooses_a_source_without_a_trusted_proxy() {
    let world = World::new(51);
    let server = Server::new(&world);
    let stranger = Stranger(SigningKey::from_bytes(&[1; 32]));
    let hello = hello(&server);
    let mut last = None;
    for at in 0..11 {
        let join = stranger.join_request(&hello, "AAAA-BBBB-CCCC-DDDD-EEEE");
        last = Some(code(&join_through(&server, &format!("203.0.113.{at}"), &join)));
    }
    assert_eq!(last.as_deref(), Some("too_many"));
}

#[test]
fn a_wrong_signature_gets_nothing() {
    let world = World::new(44);
    let server = Server::new(&world);
    let (owner, thief) = (Stranger(SigningKey::from_bytes(&[1; 32])), Stranger(SigningKey::from_bytes(&[2; 32])));
    let first = hello(&server);
    let joined: JoinResponse = wire::decode(&owner.join(&server, &first, &server.invite("Anna Berg")).body).unwrap();
    let answer = thief.token(&server, &first, &joined.device);
    assert_eq!((answer.status, code(&answer).as_str()), (403, "unknown_device"));
    assert_eq!(code(&owner.token(&server, &first, &[9; 16])), "unknown_device");
    let token: TokenResponse = wire::decode(&owner.token(&server, &hello(&server), &joined.device).body).unwrap();
    assert_eq!(token.expires_in_s, 900);
    assert!(server.sync_raw(&bearer(&token.token), &SyncRequest::default()).is_ok());
    // A signature over another code than the one that is sent.
    let invitation = server.invite("Anna Berg");
    let challenge = wire::join_challenge(&first.server_id, &first.nonce, "another");
    let join = JoinRequest {
        code: invitation.clone(),
        public_key: thief.0.verifying_key().to_bytes().to_vec(),
        device_name: String::new(),
        nonce: first.nonce.clone(),
        signature: thief.0.sign(&challenge).to_bytes().to_vec(),
    };
    assert_eq!(code(&server.post("/v1/join", None, &wire::encode(&join).unwrap())), "unknown_device");
    // The invitation is as good as before.
    assert_eq!(thief.join(&server, &hello(&server), &invitation).status, 200);
}

#[test]
fn nonces_and_tokens_end() {
    let world = World::new(45);
    let server = Server::new(&world);
    let owner = Stranger(SigningKey::from_bytes(&[1; 32]));
    let first = hello(&server);
    let joined: JoinResponse = wire::decode(&owner.join(&server, &first, &server.invite("Anna Berg")).body).unwrap();
    world.pass(5 * 60_000 + 1);
    let answer = owner.token(&server, &first, &joined.device);
    assert_eq!((answer.status, code(&answer).as_str()), (401, "nonce_expired"));
    assert_eq!(code(&owner.join(&server, &first, "x")), "nonce_expired");
    let mut forged = hello(&server);
    forged.nonce[39] ^= 1;
    assert_eq!(code(&owner.token(&server, &forged, &joined.device)), "nonce_expired");
    assert!(server.sync_raw(&bearer(&joined.token.token), &SyncRequest::default()).is_ok());
    world.pass(10 * 60_000);
    assert_eq!(server.sync_raw(&bearer(&joined.token.token), &SyncRequest::default()), Err("token_expired".into()));
}

#[test]
fn a_device_gets_a_new_token_without_its_user() {
    let world = World::new(46);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    world.pass(3_600_000);
    assert_eq!(done(server.sync(&anna)).requests, 3);
    assert_eq!(done(server.sync(&anna)).requests, 1);
}

#[test]
fn requests_without_a_good_token_are_not_read() {
    let world = World::new(47);
    let server = Server::new(&world);
    let body = wire::encode(&SyncRequest::default()).unwrap();
    for authorization in [None, Some("Bearer"), Some("Bearer AAAA"), Some("Basic x"), Some(bearer(&[7; 32]).as_str())] {
        let answer = server.post("/v1/sync", authorization, &body);
        assert_eq!((answer.status, code(&answer).as_str()), (401, "token_expired"), "{authorization:?}");
    }
    // The answer comes though the body never does.
    let answer = server.exchange(b"POST /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n", b"");
    assert_eq!(answer.status, 401);
}

#[test]
fn what_is_too_large_is_not_read() {
    let world = World::new(48);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let (authorization, _) = server.next_request(&anna);
    let answer = server.post("/v1/sync", Some(&authorization), &vec![0; MAX_REQUEST + 1]);
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_large"));
    // Without a stated length.
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {authorization}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut body = Vec::new();
    for _ in 0..20 {
        body.extend_from_slice(b"10000\r\n");
        body.extend_from_slice(&vec![0; 0x10000]);
        body.extend_from_slice(b"\r\n");
    }
    assert_eq!(code(&server.exchange(head.as_bytes(), &body)), "too_large");
    // Somebody who is not known may send much less.
    assert_eq!(code(&server.post("/v1/hello", None, &vec![0; 20_000])), "too_large");
    // Nor may it unfold to much: the same words are read where they are few.
    let version = |length: usize| {
        let hello = HelloRequest { protocol_min: 99, protocol_max: 99, app_version: "9".repeat(length) };
        code(&server.post("/v1/hello", None, &wire::encode(&hello).unwrap()))
    };
    assert_eq!((version(9).as_str(), version(100_000).as_str()), ("upgrade_required", "malformed"));
    let (greeting, stranger) = (hello(&server), Stranger(SigningKey::from_bytes(&[1; 32])));
    let join: JoinRequest = wire::decode(&stranger.join_request(&greeting, "x")).unwrap();
    let join = JoinRequest { device_name: "9".repeat(100_000), ..join };
    assert_eq!(code(&server.post("/v1/join", None, &wire::encode(&join).unwrap())), "malformed");
    let token = TokenRequest { device: vec![9; 16], nonce: vec![9; 100_000], signature: vec![9; 64] };
    assert_eq!(code(&server.post("/v1/token", None, &wire::encode(&token).unwrap())), "malformed");
    // Small on the wire, large unfolded; and more groups than a request may have.
    let mut bomb = SyncRequest { cursor: vec![0; 9 << 20], ..SyncRequest::default() };
    assert_eq!(server.sync_raw(&authorization, &bomb), Err("malformed".into()));
    bomb.cursor.clear();
    bomb.groups = vec![wire::PushGroup { id: vec![1], items: Vec::new() }; 4001];
    assert_eq!(server.sync_raw(&authorization, &bomb), Err("too_large".into()));
}

#[test]
fn a_head_is_read_as_far_as_it_may_go_and_no_further() {
    let world = World::new(53);
    let server = Server::new(&world);
    let ask = |filling: usize| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let filling = "x".repeat(filling);
        let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-filling: {filling}\r\n\r\n");
        // A server that has seen enough closes before the head was sent.
        let _ = stream.write_all(head.as_bytes());
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(answer).unwrap()
    };
    assert!(ask(16_000).ends_with("ok\n"));
    for filling in [17_000, 1 << 20] {
        let answer = ask(filling);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[test]
fn who_asks_and_reads_no_answer_is_left_after_a_while() {
    let world = World::new(54);
    let mut kept = Server::new(&world);
    kept.stop();
    let door = Door { unread: Duration::from_millis(300), ..Door::default() };
    let server = Server::start_with(&kept.dir, &world, door);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
    let broke = ask_without_reading(&mut stream);
    assert!(matches!(broke, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{broke:?}");
    done(server.join(&Device::new(&world), &server.invite("Anna Berg")));
}

#[test]
fn junk_is_answered_in_the_protocol() {
    let world = World::new(49);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let (authorization, request) = server.next_request(&anna);
    for body in [&b""[..], b"\0", b"\0\xff", b"\x01junk", b"<html>", &wire::encode(&request).unwrap()[..40]] {
        for path in ["/v1/hello", "/v1/join", "/v1/token", "/v1/sync"] {
            let answer = server.post(path, Some(&authorization), body);
            assert_eq!((answer.status, code(&answer).as_str()), (400, "malformed"), "{path} {body:?}");
        }
    }
    for cursor in [vec![1], vec![0; 15], vec![0xff; 16], vec![0; 17], vec![0xff; 40], [vec![0; 16], vec![1; 24]].concat()] {
        let request = SyncRequest { cursor, ..request.clone() };
        assert_eq!(server.sync_raw(&authorization, &request), Err("epoch_changed".into()));
    }
    let request = SyncRequest { epoch: vec![1; 16], ..request };
    assert_eq!(server.sync_raw(&authorization, &request), Err("epoch_changed".into()));
    let answer = server.post("/", None, b"");
    assert_eq!((answer.status, code(&answer).as_str()), (404, "malformed"));
    let answer = server.exchange(b"GET /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"");
    assert_eq!((answer.status, code(&answer).as_str()), (404, "malformed"));
    let hello = HelloRequest { protocol_min: 2, protocol_max: 9, app_version: String::new() };
    let answer = server.post("/v1/hello", None, &wire::encode(&hello).unwrap());
    assert_eq!((answer.status, code(&answer).as_str()), (426, "upgrade_required"));
    let answer = server.exchange(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok\n"[..]));
}

#[test]
fn the_database_holds_no_code_and_no_token() {
    let world = World::new(50);
    let mut server = Server::new(&world);
    let invitation = server.invite("Anna Berg");
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    let (authorization, _) = server.next_request(&anna);
    let token = data_encoding::BASE64URL_NOPAD.decode(authorization.trim_start_matches("Bearer ").as_bytes()).unwrap();
    server.stop();
    let database = std::fs::read(server.dir.join("roadbook-server.db")).unwrap();
    let secret = std::fs::read(server.dir.join("roadbook-server.secret")).unwrap();
    let contains = |needle: &[u8]| database.windows(needle.len()).any(|window| window == needle);
    assert!(contains(b"Anna Berg"));
    let compact = invitation.replace('-', "");
    for secret in [invitation.as_bytes(), compact.as_bytes(), authorization.as_bytes(), &token, &secret] {
        assert!(!contains(secret));
    }
}
