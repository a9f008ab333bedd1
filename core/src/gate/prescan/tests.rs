//! Automerge itself is the oracle: what it writes is read with its own facts, what it reads stays
//! within the limits.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, MarkData, OpType};
use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, Change, ObjId, ObjType, PatchLog, Prop, ROOT, ReadDoc, ScalarValue, Value};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{ChangeFacts, DocumentFacts, Limits, Malformed, scan_change, scan_document};

// Bytes by hand.

fn uleb(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn leb(mut value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    while !(-64..64).contains(&value) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8 & 0x7f);
    out
}

/// A chunk with the right length and checksum around any content.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let hashed = [&[kind][..], &uleb(body.len() as u64), body].concat();
    let hash = Sha256::digest(&hashed);
    [&[0x85, 0x6f, 0x4a, 0x83][..], &hash[..4], &hashed].concat()
}

/// The content of a chunk that is well framed.
fn body(chunk: &[u8]) -> &[u8] {
    let length = chunk[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &chunk[9 + length..]
}

fn run(count: i64, value: &[u8]) -> Vec<u8> {
    [&leb(count)[..], value].concat()
}

fn layout(columns: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = uleb(columns.len() as u64);
    for (spec, data) in columns {
        out.extend(uleb(u64::from(*spec)));
        out.extend(uleb(data.len() as u64));
    }
    out
}

fn data(columns: &[(u32, Vec<u8>)]) -> Vec<u8> {
    columns.iter().flat_map(|(_, data)| data.clone()).collect()
}

/// A first change of a sixteen-byte actor, with these columns and then these bytes.
fn change_with(seq: u64, start_op: u64, columns: &[(u32, Vec<u8>)], extra: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 16];
    out.extend([7; 16]);
    out.extend(uleb(seq));
    out.extend(uleb(start_op));
    out.extend([0, 0, 0]);
    out.extend(layout(columns));
    out.extend(data(columns));
    out.extend(extra);
    chunk(1, &out)
}

fn change_of(columns: &[(u32, Vec<u8>)]) -> Vec<u8> {
    change_with(1, 1, columns, &[])
}

fn refusal(columns: &[(u32, Vec<u8>)]) -> Malformed {
    scan_change(&change_of(columns), &Limits::CHANGE).unwrap_err()
}

const KEY: u32 = 21;
const KEY_COUNTER: u32 = 19;
const OBJECT_ACTOR: u32 = 1;
const INSERT: u32 = 52;
const ACTION: u32 = 66;
const VALUE_META: u32 = 86;
const VALUE: u32 = 87;
const PRED: u32 = 112;
const PRED_ACTOR: u32 = 113;
const PRED_COUNTER: u32 = 115;

/// `count` puts of null under the key "a".
fn puts(count: i64) -> Vec<(u32, Vec<u8>)> {
    vec![
        (KEY, run(count, &[1, b'a'])),
        (INSERT, uleb(count as u64)),
        (ACTION, run(count, &[1])),
        (VALUE_META, run(count, &[0])),
        (PRED, run(count, &[0])),
    ]
}

fn with(mut columns: Vec<(u32, Vec<u8>)>, spec: u32, data: Vec<u8>) -> Vec<(u32, Vec<u8>)> {
    columns.retain(|(other, _)| *other != spec);
    columns.push((spec, data));
    columns.sort();
    columns
}

// Documents by chance.

type Step = (u8, u8, u8);

fn scalar(kind: u8, seed: u8) -> ScalarValue {
    match kind % 9 {
        0 => ScalarValue::Str("ü".repeat(usize::from(seed) % 40).into()),
        1 => ScalarValue::Int(-(1 << (seed % 62))),
        2 => ScalarValue::Uint(u64::MAX >> (seed % 64)),
        3 => ScalarValue::F64(f64::from(seed) / 3.0),
        4 => ScalarValue::Boolean(seed.is_multiple_of(2)),
        5 => ScalarValue::Timestamp(1_700_000_000_000 + i64::from(seed)),
        6 => ScalarValue::Bytes(vec![seed; usize::from(seed)]),
        7 => ScalarValue::counter(i64::from(seed)),
        _ => ScalarValue::Null,
    }
}

fn object(tx: &Transaction<'_>, key: &str, kind: ObjType) -> Option<ObjId> {
    match tx.get(ROOT, key).ok()?? {
        (Value::Object(found), id) if found == kind => Some(id),
        _ => None,
    }
}

fn edit(tx: &mut Transaction<'_>, (kind, a, b): Step) {
    let key = ["name", "phone", "score", "a rather long key of a field"][usize::from(a) % 4];
    // An edit that does not fit the document's state does nothing.
    let _ = match kind % 9 {
        0 | 1 => tx.put(ROOT, key, scalar(b, a)),
        2 => match object(tx, "note", ObjType::Text) {
            Some(note) => {
                let length = tx.length(&note);
                let at = usize::from(a) % (length + 1);
                let removed = (length - at).min(usize::from(b) % 3) as isize;
                tx.splice_text(&note, at, removed, &"häß ".repeat(usize::from(b) % 9))
            }
            None => tx.put_object(ROOT, "note", ObjType::Text).map(drop),
        },
        3 => match object(tx, "list", ObjType::List) {
            Some(list) => tx.insert(&list, usize::from(a) % (tx.length(&list) + 1), scalar(b, a)),
            None => tx.put_object(ROOT, "list", ObjType::List).map(drop),
        },
        4 => tx.put(ROOT, "count", ScalarValue::counter(i64::from(b))),
        5 => tx.increment(ROOT, "count", i64::from(b) - 100),
        6 => tx.delete(ROOT, key),
        7 => match object(tx, "tags", ObjType::Map) {
            Some(tags) => tx.put(&tags, Prop::Map(format!("tag {}", a % 16)), true),
            None => tx.put_object(ROOT, "tags", ObjType::Map).map(drop),
        },
        _ => match object(tx, "note", ObjType::Text) {
            Some(note) => {
                let end = tx.length(&note);
                let mark = Mark::new("bold".to_owned(), i64::from(b), end.saturating_sub(3), end);
                tx.mark(&note, mark, if b % 2 == 0 { ExpandMark::Both } else { ExpandMark::None })
            }
            None => Ok(()),
        },
    };
}

/// Three replicas that edit, fork into the past and merge; all merged into the first at the end.
fn document(steps: &[Step]) -> Automerge {
    let mut replicas: Vec<Automerge> = (1..=3).map(|n| Automerge::new().with_actor(ActorId::from(vec![n * 50; 16]))).collect();
    for (index, step) in steps.iter().enumerate() {
        let (kind, a, b) = *step;
        let mut other = replicas[usize::from(b) % 3].clone();
        let replica = &mut replicas[usize::from(a) % 3];
        let options = CommitOptions::default().with_time(1_760_000_000_000 + index as i64 * i64::from(a));
        let options = if b % 3 == 0 { options.with_message(format!("step {index} ✓")) } else { options };
        match kind % 16 {
            14 => {
                replica.merge(&mut other).unwrap();
            }
            15 => {
                replica.empty_commit(options);
            }
            13 => {
                let past = other.get_heads();
                if past.iter().any(|hash| replica.get_change_by_hash(hash).is_none()) {
                    continue;
                }
                let mut tx = replica.transaction_at(PatchLog::inactive(), &past).unwrap();
                edit(&mut tx, (a, b, kind));
                tx.commit_with(options);
            }
            _ => {
                let mut tx = replica.transaction();
                for more in 0..=kind % 5 {
                    edit(&mut tx, (kind.wrapping_add(more), a.wrapping_add(more), b));
                }
                tx.commit_with(options);
            }
        }
    }
    let (first, rest) = replicas.split_first_mut().unwrap();
    for other in rest {
        first.merge(other).unwrap();
    }
    first.clone()
}

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 1..count)
}

/// Some of everything, the same every time.
fn sample() -> Automerge {
    let steps: Vec<Step> = (0..60_u8).map(|n| (n, n.wrapping_mul(7), n.wrapping_mul(13))).collect();
    document(&steps)
}

/// The bytes of values, keys and mark names of an operation, from Automerge's own decoding.
fn weight(op: &automerge::legacy::Op) -> u64 {
    let key = match &op.key {
        Key::Map(key) => key.len(),
        Key::Seq(_) => 0,
    };
    let name = match &op.action {
        OpType::MarkBegin(MarkData { name, .. }) => name.len(),
        _ => 0,
    };
    let value = match op.primitive_value() {
        Some(ScalarValue::Str(text)) => text.len(),
        Some(ScalarValue::Bytes(bytes)) => bytes.len(),
        Some(ScalarValue::F64(_)) => 8,
        Some(ScalarValue::Uint(n)) => uleb(n).len(),
        Some(ScalarValue::Int(n) | ScalarValue::Timestamp(n)) => leb(n).len(),
        Some(ScalarValue::Counter(n)) => leb((&n).into()).len(),
        _ => 0,
    };
    (key + name + value) as u64
}

fn facts_of(change: &Change) -> ChangeFacts {
    let ops = change.decode().operations;
    ChangeFacts {
        hash: change.hash().0,
        deps: change.deps().iter().map(|hash| hash.0).collect(),
        actor: change.actor_id().to_bytes().to_vec(),
        other_actors: change.other_actor_ids().iter().map(|actor| actor.to_bytes().to_vec()).collect(),
        seq: change.seq(),
        start_op: change.start_op().get(),
        ops: change.len() as u64,
        deletions: ops.iter().filter(|op| op.action == OpType::Delete).count() as u64,
        time_ms: change.timestamp(),
        message: change.message().map(str::to_owned),
        value_bytes: ops.iter().map(weight).sum(),
    }
}

fn facts_of_document(doc: &Automerge) -> DocumentFacts {
    let changes = doc.get_changes(&[]);
    let mut actors: Vec<Vec<u8>> = changes.iter().map(|change| change.actor_id().to_bytes().to_vec()).collect();
    actors.sort();
    actors.dedup();
    let ops: Vec<_> = changes.iter().flat_map(|change| change.decode().operations).collect();
    let kept = ops.iter().filter(|op| op.action != OpType::Delete);
    let messages: usize = changes.iter().filter_map(|change| change.message()).map(str::len).sum();
    DocumentFacts {
        heads: doc.get_heads().iter().map(|hash| hash.0).collect(),
        actors,
        ops: kept.clone().count() as u64,
        changes: changes.len() as u64,
        value_bytes: kept.map(weight).sum::<u64>() + messages as u64,
    }
}

// Agreement with Automerge.

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_facts_of_changes_and_documents_are_those_of_automerge(steps in steps(60)) {
        let doc = document(&steps);
        for change in doc.get_changes(&[]) {
            prop_assert_eq!(scan_change(change.raw_bytes(), &Limits::CHANGE), Ok(facts_of(&change)));
        }
        let saved = doc.save_nocompress();
        prop_assert_eq!(scan_document(&saved, &Limits::DOCUMENT), Ok(facts_of_document(&doc)));
        // The changes that a loaded document gives out are written by other code than those of a
        // transaction.
        let loaded = Automerge::load(&saved).unwrap();
        for change in loaded.get_changes(&[]) {
            prop_assert_eq!(scan_change(change.raw_bytes(), &Limits::CHANGE), Ok(facts_of(&change)));
        }
    }
}

#[test]
fn a_document_with_nothing_in_it_is_read() {
    let facts = scan_document(&Automerge::new().save_nocompress(), &Limits::DOCUMENT).unwrap();
    let nothing = DocumentFacts { heads: vec![], actors: vec![], ops: 0, changes: 0, value_bytes: 0 };
    assert_eq!(facts, nothing);
}

#[test]
fn changes_of_more_than_ten_thousand_operations_are_read() {
    let mut doc = Automerge::new();
    let mut tx = doc.transaction();
    let note = tx.put_object(ROOT, "note", ObjType::Text).unwrap();
    tx.splice_text(&note, 0, 0, &"word ".repeat(2400)).unwrap();
    tx.commit();
    let change = &doc.get_changes(&[])[0];
    let facts = scan_change(change.raw_bytes(), &Limits::CHANGE).unwrap();
    assert_eq!(facts, facts_of(change));
    assert_eq!((facts.ops, facts.value_bytes), (12_001, 12_004));
}

#[test]
fn values_count_once_per_operation_and_keys_too() {
    let mut doc = Automerge::new();
    let mut tx = doc.transaction();
    tx.put(ROOT, "name", "Anna").unwrap();
    tx.put(ROOT, "name", "Annabel").unwrap();
    tx.commit();
    let facts = scan_document(&doc.save_nocompress(), &Limits::DOCUMENT).unwrap();
    assert_eq!((facts.ops, facts.value_bytes), (2, 4 + 4 + 4 + 7));
}

// Amplification.

#[test]
fn a_run_of_two_million_ops_is_refused_before_parsing() {
    let bomb = change_of(&puts(2_000_000));
    assert!(bomb.len() <= 111, "{} bytes", bomb.len());
    let limit = Limits::CHANGE.ops;
    assert_eq!(scan_change(&bomb, &Limits::CHANGE), Err(Malformed::TooLarge { what: "operations", found: 2_000_000, limit }));
    // Not because it is malformed: the same with fewer operations is a change to Automerge and to
    // the scan.
    let small = change_of(&puts(2_000));
    assert_eq!(Change::from_bytes(small.clone()).unwrap().len(), 2_000);
    assert_eq!(scan_change(&small, &Limits::CHANGE).unwrap().ops, 2_000);
}

#[test]
fn every_kind_of_column_is_bounded_alone() {
    let huge = 1_i64 << 60;
    for (spec, data) in [
        (OBJECT_ACTOR, run(huge, &[0])),
        (KEY_COUNTER, run(huge, &[1])),
        (KEY, run(huge, &[0])),
        (INSERT, uleb(1 << 60)),
        (ACTION, run(i64::MAX, &[1])),
        (ACTION, run(i64::MIN, &[1])),
        (ACTION, [leb(0), uleb(u64::MAX)].concat()),
        (VALUE_META, run(huge, &[0])),
        (PRED, run(huge, &[0])),
    ] {
        let refused = refusal(&[(spec, data)]);
        assert!(matches!(refused, Malformed::TooLarge { what: "operations", .. }), "{spec}: {refused}");
    }
}

#[test]
fn many_runs_that_overflow_together_are_refused() {
    let runs = [run(i64::MAX, &[1]), run(i64::MAX, &[1]), run(i64::MAX, &[1])].concat();
    let limits = Limits { ops: u64::MAX, ..Limits::CHANGE };
    let refused = scan_change(&change_of(&[(ACTION, runs)]), &limits).unwrap_err();
    assert!(matches!(refused, Malformed::TooLarge { what: "operation counters", .. }), "{refused}");
}

#[test]
fn predecessors_are_bounded_by_the_sum_of_their_counts() {
    let columns = with(puts(1), PRED, run(1, &uleb(1 << 40)));
    assert!(matches!(refusal(&columns), Malformed::TooLarge { what: "list entries", found, .. } if found == 1 << 40));
    let columns = with(puts(20_000), PRED, run(20_000, &uleb(u64::MAX)));
    assert!(matches!(refusal(&columns), Malformed::TooLarge { what: "list entries", .. }));
}

#[test]
fn a_long_key_repeated_by_a_run_counts_as_often_as_it_repeats() {
    let key = [uleb(100), vec![b'k'; 100]].concat();
    let columns = with(puts(10_000), KEY, run(10_000, &key));
    assert!(matches!(refusal(&columns), Malformed::TooLarge { what: "value bytes", found: 1_000_000, .. }));
}

#[test]
fn a_document_of_a_million_operations_in_a_hundred_bytes_is_refused() {
    let count = 1_000_000;
    let changes = vec![(1, run(1, &[0])), (3, run(1, &[1])), (19, run(1, &leb(count))), (35, run(1, &[0])), (64, run(1, &[0]))];
    let ops = vec![
        (21, run(count, &[1, b'a'])),
        (33, run(count, &[0])),
        (35, run(count, &[1])),
        (52, uleb(count as u64)),
        (66, run(count, &[1])),
        (86, run(count, &[0])),
        (128, run(count, &[0])),
    ];
    let content = [vec![1, 1, 7, 0], layout(&changes), layout(&ops), data(&changes), data(&ops)].concat();
    let refused = scan_document(&chunk(0, &content), &Limits::DOCUMENT).unwrap_err();
    assert_eq!(refused, Malformed::TooLarge { what: "operations", found: 1_000_000, limit: 200_000 });
}

#[test]
fn many_empty_changes_by_many_actors_are_refused() {
    let count = 1000;
    let document = |actors: u16| {
        let changes = vec![
            (1, run(count, &[0])),
            (3, run(count, &[1])),
            (19, run(count, &[0])),
            (35, run(count, &[0])),
            (64, [run(-1, &[0]), run(count - 1, &[1])].concat()),
            (67, [run(-1, &[0]), run(count - 2, &[1])].concat()),
            (86, run(count, &[7])),
        ];
        let mut content = uleb(u64::from(actors));
        (0..actors).for_each(|actor| content.extend([&[2][..], &actor.to_be_bytes()].concat()));
        content.push(0);
        content.extend([layout(&changes), layout(&[]), data(&changes)].concat());
        chunk(0, &content)
    };
    let limits = Limits { changes: 1000, ..Limits::DOCUMENT };
    let most = document(256);
    assert_eq!(scan_document(&most, &limits).unwrap().changes, 1000);
    assert_eq!(Automerge::load_unverified_heads(&most).unwrap().stats().num_changes, 1000);
    let refused = scan_document(&document(257), &limits).unwrap_err();
    assert_eq!(refused, Malformed::TooLarge { what: "actors times changes", found: 257_000, limit: 256_000 });
}

#[test]
fn counts_above_the_limits_are_refused_before_their_entries_are_read() {
    let deps = chunk(1, &uleb(u64::MAX));
    assert!(matches!(scan_change(&deps, &Limits::CHANGE), Err(Malformed::TooLarge { what: "dependencies", .. })));
    let actors = chunk(0, &uleb(u64::MAX));
    assert!(matches!(scan_document(&actors, &Limits::DOCUMENT), Err(Malformed::TooLarge { what: "actors", .. })));
    let mut columns = vec![0, 1, 7, 1, 1, 0, 0, 0];
    columns.extend(uleb(u64::MAX));
    let refused = scan_change(&chunk(1, &columns), &Limits::CHANGE).unwrap_err();
    assert!(matches!(refused, Malformed::TooLarge { what: "columns", .. }), "{refused}");
}

#[test]
fn every_limit_admits_what_equals_it() {
    let change = change_of(&puts(20));
    let limits = Limits { bytes: change.len(), ops: 20, value_bytes: 20, deps: 0, actors: 0, message_bytes: 0, changes: 0 };
    assert!(scan_change(&change, &limits).is_ok());
    for less in [Limits { bytes: change.len() - 1, ..limits }, Limits { ops: 19, ..limits }, Limits { value_bytes: 19, ..limits }]
    {
        assert!(matches!(scan_change(&change, &less), Err(Malformed::TooLarge { .. })), "{less:?}");
    }
}

// Frame and header.

#[test]
fn the_frame_must_be_one_whole_chunk_of_the_right_type() {
    let doc = sample();
    let changes = doc.get_changes(&[]);
    let change = changes[0].raw_bytes();
    let saved = doc.save_nocompress();
    let after = [change, &[0]].concat();
    assert_eq!(scan_change(&after, &Limits::CHANGE), Err(Malformed::TrailingBytes));
    let twice = [change, change].concat();
    assert_eq!(scan_change(&twice, &Limits::CHANGE), Err(Malformed::TrailingBytes));
    assert_eq!(scan_change(&saved, &Limits::DOCUMENT), Err(Malformed::ChunkType { found: 0 }));
    assert_eq!(scan_document(change, &Limits::DOCUMENT), Err(Malformed::ChunkType { found: 1 }));
    assert_eq!(scan_change(&chunk(2, body(change)), &Limits::CHANGE), Err(Malformed::Compressed));
    assert_eq!(scan_change(&chunk(3, body(change)), &Limits::CHANGE), Err(Malformed::ChunkType { found: 3 }));
    assert_eq!(scan_change(b"SQLite format 3", &Limits::CHANGE), Err(Malformed::Magic));
    for index in 4..change.len() {
        let mut changed = change.to_vec();
        changed[index] ^= 1;
        assert!(scan_change(&changed, &Limits::CHANGE).is_err(), "bit of byte {index}");
    }
}

#[test]
fn a_padded_length_is_refused() {
    let change = change_of(&puts(1));
    let content = body(&change);
    assert!(content.len() < 128);
    let mut hashed = vec![1, content.len() as u8 | 0x80, 0];
    hashed.extend(content);
    let padded = [&[0x85, 0x6f, 0x4a, 0x83][..], &Sha256::digest(&hashed)[..4], &hashed].concat();
    assert_eq!(scan_change(&padded, &Limits::CHANGE), Err(Malformed::Number("chunk length")));
}

#[test]
fn every_truncation_is_an_error_also_when_the_frame_is_repaired() {
    let doc = sample();
    for change in doc.get_changes(&[]) {
        let bytes = change.raw_bytes();
        for end in 0..bytes.len() {
            assert!(scan_change(&bytes[..end], &Limits::CHANGE).is_err(), "{end}");
        }
        let content = body(bytes);
        for end in 0..content.len() {
            assert!(scan_change(&chunk(1, &content[..end]), &Limits::CHANGE).is_err(), "{end}");
        }
    }
    let saved = doc.save_nocompress();
    let content = body(&saved);
    for end in 0..saved.len() {
        assert!(scan_document(&saved[..end], &Limits::DOCUMENT).is_err(), "{end}");
    }
    for end in 0..content.len() {
        assert!(scan_document(&chunk(0, &content[..end]), &Limits::DOCUMENT).is_err(), "{end}");
    }
}

#[test]
fn deflated_documents_and_changes_are_refused() {
    let mut doc = Automerge::new();
    let mut tx = doc.transaction();
    let note = tx.put_object(ROOT, "note", ObjType::Text).unwrap();
    tx.splice_text(&note, 0, 0, &"Called about the roof, will call again. ".repeat(40)).unwrap();
    tx.commit();
    assert_eq!(scan_document(&doc.save(), &Limits::DOCUMENT), Err(Malformed::Compressed));
    assert!(scan_document(&doc.save_nocompress(), &Limits::DOCUMENT).is_ok());
    let mut change = doc.get_changes(&[])[0].clone();
    assert_eq!(scan_change(&change.bytes(), &Limits::CHANGE), Err(Malformed::Compressed));
    let deflated: Vec<_> = puts(1).into_iter().map(|(spec, data)| (spec | 8, data)).collect();
    assert_eq!(refusal(&deflated), Malformed::Compressed);
}

#[test]
fn an_author_is_refused_in_changes_and_documents() {
    let author = automerge::Author::from(&b"someone else"[..]).into_owned();
    let mut doc = Automerge::new().with_author(Some(author));
    let mut tx = doc.transaction();
    tx.put(ROOT, "name", "Anna").unwrap();
    tx.commit();
    let change = &doc.get_changes(&[])[0];
    assert!(!change.extra_bytes().is_empty());
    assert_eq!(scan_change(change.raw_bytes(), &Limits::CHANGE), Err(Malformed::Extra));
    assert_eq!(scan_document(&doc.save_nocompress(), &Limits::DOCUMENT), Err(Malformed::Extra));
}

#[test]
fn an_orphan_saved_behind_a_document_is_refused() {
    let mut doc = sample();
    let mut ahead = doc.fork();
    for name in ["Anna", "Ben"] {
        let mut tx = ahead.transaction();
        tx.put(ROOT, "name", name).unwrap();
        tx.commit();
    }
    let orphan = ahead.get_changes(&[]).pop().unwrap();
    doc.apply_changes([orphan]).unwrap();
    assert_eq!(scan_document(&doc.save_nocompress(), &Limits::DOCUMENT), Err(Malformed::TrailingBytes));
}

#[test]
fn sequence_numbers_and_operation_counters_start_at_one_and_stay_below_two_to_the_31() {
    let scan = |seq, start_op| scan_change(&change_with(seq, start_op, &puts(10), &[]), &Limits::CHANGE);
    assert!(scan(1, 1).is_ok());
    assert_eq!(scan(0, 1), Err(Malformed::Number("sequence number")));
    assert_eq!(scan(1, 0), Err(Malformed::Number("first operation's counter")));
    assert!(scan(1, (1 << 31) - 11).is_ok());
    assert!(matches!(scan(1, (1 << 31) - 10), Err(Malformed::TooLarge { what: "operation counters", .. })));
    assert!(matches!(scan(1, u64::MAX), Err(Malformed::TooLarge { .. })));
    assert!(matches!(scan(1 << 31, 1), Err(Malformed::TooLarge { what: "sequence number", .. })));
}

#[test]
fn a_message_must_be_short_and_utf8() {
    let scan = |message: &[u8]| {
        let header = [&[0, 1, 7, 1, 1, 0][..], &uleb(message.len() as u64), message, &[0, 0]].concat();
        scan_change(&chunk(1, &header), &Limits::CHANGE)
    };
    assert_eq!(scan("Grüße".as_bytes()).unwrap().message.as_deref(), Some("Grüße"));
    assert_eq!(scan(&[]).unwrap().message, None);
    assert_eq!(scan(&[0xff]), Err(Malformed::Utf8));
    assert!(scan(&[b'm'; 256]).is_ok());
    assert!(matches!(scan(&[b'm'; 257]), Err(Malformed::TooLarge { what: "message bytes", .. })));
}

#[test]
fn a_time_is_read_as_written_if_the_calendar_has_it() {
    let scan = |time| scan_change(&chunk(1, &[&[0, 1, 7, 1, 1][..], &leb(time), &[0, 0, 0]].concat()), &Limits::CHANGE);
    let end = 1_i64 << 53;
    for time in [0, -1, 63, 64, -64, -65, 8191, 8192, end, -end, 1_764_000_000_000] {
        assert_eq!(scan(time).unwrap().time_ms, time);
    }
    for time in [end + 1, -end - 1, i64::MAX, i64::MIN] {
        assert_eq!(scan(time), Err(Malformed::Number("time")));
    }
    for padded in [&[0x80, 0][..], &[0xff, 0x7f], &[0x80; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
        let header = [&[0, 1, 7, 1, 1][..], padded, &[0, 0, 0]].concat();
        assert_eq!(scan_change(&chunk(1, &header), &Limits::CHANGE), Err(Malformed::Number("time")));
    }
}

#[test]
fn lists_of_hashes_and_actors_must_ascend() {
    let header = |deps: &[u8], others: &[u8]| {
        let mut out = uleb(deps.len() as u64);
        deps.iter().for_each(|dep| out.extend([*dep; 32]));
        out.extend([1, 7, 1, 1, 0, 0]);
        out.extend(uleb(others.len() as u64));
        others.iter().for_each(|other| out.extend([1, *other]));
        out.push(0);
        scan_change(&chunk(1, &out), &Limits::CHANGE)
    };
    let facts = header(&[1, 2], &[3, 4]).unwrap();
    assert_eq!(facts.deps, [[1; 32], [2; 32]]);
    assert_eq!(facts.other_actors, [[3], [4]]);
    assert_eq!(header(&[2, 1], &[]), Err(Malformed::Order("dependencies")));
    assert_eq!(header(&[1, 1], &[]), Err(Malformed::Order("dependencies")));
    assert_eq!(header(&[], &[4, 3]), Err(Malformed::Order("actors")));
}

// Columns.

#[test]
fn columns_must_ascend_without_repeats() {
    let twice = vec![(ACTION, run(1, &[1])), (ACTION, run(1, &[1]))];
    assert_eq!(refusal(&twice), Malformed::Order("columns"));
    let swapped = vec![(ACTION, run(1, &[1])), (INSERT, uleb(1))];
    assert_eq!(refusal(&swapped), Malformed::Order("columns"));
}

#[test]
fn value_types_and_values_must_have_one_length() {
    let meta = |length: u64, kind: u64| run(1, &uleb((length << 4) | kind));
    let text = |length, raw: &[u8]| with(with(puts(1), VALUE_META, meta(length, 6)), VALUE, raw.to_vec());
    assert!(scan_change(&change_of(&text(2, b"ab")), &Limits::CHANGE).is_ok());
    for wrong in [
        text(3, b"ab"),
        text(1, b"ab"),
        text(1 << 59, b"ab"),
        with(puts(1), VALUE_META, meta(2, 6)),
        with(puts(1), VALUE, b"ab".to_vec()),
        vec![(VALUE, b"ab".to_vec())],
        with(puts(1), VALUE_META, meta(1, 0)),
        with(with(puts(1), VALUE_META, meta(4, 5)), VALUE, vec![0; 4]),
        with(with(puts(1), VALUE_META, meta(11, 4)), VALUE, vec![0; 11]),
        with(puts(1), VALUE_META, vec![0, 1]),
    ] {
        assert!(matches!(refusal(&wrong), Malformed::Column { .. }), "{wrong:?}");
    }
}

#[test]
fn predecessors_must_be_as_many_as_counted_and_of_listed_actors() {
    let preds = |count: u8, actors: Vec<u8>, counters: Vec<u8>| {
        let columns = with(puts(1), PRED, run(1, &[count]));
        with(with(columns, PRED_ACTOR, actors), PRED_COUNTER, counters)
    };
    assert!(scan_change(&change_of(&preds(2, run(2, &[0]), run(2, &[1]))), &Limits::CHANGE).is_ok());
    assert!(matches!(refusal(&preds(2, run(1, &[0]), run(2, &[1]))), Malformed::Column { spec: PRED_ACTOR, .. }));
    assert!(matches!(refusal(&preds(2, run(2, &[0]), run(3, &[1]))), Malformed::Column { spec: PRED_COUNTER, .. }));
    assert!(matches!(refusal(&preds(2, run(2, &[1]), run(2, &[1]))), Malformed::Column { spec: PRED_ACTOR, .. }));
    assert_eq!(refusal(&preds(2, run(2, &[0]), run(2, &leb(-1)))), Malformed::Number("delta column"));
    assert_eq!(refusal(&preds(2, run(2, &[0]), run(2, &leb(1 << 30)))), Malformed::Number("delta column"));
}

#[test]
fn keys_must_be_utf8() {
    assert_eq!(refusal(&with(puts(1), KEY, run(1, &[1, 0xff]))), Malformed::Utf8);
}

#[test]
fn columns_of_later_versions_are_counted_like_known_ones() {
    let later = |data| with(puts(1), (40 << 4) | 2, data);
    assert!(scan_change(&change_of(&later(run(1, &[1]))), &Limits::CHANGE).is_ok());
    assert!(matches!(refusal(&later(run(1 << 50, &[1]))), Malformed::TooLarge { .. }));
}

#[test]
fn errors_say_what_is_wrong_and_nothing_of_the_record() {
    let limit = Limits::CHANGE.ops;
    let refused = Malformed::TooLarge { what: "operations", found: 2_000_000, limit };
    assert_eq!(refused.to_string(), "2000000 operations are more than the 20000 allowed");
    let secret = refusal(&with(puts(1), KEY, run(1, &[3, b's', b'e', 0xff])));
    assert_eq!(secret.to_string(), "a text is not UTF-8");
}

// Damage.

/// Overwrites, inserts and removes bytes.
fn damage(content: &[u8], edits: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut out = content.to_vec();
    for (at, value, kind) in edits {
        let at = at % (out.len() + 1);
        match kind % 4 {
            0 => out.insert(at, *value),
            1 if at < out.len() => drop(out.remove(at)),
            2 if at < out.len() => out[at] ^= 1 << (value % 8),
            _ if at < out.len() => out[at] = *value,
            _ => (),
        }
    }
    out
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    proptest::collection::vec(any::<(usize, u8, u8)>(), 1..5)
}

/// Tight, so that damage to a run's length can exceed them.
const TIGHT: Limits = Limits { ops: 2_000, changes: 500, ..Limits::DOCUMENT };

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_change_never_panics_and_stays_within_the_limits(index in any::<usize>(), edits in edits()) {
        thread_local!(static CHANGES: Vec<Vec<u8>> =
            sample().get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect());
        let damaged = CHANGES.with(|all| chunk(1, &damage(body(&all[index % all.len()]), &edits)));
        if let Ok(facts) = scan_change(&damaged, &TIGHT) {
            // Automerge may refuse or panic, but not find more than was counted.
            if let Ok(Ok(change)) = catch_unwind(AssertUnwindSafe(|| Change::from_bytes(damaged))) {
                prop_assert!(change.len() as u64 <= facts.ops && facts.ops <= TIGHT.ops);
                prop_assert_eq!(change.hash().0, facts.hash);
                prop_assert_eq!((change.seq(), change.start_op().get()), (facts.seq, facts.start_op));
                prop_assert_eq!((change.timestamp(), change.message()), (facts.time_ms, facts.message.as_deref()));
            }
        }
    }

    #[test]
    fn a_damaged_document_never_panics_and_stays_within_the_limits(edits in edits()) {
        thread_local!(static SAVED: Vec<u8> = sample().save_nocompress());
        let damaged = SAVED.with(|saved| chunk(0, &damage(body(saved), &edits)));
        if let Ok(facts) = scan_document(&damaged, &TIGHT) {
            let loaded = catch_unwind(AssertUnwindSafe(|| Automerge::load_unverified_heads(&damaged)));
            if let Ok(Ok(doc)) = loaded {
                let stats = doc.stats();
                prop_assert!(stats.num_ops <= facts.ops && facts.ops <= TIGHT.ops);
                prop_assert!(stats.num_changes <= facts.changes && facts.changes <= TIGHT.changes);
            }
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in 0..=1 {
            let framed = chunk(kind, &bytes);
            let _ = scan_change(&framed, &Limits::CHANGE);
            let _ = scan_document(&framed, &Limits::DOCUMENT);
        }
        let _ = scan_change(&bytes, &Limits::CHANGE);
        let _ = scan_document(&bytes, &Limits::DOCUMENT);
    }
}
