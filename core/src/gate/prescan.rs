//! A bounded look at bytes from another device, before Automerge parses them.
//!
//! Automerge stores operations as columns of runs: a change of 111 bytes can claim two million
//! operations, and a running parse cannot be stopped. This scan counts what a chunk would expand to
//! without expanding it. It allocates no more than the limits allow, its time is linear in the
//! input's length, and it reads the facts that the gate decides on. What it accepts can still be
//! nonsense: only Automerge checks that operations fit together.
//!
//! Written from the Automerge binary document format,
//! <https://automerge.org/automerge-binary-format-spec/>, and what Automerge 0.12 writes. Numbers,
//! lists and the order of columns are taken only in the form it writes. Columns it does not know
//! are counted by their type and let pass, though it drops them and with them the change's hash.

use sha2::{Digest, Sha256};

mod columns;
#[cfg(test)]
mod tests;

use columns::{Bounds, Layout, MAX_COUNTER, Reader};
pub use columns::{MAX_TIME, within};

const MAGIC: &[u8] = &[0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const DEFLATED_CHANGE: u8 = 2;

/// The delta column with the times of a document's changes.
const TIMES: u32 = (2 << 4) | 3;

/// The column with what each operation does.
const ACTIONS: u32 = (4 << 4) | 2;

/// Lists inside rows (predecessors, successors, dependencies) may hold this many times the limit of
/// rows.
const ENTRIES_PER_ROW: u64 = 4;

/// Loading keeps a clock of every actor for every sixteenth change, so twelve kilobytes of empty
/// changes by thousands of actors take a hundred megabytes. Actors times changes may be this many
/// times the limit of changes.
const ACTORS_PER_CHANGE: u64 = 256;

/// What one change or one document may hold. Every limit is inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole chunk.
    pub bytes: usize,
    /// Operations. Lists of predecessors or successors together may hold four times as many
    /// entries.
    pub ops: u64,
    /// Bytes of values, keys and mark names, each counted once per operation that has it.
    pub value_bytes: u64,
    /// Changes that a change depends on, or heads of a document.
    pub deps: usize,
    /// Actors that a change refers to besides its own, or actors of a document.
    pub actors: usize,
    /// Bytes of the message of one change.
    pub message_bytes: usize,
    /// Changes of a document; unused for a change.
    pub changes: u64,
}

impl Limits {
    /// What one change may hold: far above any edit a person makes, and milliseconds to apply.
    pub const CHANGE: Limits =
        Limits { bytes: 256 * 1024, ops: 20_000, value_bytes: 256 * 1024, deps: 256, actors: 64, message_bytes: 256, changes: 1 };

    /// What one document may hold.
    pub const DOCUMENT: Limits = Limits {
        bytes: 3 * 1024 * 1024,
        ops: 200_000,
        value_bytes: 3 * 1024 * 1024,
        deps: 256,
        actors: 4096,
        message_bytes: 256,
        changes: 100_000,
    };
}

/// What a change says about itself. Only the hash is proven; the rest is its author's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFacts {
    /// SHA-256 of the chunk from its type on: the change's identity.
    pub hash: [u8; 32],
    /// The changes it builds on, ascending.
    pub deps: Vec<[u8; 32]>,
    /// Who made it.
    pub actor: Vec<u8>,
    /// The other actors whose operations it refers to, ascending.
    pub other_actors: Vec<Vec<u8>>,
    /// Its number among its actor's changes, from 1.
    pub seq: u64,
    /// The counter of its first operation, from 1. `start_op + ops` is below 2³¹.
    pub start_op: u64,
    /// Its operations.
    pub ops: u64,
    /// Those of its operations that delete: a document stores them as successors of what they delete.
    pub deletions: u64,
    /// When it says it was made: what the writer put there, milliseconds since 1970 by convention.
    pub time_ms: i64,
    /// Its message, if not empty.
    pub message: Option<String>,
    /// Bytes of values, keys and mark names, each counted once per operation that has it.
    pub value_bytes: u64,
}

/// What a document says about itself. Its heads are proven only by loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFacts {
    /// The changes that no other change builds on, ascending.
    pub heads: Vec<[u8; 32]>,
    /// Everyone who changed it, ascending.
    pub actors: Vec<Vec<u8>>,
    /// Its operations without deletions.
    pub ops: u64,
    /// Its changes.
    pub changes: u64,
    /// Bytes of values, keys, mark names and messages, each counted once per operation or change
    /// that has it.
    pub value_bytes: u64,
}

/// Why bytes were refused before Automerge saw them. The texts hold nothing of the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The bytes end inside the chunk, or a column ends inside a value.
    #[error("the data ends too early")]
    Truncated,
    /// Something follows the chunk.
    #[error("there is data after the end of the chunk")]
    TrailingBytes,
    /// The bytes do not start as a chunk does.
    #[error("this is not an Automerge chunk")]
    Magic,
    /// A chunk, but not of the kind that is due here.
    #[error("a chunk of type {found} is not due here")]
    ChunkType {
        /// The type byte.
        found: u8,
    },
    /// The declared checksum is not that of the content.
    #[error("the checksum does not match the content")]
    Checksum,
    /// A deflated chunk or column: its size is unknown until it is inflated.
    #[error("deflated data is not accepted")]
    Compressed,
    /// More than the limits allow.
    #[error("{found} {what} are more than the {limit} allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much was claimed.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// A number in a form that Automerge does not write, or outside its range.
    #[error("the {0} is not a valid number")]
    Number(&'static str),
    /// A column that contradicts its type or its neighbours.
    #[error("column {spec} is wrong: {reason}")]
    Column {
        /// The column's specification.
        spec: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// Entries that must ascend without repeats do not.
    #[error("the {0} are not in ascending order")]
    Order(&'static str),
    /// Data beyond the operations, such as a self-declared author.
    #[error("extra data in a change is not accepted")]
    Extra,
}

/// Reads the facts of one change, an uncompressed change chunk and nothing after it.
///
/// # Errors
/// [`Malformed`] if the bytes are anything else, or above `limits`.
pub fn scan_change(bytes: &[u8], limits: &Limits) -> Result<ChangeFacts, Malformed> {
    let (hash, mut reader) = open(bytes, CHANGE, limits)?;
    let reader = &mut reader;
    let deps = hashes(reader, "dependencies", limits.deps)?;
    let actor = reader.bytes("actor length")?.to_vec();
    let seq = counter(reader, "sequence number")?;
    let start_op = counter(reader, "first operation's counter")?;
    let time_ms = columns::time(reader.signed("time")?)?;
    let message = reader.bytes("message length")?;
    within("message bytes", message.len() as u64, limits.message_bytes as u64)?;
    let message = std::str::from_utf8(message).map_err(|_| Malformed::Utf8)?;
    let other_actors = actors(reader, limits.actors)?;
    let ops = Layout::read(reader)?.count(reader, &op_bounds(limits, other_actors.len() as u64 + 1))?;
    if !reader.is_empty() {
        return Err(Malformed::Extra);
    }
    within("operation counters", start_op.saturating_add(ops.rows), MAX_COUNTER)?;
    Ok(ChangeFacts {
        hash,
        deps,
        actor,
        other_actors,
        seq,
        start_op,
        ops: ops.rows,
        deletions: ops.deletions,
        time_ms,
        message: (!message.is_empty()).then(|| message.to_owned()),
        value_bytes: ops.value_bytes,
    })
}

/// Reads the facts of one document (a snapshot), saved without compression and with nothing after
/// it.
///
/// # Errors
/// [`Malformed`] if the bytes are anything else, or above `limits`.
pub fn scan_document(bytes: &[u8], limits: &Limits) -> Result<DocumentFacts, Malformed> {
    let (_, mut reader) = open(bytes, DOCUMENT, limits)?;
    let reader = &mut reader;
    let actors = actors(reader, limits.actors)?;
    let heads = hashes(reader, "heads", limits.deps)?;
    let change_layout = Layout::read(reader)?;
    let op_layout = Layout::read(reader)?;
    let changes = change_layout.count(
        reader,
        &Bounds {
            what: "changes",
            rows: limits.changes,
            grouped: limits.changes.saturating_mul(ENTRIES_PER_ROW),
            value_bytes: limits.value_bytes,
            text_bytes: limits.message_bytes as u64,
            actors: actors.len() as u64,
            times: Some(TIMES),
            actions: None,
        },
    )?;
    within(
        "actors times changes",
        changes.rows.saturating_mul(actors.len() as u64),
        limits.changes.saturating_mul(ACTORS_PER_CHANGE),
    )?;
    // The only values that a change has in a document are its extra bytes.
    if changes.raw_bytes > 0 {
        return Err(Malformed::Extra);
    }
    let ops = op_layout.count(reader, &op_bounds(limits, actors.len() as u64))?;
    let value_bytes = changes.value_bytes.saturating_add(ops.value_bytes);
    within("value bytes", value_bytes, limits.value_bytes)?;
    for _ in &heads {
        if reader.unsigned("head index")? >= changes.rows {
            return Err(Malformed::Number("head index"));
        }
    }
    if !reader.is_empty() {
        return Err(Malformed::Extra);
    }
    Ok(DocumentFacts { heads, actors, ops: ops.rows, changes: changes.rows, value_bytes })
}

fn op_bounds(limits: &Limits, actors: u64) -> Bounds {
    Bounds {
        what: "operations",
        rows: limits.ops,
        grouped: limits.ops.saturating_mul(ENTRIES_PER_ROW),
        value_bytes: limits.value_bytes,
        text_bytes: limits.value_bytes,
        actors,
        times: None,
        actions: Some(ACTIONS),
    }
}

/// Checks the chunk's frame and returns its hash and its content.
fn open<'a>(bytes: &'a [u8], kind: u8, limits: &Limits) -> Result<([u8; 32], Reader<'a>), Malformed> {
    within("bytes", bytes.len() as u64, limits.bytes as u64)?;
    let mut reader = Reader(bytes);
    if reader.take(4)? != MAGIC {
        return Err(Malformed::Magic);
    }
    let checksum = reader.take(4)?;
    // Because the length has one form only, what Automerge hashes is exactly the rest of the input.
    let hashed = reader.0;
    match reader.byte()? {
        found if found == kind => (),
        DEFLATED_CHANGE => return Err(Malformed::Compressed),
        found => return Err(Malformed::ChunkType { found }),
    }
    let length = reader.unsigned("chunk length")?;
    let present = reader.0.len() as u64;
    if present < length {
        return Err(Malformed::Truncated);
    }
    if present > length {
        return Err(Malformed::TrailingBytes);
    }
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if !hash.starts_with(checksum) {
        return Err(Malformed::Checksum);
    }
    Ok((hash, reader))
}

fn counter(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, Malformed> {
    match reader.unsigned(what)? {
        0 => Err(Malformed::Number(what)),
        found => within(what, found, MAX_COUNTER).map(|()| found),
    }
}

fn hashes(reader: &mut Reader<'_>, what: &'static str, limit: usize) -> Result<Vec<[u8; 32]>, Malformed> {
    ascending(reader, what, limit, Reader::hash)
}

fn actors(reader: &mut Reader<'_>, limit: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    ascending(reader, "actors", limit, |reader| Ok(reader.bytes("actor length")?.to_vec()))
}

/// A counted list. Automerge looks its entries up by bisection or compares them in order.
fn ascending<'a, T: Ord>(
    reader: &mut Reader<'a>,
    what: &'static str,
    limit: usize,
    mut entry: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.unsigned(what)?;
    within(what, count, limit as u64)?;
    let mut entries: Vec<T> = Vec::new();
    for _ in 0..count {
        let next = entry(reader)?;
        if entries.last().is_some_and(|last| *last >= next) {
            return Err(Malformed::Order(what));
        }
        entries.push(next);
    }
    Ok(entries)
}
