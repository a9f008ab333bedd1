//! What users were told: every edit carries a word that nothing else carries, so that it can be found again wherever it went.

use std::collections::{BTreeMap, BTreeSet};

use roadbook_core::document::Document;
use roadbook_core::id::RecordId;
use roadbook_core::record::{FieldValue, Kind};

/// The beginning of every word; the number of its workspace follows.
const MARK: &str = "wksp";

/// The lineage of the scripted peer: it has no store.
pub const PEER: usize = 90;

/// What an edit can still come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It must be on the server in the end, or visibly refused.
    Kept,
    /// Its only copy was lost with a disk, as nobody promised otherwise.
    MayBeLost,
    /// Its user gave it up.
    Discarded,
}

/// One word of one edit that a user was told is kept.
#[derive(Debug, Clone)]
pub struct Token {
    /// The word.
    pub text: String,
    /// The store that wrote it, and which life of it.
    pub store: usize,
    /// How often that store had become another one when it wrote.
    pub life: u32,
    /// The workspace.
    pub ws: usize,
    /// The record.
    pub record: RecordId,
    /// What may become of it.
    pub fate: Fate,
}

/// What was promised.
#[derive(Debug, Default)]
pub struct Model {
    /// The edits that were kept, oldest first.
    pub tokens: Vec<Token>,
    next: u64,
    /// Lineages of which there were two stores, or one store twice.
    pub forked: BTreeSet<usize>,
    /// Records of each workspace of which the server lost what its author cannot send again.
    pub stranded: [BTreeSet<RecordId>; 2],
    /// Records that somebody erased: the words that were written into them before, and the first generation without them.
    pub erased: BTreeMap<RecordId, BTreeMap<String, u32>>,
    /// Words of an unknown field: record, key, the last word.
    pub unknown: BTreeMap<RecordId, String>,
}

/// The generation and the heads of each record.
pub type Heads = BTreeMap<RecordId, (u32, Vec<u8>)>;

/// The generations of the records that were erased.
pub fn erased(heads: Heads) -> BTreeMap<RecordId, u32> {
    heads.into_iter().map(|(id, (generation, _))| (id, generation)).filter(|(_, generation)| *generation > 0).collect()
}

/// The documents of a workspace on the server: kind and bytes.
pub type Documents = BTreeMap<RecordId, (u16, Vec<u8>)>;

impl Token {
    /// Whether a record's history on the server has the word.
    pub fn is_in(&self, documents: &Documents) -> bool {
        let Some((kind, bytes)) = documents.get(&self.record) else { return false };
        holds(bytes, &self.text) || self.was_in_text(*kind, bytes)
    }

    /// A text is written letter by letter: one that replaces a similar one shares letters with it, and neither stands in
    /// the document in one piece.
    fn was_in_text(&self, kind: u16, bytes: &[u8]) -> bool {
        let definition = Kind::from_code(kind).map(Kind::definition);
        let Some(document) = definition.and_then(|definition| Document::load(definition, bytes).ok()) else { return false };
        let shows = |value: Option<&FieldValue>| matches!(value, Some(FieldValue::Text(text)) if text.contains(&self.text));
        shows(document.read(None).values.get("notes"))
            || document.changes().iter().any(|change| shows(document.around(change).1.get("notes")))
    }
}

/// The mark of a workspace's words.
pub fn mark(ws: usize) -> String {
    format!("{MARK}{ws}s")
}

impl Model {
    /// Notes that a record is erased by a generation: what was promised of it ends, and what was written until now must go
    /// where that generation stands, but for what `stays`.
    pub fn erase(&mut self, ws: usize, record: RecordId, generation: u32, stays: impl Fn(&str) -> bool) {
        let words = self.tokens.iter().filter(|token| (token.ws, token.record) == (ws, record) && token.text.starts_with('w'));
        let words = words.map(|token| token.text.clone()).filter(|word| !stays(word));
        let erased = self.erased.entry(record).or_default();
        for word in words {
            erased.entry(word).or_insert(generation);
        }
    }

    /// A new word of an edit.
    pub fn word(&mut self, ws: usize, lineage: usize) -> String {
        self.next += 1;
        format!("{}{lineage}n{}z", mark(ws), self.next)
    }
}

/// The words in a text.
pub fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(end) = rest.find('z') {
            found.extend(rest.get(..=end));
        }
    }
    found
}

/// The lineage that wrote a word.
pub fn lineage(word: &str) -> Option<usize> {
    word.strip_prefix(MARK)?.get(2..)?.split_once('n')?.0.parse().ok()
}

/// Whether bytes hold a text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let Some(first) = text.first() else { return true };
    bytes.windows(text.len()).any(|window| window.first() == Some(first) && window == text)
}
