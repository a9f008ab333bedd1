//! What the server forgets, and devices that come back later than that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done, names, now};
use roadbook_core::id::RecordId;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::Form;
use roadbook_server::doctor::{Repair, doctor};
use roadbook_server::store::SqliteStore;
use roadbook_server::tidy::tidy;
use roadbook_tests::{Device, World};

const DAY_MS: i64 = 24 * 3_600_000;

/// Lets days pass, with the server's tidying on each.
fn days(server: &Server, count: i64) {
    for _ in 0..count {
        server.world.pass(DAY_MS);
        tidy(server.store(), now(&server.world)).unwrap();
    }
}

fn edit(device: &Device, id: RecordId, title: &str) {
    let form = device.book.get::<Contact>(id).unwrap();
    device.book.save(&Contact { job_title: title.into(), ..form }).unwrap();
}

fn count(server: &Server, table: &str) -> i64 {
    let conn = rusqlite::Connection::open(server.dir.join("roadbook-server.db")).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Anna and Boris with one contact that both have.
fn pair(seed: u64) -> (Server, Device, Device, RecordId) {
    let world = World::new(seed);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    done(server.sync(&boris));
    (server, anna, boris, id)
}

#[test]
fn changes_of_more_than_ninety_days_are_dropped_and_a_device_that_was_away_gets_whole_records() {
    let (server, anna, boris, id) = pair(151);
    for at in 0..20 {
        edit(&anna, id, &format!("Title {at}"));
        contact(&anna, &format!("Contact {at:02}"));
    }
    done(server.sync(&anna));
    assert_eq!(count(&server, "change"), 41);
    days(&server, 90);
    assert_eq!(count(&server, "change"), 41);
    days(&server, 1);
    assert_eq!(count(&server, "change"), 0);
    edit(&anna, id, "Newest");
    done(server.sync(&anna));

    // Boris stands before what was dropped, and has an edit of his own.
    let form = boris.book.get::<Contact>(id).unwrap();
    boris.book.save(&Contact { organization: "Pumps Ltd".into(), ..form }).unwrap();
    let (authorization, request) = server.next_request(&boris);
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert!(answer.entries.len() == 21 && answer.entries.iter().all(|entry| entry.form == Form::Snapshot));
    done(server.sync(&boris));
    done(server.sync(&anna));
    let hash = server.summary().state_hash;
    for device in [&anna, &boris] {
        assert_eq!(device.book.status().unwrap().state_hash, hash);
        let form = device.book.get::<Contact>(id).unwrap();
        assert_eq!((form.job_title.as_str(), form.organization.as_str()), ("Newest", "Pumps Ltd"));
        assert_eq!(names(device).len(), 21);
    }
    assert_eq!(doctor(&SqliteStore::open(&server.dir).unwrap(), false).unwrap().findings, []);
}

#[test]
fn what_is_younger_stays_and_goes_as_changes() {
    let (server, anna, boris, id) = pair(152);
    days(&server, 60);
    done(server.sync(&boris));
    edit(&anna, id, "Buyer");
    done(server.sync(&anna));
    days(&server, 40);
    assert_eq!(count(&server, "change"), 1);
    let (authorization, request) = server.next_request(&boris);
    let answer = server.sync_raw(&authorization, &request).unwrap();
    assert_eq!(answer.entries.iter().map(|entry| entry.form).collect::<Vec<_>>(), [Form::Changes]);
    done(server.sync(&boris));
    assert_eq!(boris.book.status().unwrap().state_hash, server.summary().state_hash);
}

#[test]
fn the_chain_ends_after_more_than_a_year_and_whoever_stands_before_it_starts_over_and_loses_nothing() {
    let (server, anna, boris, id) = pair(153);
    let boriss = contact(&boris, "Boris's own").id.0;
    done(server.sync(&boris));
    for at in 0..30 {
        edit(&anna, id, &format!("Title {at}"));
        done(server.sync(&anna));
    }
    let before = count(&server, "chain");
    days(&server, 300);
    assert_eq!(count(&server, "chain"), before);
    // Boris still need not start over: his own edits are not sent again.
    let (authorization, request) = server.next_request(&boris);
    assert!(server.sync_raw(&authorization, &request).is_ok());
    edit(&anna, id, "After a while");
    done(server.sync(&anna));
    days(&server, 500);
    assert_eq!((count(&server, "chain"), count(&server, "mark"), count(&server, "change")), (1, 1, 0));

    edit(&boris, boriss, "Written on a long journey");
    edit(&boris, id, "Boris's title");
    contact(&boris, "New");
    let (authorization, request) = server.next_request(&boris);
    assert_eq!(server.sync_raw(&authorization, &request), Err("epoch_changed".into()));
    done(server.sync(&boris));
    done(server.sync(&anna));
    let hash = server.summary().state_hash;
    for device in [&anna, &boris] {
        let status = device.book.status().unwrap();
        assert_eq!((status.state_hash, status.pending_changes, status.refused), (hash.clone(), 0, 0));
        assert_eq!(names(device), ["Ackermann", "Boris's own", "New"]);
        assert_eq!(device.book.get::<Contact>(boriss).unwrap().job_title, "Written on a long journey");
        // Both wrote the title without knowing of the other: that is still seen.
        assert_eq!(device.book.conflicts(id).unwrap()[0].values.len(), 2);
    }
    assert_eq!(doctor(&SqliteStore::open(&server.dir).unwrap(), false).unwrap().findings, []);
    // A device that goes on does so as ever.
    assert_eq!(done(server.sync(&anna)).requests, 1);
}

#[test]
fn changes_that_no_snapshot_stands_for_are_kept_until_the_record_is_repaired() {
    let (server, anna, _boris, id) = pair(154);
    contact(&anna, "Bauer");
    done(server.sync(&anna));
    let sound = server.summary().state_hash;
    let conn = rusqlite::Connection::open(server.dir.join("roadbook-server.db")).unwrap();
    assert_eq!(conn.execute("UPDATE doc SET bytes = x'0085' WHERE id = ?1", [id.as_bytes()]).unwrap(), 1);
    days(&server, 91);
    assert_eq!(count(&server, "change"), 1);
    let report = doctor(&SqliteStore::open(&server.dir).unwrap(), true).unwrap();
    assert_eq!(report.findings.iter().map(|finding| finding.repair).collect::<Vec<_>>(), [Repair::Done]);
    assert_eq!(server.summary().state_hash, sound);
    contact(&anna, "Czerny");
    done(server.sync(&anna));
    days(&server, 92);
    assert_eq!(count(&server, "change"), 0);
}
