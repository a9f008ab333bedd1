//! Records as Automerge documents: the only code, beside the gate, that knows Automerge.
//!
//! The root map is flat: registers under their names, members and entries as `name/<entry>`. Nested maps would let
//! one of two devices that create the same record hide the other's entries. Text is the only container, and it comes
//! from a frozen skeleton change, so that every device makes the same text object.

mod actor;
mod envelope;
#[cfg(test)]
mod frozen;
mod history;
mod message;
mod read;
mod skeleton;
mod version;
mod write;

pub use actor::Actor;
pub(crate) use actor::MAX_LEVEL;
pub use automerge::ChangeHash;
pub(crate) use envelope::seal_compressed;
pub use envelope::{EnvelopeError, open_envelope, seal_envelope};
pub use history::{ChangeEntry, Effect, difference};
pub use message::{ActionId, Code, Message};
pub use read::MAX_CONCURRENT;
pub use read::{Candidate, Reading};
pub(crate) use read::{Counters, MAX_KEY};
pub use skeleton::Skeleton;
pub use version::Version;
pub(crate) use version::{hash_bytes, hashes};
pub(crate) use write::{Context, Rewritten, carried_over, shared};
pub use write::{KeyEdit, Written};

use automerge::Automerge;

use crate::error::{Error, Result};
use crate::record::Definition;

/// A record's document, opened.
#[derive(Clone)]
pub struct Document {
    definition: &'static Definition,
    am: Automerge,
}

impl Document {
    /// A document with nothing but its skeleton.
    ///
    /// # Errors
    /// When the skeleton cannot be made (a defect).
    pub fn new(definition: &'static Definition) -> Result<Self> {
        Ok(Self { definition, am: definition.skeleton.document()? })
    }

    /// Opens a document from its saved form (in an envelope). A document that Automerge panics on is an error.
    ///
    /// # Errors
    /// A text that says what is wrong, without data of the record.
    pub fn load(definition: &'static Definition, bytes: &[u8]) -> Result<Self, String> {
        let raw = open_envelope(bytes, crate::gate::Limits::DOCUMENT.bytes).map_err(|error| error.to_string())?;
        let loaded = std::panic::catch_unwind(|| Automerge::load(&raw));
        match loaded {
            Ok(Ok(am)) => Ok(Self { definition, am }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the document stopped the reader".to_owned()),
        }
    }

    /// The saved form in an envelope, without inner compression.
    pub fn save(&self) -> Vec<u8> {
        seal_envelope(&self.am.save_nocompress())
    }

    /// The definition it is read by.
    pub fn definition(&self) -> &'static Definition {
        self.definition
    }

    /// The hashes of the newest changes, sorted.
    pub fn heads(&self) -> Vec<ChangeHash> {
        let mut heads = self.am.get_heads();
        heads.sort();
        heads
    }

    /// Whether the change is in the document.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.am.get_change_meta_by_hash(hash).is_some()
    }

    /// The changes that are not in the history of `base`, oldest first, as raw chunks.
    pub fn changes_since(&self, base: &[ChangeHash]) -> Vec<(ChangeHash, Vec<u8>)> {
        self.am.get_changes(base).into_iter().map(|change| (change.hash(), change.raw_bytes().to_vec())).collect()
    }

    /// Adds changes that have passed the gate.
    ///
    /// # Errors
    /// When a chunk cannot be parsed or applied.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let mut parsed = Vec::new();
        for bytes in changes {
            let change = automerge::Change::from_bytes(bytes.to_vec());
            parsed.push(change.map_err(|error| Error::Internal(format!("change: {error}")))?);
        }
        self.am.apply_changes(parsed)?;
        Ok(())
    }

    /// The document as it was below some changes (raw chunks): with what they depend on and nothing else.
    ///
    /// # Errors
    /// When what is left cannot be applied (a defect).
    pub(crate) fn below(&self, changes: &[Vec<u8>]) -> Result<Self> {
        let parsed = changes.iter().filter_map(|bytes| automerge::Change::from_bytes(bytes.clone()).ok());
        let deps: Vec<ChangeHash> = parsed.flat_map(|change| change.deps().to_vec()).filter(|hash| self.contains(hash)).collect();
        if deps.is_empty() {
            return Self::new(self.definition);
        }
        Ok(Self { definition: self.definition, am: self.am.fork_at(&deps)? })
    }

    /// The document with the changes of `hashes` and all that descend from them left out.
    ///
    /// # Errors
    /// When what is left cannot be applied (a defect).
    pub fn without(&self, hashes: &[ChangeHash]) -> Result<Self> {
        let mut dropped: std::collections::HashSet<ChangeHash> = hashes.iter().copied().collect();
        let mut kept = Vec::new();
        for change in self.am.get_changes(&[]) {
            if dropped.contains(&change.hash()) || change.deps().iter().any(|dep| dropped.contains(dep)) {
                dropped.insert(change.hash());
            } else {
                kept.push(change);
            }
        }
        let mut am = Automerge::new();
        am.apply_changes(kept)?;
        Ok(Self { definition: self.definition, am })
    }

    /// Whether another document holds the same state: heads are compared, never bytes, since equal replicas may save
    /// to different bytes.
    pub fn same_as(&self, heads: &[ChangeHash]) -> bool {
        self.heads() == heads
    }
}
