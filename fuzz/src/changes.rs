//! Changes made of parts of an input: the part says who writes on what and holds what is written; the rest (hashes of
//! the past, numbers, frame, checksum) is put around it as it must be, or wrong in a way that the part asks for.

use std::collections::HashMap;

use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::gate::{Limits, scan_change};

use crate::chunk;
use crate::parts::choice;
use crate::records::{ANNA, BORIS, DERIVED};

/// In a part's first byte: the rest is a change as it is, in its envelope.
pub const WHOLE: u8 = 0x80;
/// In a part's first byte: the change begins another group.
pub const NEXT_GROUP: u8 = 0x40;

/// Writes changes on a document, one after the other.
#[derive(Clone)]
pub struct Writer {
    start: Vec<[u8; 32]>,
    heads: Vec<[u8; 32]>,
    last_seq: HashMap<Vec<u8>, u64>,
    max_op: u64,
}

impl Writer {
    /// A writer that goes on from a document.
    pub fn on(document: &Document) -> Self {
        let heads: Vec<[u8; 32]> = document.heads().iter().map(|hash| hash.0).collect();
        let mut writer = Self { start: heads.clone(), heads, last_seq: HashMap::new(), max_op: 0 };
        for (_, raw) in document.changes_since(&[]) {
            writer.count(&raw);
        }
        writer
    }

    fn count(&mut self, raw: &[u8]) {
        let Ok(facts) = scan_change(raw, &Limits::CHANGE) else { return };
        self.max_op = self.max_op.max(facts.start_op + facts.ops - 1);
        self.last_seq.insert(facts.actor, facts.seq);
    }

    /// The change that a part asks for, in its envelope.
    pub fn change(&mut self, part: &[u8]) -> Vec<u8> {
        let (first, rest) = choice(part);
        if first & WHOLE != 0 {
            return rest.to_vec();
        }
        let actor: Vec<u8> = match first & 3 {
            0 => ANNA.to_vec(),
            1 => BORIS.to_vec(),
            2 => [&DERIVED[..], &ANNA].concat(),
            _ => vec![0; 16],
        };
        let deps = match (first >> 2) & 3 {
            0 => self.heads.clone(),
            1 => self.start.clone(),
            2 => Vec::new(),
            _ => vec![[7; 32]],
        };
        let last = self.last_seq.get(&actor).copied().unwrap_or(0);
        let (seq, start_op) = match (first >> 4) & 3 {
            0 => (last + 1, self.max_op + 1),
            1 => (last.max(1), self.max_op + 1),
            2 => (last + 1, self.max_op + (1 << 16)),
            _ => (last + 1, (1 << 31) - 2),
        };
        let mut content = chunk::uleb(deps.len() as u64);
        content.extend(deps.iter().flatten());
        content.extend(chunk::uleb(actor.len() as u64));
        content.extend(&actor);
        content.extend(chunk::uleb(seq));
        content.extend(chunk::uleb(start_op));
        content.extend_from_slice(rest);
        let (raw, hash) = chunk::framed(chunk::CHANGE, &content);
        self.count(&raw);
        self.heads.retain(|head| !deps.contains(head));
        self.heads.push(hash);
        self.heads.sort_unstable();
        seal_envelope(&raw)
    }
}

/// The changes of two groups, each written on the document alone.
pub fn groups(document: &Document, parts: &[&[u8]]) -> [Vec<Vec<u8>>; 2] {
    let mut groups = [Vec::new(), Vec::new()];
    let mut writers = [Writer::on(document), Writer::on(document)];
    let mut at = 0;
    for part in parts {
        if at == 0 && part.first().is_some_and(|first| first & (NEXT_GROUP | WHOLE) == NEXT_GROUP) {
            at = 1;
        }
        groups[at].push(writers[at].change(part));
    }
    groups
}
