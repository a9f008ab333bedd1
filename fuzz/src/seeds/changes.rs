//! Changes and documents.

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, Change, ObjType, ROOT, ScalarValue};
use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::gate::admit;

use super::Seeds;
use crate::changes::{NEXT_GROUP, WHOLE};
use crate::chunk::{after_counters, content, uleb};
use crate::parts::join;
use crate::records::{ANNA, BORIS, DERIVED, KINDS, change, in_use, notes, put};
use crate::targets::WHOLE_DOCUMENT;

/// In a part's first byte: Boris writes.
const BY_BORIS: u8 = 1;
/// In a part's first byte: an actor derived from Anna's writes.
const BY_DERIVED: u8 = 2;
/// In a part's first byte: on the record as it was at first.
const ON_START: u8 = 1 << 2;

/// What a change says behind its counters, as a part.
pub fn part(first: u8, sealed: &[u8]) -> Vec<u8> {
    [&[first], after_counters(content(&sealed[1..]))].concat()
}

/// Writes into the notes, where the record has some, and into a field of the workspace.
fn write(doc: &mut AutoCommit, at: usize, deleted: isize, text: &str) {
    if let Some(notes) = notes(doc) {
        doc.splice_text(&notes, at, deleted, text).unwrap();
    }
    doc.put(ROOT, "x/size", text).unwrap();
}

/// Three changes, each on the one before: what is written refers to places by their numbers, so that single changes cannot be
/// put after each other.
fn in_a_row(document: &Document) -> Vec<u8> {
    let mut document = document.clone();
    let mut parts = Vec::new();
    for text in ["first ", "second ", "third "] {
        let sealed = change(&document, &ANNA, |doc| write(doc, 4, 3, text));
        parts.push(part(0, &sealed));
        document = admit(&document, &[&sealed], &|_| true).unwrap().document;
    }
    join(&parts)
}

/// Changes that people and other programs may make on a record, with the first byte of their part.
pub fn parts(document: &Document) -> Vec<(&'static str, Vec<u8>)> {
    let anna = |first: u8, edit: &dyn Fn(&mut AutoCommit)| part(first, &change(document, &ANNA, |doc| edit(doc)));
    vec![
        ("put", anna(0, &|doc| doc.put(ROOT, "x/size", "small").unwrap())),
        ("clear", anna(0, &|doc| doc.put(ROOT, "x/size", ScalarValue::Null).unwrap())),
        ("untag", anna(0, &|doc| doc.delete(ROOT, "tags/vip").unwrap())),
        (
            "settle",
            anna(0, &|doc| {
                doc.delete(ROOT, "title").unwrap();
                doc.put(ROOT, "title", "Settled").unwrap();
            }),
        ),
        ("notes", anna(0, &|doc| write(doc, 4, 3, "Называл "))),
        ("many", anna(0, &|doc| (0..40).for_each(|at| doc.put(ROOT, format!("tags/{at}"), true).unwrap()))),
        (
            "types",
            anna(0, &|doc| {
                for (key, value) in [
                    ("of_i", ScalarValue::Int(-7)),
                    ("of_u", ScalarValue::Uint(u64::MAX)),
                    ("of_f", ScalarValue::F64(0.5)),
                    ("of_t", ScalarValue::Timestamp(1)),
                    ("of_b", ScalarValue::Boolean(true)),
                    ("of_y", ScalarValue::Bytes(vec![0xff; 9])),
                    ("deleted", ScalarValue::Str("1790000000000+60".into())),
                ] {
                    doc.put(ROOT, key, value).unwrap();
                }
            }),
        ),
        ("boris", part(BY_BORIS, &put(document, &BORIS, "x/size", "from Boris"))),
        ("derived", part(BY_DERIVED, &put(document, &[&DERIVED[..], &ANNA].concat(), "x/size", "derived"))),
        (
            "counter",
            anna(0, &|doc| {
                doc.put(ROOT, "x/n", ScalarValue::counter(1)).unwrap();
                doc.increment(ROOT, "x/n", 5).unwrap();
            }),
        ),
        (
            "deep",
            anna(0, &|doc| {
                let mut at = ROOT;
                for _ in 0..40 {
                    at = doc.put_object(&at, "x", ObjType::Map).unwrap();
                }
            }),
        ),
        (
            "list",
            anna(0, &|doc| {
                let list = doc.put_object(ROOT, "x/list", ObjType::List).unwrap();
                (0..20).for_each(|at| doc.insert(&list, at, at as i64).unwrap());
            }),
        ),
        ("long", anna(0, &|doc| write(doc, 0, 0, &"долго ".repeat(150)))),
    ]
}

/// Parts that no writer makes.
fn crafted(document: &Document) -> Vec<(&'static str, Vec<u8>)> {
    let edit = put(document, &ANNA, "x/size", "crafted");
    let long = change(document, &ANNA, |doc| doc.put(ROOT, "x/a", "y".repeat(2000)).unwrap());
    let mut long = Change::from_bytes(long[1..].to_vec()).unwrap();
    let rivals = {
        let mut expanded = Change::from_bytes(edit[1..].to_vec()).unwrap().decode();
        expanded.operations = (0..50).map(|_| expanded.operations[0].clone()).collect();
        for op in &mut expanded.operations {
            op.pred = Vec::new().into();
        }
        let change: Change = expanded.into();
        seal_envelope(change.raw_bytes())
    };
    let whole = |bytes: &[u8]| [&[WHOLE], bytes].concat();
    vec![
        ("skeleton", part(3, &edit)),
        ("unknown-past", part(3 << 2, &edit)),
        ("no-past", part(2 << 2, &edit)),
        ("same-number", part(1 << 4, &edit)),
        ("far-counters", part(2 << 4, &edit)),
        ("last-counters", part(3 << 4, &edit)),
        ("deflated", whole(&seal_envelope(&long.bytes()))),
        ("in-zstd", whole(&[&[1][..], &zstd::bulk::compress(&edit[1..], 3).unwrap()].concat())),
        ("rivals", part(0, &rivals)),
        ("two-million-puts", bomb(2_000_000, 0)),
        ("twenty-thousand-puts", bomb(20_000, 0)),
        ("deflated-column", bomb(1, 8)),
    ]
}

/// `count` puts of null under one key, in a few bytes; `bit` is set in the columns' specifications.
fn bomb(count: u64, bit: u32) -> Vec<u8> {
    let run = |value: &[u8]| [signed(count), value.to_vec()].concat();
    let columns = [(21, run(&[1, b'a'])), (52, uleb(count)), (66, run(&[1])), (86, run(&[0])), (112, run(&[0]))];
    let mut part = vec![0, 0, 0, 0, columns.len() as u8];
    for (spec, data) in &columns {
        part.extend(uleb(u64::from(spec | bit)));
        part.extend(uleb(data.len() as u64));
    }
    part.extend(columns.into_iter().flat_map(|(_, data)| data));
    part
}

/// A positive number in signed LEB128: as unsigned, with room for the sign.
fn signed(value: u64) -> Vec<u8> {
    let mut bytes = uleb(value);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

/// Of the target `gate`.
pub fn gate() -> Seeds {
    let mut seeds = Seeds::new();
    for (at, kind) in (0u8..).zip(KINDS) {
        let document = in_use(kind);
        let prefixed = |part: Vec<u8>| [vec![at], part].concat();
        let mut add = |name: &str, input: Vec<u8>| seeds.push((format!("{}-{name}", name_of(at)), prefixed(input)));
        let parts = parts(document);
        for (name, part) in &parts {
            add(name, part.clone());
        }
        for (name, part) in crafted(document) {
            add(name, part);
        }
        let named = |name: &str| parts.iter().find(|(other, _)| *other == name).expect("a part").1.clone();
        let second = |name: &str| {
            let mut part = named(name);
            part[0] |= NEXT_GROUP;
            part
        };
        let on_start = |name: &str| {
            let mut part = named(name);
            part[0] |= ON_START;
            part
        };
        add("follow", in_a_row(document));
        add("merge", join(&[named("notes"), second("boris")]));
        add("beside", join(&[named("put"), on_start("boris"), on_start("derived")]));
    }
    seeds
}

fn name_of(at: u8) -> &'static str {
    ["contact", "deal", "task", "unknown"][usize::from(at)]
}

/// Of the target `document`.
pub fn document() -> Seeds {
    let mut seeds = Seeds::new();
    for (at, kind) in (0u8..).zip(KINDS) {
        let document = in_use(kind);
        let saved = document.save();
        seeds.push((name_of(at).to_owned(), [&[at], content(&saved[1..])].concat()));
        seeds.push((format!("{}-whole", name_of(at)), [&[at | WHOLE_DOCUMENT], &saved[1..]].concat()));
        let long = change(document, &ANNA, |doc| doc.put(ROOT, "x/a", "y".repeat(2000)).unwrap());
        let mut doc = AutoCommit::load(&saved[1..]).unwrap();
        doc.apply_changes([Change::from_bytes(long[1..].to_vec()).unwrap()]).unwrap();
        seeds.push((format!("{}-deflated", name_of(at)), [&[at], content(&doc.save())].concat()));
    }
    seeds
}
