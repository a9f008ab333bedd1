//! Records as they are in use: every field filled, two people's edits side by side, one conflict. They never change, so
//! that kept inputs go on to fit them.

use std::sync::OnceLock;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ObjId, ROOT, ReadDoc as _, ScalarValue};
use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::gate::admit;
use roadbook_core::record::Kind;

/// A device's actor.
pub const ANNA: [u8; 16] = [1; 16];
/// Another device's actor.
pub const BORIS: [u8; 16] = [2; 16];
/// What stands before an actor that Automerge derived once.
pub const DERIVED: [u8; 5] = [0x13, 0xb2, 0x23, 0x09, 1];

/// The kinds, with one of a newer release.
pub const KINDS: [Kind; 4] = [Kind::Contact, Kind::Deal, Kind::Task, Kind::Unknown];

/// What people write into a record of a kind: keys with texts.
fn written(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Contact => &[
            ("given_name", "Анна"),
            ("middle_name", "Maria"),
            ("family_name", "Ёлкина-Łódź"),
            ("organization", "Meyer & Söhne"),
            ("job_title", "Head of pumps"),
            ("owner", "01890a5d-ac96-774b-bcce-b302099a8057"),
            ("birthday", "1980-02-29"),
            ("card_note", "Met at the fair."),
            ("channels/a", r#"{"kind":"phone","value":"+49 711 123456","e164":"+49711123456","label":"work","preferred":true}"#),
            ("channels/b", r#"{"kind":"email","value":"anna@example.com","new":"kept"}"#),
            ("addresses/a", r#"{"street":"Hauptstr. 1\nHinterhaus","city":"Köln","postcode":"50667","country":"DE"}"#),
            ("x/size", "large"),
        ],
        Kind::Deal => &[
            ("title", "Pumps for the new plant"),
            ("value", "100050 EUR"),
            ("position", "proposal/open"),
            ("close_date", "2026-12-31"),
            ("owner", "01890a5d-ac96-774b-bcce-b302099a8057"),
            ("organization", "Meyer & Söhne"),
            ("lost_reason", ""),
            ("x/size", "large"),
        ],
        Kind::Task => &[
            ("title", "Call back"),
            ("due", "2026-12-31T09:00[Europe/Berlin]"),
            ("priority", "high"),
            ("status", "open"),
            ("owner", "01890a5d-ac96-774b-bcce-b302099a8057"),
            ("x/size", "large"),
        ],
        Kind::Unknown => &[("title", "Of a newer release"), ("state", "green"), ("of/a", "x")],
    }
}

/// A record of a kind as it is in use.
pub fn in_use(kind: Kind) -> &'static Document {
    static MADE: OnceLock<Vec<(Kind, Document)>> = OnceLock::new();
    let made = MADE.get_or_init(|| KINDS.into_iter().map(|kind| (kind, make(kind))).collect());
    &made.iter().find(|(made, _)| *made == kind).expect("every kind is made").1
}

fn make(kind: Kind) -> Document {
    let start = match kind {
        Kind::Unknown => unknown(),
        known => Document::new(known.definition()).unwrap(),
    };
    let created = change(&start, &ANNA, |doc| {
        for (key, text) in written(kind) {
            doc.put(ROOT, *key, *text).unwrap();
        }
        doc.put(ROOT, "tags/vip", true).unwrap();
        if let Some(notes) = notes(doc) {
            doc.splice_text(&notes, 0, 0, "Came by on Monday.").unwrap();
        }
    });
    let first = admit(&start, &[&created], &|_| true).unwrap().document;
    let key = written(kind)[0].0;
    let retitled = |actor: &[u8; 16], text: &str| {
        change(&first, actor, |doc| {
            doc.put(ROOT, key, text).unwrap();
            if let Some(notes) = notes(doc) {
                doc.splice_text(&notes, 9, 3, text).unwrap();
            }
        })
    };
    let (anna, boris) = (retitled(&ANNA, "Anna's"), retitled(&BORIS, "Boris's"));
    admit(&first, &[&anna, &boris], &|_| true).unwrap().document
}

/// The beginning of a record of a kind that this release does not know.
fn unknown() -> Document {
    let mut doc = AutoCommit::new().with_actor(ActorId::from([0u8; 16].as_slice()));
    doc.put(ROOT, "kind", "visit").unwrap();
    doc.commit_with(CommitOptions::default().with_time(0)).unwrap();
    Document::load(Kind::Unknown.definition(), &seal_envelope(&doc.save_nocompress())).unwrap()
}

/// The text object that the skeleton made.
pub fn notes(doc: &AutoCommit) -> Option<ObjId> {
    doc.get(ROOT, "notes").unwrap().map(|(_, id)| id)
}

/// One change on a document, as another program may write it, in an envelope.
pub fn change(document: &Document, actor: &[u8], write: impl FnOnce(&mut AutoCommit)) -> Vec<u8> {
    let mut doc = AutoCommit::load(&document.save()[1..]).unwrap().with_actor(ActorId::from(actor));
    write(&mut doc);
    let message = "save.typed.q6urq6urq6urq6urq6urqw";
    doc.commit_with(CommitOptions::default().with_time(1_790_000_000_000).with_message(message)).unwrap();
    seal_envelope(doc.get_last_local_change().unwrap().raw_bytes())
}

/// A change that puts one value.
pub fn put(document: &Document, actor: &[u8], key: &str, value: impl Into<ScalarValue>) -> Vec<u8> {
    change(document, actor, |doc| doc.put(ROOT, key, value).unwrap())
}
