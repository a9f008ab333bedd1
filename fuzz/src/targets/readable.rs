//! What must hold of every document that is let in: everybody can read it, show it, save it and load it.

use roadbook_core::document::{Document, difference, open_envelope};
use roadbook_core::gate::{Limits, scan_document};
use roadbook_core::id::RecordId;
use roadbook_core::record::{Kind, Record, Values, decode_row, encode_row};
use roadbook_core::records::{Contact, Deal, TaskItem};
use roadbook_core::search::{SearchText, sort_key};

/// So many changes of a history are looked at.
const HISTORY: usize = 8;

/// Reads, shows, saves and loads a document.
pub fn check(document: &Document) {
    let definition = document.definition();
    let reading = document.read(None);
    shown(&reading.values);
    for key in &reading.disputed {
        let (name, entry) = key.split_once('/').unwrap_or((key, ""));
        let field = definition.field(name).expect("a disputed key is of a field");
        let candidates = document.candidates(field, entry, None);
        assert!(candidates.len() > 1, "a dispute has two sides");
        for candidate in candidates {
            let _ = field.display(entry, &candidate.scalar);
        }
    }
    let history = document.changes();
    for entry in history.iter().rev().take(HISTORY) {
        let (before, after) = document.around(entry);
        let _ = difference(&before, &after);
    }
    if let Some(last) = history.last() {
        shown(&document.without(&[last.hash]).expect("the rest of a record stands by itself").read(None).values);
    }

    let saved = document.save();
    let raw = open_envelope(&saved, Limits::DOCUMENT.bytes).expect("its size was checked");
    scan_document(&raw, &Limits::DOCUMENT).expect("what is saved passes the scan");
    let loaded = Document::load(definition, &saved).expect("what is saved can be loaded");
    assert_eq!(loaded.heads(), document.heads());
    let again = loaded.read(None);
    assert_eq!((again.values, again.disputed), (reading.values, reading.disputed), "loading changes nothing");
}

/// Shows values as rows, lists, search and apps do.
fn shown(values: &Values) {
    let definition = values.definition();
    let row = encode_row(values);
    let decoded = decode_row(definition, &row).expect("a row that was encoded can be decoded");
    assert_eq!(encode_row(&decoded), row, "a row survives its journey");
    let _ = SearchText::of(values).columns();
    let _ = sort_key(&(definition.sort)(values));
    let _ = ((definition.headline)(values), (definition.rules)(values), values.to_json());
    match definition.kind {
        Kind::Contact => form::<Contact>(values),
        Kind::Deal => form::<Deal>(values),
        Kind::Task => form::<TaskItem>(values),
        Kind::Unknown => {}
    }
}

/// A form that an app was given and saves unchanged says the same again.
fn form<R: Record>(values: &Values) {
    let normal = (R::DEFINITION.normalize)(values);
    let record = R::from_values(RecordId::default(), String::new(), values);
    assert_eq!(record.to_values(), normal, "a form holds what the record can show");
    assert_eq!((R::DEFINITION.normalize)(&normal), normal, "what is normal stays as it is");
}
