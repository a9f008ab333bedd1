//! The client's state machine against its table (in `core/src/sync/session.rs`): each row of it is one test or more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use roadbook_core::Error;
use roadbook_core::book::{Book, Change, ContactSort};
use roadbook_core::records::{Deal, TaskItem};
use roadbook_core::sync::wire::{self, CONTENT_TYPE, ErrorCode, ErrorResponse, HelloResponse};
use roadbook_core::sync::{End, Event, RejoinReason, Request, Response, Session, Step, WaitReason};
use roadbook_tests::relay::Relay;
use roadbook_tests::{Device, World};

fn joined() -> (Arc<World>, Relay, Device) {
    let world = World::new(1);
    let mut relay = Relay::default();
    let device = Device::new(&world);
    relay.join(&device.book, "Anna");
    (world, relay, device)
}

fn start(book: &Arc<Book>) -> (Session, Step) {
    let mut session = Session::sync(book, None).unwrap();
    let step = session.start().unwrap();
    (session, step)
}

fn sent(step: Step) -> Request {
    match step {
        Step::Send(request) => request,
        Step::End(end) => panic!("ended with {end:?}"),
    }
}

fn ended(step: Step) -> End {
    match step {
        Step::End(end) => end,
        Step::Send(request) => panic!("sends {request:?}"),
    }
}

fn refusal(code: ErrorCode) -> Event {
    let error = ErrorResponse { code: code.code().into(), message: String::new(), retry_after_s: Some(7) };
    let body = wire::encode(&error).unwrap();
    Event::Answered(Response { status: code.status(), content_type: Some(CONTENT_TYPE.into()), body })
}

fn path(request: &Request) -> &str {
    request.url.strip_prefix("http://relay").unwrap()
}

#[test]
fn a_device_that_never_joined_is_told_to_join() {
    let device = Device::new(&World::new(1));
    let (_, step) = start(&device.book);
    assert!(matches!(ended(step), End::Rejoin { reason: RejoinReason::NotJoined, .. }));
}

#[test]
fn joining_says_hello_joins_and_syncs_what_was_typed_before() {
    let mut relay = Relay::default();
    let device = Device::new(&World::new(1));
    device.book.save(&Deal { id: device.book.new_id().into(), title: "Before".into(), ..Deal::default() }).unwrap();
    let mut session = Session::join(&device.book, "http://relay/", "code", "Anna's phone").unwrap();
    let mut paths = Vec::new();
    let mut step = session.start().unwrap();
    let end = loop {
        match step {
            Step::End(end) => break end,
            Step::Send(request) => {
                paths.push(path(&request).to_owned());
                step = session.next(Event::Answered(relay.answer(&request))).unwrap();
            }
        }
    };
    assert_eq!(paths, ["/v1/hello", "/v1/join", "/v1/sync"]);
    assert_eq!((end.report().pushed, end.report().requests, relay.len()), (1, 3, 1));
    assert!(matches!(end, End::Done(_)));
}

#[test]
fn an_answer_without_ids_joins_nothing() {
    let mut relay = Relay::default();
    let device = Device::new(&World::new(1));
    let mut session = Session::join(&device.book, "http://relay/", "code", "Anna's phone").unwrap();
    let hello = sent(session.start().unwrap());
    let join = sent(session.next(Event::Answered(relay.answer(&hello))).unwrap());
    let mut answer = relay.answer(&join);
    let mut joined: wire::JoinResponse = wire::decode(&answer.body).unwrap();
    joined.device.truncate(3);
    answer.body = wire::encode(&joined).unwrap();
    let end = ended(session.next(Event::Answered(answer)).unwrap());
    assert!(matches!(end, End::Wait { reason: WaitReason::NotTheServer, .. }), "{end:?}");
    assert!(device.book.account().unwrap().is_none());
}

#[test]
fn a_good_token_syncs_in_one_round_trip() {
    let (_, mut relay, device) = joined();
    let (mut session, step) = start(&device.book);
    let request = sent(step);
    assert_eq!(path(&request), "/v1/sync");
    let size = request.body.len();
    let response = relay.answer(&request);
    assert!(size + response.body.len() < 500, "{size} + {}", response.body.len());
    assert!(matches!(ended(session.next(Event::Answered(response)).unwrap()), End::Done(_)));
}

#[test]
fn an_ended_token_is_asked_for_again_first() {
    let (world, mut relay, device) = joined();
    world.pass(901_000);
    let (mut session, step) = start(&device.book);
    let mut paths = Vec::new();
    let mut step = step;
    while let Step::Send(request) = step {
        paths.push(path(&request).to_owned());
        step = session.next(Event::Answered(relay.answer(&request))).unwrap();
    }
    assert_eq!(paths, ["/v1/hello", "/v1/token", "/v1/sync"]);
}

#[test]
fn however_long_a_server_wants_to_be_left_alone_it_is() {
    let (_, _, device) = joined();
    let (mut session, step) = start(&device.book);
    sent(step);
    let error = ErrorResponse { code: "later".into(), message: String::new(), retry_after_s: Some(u32::MAX) };
    let answer = Response { status: 503, content_type: Some(CONTENT_TYPE.into()), body: wire::encode(&error).unwrap() };
    let end = ended(session.next(Event::Answered(answer)).unwrap());
    assert!(matches!(end, End::Wait { reason: WaitReason::Server, after_ms: u32::MAX, .. }), "{end:?}");
}

#[test]
fn a_token_that_the_server_forgot_is_asked_for_once() {
    let (_, mut relay, device) = joined();
    relay.fail_next = Some(ErrorCode::TokenExpired);
    let end = relay.sync_book(&device.book);
    assert!(matches!(end, End::Done(_)));
    assert_eq!(end.report().requests, 4);
    let (mut session, step) = start(&device.book);
    sent(step);
    sent(session.next(refusal(ErrorCode::TokenExpired)).unwrap());
    let end = ended(session.next(refusal(ErrorCode::TokenExpired)).unwrap());
    assert!(matches!(end, End::Wait { reason: WaitReason::Server, after_ms: 7000.., .. }), "{end:?}");
}

#[test]
fn every_refusal_ends_as_the_table_says() {
    for (code, expected) in [
        (ErrorCode::DeviceRevoked, Some(RejoinReason::Revoked)),
        (ErrorCode::UnknownDevice, Some(RejoinReason::Unknown)),
        (ErrorCode::InvitationInvalid, Some(RejoinReason::Invitation)),
        (ErrorCode::Unavailable, None),
        (ErrorCode::TooMany, None),
        (ErrorCode::Malformed, None),
    ] {
        let (_, _, device) = joined();
        let (mut session, step) = start(&device.book);
        sent(step);
        match (ended(session.next(refusal(code)).unwrap()), expected) {
            (End::Rejoin { reason, .. }, Some(expected)) => assert_eq!(reason, expected),
            (End::Wait { reason: WaitReason::Server, .. }, None) => {}
            (end, _) => panic!("{code:?} ends as {end:?}"),
        }
    }
    let (_, _, device) = joined();
    let (mut session, step) = start(&device.book);
    sent(step);
    assert!(matches!(ended(session.next(refusal(ErrorCode::UpgradeRequired)).unwrap()), End::Upgrade(_)));
}

#[test]
fn a_request_that_is_too_large_is_sent_smaller() {
    let (_, _, device) = joined();
    for n in 0..40 {
        device.book.save(&Deal { id: device.book.new_id().into(), title: format!("Deal {n}"), ..Deal::default() }).unwrap();
    }
    let (mut session, step) = start(&device.book);
    let mut sizes = vec![sent(step).body.len()];
    let end = loop {
        match session.next(refusal(ErrorCode::TooLarge)).unwrap() {
            Step::Send(request) => sizes.push(request.body.len()),
            Step::End(end) => break end,
        }
    };
    assert!(matches!(end, End::Wait { reason: WaitReason::Server, .. }));
    assert_eq!(sizes.len(), 7);
    assert!(sizes.last() < sizes.first(), "{sizes:?}");
    assert_eq!(device.book.status().unwrap().pending_changes, 40);
}

#[test]
fn a_nonce_that_ended_is_asked_for_again_once() {
    let (world, mut relay, device) = joined();
    world.pass(901_000);
    let (mut session, step) = start(&device.book);
    let hello = sent(step);
    assert_eq!(path(&sent(session.next(Event::Answered(relay.answer(&hello))).unwrap())), "/v1/token");
    let again = sent(session.next(refusal(ErrorCode::NonceExpired)).unwrap());
    assert_eq!(path(&again), "/v1/hello");
    sent(session.next(Event::Answered(relay.answer(&again))).unwrap());
    assert!(matches!(ended(session.next(refusal(ErrorCode::NonceExpired)).unwrap()), End::Wait { .. }));
}

#[test]
fn a_captive_portal_a_proxy_and_a_lost_connection_cost_nothing() {
    let (_, mut relay, device) = joined();
    device.book.save(&Deal { id: device.book.new_id().into(), title: "Kept".into(), ..Deal::default() }).unwrap();
    let html =
        |status| Event::Answered(Response { status, content_type: Some("text/html".into()), body: b"<html>Log in".to_vec() });
    let junk =
        |body: &[u8]| Event::Answered(Response { status: 200, content_type: Some(CONTENT_TYPE.into()), body: body.to_vec() });
    for (event, reason) in [
        (html(200), WaitReason::NotTheServer),
        (html(302), WaitReason::NotTheServer),
        (html(503), WaitReason::NotTheServer),
        (junk(b""), WaitReason::NotTheServer),
        (junk(&[0, 0xff, 0xff]), WaitReason::NotTheServer),
        (junk(&[1, 2, 3]), WaitReason::NotTheServer),
        (Event::Unreachable, WaitReason::Offline),
    ] {
        let (mut session, step) = start(&device.book);
        sent(step);
        let end = ended(session.next(event).unwrap());
        assert!(matches!(&end, End::Wait { reason: found, .. } if *found == reason), "{end:?}");
    }
    assert_eq!(device.book.status().unwrap().pending_changes, 1);
    assert!(matches!(relay.sync_book(&device.book), End::Done(report) if report.pushed == 1));
}

#[test]
fn another_server_gets_no_signature() {
    let (world, _, device) = joined();
    world.pass(901_000);
    let (mut session, step) = start(&device.book);
    assert_eq!(path(&sent(step)), "/v1/hello");
    let hello = HelloResponse { server_id: vec![9; 16], protocol: 1, time_ms: 0, nonce: vec![1] };
    let response = Response { status: 200, content_type: Some(CONTENT_TYPE.into()), body: wire::encode(&hello).unwrap() };
    let end = ended(session.next(Event::Answered(response)).unwrap());
    assert!(matches!(end, End::Wait { reason: WaitReason::NotTheServer, .. }));
}

#[test]
fn another_server_that_is_joined_gets_no_token_and_no_edit_whatever_it_answers() {
    for code in [ErrorCode::TooLarge, ErrorCode::EpochChanged, ErrorCode::TokenExpired] {
        let (_, mut relay, device) = joined();
        device.book.save(&Deal { id: device.book.new_id().into(), title: "Secret".into(), ..Deal::default() }).unwrap();
        let mut session = Session::join(&device.book, "http://relay2/", "code", "Anna's phone").unwrap();
        let hello = sent(session.start().unwrap());
        assert!(matches!(ended(session.next(refusal(code)).unwrap()), End::Wait { reason: WaitReason::Server, .. }));
        drop(session);
        let mut session = Session::join(&device.book, "http://relay2/", "code", "Anna's phone").unwrap();
        session.start().unwrap();
        let join = sent(session.next(Event::Answered(relay.answer(&hello))).unwrap());
        assert!(join.authorization.is_none());
        assert!(matches!(ended(session.next(refusal(code)).unwrap()), End::Wait { reason: WaitReason::Server, .. }));
    }
}

#[test]
fn a_book_of_one_server_joins_no_other_one() {
    let (_, _, device) = joined();
    let mut session = Session::join(&device.book, "http://relay2/", "code", "Anna's phone").unwrap();
    session.start().unwrap();
    let hello = HelloResponse { server_id: vec![9; 16], protocol: 1, time_ms: 0, nonce: vec![1] };
    let response = Response { status: 200, content_type: Some(CONTENT_TYPE.into()), body: wire::encode(&hello).unwrap() };
    assert!(matches!(session.next(Event::Answered(response)), Err(Error::OtherWorkspace)), "the code is not sent");
    assert_eq!(device.book.status().unwrap().server.as_deref(), Some("http://relay"));
}

/// Syncs with answers that `change` makes of those that a server would give; the end, and how many requests it took.
fn synced_with(relay: &mut Relay, device: &Device, change: impl Fn(&wire::SyncRequest, &mut wire::SyncResponse)) -> (End, u32) {
    let (mut session, mut step) = start(&device.book);
    loop {
        let request = sent(step);
        let mut response = relay.answer(&request);
        let mut answer: wire::SyncResponse = wire::decode(&response.body).unwrap();
        change(&wire::decode(&request.body).unwrap(), &mut answer);
        response.body = wire::encode(&answer).unwrap();
        step = session.next(Event::Answered(response)).unwrap();
        if let Step::End(end) = step {
            let requests = end.report().requests;
            return (end, requests);
        }
    }
}

#[test]
fn a_server_that_always_has_more_and_never_brings_it_is_left_alone() {
    let (_, mut relay, device) = joined();
    let (end, requests) = synced_with(&mut relay, &device, |_, answer| answer.more = true);
    assert!(matches!(end, End::Wait { reason: WaitReason::Server, .. }), "{end:?}");
    assert!(requests < 100, "{requests}");
}

#[test]
fn what_is_left_of_a_group_that_an_edit_fell_out_of_is_sent_as_another_group() {
    let (_, mut relay, device) = joined();
    let deal = |title: &str| Deal { id: device.book.new_id().into(), title: title.into(), ..Deal::default() };
    let pumps = device.book.save(&deal("Pumps")).unwrap();
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    let pumps = device.book.save(&Deal { title: "Pumps for Petrov".into(), ..pumps }).unwrap();
    let both = [Change::Deal(deal("Valves")), Change::Deal(Deal { title: "Two pumps".into(), ..pumps })];
    device.book.apply(&both, "visit").unwrap();
    let sent: RefCell<HashMap<Vec<u8>, Vec<wire::PushItem>>> = RefCell::default();
    let verdict = |group: &wire::PushGroup, outcome, code: &str| wire::Verdict {
        group: group.id.clone(),
        outcome,
        code: Some(code.to_owned()),
    };
    let (end, _) = synced_with(&mut relay, &device, |request, answer| {
        let is_first = sent.borrow().is_empty();
        for group in &request.groups {
            let known = sent.borrow_mut().insert(group.id.clone(), group.items.clone());
            assert!(known.is_none_or(|known| known == group.items), "a group that changed has another id");
        }
        if is_first {
            let [edit, visit] = request.groups.as_slice() else { panic!("{}", request.groups.len()) };
            // As after a copy of the store: the second one was written on the first.
            answer.verdicts =
                vec![verdict(edit, wire::Outcome::Refused, "clone"), verdict(visit, wire::Outcome::Held, "missing")];
        }
    });
    assert!(matches!(end, End::Done(_)), "{end:?}");
    assert_eq!(sent.borrow().len(), 5, "two groups, and three of what became of them");
    assert_eq!(device.book.refusals().unwrap(), []);
}

#[test]
fn a_server_that_wants_every_edit_written_again_and_again_is_left_alone() {
    let (_, mut relay, device) = joined();
    let deal = Deal { id: device.book.new_id().into(), title: "Pumps".into(), ..Deal::default() };
    device.book.save(&deal).unwrap();
    let (end, requests) = synced_with(&mut relay, &device, |request, answer| {
        let clone = |group: &wire::PushGroup| wire::Verdict {
            group: group.id.clone(),
            outcome: wire::Outcome::Refused,
            code: Some("clone".into()),
        };
        answer.verdicts = request.groups.iter().map(clone).collect();
        answer.entries.clear();
    });
    assert!(matches!(end, End::Wait { reason: WaitReason::Server, .. }), "{end:?}");
    assert!(requests < 100, "{requests}");
    assert_eq!(device.book.get::<Deal>(deal.id.0).unwrap().title, "Pumps");
}

#[test]
fn a_cursor_that_no_request_could_carry_is_not_kept() {
    let (_, mut relay, device) = joined();
    let spoil = |_: &wire::SyncRequest, answer: &mut wire::SyncResponse| answer.cursor = vec![7; 3 << 20];
    let (end, _) = synced_with(&mut relay, &device, spoil);
    assert!(matches!(end, End::Wait { reason: WaitReason::NotTheServer, .. }), "{end:?}");
    let (end, _) = synced_with(&mut relay, &device, |_, answer| answer.epoch.clear());
    assert!(matches!(end, End::Wait { reason: WaitReason::NotTheServer, .. }), "{end:?}");
    let (end, _) = synced_with(&mut relay, &device, |_, _| {});
    assert!(matches!(end, End::Done(_)), "{end:?}");
}

#[test]
fn a_deadline_stops_at_the_end_of_a_page() {
    let (world, mut relay, device) = joined();
    for n in 0..2100 {
        device.book.save(&Deal { id: device.book.new_id().into(), title: format!("Deal {n}"), ..Deal::default() }).unwrap();
    }
    let mut session = Session::sync(&device.book, Some(5000)).unwrap();
    let request = sent(session.start().unwrap());
    world.set_clock(-600_000);
    world.pass(6000);
    let end = ended(session.next(Event::Answered(relay.answer(&request))).unwrap());
    let End::More(report) = end else { panic!("{end:?}") };
    assert!(report.pushed > 0 && report.pushed < 2100);
    assert_eq!(device.book.status().unwrap().pending_changes, 2100 - report.pushed);
    drop(session);
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    assert_eq!(relay.len(), 2100);
}

#[test]
fn a_page_that_was_lost_on_the_way_back_is_sent_again_and_counts_once() {
    let (_, mut relay, device) = joined();
    device.book.save(&TaskItem { id: device.book.new_id().into(), title: "Call".into(), ..TaskItem::default() }).unwrap();
    let (mut session, step) = start(&device.book);
    relay.answer(&sent(step));
    assert!(matches!(ended(session.next(Event::Unreachable).unwrap()), End::Wait { .. }));
    drop(session);
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    assert_eq!((relay.len(), device.book.status().unwrap().pending_changes), (1, 0));
}

#[test]
fn edits_that_must_wait_do_not_keep_back_the_others() {
    let (_, mut relay, device) = joined();
    let title = |n: usize| if n < 2100 { format!("Waiting {n}") } else { format!("Going {n}") };
    for n in 0..2110 {
        device.book.save(&Deal { id: device.book.new_id().into(), title: title(n), ..Deal::default() }).unwrap();
    }
    relay.holds = Some(Box::new(|group| group.items[0].change.windows(7).any(|window| window == b"Waiting")));
    let end = relay.sync_book(&device.book);
    let End::Wait { report, reason: WaitReason::Held, .. } = end else { panic!("{end:?}") };
    assert_eq!((report.pushed, relay.len(), device.book.status().unwrap().pending_changes), (10, 10, 2100));
    relay.holds = None;
    assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    assert_eq!(relay.len(), 2110);
}

#[test]
fn a_server_with_another_history_gets_every_own_change_again() {
    let (world, mut relay, device) = joined();
    let deal = device.book.save(&Deal { id: device.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.sync_book(&device.book);
    let mut restored = Relay::default();
    restored.join(&Device::new(&world).book, "somebody");
    restored.fail_next = Some(ErrorCode::EpochChanged);
    let end = restored.sync_book(&device.book);
    assert!(matches!(end, End::Done(report) if report.pushed == 1), "{end:?}");
    assert_eq!(restored.len(), 1);
    assert_eq!(device.book.get::<Deal>(deal.id.0).unwrap(), deal);
}

#[test]
fn only_one_session_syncs_a_book_and_a_dropped_one_gives_way() {
    let (_, _, device) = joined();
    let (session, _) = start(&device.book);
    assert!(matches!(Session::sync(&device.book, None), Err(Error::Busy)));
    drop(session);
    assert!(Session::sync(&device.book, None).is_ok());
    // A shutdown gives the right back, though a session still waits for its server.
    let waiting = start(&device.book);
    device.book.shutdown();
    let again = Arc::new(Book::open(device.dir.path(), device.vault.clone(), World::new(2)).unwrap());
    Session::sync(&again, None).unwrap();
    drop(waiting);
}

#[test]
fn a_cancelled_session_ends_at_once() {
    let (_, _, device) = joined();
    let (mut session, step) = start(&device.book);
    sent(step);
    assert!(matches!(ended(session.next(Event::Cancel).unwrap()), End::Cancelled(_)));
}

#[test]
fn a_url_or_code_that_is_none_is_named() {
    let device = Device::new(&World::new(1));
    let addresses =
        ["ftp://x", "http://a b", "https://", "https:///v1", "https://crm.example:84433", "https://crm.example:", "https://:80"];
    let addresses =
        addresses.into_iter().chain(["http://anna@crm.example", "http://crm.example?x", "http://[::1]9", "http://a:b:1"]);
    let codes = [("http://x", " ", "invite"), ("http://x", "é", "invite")];
    for (url, code, field) in addresses.map(|url| (url, "c", "url")).chain(codes) {
        let Err(Error::Invalid(problems)) = Session::join(&device.book, url, code, "phone") else { panic!("{url} {code}") };
        assert_eq!(problems[0].field, field);
    }
    for url in ["https://crm.example", "http://127.0.0.1:8080/", "https://[::1]:443/roadbook", " https://crm.example:65535 "] {
        assert!(Session::join(&device.book, url, "c", "phone").is_ok(), "{url}");
    }
}

#[test]
fn a_word_of_a_newer_server_sets_aside_one_record_and_not_the_page() {
    let (_, mut relay, device) = joined();
    let (mut session, step) = start(&device.book);
    let answer = relay.answer(&sent(step));
    let mut page: wire::SyncResponse = wire::decode(&answer.body).unwrap();
    let id = device.book.new_id();
    page.entries.push(wire::Entry {
        id: id.as_bytes().to_vec(),
        generation: 0,
        kind: 2,
        form: wire::Form::Other(77),
        snapshot: None,
        changes: None,
        row: None,
        row_version: None,
        changed_ms: None,
    });
    let body = wire::encode(&page).unwrap();
    let end = ended(session.next(Event::Answered(Response { body, ..answer })).unwrap());
    assert!(matches!(&end, End::Done(report) if report.set_aside == 1), "{end:?}");
    assert_eq!(device.book.status().unwrap().unreadable, 1);
}

#[test]
fn a_record_that_came_damaged_is_asked_for_again() {
    let (world, mut relay, anna) = joined();
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.sync_book(&anna.book);
    let boris = Device::new(&world);
    // Whether the record is asked for, and how the session ends that gets it damaged.
    let mut gets_it_damaged = |mut session: Session| {
        let mut asked = false;
        let mut step = session.start().unwrap();
        loop {
            let request = match step {
                Step::End(end) => break (asked, end),
                Step::Send(request) => request,
            };
            let mut answer = relay.answer(&request);
            if path(&request) == "/v1/sync" {
                asked = !wire::decode::<wire::SyncRequest>(&request.body).unwrap().want.is_empty();
                let mut page: wire::SyncResponse = wire::decode(&answer.body).unwrap();
                page.entries.iter_mut().for_each(|entry| entry.snapshot.as_mut().unwrap().truncate(100));
                answer.body = wire::encode(&page).unwrap();
            }
            step = session.next(Event::Answered(answer)).unwrap();
        }
    };
    let (asked, end) = gets_it_damaged(Session::join(&boris.book, "http://relay", "code", "Boris").unwrap());
    assert!(!asked && matches!(&end, End::Done(report) if report.set_aside == 1), "{end:?}");
    assert_eq!(boris.book.status().unwrap().unreadable, 1);
    // At once, and later less and less often.
    let mut again = |minutes: i64| {
        world.pass(minutes * 60_001);
        gets_it_damaged(Session::sync(&boris.book, None).unwrap()).0
    };
    assert_eq!([0, 0, 0, 1, 1, 1, 2, 3, 1].map(&mut again), [true, true, false, true, false, true, false, true, false]);
    world.pass(-10_000_000);
    assert!(again(0), "a clock that was put right makes nobody wait");
    world.pass(86_400_000);
    assert!(matches!(relay.sync_book(&boris.book), End::Done(_)));
    assert_eq!(boris.book.status().unwrap().unreadable, 0);
    assert_eq!(boris.book.get::<Deal>(deal.id.0).unwrap().title, "Pumps");
}

#[test]
fn a_record_that_an_own_edit_kept_out_comes_when_the_edit_is_refused() {
    let (world, mut relay, anna) = joined();
    let boris = Device::new(&world);
    relay.join(&boris.book, "Boris");
    // Two records of one id, of different kinds: the server has Anna's.
    let card = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:one\r\nFN:One\r\nEND:VCARD\r\n";
    boris.book.import_vcard("cards", card.as_bytes(), None, &|_| true).unwrap();
    let id = boris.book.contacts(&Default::default(), ContactSort::Name, None, 1).unwrap().items[0].id.0;
    anna.book.save(&Deal { id: id.into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.sync_book(&anna.book);
    relay.holds = Some(Box::new(|_| true));
    for _ in 0..4 {
        relay.sync_book(&boris.book);
    }
    assert_eq!(boris.book.status().unwrap().unreadable, 1);
    relay.holds = None;
    relay.policy = Some(Box::new(|_| Some("kind")));
    for _ in 0..2 {
        relay.sync_book(&boris.book);
    }
    assert_eq!(boris.book.get::<Deal>(id).unwrap().title, "Pumps");
    assert_eq!(boris.book.status().unwrap().unreadable, 0);
}

#[test]
fn a_refused_edit_is_shown_after_those_that_it_was_written_on_were_written_again() {
    let (_, mut relay, anna) = joined();
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    let id = deal.id.0;
    relay.sync_book(&anna.book);
    let one = anna.book.save(&Deal { title: "One".into(), ..deal }).unwrap();
    let two = anna.book.save(&Deal { organization: "Two".into(), ..one }).unwrap();
    anna.book.save(&Deal { lost_reason: "Three".into(), ..two }).unwrap();
    let with = |word: &'static str| {
        move |group: &wire::PushGroup| group.items[0].change.windows(word.len()).any(|window| window == word.as_bytes())
    };
    // The last is refused while the first two wait; then the first is refused, and the second written again without it.
    relay.holds = Some(Box::new(move |group| with("One")(group) || with("Two")(group)));
    relay.policy = Some(Box::new(move |group| with("Three")(group).then_some("forbidden")));
    relay.sync_book(&anna.book);
    relay.holds = None;
    relay.policy = Some(Box::new(move |group| with("One")(group).then_some("forbidden")));
    assert!(matches!(relay.sync_book(&anna.book), End::Done(_)));
    let here = anna.book.get::<Deal>(id).unwrap();
    assert_eq!((here.title.as_str(), here.organization.as_str(), here.lost_reason.as_str()), ("Pumps", "Two", ""));
    let refusals = anna.book.refusals().unwrap();
    let mut shown: Vec<_> =
        refusals.iter().flat_map(|refusal| &refusal.changes).filter_map(|change| change.after.as_deref()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["One", "Three"]);
    for refusal in refusals {
        anna.book.retry(&refusal.id).unwrap();
    }
    let here = anna.book.get::<Deal>(id).unwrap();
    assert_eq!((here.title.as_str(), here.organization.as_str(), here.lost_reason.as_str()), ("One", "Two", "Three"));
    assert!(anna.book.refusals().unwrap().is_empty());
}

#[test]
fn an_edit_that_was_taken_from_the_other_copy_of_a_store_comes_back_after_it_was_written_again() {
    let (_, mut relay, mut anna) = joined();
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    relay.sync_book(&anna.book);
    anna.book.save(&Deal { title: "One".into(), ..deal }).unwrap();
    let copy = anna.copied(true).unwrap();
    relay.sync_book(&anna.book);
    // The copy joins as a device of its own. Its group waits while the record comes with that edit in it; then its author is refused.
    relay.holds = Some(Box::new(|_| true));
    relay.run(Session::join(&copy.book, "http://relay", "code", "Anna's copy"));
    relay.holds = None;
    let with = |group: &wire::PushGroup| group.items[0].change.windows(3).any(|window| window == b"One");
    let told = std::cell::Cell::new(false);
    relay.policy = Some(Box::new(move |group| (with(group) && !told.replace(true)).then_some("foreign_actor")));
    relay.sync_book(&copy.book);
    for device in [&copy, &anna, &copy] {
        assert!(matches!(relay.sync_book(&device.book), End::Done(_)));
    }
    let status = |device: &Device| device.book.status().unwrap();
    assert_eq!(status(&copy).state_hash, status(&anna).state_hash);
    assert_eq!((status(&copy).pending_changes, status(&copy).refused, status(&copy).unreadable), (0, 0, 0));
}
