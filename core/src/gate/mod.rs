//! The gate: nothing from another device touches a live document before it has passed here, on the server and on
//! devices alike. Automerge panics on some input, and a change of a hundred bytes can unfold to millions of operations.
//!
//! The order is fixed: bounded scan of the bytes, identity of the author, causality, application to a scratch copy,
//! reading it, saving and loading it again. What fails is refused with a typed reason; what passes is a new document.

pub mod prescan;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use prescan::{ChangeFacts, DocumentFacts, Limits, MAX_TIME, Malformed, scan_change, scan_document, within};

use crate::document::{Actor, ChangeHash, Counters, Document, EnvelopeError, MAX_LEVEL, open_envelope};

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
    #[error("the envelope cannot be opened: {0}")]
    Envelope(#[from] EnvelopeError),
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
    /// A field does not hold a value of its type, or more of them at once than people can disagree about.
    #[error("the field {0} holds what it cannot")]
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
            Self::Malformed(Malformed::TooLarge { .. }) | Self::Envelope(EnvelopeError::TooLarge(_)) => "too_large",
            Self::Malformed(_) | Self::Envelope(_) | Self::Group => "malformed",
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
/// `admits` decides about authors. Everything that can be known without applying a change is checked first, so that a
/// bad group costs no more than a scan of its bytes.
///
/// # Errors
/// [`Refused`] says why; the document is unchanged.
pub fn admit(document: &Document, changes: &[&[u8]], admits: &dyn Fn(Actor) -> bool) -> Result<Passed, Refused> {
    admit_within(document, changes, admits, Limits::DOCUMENT.ops)
}

/// As [`admit`], with at most `max_ops` operations in all changes together.
///
/// # Errors
/// As [`admit`].
pub fn admit_within(
    document: &Document,
    changes: &[&[u8]],
    admits: &dyn Fn(Actor) -> bool,
    max_ops: u64,
) -> Result<Passed, Refused> {
    let mut group = Group { document, admits, counters: None, authors: HashMap::new(), ops: 0, deletions: 0, max_ops };
    let mut new: Vec<Admitted> = Vec::new();
    // Automerge's memory grows with what it is given at once: the changes go in by steps of about one large change.
    let mut steps = vec![0];
    let mut step_ops = 0;
    for sealed in changes {
        let bytes = open_envelope(sealed, Limits::CHANGE.bytes)?;
        let facts = scan_change(&bytes, &Limits::CHANGE)?;
        let hash = ChangeHash(facts.hash);
        if document.contains(&hash) || group.authors.contains_key(&hash) {
            continue;
        }
        let actor = group.take(&facts)?;
        step_ops += facts.ops;
        if step_ops > Limits::CHANGE.ops {
            steps.push(new.len());
            step_ops = facts.ops;
        }
        new.push(Admitted { hash, actor, bytes });
    }
    if new.is_empty() {
        return Ok(Passed { saved: document.save(), document: document.clone(), new });
    }
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let mut scratch = document.clone();
        let ends = steps.iter().skip(1).copied().chain([new.len()]);
        for (start, end) in steps.iter().copied().zip(ends) {
            let step = new.get(start..end).unwrap_or_default().iter().map(|change| change.bytes.as_slice());
            scratch.apply(step).map_err(|_| Refused::Document)?;
        }
        if new.iter().all(|change| scratch.contains(&change.hash)) { verify(&scratch) } else { Err(Refused::Document) }
    }));
    let (document, saved) = applied.map_err(|_| Refused::Document)??;
    Ok(Passed { document, saved, new })
}

/// A group on its way through the gate: what its changes, taken one after the other, make of the document's numbers.
struct Group<'a> {
    document: &'a Document,
    admits: &'a dyn Fn(Actor) -> bool,
    /// Of the document with the changes so far; counted when the first change needs them.
    counters: Option<Counters>,
    /// The changes so far.
    authors: HashMap<ChangeHash, Actor>,
    ops: u64,
    deletions: u64,
    max_ops: u64,
}

impl Group<'_> {
    /// Checks a change against the document and the changes before it.
    fn take(&mut self, facts: &ChangeFacts) -> Result<Actor, Refused> {
        let hash = ChangeHash(facts.hash);
        let deps: Vec<ChangeHash> = facts.deps.iter().copied().map(ChangeHash).collect();
        let actor = self.check_author(facts, &hash, &deps)?;
        let missing: Vec<ChangeHash> =
            deps.into_iter().filter(|dep| !self.authors.contains_key(dep) && !self.document.contains(dep)).collect();
        if !missing.is_empty() {
            return Err(Refused::Missing(missing));
        }
        self.check_numbers(facts)?;
        self.ops = self.ops.saturating_add(facts.ops);
        within("operations of a group", self.ops, self.max_ops)?;
        self.deletions = self.deletions.saturating_add(facts.deletions);
        let kept = self.ops.saturating_sub(self.deletions);
        within("operations of the record", self.document.ops().saturating_add(kept), Limits::DOCUMENT.ops)?;
        self.authors.insert(hash, actor);
        Ok(actor)
    }

    fn check_author(&self, facts: &ChangeFacts, hash: &ChangeHash, deps: &[ChangeHash]) -> Result<Actor, Refused> {
        let (actor, level) = Actor::parse(&facts.actor).ok_or(Refused::ForeignActor)?;
        if actor == Actor::SKELETON {
            let skeletons = |dep: &ChangeHash| match self.authors.get(dep) {
                Some(author) => *author == Actor::SKELETON,
                None => self.document.is_by_skeleton(dep),
            };
            let admitted = level == 0 && self.document.definition().skeleton.admits(hash, deps.iter().all(skeletons));
            return if admitted { Ok(actor) } else { Err(Refused::Skeleton) };
        }
        if level > MAX_LEVEL || !(self.admits)(actor) {
            return Err(Refused::ForeignActor);
        }
        Ok(actor)
    }

    fn check_numbers(&mut self, facts: &ChangeFacts) -> Result<(), Refused> {
        let document = self.document;
        let counters = self.counters.get_or_insert_with(|| document.counters());
        let last_seq = counters.last_seq.get(&facts.actor).copied().unwrap_or(0);
        if facts.seq <= last_seq {
            return Err(Refused::Clone);
        }
        let end = facts.start_op.saturating_add(facts.ops);
        if facts.seq != last_seq + 1 || facts.start_op > counters.max_op.saturating_add(MAX_OP_GAP) || end >= MAX_OP {
            return Err(Refused::Numbers);
        }
        counters.last_seq.insert(facts.actor.clone(), facts.seq);
        counters.max_op = counters.max_op.max(end.saturating_sub(1));
        Ok(())
    }
}

/// Reads, saves, scans and loads a document: what comes back is what will be stored.
fn verify(document: &Document) -> Result<(Document, Vec<u8>), Refused> {
    if let Some(field) = document.broken_field() {
        return Err(Refused::FieldType(field));
    }
    if !document.is_of_its_kind() {
        return Err(Refused::Kind);
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
