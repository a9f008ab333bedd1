//! The frozen changes in which every document of a kind begins.
//!
//! They hold the kind and make the text objects. All devices start from the same bytes, so that two that create the
//! same record edit the same text. A text that a later release adds is one more change here, never an edit of an
//! old one; the hashes are pinned, and the gate admits the skeleton's actor with these hashes only.

use std::sync::OnceLock;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ChangeHash, ObjType, ROOT};

use super::{Actor, Document};
use crate::error::{Error, Result};

/// The frozen beginning of the documents of one kind.
pub struct Skeleton {
    /// The kind's name, stored under `kind`.
    pub kind: &'static str,
    /// The names of the text fields that each pinned change makes.
    pub texts: &'static [&'static [&'static str]],
    /// The hash of each pinned change, in hexadecimal.
    pub hashes: &'static [&'static str],
    /// Made on first use.
    pub made: OnceLock<Option<Automerge>>,
}

impl Skeleton {
    /// Of a kind that this release does not know: what its first changes are is not known either.
    pub const fn unknown() -> Self {
        Self::new("", &[], &[])
    }

    /// Whether a change of `document` is of its skeleton: a pinned one, or for an unknown kind one by the skeleton's actor.
    pub(super) fn has(&self, change: &ChangeHash, document: &Document) -> bool {
        if self.is_known() { self.pinned().contains(change) } else { document.is_by_skeleton(change) }
    }

    /// Whether a change by the skeleton's actor may come to stand in a document: a pinned one, or for an unknown kind one
    /// that follows nobody else's (`first`).
    pub(crate) fn admits(&self, change: &ChangeHash, first: bool) -> bool {
        if self.is_known() { self.pinned().contains(change) } else { first }
    }

    fn is_known(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// A skeleton whose changes make these texts and have these hashes.
    pub const fn new(kind: &'static str, texts: &'static [&'static [&'static str]], hashes: &'static [&'static str]) -> Self {
        Self { kind, texts, hashes, made: OnceLock::new() }
    }

    /// The hashes of the pinned changes.
    pub fn pinned(&self) -> Vec<ChangeHash> {
        self.hashes.iter().filter_map(|hash| hash.parse().ok()).collect()
    }

    /// The heads of a document that holds nothing but its skeleton.
    pub fn last(&self) -> Vec<ChangeHash> {
        self.pinned().into_iter().next_back().into_iter().collect()
    }

    pub(super) fn document(&self) -> Result<Automerge> {
        let made = self.made.get_or_init(|| self.make().ok());
        made.clone().ok_or_else(|| Error::Internal(format!("the skeleton of {} is not the pinned one", self.kind)))
    }

    fn make(&self) -> Result<Automerge> {
        let mut am = Automerge::new().with_actor(Actor::SKELETON.automerge());
        for (at, (texts, pinned)) in self.texts.iter().zip(self.hashes).enumerate() {
            let mut tx = am.transaction();
            if at == 0 {
                tx.put(ROOT, "kind", self.kind)?;
            }
            for text in *texts {
                tx.put_object(ROOT, *text, ObjType::Text)?;
            }
            let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
            let made = hash.map(|hash| hash.to_string()).unwrap_or_default();
            if made != *pinned {
                return Err(Error::Internal(format!("skeleton change {at} of {} has the hash {made}", self.kind)));
            }
        }
        // A clone with the skeleton's actor would write as it: every writer sets its own.
        Ok(am.with_actor(automerge::ActorId::from([0xff; 16].as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use crate::document::Document;
    use crate::record::Kind;

    #[test]
    fn the_skeletons_are_the_pinned_ones() {
        for kind in Kind::ALL {
            let skeleton = kind.definition().skeleton;
            skeleton.make().unwrap();
            let document = Document::new(kind.definition()).unwrap();
            assert_eq!(document.heads(), [*skeleton.pinned().last().unwrap()]);
        }
    }
}
