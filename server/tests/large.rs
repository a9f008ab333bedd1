//! Much at once: what one action or one record may hold beyond a push group.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done};
use roadbook_core::book::Change;
use roadbook_core::records::{Contact, Deal};
use roadbook_tests::{Device, World};

#[test]
fn a_record_with_220_own_changes_survives_a_lost_server() {
    let world = World::new(91);
    let mut server = Server::new(&world);
    let anna = server.device("Anna Berg");
    server.stop();
    let backup = tempfile::tempdir().unwrap();
    let name = "roadbook-server.db";
    std::fs::copy(server.dir.join(name), backup.path().join(name)).unwrap();
    server.restart();
    let id = contact(&anna, "Ackermann").id.0;
    for at in 0..220 {
        let form = anna.book.get::<Contact>(id).unwrap();
        anna.book.save(&Contact { job_title: format!("T{at}"), ..form }).unwrap();
    }
    done(server.sync(&anna));
    server.stop();
    std::fs::copy(backup.path().join(name), server.dir.join(name)).unwrap();
    server.restart();
    done(server.sync(&anna));
    assert_eq!(server.summary().records, 1);
    assert_eq!(anna.book.refusals().unwrap().len(), 0);
}

#[test]
fn one_action_over_201_records_arrives() {
    let world = World::new(92);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let changes: Vec<Change> = (0..201)
        .map(|at| Change::Contact(Contact { id: anna.book.new_id().into(), family_name: format!("C{at}"), ..Contact::default() }))
        .collect();
    anna.book.apply(&changes, "import").unwrap();
    done(server.sync(&anna));
    assert_eq!(server.summary().records, 201);
}

#[test]
fn one_action_of_two_megabytes_arrives() {
    let world = World::new(93);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let mut state = 1u64;
    let mut noise = || {
        (0..90_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'a' + (state >> 40) as u8 % 26)
            })
            .collect::<String>()
    };
    let changes: Vec<Change> = (0..20)
        .map(|at| {
            Change::Contact(Contact {
                id: anna.book.new_id().into(),
                family_name: format!("C{at}"),
                notes: noise(),
                ..Contact::default()
            })
        })
        .collect();
    anna.book.apply(&changes, "import").unwrap();
    done(server.sync(&anna));
    assert_eq!(server.summary().records, 20);
}

/// A phone with so many deals, each with a note of so many characters, all on the server.
fn with_noted_deals(server: &Server, deals: usize, length: usize) -> (Device, Vec<Deal>) {
    let anna = server.device("Anna Berg");
    let ids: Vec<_> = (0..deals)
        .map(|at| {
            let deal =
                Deal { id: anna.book.new_id().into(), title: format!("D{at}"), notes: "x".repeat(length), ..Deal::default() };
            anna.book.save(&deal).unwrap();
            deal.id
        })
        .collect();
    done(server.sync(&anna));
    let deals = ids.into_iter().map(|id| anna.book.get(id.0).unwrap()).collect();
    (anna, deals)
}

#[test]
fn one_action_that_empties_many_long_notes_arrives() {
    let world = World::new(94);
    let server = Server::new(&world);
    // More operations than a request may hold, though they fold to a few kilobytes.
    let (anna, deals) = with_noted_deals(&server, 63, 8_000);
    let emptied: Vec<Change> = deals.into_iter().map(|deal| Change::Deal(Deal { notes: String::new(), ..deal })).collect();
    anna.book.apply(&emptied, "typed").unwrap();
    done(server.sync(&anna));
    assert_eq!(anna.book.status().unwrap().pending_changes, 0);
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn one_action_over_records_that_are_large_together_arrives_in_parts() {
    let world = World::new(95);
    let server = Server::new(&world);
    let (anna, deals) = with_noted_deals(&server, 12, 100_000);
    let tagged: Vec<Change> = deals.into_iter().map(|deal| Change::Deal(Deal { tags: vec!["spring".into()], ..deal })).collect();
    anna.book.apply(&tagged, "typed").unwrap();
    done(server.sync(&anna));
    assert_eq!(anna.book.refusals().unwrap().len(), 0);
    assert_eq!(anna.book.status().unwrap().pending_changes, 0);
    assert_eq!(anna.book.status().unwrap().state_hash, server.summary().state_hash);
}
