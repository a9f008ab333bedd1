//! The gate: nothing from another device touches a live document before it has passed here, on the server and on
//! devices alike. Automerge panics on some input, and a change of a hundred bytes can unfold to millions of operations.
//!
//! The order is fixed: bounded scan of the bytes, identity of the author, causality, application to a scratch copy,
//! reading it, saving and loading it again. What fails is refused with a typed reason; what passes is a new document.

pub mod prescan;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use prescan::{ChangeFacts, DocumentFacts, Limits, Malformed, scan_change, scan_document};

use crate::document::{Actor, ChangeHash, Document, MAX_LEVEL, open_envelope};

/// Operation counters stay below this, far from where Automerge's own overflow.
const MAX_OP: u64 = 1 << 31;
/// A change may not begin further than this beyond the document's counters.
const MAX_OP_GAP: u64 = 1 << 16;

/// Why a change was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are no change within the limits.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The envelope cannot be opened.
    #[error("the envelope cannot be opened")]
    Envelope,
    /// The author is not the device that sent it, or no device at all.
    #[error("written by another device")]
    ForeignActor,
    /// Another change of the same author has the same number: two stores write as one device.
    #[error("two stores write as one device")]
    Clone,
    /// Changes that it depends on are missing.
    #[error("{} changes are missing", .0.len())]
    Missing(Vec<ChangeHash>),
    /// The author's change before it is missing, or its counters are out of range.
    #[error("the numbers of the change do not follow")]
    Numbers,
    /// It claims to be a skeleton and is not a pinned one.
    #[error("not a pinned skeleton")]
    Skeleton,
    /// A field does not hold a value of its type.
    #[error("the field {0} does not hold a value of its type")]
    FieldType(String),
    /// The document would be larger than it may be, or cannot be saved and loaded again.
    #[error("the document would not survive")]
    Document,
    /// The record belongs to another kind.
    #[error("the record is of another kind")]
    Kind,
    /// The record was erased, or the generation is not the present one.
    #[error("the record was erased")]
    Erased,
    /// More changes than a group may have, or a reference to nothing.
    #[error("the group is malformed")]
    Group,
    /// The person's role does not allow it.
    #[error("not allowed")]
    Forbidden,
}

impl Refused {
    /// The code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::TooLarge { .. }) => "too_large",
            Self::Malformed(_) | Self::Envelope | Self::Group => "malformed",
            Self::ForeignActor => "foreign_actor",
            Self::Clone => "clone",
            Self::Missing(_) => "missing",
            Self::Numbers => "numbers",
            Self::Skeleton => "skeleton",
            Self::FieldType(_) => "field_type",
            Self::Document => "document",
            Self::Kind => "kind",
            Self::Erased => "erased",
            Self::Forbidden => "forbidden",
        }
    }

    /// Whether the same bytes may pass later: the sender keeps them and tries again.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// A change that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its author.
    pub actor: Actor,
    /// The raw chunk.
    pub bytes: Vec<u8>,
}

/// What came out of the gate.
pub struct Passed {
    /// The document with the changes.
    pub document: Document,
    /// The document's saved form, in an envelope; what was loaded again.
    pub saved: Vec<u8>,
    /// The changes that are new to it, in order. Those it already had are left out.
    pub new: Vec<Admitted>,
}

/// Passes changes (in envelopes, each after those it depends on) through the gate onto a document, all or none.
/// `admits` decides about authors.
///
/// # Errors
/// [`Refused`] says why; the document is unchanged.
pub fn admit(document: &Document, changes: &[&[u8]], admits: &dyn Fn(Actor) -> bool) -> Result<Passed, Refused> {
    let mut scratch = document.clone();
    let mut new = Vec::new();
    let mut seen: HashSet<ChangeHash> = HashSet::new();
    for sealed in changes {
        let bytes = open_envelope(sealed, Limits::CHANGE.bytes).map_err(|_| Refused::Envelope)?;
        let facts = scan_change(&bytes, &Limits::CHANGE)?;
        let hash = ChangeHash(facts.hash);
        if document.contains(&hash) || !seen.insert(hash) {
            continue;
        }
        let actor = check_author(&facts, &scratch, admits)?;
        check_causality(&facts, &scratch)?;
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let mut next = scratch.clone();
            next.apply(std::slice::from_ref(&bytes)).map(|()| next)
        }));
        scratch = match applied {
            Ok(Ok(next)) if next.contains(&hash) => next,
            _ => return Err(Refused::Document),
        };
        new.push(Admitted { hash, actor, bytes });
    }
    if new.is_empty() {
        return Ok(Passed { saved: document.save(), document: scratch, new });
    }
    let verified = catch_unwind(AssertUnwindSafe(|| verify(&scratch))).map_err(|_| Refused::Document)?;
    let (document, saved) = verified?;
    Ok(Passed { document, saved, new })
}

fn check_author(facts: &ChangeFacts, document: &Document, admits: &dyn Fn(Actor) -> bool) -> Result<Actor, Refused> {
    let (actor, level) = Actor::parse(&facts.actor).ok_or(Refused::ForeignActor)?;
    if actor == Actor::SKELETON {
        let deps: Vec<ChangeHash> = facts.deps.iter().copied().map(ChangeHash).collect();
        let admitted = level == 0 && document.definition().skeleton.admits(&ChangeHash(facts.hash), &deps, document);
        return if admitted { Ok(actor) } else { Err(Refused::Skeleton) };
    }
    if level > MAX_LEVEL || !admits(actor) {
        return Err(Refused::ForeignActor);
    }
    Ok(actor)
}

fn check_causality(facts: &ChangeFacts, document: &Document) -> Result<(), Refused> {
    let missing: Vec<ChangeHash> = facts.deps.iter().copied().map(ChangeHash).filter(|dep| !document.contains(dep)).collect();
    if !missing.is_empty() {
        return Err(Refused::Missing(missing));
    }
    let (last_seq, max_op) = document.counters(&facts.actor);
    if facts.seq <= last_seq {
        return Err(Refused::Clone);
    }
    let end = facts.start_op.saturating_add(facts.ops);
    if facts.seq != last_seq + 1 || facts.start_op > max_op.saturating_add(MAX_OP_GAP) || end >= MAX_OP {
        return Err(Refused::Numbers);
    }
    Ok(())
}

/// Reads, saves, scans and loads a document: what comes back is what will be stored.
fn verify(document: &Document) -> Result<(Document, Vec<u8>), Refused> {
    if let Some(field) = document.broken_field() {
        return Err(Refused::FieldType(field));
    }
    let saved = document.save();
    let raw = open_envelope(&saved, Limits::DOCUMENT.bytes).map_err(|_| Refused::Document)?;
    scan_document(&raw, &Limits::DOCUMENT)?;
    let loaded = Document::load(document.definition(), &saved).map_err(|_| Refused::Document)?;
    if loaded.heads() != document.heads() {
        return Err(Refused::Document);
    }
    Ok((loaded, saved))
}
