//! Changes from another device, onto a record in use. The first byte is the kind; each part is a change
//! ([`crate::changes`]). What passes is read, shown, saved and loaded; two groups that pass alone are merged in both orders.

use roadbook_core::document::Document;
use roadbook_core::gate::{Passed, admit_within};
use roadbook_core::sync::wire::MAX_GROUP_OPS;

use super::readable;
use crate::changes;
use crate::parts::{choice, split};
use crate::records::{KINDS, in_use};

/// How many groups of an input pass, so that it can be told whether good inputs are still good.
pub fn passing(input: &[u8]) -> usize {
    alone(input).into_iter().flatten().count()
}

/// The two groups of an input, as far as they pass alone.
fn alone(input: &[u8]) -> [Option<Passed>; 2] {
    let (kind, rest) = choice(input);
    let document = in_use(KINDS[usize::from(kind) % KINDS.len()]);
    changes::groups(document, &split(rest)).map(|group| admitted(document, &group))
}

pub fn run(input: &[u8]) {
    let [first, second] = alone(input);
    for passed in [&first, &second].into_iter().flatten() {
        readable::check(&passed.document);
    }
    if let (Some(first), Some(second)) = (first, second) {
        let one = merged(&first, &second);
        let other = merged(&second, &first);
        assert_eq!(one.is_some(), other.is_some(), "what can be merged can be merged in any order");
        if let (Some(one), Some(other)) = (one, other) {
            readable::check(&one.document);
            assert_eq!(one.document.heads(), other.document.heads());
            let (one, other) = (one.document.read(None), other.document.read(None));
            assert_eq!((one.values, one.disputed), (other.values, other.disputed), "the order of merging makes no difference");
        }
    }
}

fn admitted(document: &Document, changes: &[Vec<u8>]) -> Option<Passed> {
    let changes: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
    admit_within(document, &changes, &|_| true, MAX_GROUP_OPS).ok().filter(|passed| !passed.new.is_empty())
}

fn merged(one: &Passed, other: &Passed) -> Option<Passed> {
    let changes: Vec<Vec<u8>> = other.new.iter().map(|change| roadbook_core::document::seal_envelope(&change.bytes)).collect();
    admitted(&one.document, &changes)
}
