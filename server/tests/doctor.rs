//! What the doctor finds in a database that somebody or something changed, and what it mends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use common::{Server, contact, done, names};
use roadbook_core::id::RecordId;
use roadbook_core::records::Contact;
use roadbook_server::doctor::{Fault, Finding, Repair, Report, doctor};
use roadbook_server::store::SqliteStore;
use roadbook_tests::{Device, World};
use rusqlite::Connection;

/// A server with two records, one of them changed twice.
fn place(seed: u64) -> (Server, Device, RecordId) {
    let world = World::new(seed);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    contact(&anna, "Bauer");
    let id = contact(&anna, "Ackermann").id.0;
    done(server.sync(&anna));
    let form = anna.book.get::<Contact>(id).unwrap();
    anna.book.save(&Contact { job_title: "Buyer".into(), ..form }).unwrap();
    done(server.sync(&anna));
    (server, anna, id)
}

/// Changes the database behind the server's back.
fn damage(server: &Server, sql: &str, id: RecordId) {
    let conn = Connection::open(server.dir.join("roadbook-server.db")).unwrap();
    assert!(conn.execute(sql, [id.as_bytes()]).unwrap() > 0, "{sql}");
}

fn look(server: &Server, repair: bool) -> Report {
    doctor(&SqliteStore::open(&server.dir).unwrap(), repair).unwrap()
}

fn told(report: &Report) -> Vec<(Fault, Repair)> {
    report.findings.iter().map(|finding| (finding.fault.clone(), finding.repair)).collect()
}

#[test]
fn a_sound_database_gives_no_findings() {
    let (server, ..) = place(101);
    let report = look(&server, true);
    assert_eq!(report, Report { workspaces: 1, records: 2, findings: Vec::new() });
}

#[test]
fn rows_and_heads_are_made_again_from_the_document_beside_a_running_server() {
    let (server, _anna, id) = place(102);
    let sound = server.summary();
    for sql in ["UPDATE doc SET row = x'a0', row_minor = 99 WHERE id = ?1", "UPDATE doc SET changed_ms = 7 WHERE id = ?1"] {
        damage(&server, sql, id);
        assert_eq!(told(&look(&server, false)), [(Fault::Row, Repair::Possible)], "{sql}");
        assert_eq!(told(&look(&server, true)), [(Fault::Row, Repair::Done)], "{sql}");
        assert!(look(&server, false).findings.is_empty());
    }
    damage(&server, "UPDATE doc SET heads = zeroblob(32) WHERE id = ?1", id);
    assert_ne!(server.summary().state_hash, sound.state_hash);
    let report = look(&server, true);
    assert_eq!(told(&report), [(Fault::Heads, Repair::Done)]);
    assert!(report.is_sound());
    assert_eq!(server.summary(), sound);
    // A new device gets the row that was made again.
    let boris = server.device("Boris Król");
    assert_eq!(names(&boris), ["Ackermann", "Bauer"]);
}

#[test]
fn a_document_that_cannot_be_opened_is_made_again_from_its_changes() {
    let (server, anna, id) = place(103);
    let sound = server.summary();
    damage(&server, "UPDATE doc SET bytes = x'0085' WHERE id = ?1", id);
    let report = look(&server, false);
    assert!(matches!(report.findings[0], Finding { fault: Fault::Unreadable(_), repair: Repair::Possible, .. }), "{report:?}");
    assert!(!report.is_sound());
    assert!(look(&server, true).is_sound());
    assert!(look(&server, false).findings.is_empty());
    let boris = server.device("Boris Król");
    assert_eq!(boris.book.get::<Contact>(id).unwrap().job_title, "Buyer");
    assert_eq!(server.summary().state_hash, sound.state_hash);
    // And it can be changed as before.
    let form = anna.book.get::<Contact>(id).unwrap();
    anna.book.save(&Contact { job_title: "Owner".into(), ..form }).unwrap();
    assert_eq!(done(server.sync(&anna)).pushed, 1);
}

/// Whether a fault is the one that a change of the database must give.
type Expected = fn(&Fault) -> bool;

#[test]
fn what_cannot_be_told_from_the_rest_is_named_and_left_alone() {
    let cases: [(&str, Expected); 10] = [
        ("UPDATE doc SET seq_last = 1 WHERE id = ?1", |fault| matches!(fault, Fault::Place { stands: 1, last: 3 })),
        ("UPDATE doc SET kind = 999 WHERE id = ?1", |fault| matches!(fault, Fault::Kind(999))),
        ("UPDATE change SET gen = 4 WHERE doc = ?1 AND seq = 3", |fault| matches!(fault, Fault::Generation(3))),
        ("UPDATE change SET device = zeroblob(16) WHERE doc = ?1 AND seq = 3", |fault| matches!(fault, Fault::Author(3))),
        ("UPDATE change SET bytes = x'00' WHERE doc = ?1 AND seq = 3", |fault| matches!(fault, Fault::Change(3))),
        ("DELETE FROM chain WHERE seq = 3 AND ?1 = ?1", |fault| matches!(fault, Fault::Gap { first: 3, last: 3 })),
        ("UPDATE chain SET chain8 = zeroblob(8) WHERE seq = 2 AND ?1 = ?1", |fault| matches!(fault, Fault::Chain(2 | 3))),
        ("DELETE FROM doc WHERE id = ?1", |fault| matches!(fault, Fault::Loose { what: "changes without their record", .. })),
        ("UPDATE workspace SET seq = 2 WHERE ?1 = ?1", |fault| matches!(fault, Fault::Number(3))),
        // One bit of a number, told as one finding.
        (
            "UPDATE workspace SET seq = seq | (1 << 60) WHERE ?1 = ?1",
            |fault| matches!(fault, Fault::Gap { first: 4, last } if *last == (3 | 1 << 60)),
        ),
    ];
    for (sql, expected) in cases {
        let (server, _anna, id) = place(104);
        damage(&server, sql, id);
        let report = look(&server, true);
        assert!(!report.is_sound(), "{sql}");
        assert!(report.findings.iter().all(|finding| expected(&finding.fault)), "{sql}: {report:?}");
        assert!(report.findings.iter().all(|finding| finding.repair == Repair::None), "{sql}");
        assert_eq!(told(&look(&server, true)), told(&report), "{sql}");
        let line = report.findings[0].to_string();
        assert!(line.starts_with("workspace ") && line.ends_with("(needs a person)"), "{line}");
    }
}

#[test]
fn a_document_older_than_its_changes_is_made_again_where_the_heads_say_so_and_named_elsewhere() {
    let (server, anna, id) = place(105);
    let conn = Connection::open(server.dir.join("roadbook-server.db")).unwrap();
    let older: (Vec<u8>, Vec<u8>, Vec<u8>, i64) = conn
        .query_row("SELECT bytes, heads, row, changed_ms FROM doc WHERE id = ?1", [id.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    let form = anna.book.get::<Contact>(id).unwrap();
    anna.book.save(&Contact { job_title: "Owner".into(), ..form }).unwrap();
    done(server.sync(&anna));
    let full = server.summary().state_hash;
    conn.execute("UPDATE doc SET bytes = ?2 WHERE id = ?1", rusqlite::params![id.as_bytes(), older.0]).unwrap();
    // The stored heads say what the changes must give.
    assert_eq!(told(&look(&server, true)), [(Fault::Heads, Repair::Done)]);
    assert_eq!((server.summary().state_hash, look(&server, false).findings), (full, Vec::new()));
    conn.execute(
        "UPDATE doc SET bytes = ?2, heads = ?3, row = ?4, changed_ms = ?5 WHERE id = ?1",
        rusqlite::params![id.as_bytes(), older.0, older.1, older.2, older.3],
    )
    .unwrap();
    assert_eq!(told(&look(&server, true)), [(Fault::Lacks(4), Repair::None)]);
}
