//! The gate under attack: what each attempt costs and what becomes of it. Memory is counted and asserted; times are printed
//! (`cargo test --release -p roadbook-tests --test hostile -- --nocapture --test-threads 1`), never asserted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::time::Instant;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, Change, ObjType, ROOT, ReadDoc as _, ScalarValue};
use roadbook_core::document::{Actor, Document, seal_envelope};
use roadbook_core::gate::{Passed, Refused, admit_within};
use roadbook_core::record::{Kind, encode_row};
use roadbook_core::sync::wire::MAX_GROUP_OPS;
use roadbook_fuzz::memory;
use sha2::Digest as _;

/// What the gate may hold at once, beside what it was given.
const MEMORY: usize = 64 << 20;

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

const ANNA: [u8; 16] = [1; 16];
const TWIN: [u8; 16] = [2; 16];

fn deal() -> Document {
    Document::new(Kind::Deal.definition()).unwrap()
}

/// A deal's document as another program may write it.
fn writer(document: &Document, actor: [u8; 16]) -> AutoCommit {
    AutoCommit::load(&document.save()[1..]).unwrap().with_actor(ActorId::from(actor.as_slice()))
}

/// Commits, and gives the change in an envelope.
fn sealed(writer: &mut AutoCommit) -> Vec<u8> {
    writer.commit_with(CommitOptions::default().with_time(1)).unwrap();
    seal_envelope(writer.get_last_local_change().unwrap().raw_bytes())
}

/// One change, written by `write`.
fn change(document: &Document, write: impl FnOnce(&mut AutoCommit)) -> Vec<u8> {
    let mut writer = writer(document, ANNA);
    write(&mut writer);
    sealed(&mut writer)
}

/// A panic that the gate catches is no news; printing where it came from would count as the gate's memory.
fn quiet() {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.location().is_some_and(|place| place.file().ends_with("hostile.rs")) {
                told(info);
            }
        }));
    });
}

/// Passes changes as a server does, and looks at what it costs.
fn attempt(name: &str, document: &Document, changes: &[Vec<u8>]) -> Result<Passed, Refused> {
    quiet();
    let changes: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let (result, held) = memory::held_by(|| admit_within(document, &changes, &|actor| actor == Actor(ANNA), MAX_GROUP_OPS));
    let took = start.elapsed();
    let bytes: usize = changes.iter().map(|change| change.len()).sum();
    let verdict = result.as_ref().err().map_or("passes", Refused::code);
    println!("{name:55} {:4} changes {bytes:7} bytes {:9.2?} {:6} kB  {verdict}", changes.len(), took, held / 1024);
    assert!(held < MEMORY, "{name}: {held} bytes");
    if let Ok(passed) = &result {
        // What passes can be read, shown and loaded by everybody.
        let reading = passed.document.read(None);
        encode_row(&reading.values);
        assert!(Document::load(document.definition(), &passed.saved).is_ok());
    }
    result
}

fn refused(name: &str, document: &Document, changes: &[Vec<u8>]) -> &'static str {
    attempt(name, document, changes).err().map_or("passes", |refused| refused.code())
}

/// Writes the length and checksum that a chunk should have.
fn repaired(mut sealed: Vec<u8>) -> Vec<u8> {
    let digest = sha2::Sha256::digest(&sealed[9..]);
    sealed[5..9].copy_from_slice(&digest[..4]);
    sealed
}

#[test]
fn length_bombs_are_refused_by_a_scan_of_their_bytes() {
    let mut many = change(&deal(), |doc| {
        for _ in 0..100 {
            doc.put(ROOT, "title", "x").unwrap();
        }
    });
    // Every byte that may be a length or a run becomes a great number, with a good checksum.
    let (mut refusals, len) = (0, many.len());
    for at in 14..len {
        for value in [0x7f, 0xff, 0x80] {
            let mut bytes = many.clone();
            bytes[at] = value;
            let changes = [repaired(bytes).clone()];
            let refs: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
            let (result, held) = memory::held_by(|| admit_within(&deal(), &refs, &|_| true, MAX_GROUP_OPS));
            refusals += usize::from(result.is_err());
            assert!(held < MEMORY);
        }
    }
    assert!(refusals > len, "{refusals} of {}", 3 * (len - 14));
    // An envelope that unfolds to a gigabyte.
    many = seal_zstd(&vec![0; 1 << 28]);
    assert!(many.len() < 100_000);
    assert_eq!(refused("an envelope of 256 MB", &deal(), &[many]), "too_large");
}

fn seal_zstd(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = vec![1];
    sealed.extend(zstd::bulk::compress(bytes, 19).unwrap());
    sealed
}

#[test]
fn enormous_records_are_refused_before_they_are_built() {
    let text = |chars: usize| {
        move |doc: &mut AutoCommit| {
            let (_, notes) = doc.get(ROOT, "notes").unwrap().unwrap();
            doc.splice_text(&notes, 0, 0, &"x".repeat(chars)).unwrap();
        }
    };
    assert_eq!(refused("a text of 30 000 characters in one change", &deal(), &[change(&deal(), text(30_000))]), "too_large");
    let tags =
        |count: usize| move |doc: &mut AutoCommit| (0..count).for_each(|at| doc.put(ROOT, format!("tags/{at}"), true).unwrap());
    assert_eq!(refused("a set of 30 000 members in one change", &deal(), &[change(&deal(), tags(30_000))]), "too_large");
    let long = change(&deal(), |doc| doc.put(ROOT, "x/a", "y".repeat(300_000)).unwrap());
    assert_eq!(refused("a value of 300 kB", &deal(), &[long]), "too_large");
    let key = change(&deal(), |doc| doc.put(ROOT, format!("tags/{}", "k".repeat(5_000)), true).unwrap());
    assert_eq!(refused("a key of 5 kB", &deal(), &[key]), "field_type");

    // Several large changes in one group: no group takes the gate for long.
    let mut writer = writer(&deal(), ANNA);
    let mut group = Vec::new();
    for _ in 0..10 {
        text(15_000)(&mut writer);
        group.push(sealed(&mut writer));
    }
    assert_eq!(refused("ten changes of 15 000 operations in one group", &deal(), &group), "too_large");
    // One by one they pass, until the record is full.
    let mut document = deal();
    let mut last = "passes";
    for step in 0.. {
        text(19_000)(&mut writer);
        group.push(sealed(&mut writer));
        match attempt(&format!("large change {step}"), &document, &group[step..=step]) {
            Ok(passed) => document = passed.document,
            Err(refused) => {
                last = refused.code();
                break;
            }
        }
    }
    assert_eq!(last, "too_large");
    // What takes away needs no room.
    let shorter = change(&document, |doc| {
        let (_, notes) = doc.get(ROOT, "notes").unwrap().unwrap();
        doc.splice_text(&notes, 0, 19_000, "").unwrap();
    });
    assert_eq!(refused("a full record made shorter", &document, &[shorter]), "passes");
    let on_top = change(&document, |doc| doc.put(ROOT, "title", "Pumps").unwrap());
    assert_eq!(refused("a small change of a full record", &document, &[on_top]), "passes");
    let wrong = change(&document, |doc| doc.put(ROOT, "value", "much").unwrap());
    assert_eq!(refused("a wrong small change of a full record", &document, &[wrong]), "field_type");
}

#[test]
fn thousands_of_values_for_one_field_cost_what_they_weigh() {
    // Each of a device's changes at the same old version: the field holds them all.
    let derived = |level: u8| {
        let mut actor = vec![0x13, 0xb2, 0x23, 0x09, level];
        actor.extend(ANNA);
        actor
    };
    let concurrent: Vec<Vec<u8>> = (1..=8)
        .map(|level| {
            let mut writer = writer(&deal(), ANNA);
            writer.set_actor(ActorId::from(derived(level).as_slice()));
            writer.put(ROOT, "title", format!("title {level}")).unwrap();
            sealed(&mut writer)
        })
        .collect();
    assert_eq!(refused("eight levels of derived actors", &deal(), &concurrent), "passes");
    let mut deeper = writer(&deal(), ANNA);
    deeper.set_actor(ActorId::from(derived(9).as_slice()));
    deeper.put(ROOT, "title", "deeper").unwrap();
    assert_eq!(refused("a ninth level", &deal(), &[sealed(&mut deeper)]), "foreign_actor");
    // Operations of one change that do not take each other's place: the writer here cannot make them, hostile bytes can.
    let mut writer = writer(&deal(), ANNA);
    for at in 0..5_000 {
        writer.put(ROOT, "title", at.to_string()).unwrap();
    }
    let rivals = without_predecessors(sealed(&mut writer));
    assert_eq!(refused("5 000 values beside each other in one change", &deal(), &[rivals]), "field_type");
}

#[test]
fn a_change_of_no_time_that_a_calendar_has_is_refused() {
    for time in [i64::MIN, -(1 << 53) - 1, (1 << 53) + 1, i64::MAX] {
        let mut writer = writer(&deal(), ANNA);
        writer.put(ROOT, "title", "Pumps").unwrap();
        writer.commit_with(CommitOptions::default().with_time(time)).unwrap();
        let change = seal_envelope(writer.get_last_local_change().unwrap().raw_bytes());
        assert_eq!(refused("an impossible time", &deal(), &[change]), "malformed");
    }
}

/// The change with no operation taking another's place.
fn without_predecessors(sealed: Vec<u8>) -> Vec<u8> {
    let change = Change::from_bytes(sealed[1..].to_vec()).unwrap();
    let mut expanded = change.decode();
    for op in &mut expanded.operations {
        op.pred = Vec::new().into();
    }
    let rebuilt: Change = expanded.into();
    seal_envelope(rebuilt.raw_bytes())
}

#[test]
fn numbers_that_do_not_follow_are_refused() {
    let mut first = writer(&deal(), ANNA);
    first.put(ROOT, "title", "One").unwrap();
    let one = sealed(&mut first);
    first.put(ROOT, "title", "Two").unwrap();
    let two = sealed(&mut first);
    first.put(ROOT, "title", "Three").unwrap();
    let three = sealed(&mut first);
    assert_eq!(refused("a gap", &deal(), &[one.clone(), three.clone()]), "missing");
    assert_eq!(refused("the past after the future", &deal(), &[two.clone(), one.clone()]), "missing");
    let after = attempt("a good change", &deal(), std::slice::from_ref(&one)).unwrap().document;
    assert_eq!(refused("the same again", &after, std::slice::from_ref(&one)), "passes");

    let renumbered = |edit: fn(&mut automerge::ExpandedChange)| {
        let mut expanded = Change::from_bytes(two[1..].to_vec()).unwrap().decode();
        edit(&mut expanded);
        let change: Change = expanded.into();
        seal_envelope(change.raw_bytes())
    };
    let cases = [
        ("a sequence number that was used", renumbered(|change| change.seq = 1), "clone"),
        ("a sequence number of the future", renumbered(|change| change.seq = 9), "numbers"),
        ("counters far away", renumbered(|change| change.start_op = (1u64 << 20).try_into().unwrap()), "numbers"),
        ("counters at their end", renumbered(|change| change.start_op = ((1u64 << 31) - 2).try_into().unwrap()), "numbers"),
        ("an unknown past", renumbered(|change| change.deps = vec![automerge::ChangeHash([7; 32])]), "missing"),
        ("another's name", renumbered(|change| change.actor_id = ActorId::from(TWIN.as_slice())), "foreign_actor"),
        ("nobody's name", renumbered(|change| change.actor_id = ActorId::from([0u8; 16].as_slice())), "skeleton"),
        ("an odd name", renumbered(|change| change.actor_id = ActorId::from([1u8; 7].as_slice())), "foreign_actor"),
    ];
    for (name, bytes, code) in cases {
        assert_eq!(refused(name, &after, &[bytes]), code, "{name}");
    }
}

#[test]
fn containers_counters_and_operations_on_nothing_are_refused() {
    for kind in [ObjType::Map, ObjType::List, ObjType::Text] {
        let nested = change(&deal(), |doc| {
            let mut at = ROOT;
            for depth in 0..500 {
                at = if depth == 0 || kind == ObjType::Map {
                    doc.put_object(&at, "value", ObjType::Map).unwrap()
                } else {
                    doc.put_object(ROOT, format!("k{depth}"), kind).unwrap()
                };
            }
        });
        assert_eq!(refused("500 containers", &deal(), &[nested]), "field_type");
    }
    let counter = change(&deal(), |doc| {
        doc.put(ROOT, "hits", ScalarValue::counter(1)).unwrap();
        doc.increment(ROOT, "hits", 5).unwrap();
    });
    assert_eq!(refused("a counter", &deal(), &[counter]), "field_type");
    let good = change(&deal(), |doc| doc.put(ROOT, "title", "Pumps").unwrap());
    let elsewhere = |edit: fn(&mut automerge::ExpandedChange)| {
        let mut expanded = Change::from_bytes(good[1..].to_vec()).unwrap().decode();
        edit(&mut expanded);
        let change: Change = expanded.into();
        seal_envelope(change.raw_bytes())
    };
    let nowhere = elsewhere(|change| change.operations[0].obj = "77@01010101010101010101010101010101".parse().unwrap());
    let verdict = refused("a put into no container", &deal(), &[nowhere]);
    assert_ne!(verdict, "passes");
}

#[test]
fn a_full_history_costs_a_new_change_little() {
    let mut writer = writer(&deal(), ANNA);
    let mut document = deal();
    for _ in 0..10 {
        let mut group = Vec::new();
        for at in 0..200 {
            writer.put(ROOT, "title", at.to_string()).unwrap();
            group.push(sealed(&mut writer));
        }
        document = attempt("200 small changes", &document, &group).unwrap().document;
    }
}
