//! Sizes that must hold, and rates that are printed: `cargo test -p roadbook-server --test rates -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::time::Instant;

use common::{Server, contact, done};
use roadbook_core::book::Change;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::SyncRequest;
use roadbook_tests::{Device, World};

/// `count` contacts on a device, in actions of 200.
fn fill(device: &Device, count: usize) -> Vec<Contact> {
    let mut all = Vec::new();
    for start in (0..count).step_by(200) {
        let changes: Vec<Change> = (start..count.min(start + 200))
            .map(|at| {
                Change::Contact(Contact {
                    id: device.book.new_id().into(),
                    family_name: format!("Family {at}"),
                    given_name: format!("Given {at}"),
                    organization: format!("Firm {}", at % 97),
                    job_title: "Head of purchasing".into(),
                    ..Contact::default()
                })
            })
            .collect();
        for change in device.book.apply(&changes, "import").unwrap().records {
            let Change::Contact(contact) = change else { panic!("a contact") };
            all.push(contact);
        }
    }
    all
}

fn edit_all(device: &Device, contacts: &[Contact]) {
    for contact in contacts {
        device.book.save(&Contact { job_title: format!("Title {}", contact.family_name), ..contact.clone() }).unwrap();
    }
}

#[test]
fn five_hundred_edits_go_in_two_requests_and_sixty_kilobytes() {
    let world = World::new(61);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let contacts = fill(&anna, 500);
    done(server.sync(&anna));
    done(server.sync(&boris));
    edit_all(&anna, &contacts);
    let push = done(server.sync(&anna));
    assert_eq!(push.pushed, 500);
    assert!(push.requests <= 2 && push.bytes_up + push.bytes_down <= 60_000, "{push:?}");
    let pull = done(server.sync(&boris));
    assert_eq!(pull.pulled, 500);
    assert!(pull.requests <= 2 && pull.bytes_up + pull.bytes_down <= 60_000, "{pull:?}");
}

#[test]
#[ignore = "prints rates"]
fn rates() {
    let world = World::new(62);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let contacts = fill(&anna, 10_000);
    let started = Instant::now();
    let report = done(server.sync(&anna));
    println!("push of 10 000 new records, both sides: {:?} {report:?}", started.elapsed());
    edit_all(&anna, &contacts[..2000]);
    let (authorization, request) = server.next_request(&anna);
    let started = Instant::now();
    let answer = server.sync_raw(&authorization, &request).unwrap();
    let took = started.elapsed();
    let rate = answer.verdicts.len() as f64 / took.as_secs_f64();
    println!("{} edits through the gate: {took:?}, {rate:.0} changes/s", answer.verdicts.len());

    let (authorization, request) = server.next_request(&server.device("Boris Król"));
    let mut request = SyncRequest { cursor: Vec::new(), epoch: Vec::new(), ..request };
    let (started, mut entries, mut pages) = (Instant::now(), 0, 0);
    loop {
        let answer = server.sync_raw(&authorization, &request).unwrap();
        entries += answer.entries.len();
        pages += 1;
        request.cursor = answer.cursor;
        if !answer.more {
            break;
        }
    }
    let took = started.elapsed();
    println!(
        "{entries} entries in {pages} pages: {took:?}, {:.0} entries/s with HTTP, zstd and decoding",
        entries as f64 / took.as_secs_f64()
    );
    let store = server.store();
    let started = Instant::now();
    let mut seen = 0u64;
    store
        .view(server.workspace().id, &mut |view| {
            view.feed((0, roadbook_core::id::RecordId::from_bytes([0xff; 16])), &mut |doc| {
                seen += u64::from(!doc.bytes.is_empty());
                Ok(true)
            })
        })
        .unwrap();
    println!("{seen} rows from the store: {:?}", started.elapsed());
    let one = contact(&anna, "One");
    let started = Instant::now();
    done(server.sync(&anna));
    println!("one edit, whole sync: {:?} ({})", started.elapsed(), one.id);
}
