//! What becomes of a pushed group.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done, names};
use roadbook_core::book::Change;
use roadbook_core::record::Kind;
use roadbook_core::records::{Contact, Deal};
use roadbook_core::sync::wire::{Outcome, PushDoc, PushGroup, SyncRequest, SyncResponse};
use roadbook_core::sync::{End, Event, Session, Step, WaitReason};
use roadbook_tests::{Device, World};

/// Outcome and code of each verdict.
fn verdicts(answer: &SyncResponse) -> Vec<(Outcome, &str)> {
    answer.verdicts.iter().map(|verdict| (verdict.outcome, verdict.code.as_deref().unwrap_or_default())).collect()
}

fn edit(device: &Device, id: roadbook_core::id::RecordId, job_title: &str) {
    let form = device.book.get::<Contact>(id).unwrap();
    device.book.save(&Contact { job_title: job_title.into(), ..form }).unwrap();
}

/// A request with the same head and nothing in it.
fn bare(request: &SyncRequest) -> SyncRequest {
    SyncRequest { docs: Vec::new(), groups: Vec::new(), ..request.clone() }
}

#[test]
fn a_page_whose_answer_was_lost_gets_the_same_verdict_and_no_second_entry() {
    let world = World::new(11);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "Ackermann");
    contact(&anna, "Bauer");
    let (authorization, request) = server.next_request(&anna);
    let first = server.sync_raw(&authorization, &request).unwrap();
    let sequence = server.summary().sequence;
    let second = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(verdicts(&first), [(Outcome::Accepted, ""), (Outcome::Accepted, "")]);
    assert_eq!(first.verdicts, second.verdicts);
    assert_eq!(server.summary().sequence, sequence);
    let report = done(server.sync(&anna));
    assert_eq!(report.pushed, 2);
    assert_eq!(done(server.sync(&boris)).pulled, 2);
    assert_eq!(anna.book.status().unwrap().pending_changes, 0);
    assert_eq!(server.summary().sequence, sequence);
}

#[test]
fn a_group_is_taken_whole_or_not_at_all_and_holds_up_no_other() {
    let world = World::new(12);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let both = |a: &str, b: &str| {
        [a, b].map(|name| {
            Change::Contact(Contact { id: anna.book.new_id().into(), family_name: name.into(), ..Contact::default() })
        })
    };
    anna.book.apply(&both("One", "Two"), "visit").unwrap();
    anna.book.apply(&both("Three", "Four"), "visit").unwrap();
    let (authorization, mut request) = server.next_request(&anna);
    assert_eq!(request.groups.iter().map(|group| group.items.len()).collect::<Vec<_>>(), [2, 2]);
    // One bit in the second change of the first group.
    *request.groups[0].items[1].change.last_mut().unwrap() ^= 1;
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Refused, "malformed"), (Outcome::Accepted, "")]);
    assert_eq!(server.summary().records, 2);
    // The same group again gets the same verdict; the same id with what was meant is another group.
    assert_eq!(server.sync_raw(&authorization, &request).unwrap().verdicts, answer.verdicts);
    let (_, right) = server.next_request(&anna);
    let answer = server.sync_raw(&authorization, &right).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Refused, "malformed"), (Outcome::Accepted, "")]);
}

#[test]
fn a_change_of_another_devices_actor_is_refused() {
    let world = World::new(13);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    edit(&anna, id, "Buyer");
    let (_, stolen) = server.next_request(&anna);
    let (authorization, request) = server.next_request(&boris);
    let forged = SyncRequest { docs: stolen.docs, groups: stolen.groups, ..bare(&request) };
    let answer = server.sync_raw(&authorization, &forged).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Refused, "foreign_actor")]);
    // It was refused to Boris, not to Anna.
    assert_eq!(done(server.sync(&anna)).pushed, 1);
}

#[test]
fn what_cannot_be_a_group_is_refused_alone() {
    let world = World::new(14);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    for name in ["One", "Two", "Three", "Four", "Five", "Six"] {
        contact(&anna, name);
    }
    let (authorization, mut request) = server.next_request(&anna);
    let repeated = request.groups[0].items[0].clone();
    request.groups[0].items = vec![repeated; 201];
    request.groups[1].items[0].doc = 77;
    request.groups[2].items.clear();
    request.docs[3].id.pop();
    request.groups[4].id = vec![1; 17];
    let answer = server.sync_raw(&authorization, &request).unwrap();
    let refused = (Outcome::Refused, "malformed");
    assert_eq!(verdicts(&answer), [refused, refused, refused, refused, refused, (Outcome::Accepted, "")]);
    assert_eq!(server.summary().records, 1);
}

#[test]
fn kind_and_generation_must_be_the_records_own() {
    let world = World::new(15);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    edit(&anna, id, "Buyer");
    let (authorization, request) = server.next_request(&anna);
    let changed = |change: fn(&mut PushDoc), group: u8| {
        let mut request = request.clone();
        change(&mut request.docs[0]);
        request.groups[0].id = vec![group; 16];
        server.sync_raw(&authorization, &request).unwrap()
    };
    assert_eq!(verdicts(&changed(|doc| doc.kind = 2, 1)), [(Outcome::Refused, "kind")]);
    assert_eq!(verdicts(&changed(|doc| doc.kind = 999, 2)), [(Outcome::Refused, "kind")]);
    // What it builds on is not there in that generation: whoever erases the record may come later.
    assert_eq!(verdicts(&changed(|doc| doc.generation = 1, 3)), [(Outcome::Held, "missing")]);
    assert_eq!(verdicts(&changed(|doc| doc.generation = u32::MAX, 4)), [(Outcome::Refused, "malformed")]);
    assert_eq!(verdicts(&changed(|_| {}, 5)), [(Outcome::Accepted, "")]);
}

#[test]
fn a_new_id_is_of_one_kind_also_within_a_request() {
    let world = World::new(117);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Ackermann");
    anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    let (authorization, mut request) = server.next_request(&anna);
    request.docs[1].id = request.docs[0].id.clone();
    for (generation, group) in [(0, 1), (1, 2)] {
        request.docs[1].generation = generation;
        request.groups[1].id = vec![group; 16];
        let answer = server.sync_raw(&authorization, &request).unwrap();
        assert_eq!(verdicts(&answer), [(Outcome::Accepted, ""), (Outcome::Refused, "kind")]);
    }
    // A group that is refused leaves nothing that keeps out a good one.
    contact(&anna, "Bauer");
    let (authorization, mut request) = server.next_request(&anna);
    let of = |request: &SyncRequest, kind: u16| request.docs.iter().position(|doc| doc.kind == kind).unwrap();
    let (deal, new) = (of(&request, 2), request.docs.len() - 1);
    request.docs[deal].id = request.docs[new].id.clone();
    let group = request.groups.iter().position(|group| group.items[0].doc as usize == deal).unwrap();
    request.groups[group].items[0].change.pop();
    request.groups[group].id = vec![3; 16];
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Accepted, ""), (Outcome::Refused, "malformed"), (Outcome::Accepted, "")]);
}

#[test]
fn a_rep_starts_no_later_generation_of_a_record_that_the_server_does_not_have() {
    let world = World::new(118);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "Ackermann");
    let (authorization, request) = server.next_request(&anna);
    let mut later = request.clone();
    later.docs[0].generation = 1;
    later.groups[0].id = vec![9; 16];
    let answer = server.sync_raw(&authorization, &later).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Refused, "forbidden")]);
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(names(&boris), ["Ackermann"]);
}

#[test]
fn groups_that_cost_more_than_one_request_may_wait_for_the_next() {
    let world = World::new(119);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    let form: Contact = anna.book.get(id).unwrap();
    anna.book.save(&Contact { notes: "x".repeat(100_000), ..form }).unwrap();
    done(server.sync(&anna));
    edit(&anna, id, "Buyer");
    let (authorization, mut request) = server.next_request(&anna);
    let group = request.groups[0].clone();
    request.groups = (0..70).map(|at| PushGroup { id: vec![0xd0, at], ..group.clone() }).collect();
    let answer = server.sync_raw(&authorization, &request).unwrap();
    let taken = verdicts(&answer).iter().take_while(|verdict| **verdict == (Outcome::Accepted, "")).count();
    assert!((30..70).contains(&taken), "{taken}");
    assert!(verdicts(&answer)[taken..].iter().all(|verdict| *verdict == (Outcome::Held, "later")));
    // One alone always goes.
    request.groups.drain(..69);
    assert_eq!(verdicts(&server.sync_raw(&authorization, &request).unwrap()), [(Outcome::Accepted, "")]);
    done(server.sync(&anna));
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn an_edit_that_came_before_what_it_builds_on_is_held_until_that_is_there() {
    let world = World::new(16);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    edit(&anna, id, "Buyer");
    let (authorization, request) = server.next_request(&anna);
    let mut second = request.clone();
    second.groups.remove(0);
    assert_eq!(verdicts(&server.sync_raw(&authorization, &second).unwrap()), [(Outcome::Held, "missing")]);
    assert_eq!(server.summary().records, 0);
    let mut swapped = request.clone();
    swapped.groups.reverse();
    let answer = server.sync_raw(&authorization, &swapped).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Held, "missing"), (Outcome::Accepted, "")]);
    assert_eq!(verdicts(&server.sync_raw(&authorization, &request).unwrap()), [(Outcome::Accepted, ""); 2]);
}

#[test]
fn one_group_id_for_two_groups_is_refused() {
    let world = World::new(17);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "One");
    contact(&anna, "Two");
    let (authorization, mut request) = server.next_request(&anna);
    request.groups[1].id = request.groups[0].id.clone();
    request.groups.push(request.groups[0].clone());
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(verdicts(&answer), [(Outcome::Accepted, ""), (Outcome::Refused, "malformed"), (Outcome::Accepted, "")]);
    assert_eq!(server.summary().records, 1);
}

#[test]
fn two_stores_that_write_as_one_device_are_told_apart() {
    let world = World::new(18);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    // The store is copied; both go on as the same actor from the same place.
    let copy = tempfile::tempdir().unwrap();
    for name in ["book.db", "book.db-wal"] {
        let _ = std::fs::copy(anna.dir.path().join(name), copy.path().join(name));
    }
    let book = roadbook_core::Book::open(copy.path(), anna.vault.clone(), world.clone()).unwrap();
    edit(&anna, id, "Buyer");
    done(server.sync(&anna));
    let form = book.get::<Contact>(id).unwrap();
    book.save(&Contact { job_title: "Seller".into(), ..form }).unwrap();
    let mut twin = Device::new(&world);
    twin.book = std::sync::Arc::new(book);
    let (authorization, request) = server.next_request(&twin);
    assert_eq!(verdicts(&server.sync_raw(&authorization, &request).unwrap()), [(Outcome::Refused, "clone")]);
    // The edit is written again under a name of its own: both are kept, as a conflict.
    done(server.sync(&twin));
    done(server.sync(&anna));
    assert!(twin.book.refusals().unwrap().is_empty());
    for book in [&anna.book, &twin.book] {
        let conflicts = book.conflicts(id).unwrap();
        let mut values: Vec<&str> =
            conflicts.iter().flat_map(|conflict| &conflict.values).map(|value| value.text.as_str()).collect();
        values.sort_unstable();
        assert_eq!(values, ["Buyer", "Seller"]);
    }
}

#[test]
fn devices_that_push_at_once_lose_nothing() {
    let world = World::new(19);
    let server = Server::new(&world);
    let devices: Vec<Device> = (0..4).map(|_| server.device("Anna Berg")).collect();
    let id = contact(&devices[0], "Ackermann").id.0;
    done(server.sync(&devices[0]));
    for device in &devices {
        done(server.sync(device));
    }
    std::thread::scope(|scope| {
        for (at, device) in devices.iter().enumerate() {
            let server = &server;
            scope.spawn(move || {
                for round in 0..5 {
                    edit(device, id, &format!("Title {at} {round}"));
                    contact(device, &format!("Contact {at} {round}"));
                    done(server.sync(device));
                }
            });
        }
    });
    for device in &devices {
        done(server.sync(device));
    }
    let hash = server.summary().state_hash;
    for device in &devices {
        assert_eq!(device.book.status().unwrap().state_hash, hash);
        assert_eq!(names(device).len(), 21);
        assert_eq!(device.book.history(id).unwrap().len(), 21);
    }
}

#[test]
fn many_edits_of_few_records_go_in_one_request() {
    let world = World::new(20);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let boris = server.device("Boris Król");
    let deal = anna.book.save(&Deal { id: anna.book.new_id().into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    let id = contact(&anna, "Ackermann").id.0;
    for at in 0..60 {
        edit(&anna, id, &format!("Title {at}"));
        let form = anna.book.get::<Deal>(deal.id.0).unwrap();
        anna.book.save(&Deal { title: format!("Pumps {at}"), ..form }).unwrap();
    }
    let report = done(server.sync(&anna));
    assert_eq!((report.requests, report.pushed), (1, 122));
    assert_eq!(server.summary().sequence, 122);
    assert_eq!(done(server.sync(&boris)).pulled, 2);
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn a_device_waits_for_an_edit_that_only_another_device_has() {
    // Anna's server lost Boris's record and Anna edited it: hers is held, not lost, and nothing else waits for it.
    let world = World::new(21);
    let mut server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    server.stop();
    let backup = tempfile::tempdir().unwrap();
    let name = "roadbook-server.db";
    std::fs::copy(server.dir.join(name), backup.path().join(name)).unwrap();
    server.restart();
    let id = contact(&boris, "Boris's own").id.0;
    done(server.sync(&boris));
    done(server.sync(&anna));
    edit(&anna, id, "Owner");
    contact(&anna, "Anna's own");
    server.stop();
    for name in ["roadbook-server.db-wal", "roadbook-server.db-shm"] {
        let _ = std::fs::remove_file(server.dir.join(name));
    }
    std::fs::copy(backup.path().join(name), server.dir.join(name)).unwrap();
    server.restart();
    let End::Wait { reason: WaitReason::Held, report, .. } = server.sync(&anna) else { panic!("the edit is held") };
    assert_eq!((report.pushed, report.held), (1, 1));
    done(server.sync(&boris));
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

/// What a refused edit shows: fields with what they were to hold.
fn shown(device: &Device) -> Vec<(String, Option<String>)> {
    let refusals = device.book.refusals().unwrap();
    let changes = refusals.into_iter().flat_map(|refusal| refusal.changes);
    changes.map(|change| (change.field.as_str().to_owned(), change.after)).collect()
}

#[test]
fn an_edit_under_an_id_that_the_server_gave_to_another_kind_is_refused_and_shown() {
    let world = World::new(27);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = anna.book.new_id();
    anna.book.save(&Deal { id: id.into(), title: "Pumps".into(), ..Deal::default() }).unwrap();
    boris.book.save(&Contact { id: id.into(), family_name: "Ackermann".into(), ..Contact::default() }).unwrap();
    done(server.sync(&anna));
    done(server.sync(&boris));
    assert_eq!(boris.book.get::<Deal>(id).unwrap().title, "Pumps");
    assert_eq!(shown(&boris), [("family_name".to_owned(), Some("Ackermann".to_owned()))]);
    // The id belongs to a deal: the contact's fields have no place in it.
    let refusal = boris.book.refusals().unwrap().remove(0).id;
    assert!(matches!(boris.book.retry(&refusal), Err(roadbook_core::Error::Invalid(_))));
    assert_eq!(boris.book.get::<Deal>(id).unwrap().title, "Pumps");
    assert_eq!(shown(&boris).len(), 1);
}

#[test]
fn a_refused_edit_is_shown_though_a_copy_of_the_store_wrote_in_its_place() {
    let world = World::new(28);
    let server = Server::new(&world);
    let mut anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    let twin = anna.copied(false).unwrap();
    edit(&twin, id, "Buyer");
    done(server.sync(&twin));
    edit(&anna, id, "Owner");
    // A bit falls over on the way.
    let flip = |message: &mut SyncRequest| {
        message.groups.iter_mut().for_each(|group| *group.items[0].change.last_mut().unwrap() ^= 1);
    };
    let sync_damaged = || server.sync_changed(&anna, flip);
    sync_damaged();
    assert_eq!(anna.book.get::<Contact>(id).unwrap().job_title, "Buyer");
    let of_title = |text: &str| ("job_title".to_owned(), Some(text.to_owned()));
    assert_eq!(shown(&anna), [of_title("Owner")]);
    // A later refusal, of an edit that was written on the copy's, hides neither.
    edit(&anna, id, "Seller");
    sync_damaged();
    assert_eq!(shown(&anna), [of_title("Owner"), of_title("Seller")]);
}

#[test]
fn what_a_copy_wrote_on_edits_that_the_other_store_sent_first_is_on_both() {
    let world = World::new(29);
    let server = Server::new(&world);
    let mut anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    edit(&anna, id, "Buyer");
    let copy = anna.copied(true).unwrap();
    // One group: an edit on the one that both stores hold, and a record of its own.
    let form: Contact = copy.book.get(id).unwrap();
    let changed = Change::Contact(Contact { organization: "Elkin".into(), ..form });
    let made = Contact { id: copy.book.new_id().into(), family_name: "Zander".into(), ..Contact::default() };
    copy.book.apply(&[changed, Change::Contact(made)], "call").unwrap();
    // The server refuses the copied edit, whose author is the other store, before it has it; the answer is lost.
    let mut session = Session::join(&copy.book, &server.url(), &server.invite("Anna Berg"), "Phone").unwrap();
    let mut step = session.start().unwrap();
    while let Step::Send(request) = step {
        let answer = server.send(&request);
        let event = if common::path_of(&request) == "/v1/sync" { Event::Unreachable } else { Event::Answered(answer) };
        step = session.next(event).unwrap();
    }
    drop(session);
    done(server.sync(&anna));
    done(server.sync(&copy));
    done(server.sync(&anna));
    for device in [&anna, &copy] {
        let here: Contact = device.book.get(id).unwrap();
        assert_eq!((here.job_title.as_str(), here.organization.as_str()), ("Buyer", "Elkin"));
        let status = device.book.status().unwrap();
        assert_eq!((status.state_hash, status.pending_changes, status.refused), (server.summary().state_hash, 0, 0));
    }
}

#[test]
fn edits_that_a_copied_store_writes_again_stay_apart() {
    let world = World::new(120);
    let server = Server::new(&world);
    let (mut anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let (theirs, edited) = (contact(&boris, "Theirs").id.0, contact(&boris, "Edited").id.0);
    for device in [&boris, &anna] {
        done(server.sync(device));
    }
    edit(&anna, edited, "Buyer");
    contact(&anna, "New");
    anna.book.delete(Kind::Contact, theirs).unwrap();
    let copy = anna.copied(true).unwrap();
    // Meanwhile the record that the copy wants to delete became somebody's.
    let boris_id = boris.book.people().unwrap().into_iter().find(|person| person.name == "Boris Król").unwrap().id;
    let form: Contact = boris.book.get(theirs).unwrap();
    boris.book.save(&Contact { owner: Some(boris_id), ..form }).unwrap();
    done(server.sync(&boris));
    done(server.join(&copy, &server.invite("Anna Berg")));
    assert_eq!(copy.book.refusals().unwrap().iter().map(|refusal| refusal.reason.as_str()).collect::<Vec<_>>(), ["forbidden"]);
    assert_eq!(names(&copy), ["Edited", "New", "Theirs"]);
    assert_eq!(copy.book.get::<Contact>(edited).unwrap().job_title, "Buyer");
    assert_eq!(copy.book.status().unwrap().pending_changes, 0);
}

#[test]
fn a_group_that_was_accepted_unheard_and_then_arrives_damaged_costs_no_edit() {
    let world = World::new(18);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    edit(&anna, id, "Buyer");
    // The answer is lost; then the same group arrives damaged, together with the next edit.
    let (authorization, request) = server.next_request(&anna);
    server.sync_raw(&authorization, &request).unwrap();
    edit(&anna, id, "Owner");
    let mut damaged = false;
    server.sync_changed(&anna, |message| {
        if !std::mem::replace(&mut damaged, true) {
            message.groups[0].items[0].change.pop();
        }
    });
    done(server.sync(&anna));
    done(server.sync(&anna));
    assert_eq!(anna.book.refusals().unwrap(), [], "the server has both");
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}
