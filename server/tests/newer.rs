//! An old server between new devices: kinds of record that it does not know.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, ObjType, ROOT, ReadDoc as _};
use common::{Server, contact, done, names};
use roadbook_core::document::seal_envelope;
use roadbook_core::sync::wire::{Outcome, PushDoc, PushGroup, PushItem, SyncRequest};
use roadbook_server::doctor::doctor;
use roadbook_server::store::SqliteStore;
use roadbook_tests::World;

const VISIT: u16 = 77;

/// A record of a kind that this release does not know, written by a device with this actor.
struct Visit {
    am: Automerge,
    sent: Vec<automerge::ChangeHash>,
}

impl Visit {
    fn new(actor: [u8; 16]) -> Self {
        let mut am = Automerge::new().with_actor(ActorId::from([0u8; 16].as_slice()));
        let mut tx = am.transaction();
        tx.put(ROOT, "kind", "visit").unwrap();
        tx.put_object(ROOT, "report", ObjType::Text).unwrap();
        tx.commit_with(CommitOptions::default().with_time(0));
        Self { am: am.with_actor(ActorId::from(actor.as_slice())), sent: Vec::new() }
    }

    fn write(&mut self, key: &str, value: &str) {
        let mut tx = self.am.transaction();
        tx.put(ROOT, key, value).unwrap();
        tx.commit_with(CommitOptions::default().with_time(1_790_000_000_000));
    }

    /// What was not sent yet, as a push.
    fn request(&mut self, group: u8) -> SyncRequest {
        let changes = self.am.get_changes(&self.sent).into_iter().map(|change| seal_envelope(change.raw_bytes()));
        let items = changes.map(|change| PushItem { doc: 0, change }).collect();
        self.sent = self.am.get_heads();
        SyncRequest {
            docs: vec![PushDoc { id: vec![7; 16], generation: 0, kind: VISIT }],
            groups: vec![PushGroup { id: vec![group; 16], items }],
            max_bytes: 1_000_000,
            ..SyncRequest::default()
        }
    }
}

#[test]
fn records_of_an_unknown_kind_are_kept_and_passed_on() {
    let world = World::new(401);
    let server = Server::new(&world);
    let (anna, boris) = (server.device("Anna Berg"), server.device("Boris Król"));
    contact(&anna, "Known");
    done(server.sync(&anna));
    let authorization = server.next_request(&anna).0;
    let mut visit = Visit::new([0xa1; 16]);
    visit.write("place", "Basement");
    let outcome = |request: &SyncRequest| {
        let verdict = &server.sync_raw(&authorization, request).unwrap().verdicts[0];
        (verdict.outcome, verdict.code.clone().unwrap_or_default())
    };
    assert_eq!(outcome(&visit.request(1)), (Outcome::Accepted, String::new()));
    done(server.sync(&boris));
    assert_eq!((names(&boris).as_slice(), boris.book.status().unwrap().records), (["Known".to_owned()].as_slice(), 2));
    // Later changes come as changes, and are put into the document that nobody here can read.
    visit.write("place", "Train");
    assert_eq!(outcome(&visit.request(2)), (Outcome::Accepted, String::new()));
    done(server.sync(&boris));
    let status = boris.book.status().unwrap();
    assert_eq!((status.unreadable, status.state_hash), (0, server.summary().state_hash));
    assert_eq!(boris.book.check().unwrap(), []);
    boris.book.rebuild().unwrap();
    let bytes: Vec<u8> = boris.raw().query_row("SELECT bytes FROM doc WHERE kind = ?1", [VISIT], |row| row.get(0)).unwrap();
    let kept = Automerge::load(&bytes[1..]).unwrap();
    assert_eq!(kept.get(ROOT, "place").unwrap().unwrap().0.as_str(), Some("Train"));
    let store = SqliteStore::open(&server.dir).unwrap();
    assert_eq!(doctor(&store, false).unwrap().findings, [], "its frozen first change is nobody's");
}

#[test]
fn the_gate_guards_unknown_kinds_too() {
    let world = World::new(402);
    let server = Server::new(&world);
    let anna = server.device("Anna Berg");
    let authorization = server.next_request(&anna).0;
    let outcome = |request: &SyncRequest| {
        let verdict = &server.sync_raw(&authorization, request).unwrap().verdicts[0];
        (verdict.outcome, verdict.code.clone().unwrap_or_default())
    };
    let refused = |code: &str| (Outcome::Refused, code.to_owned());
    let mut container = Visit::new([0xa1; 16]);
    let mut tx = container.am.transaction();
    tx.put_object(ROOT, "list", ObjType::List).unwrap();
    tx.commit();
    assert_eq!(outcome(&container.request(1)), refused("field_type"));
    let mut late = Visit::new([0xa1; 16]);
    late.write("place", "Train");
    late.am.set_actor(ActorId::from([0u8; 16].as_slice()));
    late.write("place", "as nobody");
    assert_eq!(outcome(&late.request(2)), refused("skeleton"));
    let mut none = Visit::new([0xa1; 16]).request(3);
    none.docs[0].kind = 0;
    assert_eq!(outcome(&none), refused("malformed"));
}
