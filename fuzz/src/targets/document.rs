//! A whole record from the server, or from a backup. The first byte is the kind and whether a frame with a good checksum is put
//! around the rest.

use roadbook_core::document::{ChangeHash, Document, seal_envelope};
use roadbook_core::gate::{Limits, admit, scan_change, scan_document};

use super::readable;
use crate::chunk;
use crate::parts::choice;
use crate::records::{ANNA, KINDS, put};

/// In the first byte: the rest is a chunk as it is.
pub const WHOLE: u8 = 0x80;

pub fn run(input: &[u8]) {
    let (first, rest) = choice(input);
    let raw = if first & WHOLE == 0 { chunk::framed(chunk::DOCUMENT, rest).0 } else { rest.to_vec() };
    // The same bytes where a change is due.
    let _ = scan_change(&raw, &Limits::CHANGE);
    let Ok(facts) = scan_document(&raw, &Limits::DOCUMENT) else { return };
    let definition = KINDS[usize::from(first & !WHOLE) % KINDS.len()].definition();
    let Ok(document) = Document::load(definition, &seal_envelope(&raw)) else { return };
    assert_eq!(document.heads(), facts.heads.into_iter().map(ChangeHash).collect::<Vec<_>>(), "the scan reads what is loaded");
    // What was loaded may hold anything: it can be read, and the gate says whether it may be used.
    let _ = document.read(None);
    let Ok(next) = std::panic::catch_unwind(|| put(&document, &ANNA, "x/size", "small")) else { return };
    if let Ok(passed) = admit(&document, &[&next], &|_| true) {
        readable::check(&passed.document);
    }
}
