//! The gate: what others wrote, well or ill, before it touches a record.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, Change, ObjType, ROOT, ReadDoc as _, ScalarValue};
use roadbook_core::document::{Actor, Document, seal_envelope};
use roadbook_core::gate::{Refused, admit};
use roadbook_core::record::Kind;

const ANNA: [u8; 16] = [1; 16];
const BORIS: [u8; 16] = [2; 16];

/// A deal's document as another program may write it.
struct Writer(AutoCommit);

impl Writer {
    fn new(actor: [u8; 16]) -> Self {
        Self::on(&document(), actor)
    }

    fn on(document: &Document, actor: [u8; 16]) -> Self {
        let saved = document.save();
        Self(AutoCommit::load(&saved[1..]).unwrap().with_actor(ActorId::from(actor.as_slice())))
    }

    /// Writes a change and gives it in an envelope.
    fn change(&mut self, write: impl FnOnce(&mut AutoCommit)) -> Vec<u8> {
        write(&mut self.0);
        self.0.commit_with(CommitOptions::default().with_time(1)).unwrap();
        seal_envelope(self.0.get_last_local_change().unwrap().raw_bytes())
    }
}

fn document() -> Document {
    Document::new(Kind::Deal.definition()).unwrap()
}

fn pass(document: &Document, changes: &[&[u8]]) -> Result<Document, Refused> {
    admit(document, changes, &|actor| actor == Actor(ANNA)).map(|passed| passed.document)
}

fn put(key: &str, value: impl Into<ScalarValue>) -> impl FnOnce(&mut AutoCommit) {
    move |doc| doc.put(ROOT, key, value).unwrap()
}

#[test]
fn a_good_change_passes_once_and_again_changes_nothing() {
    let change = Writer::new(ANNA).change(put("title", "Pumps"));
    let after = pass(&document(), &[&change]).unwrap();
    assert_ne!(after.heads(), document().heads());
    assert_eq!(pass(&after, &[&change, &change]).unwrap().heads(), after.heads());
}

#[test]
fn a_change_of_another_device_is_refused() {
    let change = Writer::new(BORIS).change(put("title", "Pumps"));
    assert_eq!(pass(&document(), &[&change]).err(), Some(Refused::ForeignActor));
    let mut odd = Writer(AutoCommit::load(&document().save()[1..]).unwrap().with_actor(ActorId::from([1; 5].as_slice())));
    assert_eq!(pass(&document(), &[&odd.change(put("title", "Pumps"))]).err(), Some(Refused::ForeignActor));
}

#[test]
fn only_the_pinned_skeleton_may_claim_to_be_one() {
    let change = Writer::new([0; 16]).change(put("title", "Pumps"));
    assert_eq!(pass(&document(), &[&change]).err(), Some(Refused::Skeleton));
}

#[test]
fn a_change_whose_past_is_missing_is_held_and_names_it() {
    let mut writer = Writer::new(ANNA);
    let first = writer.change(put("title", "Pumps"));
    let second = writer.change(put("title", "Valves"));
    let Err(Refused::Missing(missing)) = pass(&document(), &[&second]) else { panic!("it has no past") };
    assert_eq!(missing.len(), 1);
    assert!(pass(&document(), &[&first, &second]).is_ok());
}

#[test]
fn two_stores_that_write_as_one_device_are_told_apart() {
    let first = Writer::new(ANNA).change(put("title", "Pumps"));
    let twin = Writer::new(ANNA).change(put("title", "Valves"));
    let after = pass(&document(), &[&first]).unwrap();
    assert_eq!(pass(&after, &[&twin]).err(), Some(Refused::Clone));
}

#[test]
fn a_field_of_the_wrong_type_is_refused_and_an_unknown_field_is_kept() {
    for (key, value) in [
        ("title", ScalarValue::Int(1)),
        ("value", "much".into()),
        ("close_date", "2026-13-01".into()),
        ("deleted", "yesterday".into()),
        ("title/part", "x".into()),
        ("tags", true.into()),
        ("notes", "no text".into()),
        ("kind", "contact".into()),
        ("new_field", ScalarValue::counter(1)),
    ] {
        let change = Writer::new(ANNA).change(put(key, value));
        assert!(matches!(pass(&document(), &[&change]).err(), Some(Refused::FieldType(_))), "{key}");
    }
    let change = Writer::new(ANNA).change(put("new_field", "kept"));
    let after = pass(&document(), &[&change]).unwrap();
    assert!(after.read(None).has_unknown);
}

#[test]
fn a_container_that_is_not_the_skeletons_is_refused() {
    for kind in [ObjType::Map, ObjType::List, ObjType::Text] {
        for key in ["notes", "title", "something"] {
            let change = Writer::new(ANNA).change(|doc| {
                doc.put_object(ROOT, key, kind).unwrap();
            });
            assert!(matches!(pass(&document(), &[&change]).err(), Some(Refused::FieldType(_))), "{key} {kind}");
        }
    }
}

#[test]
fn one_bad_change_keeps_its_whole_group_out() {
    let mut writer = Writer::new(ANNA);
    let good = writer.change(put("title", "Pumps"));
    let bad = writer.change(put("value", "much"));
    assert!(pass(&document(), &[&good, &bad]).is_err());
    assert!(pass(&document(), &[&good]).is_ok());
}

#[test]
fn a_text_is_edited_in_the_skeletons_object_by_two_people() {
    let notes = |text: &'static str| {
        move |doc: &mut AutoCommit| {
            let (_, object) = doc.get(ROOT, "notes").unwrap().unwrap();
            doc.splice_text(&object, 0, 0, text).unwrap();
        }
    };
    let (anna, boris) = (Writer::new(ANNA).change(notes("Anna. ")), Writer::new(BORIS).change(notes("Boris. ")));
    let both = admit(&document(), &[&anna, &boris], &|_| true).unwrap().document;
    let text = format!("{:?}", both.read(None).values.get("notes"));
    assert!(text.contains("Anna. ") && text.contains("Boris. "));
}

#[test]
fn junk_truncation_and_repaired_checksums_are_refused_and_never_stop_the_gate() {
    let change = Writer::new(ANNA).change(put("title", "Pumps"));
    for cut in 0..change.len() {
        assert!(pass(&document(), &[&change[..cut]]).is_err());
    }
    for at in 9..change.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = change.clone();
            bytes[at] ^= flip;
            repair(&mut bytes);
            // Some flips give another good change; none may stop the gate, and what passes can be loaded.
            if let Ok(after) = pass(&document(), &[&bytes]) {
                assert!(Document::load(Kind::Deal.definition(), &after.save()).is_ok());
            }
        }
    }
    let compressed = {
        let mut change = Change::from_bytes(Writer::new(ANNA).change(put("title", "x".repeat(2000)))[1..].to_vec()).unwrap();
        seal_envelope(&change.bytes())
    };
    assert!(matches!(pass(&document(), &[&compressed]).err(), Some(Refused::Malformed(_))));
}

/// Writes the checksum that the bytes should have.
fn repair(sealed: &mut [u8]) {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(&sealed[9..]);
    sealed[5..9].copy_from_slice(&digest[..4]);
}
