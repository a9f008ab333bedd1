//! The gate over the groups of one request: first each is judged against the records as they stand, without a lock;
//! then what was accepted is written in one transaction, after a look whether the records still stand there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use roadbook_core::access::Member;
use roadbook_core::document::{Actor, Document, seal_envelope};
use roadbook_core::fault::{Plant, planted};
use roadbook_core::gate::{self, Admitted, Passed, Refused, within};
use roadbook_core::id::{RecordId, UserId};
use roadbook_core::record::{Kind, encode_row};
use roadbook_core::sync::wire::{LATER, MAX_GROUP, MAX_GROUP_OPS, Outcome, PushDoc, PushGroup, SyncRequest, Verdict};
use sha2::{Digest as _, Sha256};

use super::cursor;
use crate::error::{Error, Result};
use crate::store::{ChangeWrite, Commit, DeviceId, DocHead, DocWrite, StoredVerdict, View};

/// What the records of one request may weigh together: each is held open until the request is answered.
const MAX_OPENED: u64 = 1_000_000;
/// What the records of one request may weigh, each counted for every group that touches it: a group costs the gate the whole
/// record. The simulator's records are small.
const MAX_JUDGED: u64 = if cfg!(feature = "planted") { 1_000 } else { 5_000_000 };

/// A generation beyond this is no erasure but a mistake: it would leave no room for later ones.
const MAX_GENERATION: u32 = 1 << 16;

/// What a request's groups came to.
#[derive(Default)]
pub(super) struct Judged {
    /// Who asks, and what they might do then.
    member: Option<Member>,
    /// A verdict for each group, in order.
    pub verdicts: Vec<Verdict>,
    /// The workspace's last number when it was read.
    seq: u64,
    /// Records as they were read.
    read: HashMap<RecordId, Option<DocHead>>,
    /// Actors as they were read.
    actors: HashMap<Actor, Option<DeviceId>>,
    /// Actors that the device wrote as for the first time.
    new_actors: Vec<Actor>,
    /// The changes of each accepted group that has new ones.
    accepted: Vec<Vec<ChangeWrite>>,
    /// The records that they make; the numbers are counted from the first accepted group.
    docs: Vec<DocWrite>,
    /// Verdicts to keep.
    kept: Vec<(Vec<u8>, StoredVerdict)>,
}

impl Judged {
    /// Whether there is anything to write.
    pub fn writes(&self) -> bool {
        !self.accepted.is_empty() || !self.kept.is_empty()
    }

    /// How many changes are new.
    pub fn changes(&self) -> usize {
        self.accepted.iter().map(Vec::len).sum()
    }

    /// Whether nothing that the judgement rests on has changed since.
    pub fn still_holds(&self, view: &dyn View, device: DeviceId) -> Result<bool> {
        if Some(member(view, device)?) != self.member {
            return Ok(false);
        }
        if view.workspace()?.seq == self.seq {
            return Ok(true);
        }
        for (id, head) in &self.read {
            if view.doc_head(*id)? != *head {
                return Ok(false);
            }
        }
        for (actor, device) in &self.actors {
            if view.bound(*actor)? != *device {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes what was accepted. The judgement must still hold.
    pub fn write(&mut self, tx: &dyn Commit, device: DeviceId, now_ms: i64) -> Result<()> {
        for actor in &self.new_actors {
            tx.bind(*actor, device, now_ms)?;
        }
        if !self.accepted.is_empty() {
            let first = tx.take_seqs(self.accepted.len() as u64)?;
            let mut chain = cursor::chain_at(tx, first - 1)?.ok_or_else(|| Error::Internal("the chain has a gap".into()))?;
            for (seq, changes) in (first..).zip(&self.accepted) {
                for (pos, change) in (0..).zip(changes) {
                    tx.put_change(seq, pos, device, change)?;
                }
                chain = cursor::next_chain(chain, seq, changes.iter().map(|change| &change.hash.0));
                tx.put_chain(seq, chain)?;
            }
            for doc in &mut self.docs {
                doc.seq_first += first;
                doc.seq_last += first;
                tx.put_doc(doc)?;
            }
            tx.seen(device, now_ms)?;
        }
        for (group, verdict) in &self.kept {
            tx.put_verdict(device, group, verdict, now_ms)?;
        }
        Ok(())
    }
}

/// Judges all groups of a request.
///
/// # Errors
/// Those of the store; a group that does not pass is a verdict, not an error.
pub(super) fn judge(view: &dyn View, device: DeviceId, request: &SyncRequest) -> Result<Judged> {
    let member = member(view, device)?;
    let mut judge = Judge {
        view,
        device,
        member,
        docs: &request.docs,
        slots: HashMap::new(),
        newest: HashMap::new(),
        effort: Effort::default(),
        read: HashMap::new(),
        actors: RefCell::new(Actors::default()),
        out: Judged { member: Some(member), seq: view.workspace()?.seq, ..Judged::default() },
    };
    let mut answered: HashMap<&[u8], StoredVerdict> = HashMap::new();
    for group in &request.groups {
        let hash = content_hash(group, &request.docs);
        let earlier = match answered.get(group.id.as_slice()) {
            Some(earlier) => Some(earlier.clone()),
            None => view.verdict(device, &group.id)?,
        };
        let verdict = match earlier {
            Some(earlier) if earlier.hash == hash || planted(Plant::VerdictReplay) => earlier,
            // The id belongs to another group: nothing may be kept under it.
            Some(_) => StoredVerdict { hash, outcome: Outcome::Refused, code: Some(Refused::Group.code().to_owned()) },
            None => {
                let verdict = judge.rule(group, hash)?;
                answered.insert(&group.id, verdict.clone());
                verdict
            }
        };
        judge.out.verdicts.push(Verdict { group: group.id.clone(), outcome: verdict.outcome, code: verdict.code });
    }
    Ok(judge.finish())
}

/// Whose device it is, and what they may do.
fn member(view: &dyn View, device: DeviceId) -> Result<Member> {
    let device = view.device(device)?.ok_or(Error::Revoked)?;
    let person = view.person(device.person)?.ok_or_else(|| Error::Internal("a device of nobody".into()))?;
    Ok(Member { person: UserId(RecordId::from_bytes(person.id.0)), role: person.role })
}

/// What a group holds, for the answer to the same group sent again.
fn content_hash(group: &PushGroup, docs: &[PushDoc]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for item in &group.items {
        if let Some(doc) = docs.get(item.doc as usize) {
            digest.update((doc.id.len() as u64).to_be_bytes());
            digest.update(&doc.id);
            digest.update(doc.generation.to_be_bytes());
            digest.update(doc.kind.to_be_bytes());
        }
        digest.update((item.change.len() as u64).to_be_bytes());
        digest.update(&item.change);
    }
    digest.finalize().into()
}

/// A generation of a record with what the groups before made of it.
struct Slot {
    kind: u16,
    document: Document,
    /// What it takes to hold it, and to pass a change of it through the gate.
    weight: u64,
    /// Whether the server, or a group before, has the record in this generation.
    is_there: bool,
    /// The saved form, and the first and last accepted group that changed it; `None` while it is as stored.
    changed: Option<(Vec<u8>, u64, u64)>,
}

/// The work that a request has made so far.
#[derive(Default)]
struct Effort {
    opened: u64,
    judged: u64,
}

impl Effort {
    fn is_spent(&self) -> bool {
        self.opened > MAX_OPENED || self.judged > MAX_JUDGED
    }
}

/// An operation weighs one, and so do 64 bytes of the saved form.
fn weight(document: &Document, saved: &[u8]) -> u64 {
    document.ops().saturating_add(saved.len() as u64 / 64)
}

#[derive(Default)]
struct Actors {
    read: HashMap<Actor, Option<DeviceId>>,
    new: Vec<Actor>,
    failed: Option<Error>,
}

struct Judge<'a> {
    view: &'a dyn View,
    device: DeviceId,
    member: Member,
    docs: &'a [PushDoc],
    slots: HashMap<(RecordId, u32), Slot>,
    /// The newest generation of each record that a group before was accepted in, and its kind.
    newest: HashMap<RecordId, (u32, u16)>,
    effort: Effort,
    read: HashMap<RecordId, Option<DocHead>>,
    actors: RefCell<Actors>,
    out: Judged,
}

/// Why a group is not accepted.
enum Against {
    /// It does not pass.
    Gate(Refused),
    /// The server cannot open its own record: the device keeps its edits.
    Broken,
    /// The groups before took as much work as one request may: the device sends this one again.
    Later,
    /// The store failed.
    Store(Error),
}

impl From<Refused> for Against {
    fn from(refused: Refused) -> Self {
        Self::Gate(refused)
    }
}

impl From<Error> for Against {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

type Ruling<T> = std::result::Result<T, Against>;

impl Judge<'_> {
    /// Judges one group. What the gate stops on, whatever it is, ends as a verdict on this group alone.
    fn rule(&mut self, group: &PushGroup, hash: [u8; 32]) -> Result<StoredVerdict> {
        let passed = catch_unwind(AssertUnwindSafe(|| self.pass(group))).unwrap_or(Err(Refused::Document.into()));
        let (outcome, code) = match passed {
            Ok(passed) => {
                let wrote = self.accept(passed);
                let verdict = StoredVerdict { hash, outcome: Outcome::Accepted, code: None };
                if wrote {
                    // A group with nothing new would get the same verdict again without a note.
                    self.out.kept.push((group.id.clone(), verdict.clone()));
                }
                return Ok(verdict);
            }
            Err(Against::Store(error)) => return Err(error),
            Err(Against::Broken) => (Outcome::Held, Refused::Document.code()),
            Err(Against::Later) => (Outcome::Held, LATER),
            Err(Against::Gate(refused)) if refused.is_held() => (Outcome::Held, refused.code()),
            Err(Against::Gate(refused)) => (Outcome::Refused, refused.code()),
        };
        let verdict = StoredVerdict { hash, outcome, code: Some(code.to_owned()) };
        if outcome == Outcome::Refused && (1..=16).contains(&group.id.len()) {
            self.out.kept.push((group.id.clone(), verdict.clone()));
        }
        Ok(verdict)
    }

    /// Passes all items of a group through the gate; the records here stay as they are.
    fn pass(&mut self, group: &PushGroup) -> Ruling<Vec<((RecordId, u32), Passed)>> {
        // At least one group of a request is judged.
        if self.effort.is_spent() {
            return Err(Against::Later);
        }
        if !(1..=16).contains(&group.id.len()) || !(1..=MAX_GROUP).contains(&group.items.len()) {
            return Err(Refused::Group.into());
        }
        if planted(Plant::WrongVerdict) && group.items.len() > 2 {
            return Err(Refused::Document.into());
        }
        // The items of each record, in the order in which the records come up.
        let mut order: Vec<(RecordId, &PushDoc, Vec<&[u8]>)> = Vec::new();
        for item in group.items.iter().take(if planted(Plant::SecondItem) { 1 } else { MAX_GROUP }) {
            let doc = self.docs.get(item.doc as usize).ok_or(Refused::Group)?;
            let id = RecordId::from_slice(&doc.id).ok_or(Refused::Group)?;
            match order.iter_mut().find(|(known, ..)| *known == id) {
                Some((_, same, changes)) if *same == doc => changes.push(&item.change),
                Some(_) => return Err(Refused::Group.into()),
                None => order.push((id, doc, vec![&item.change])),
            }
        }
        let mut passed = Vec::with_capacity(order.len());
        let opened = self.effort.opened;
        for (id, doc, changes) in order {
            self.load(id, doc)?;
            within("records of a group", self.effort.opened - opened, MAX_OPENED).map_err(Refused::from)?;
            let place = (id, doc.generation);
            let Some(slot) = self.slots.get(&place) else { return Err(Error::Internal("no slot".into()).into()) };
            self.effort.judged += slot.weight;
            let admits = |actor| self.admits(actor);
            let result = gate::admit_within(&slot.document, &changes, &admits, MAX_GROUP_OPS);
            if let Some(error) = self.actors.borrow_mut().failed.take() {
                return Err(error.into());
            }
            let result = result?;
            // Whether it takes the place of an older one, or of one that the server lost and is to get back.
            if doc.generation > 0 && !slot.is_there && !self.member.role.may_erase() {
                return Err(Refused::Forbidden.into());
            }
            self.member.authorise(slot.is_there.then_some(&slot.document), &result)?;
            passed.push((place, result));
        }
        Ok(passed)
    }

    /// Loads a record for a push, if it is not here yet. A generation beyond the present one begins empty: it takes the
    /// place of what there is.
    fn load(&mut self, id: RecordId, doc: &PushDoc) -> Ruling<()> {
        if doc.kind == Kind::Unknown.code() || doc.generation > MAX_GENERATION {
            return Err(Refused::Group.into());
        }
        match self.newest.get(&id) {
            Some((_, kind)) if *kind != doc.kind => return Err(Refused::Kind.into()),
            Some((newest, _)) if *newest > doc.generation => return Err(Refused::Erased.into()),
            _ => {}
        }
        // A slot of another kind is what a group that was refused left.
        if self.slots.get(&(id, doc.generation)).is_some_and(|slot| slot.kind == doc.kind) {
            return Ok(());
        }
        let definition = Kind::definition_of(doc.kind);
        let stored = self.view.doc(id)?;
        let head = stored.as_ref().map(|stored| DocHead {
            kind: stored.kind,
            generation: stored.generation,
            heads: stored.heads.clone(),
        });
        self.read.insert(id, head);
        let present = match &stored {
            Some(stored) if stored.kind != doc.kind => return Err(Refused::Kind.into()),
            Some(stored) if stored.generation > doc.generation => return Err(Refused::Erased.into()),
            Some(stored) => (stored.generation == doc.generation).then_some(stored),
            None => None,
        };
        let document = match present {
            None => Document::new(definition).map_err(Error::from)?,
            Some(stored) => match Document::load(definition, &stored.bytes) {
                Ok(document) if head_bytes(&document) == stored.heads => document,
                _ => {
                    tracing::error!(record = %id, "a stored record cannot be opened");
                    return Err(Against::Broken);
                }
            },
        };
        let is_there = present.is_some();
        let weight = weight(&document, present.map_or(&[], |stored| &stored.bytes));
        self.effort.opened += weight;
        self.slots.insert((id, doc.generation), Slot { kind: doc.kind, document, weight, is_there, changed: None });
        Ok(())
    }

    /// Whether the device may write as an actor: its own, or one that nobody has yet.
    fn admits(&self, actor: Actor) -> bool {
        let mut actors = self.actors.borrow_mut();
        let bound = match actors.read.get(&actor) {
            Some(bound) => *bound,
            None => match self.view.bound(actor) {
                Ok(bound) => {
                    actors.read.insert(actor, bound);
                    bound
                }
                Err(error) => {
                    actors.failed = Some(error);
                    return false;
                }
            },
        };
        bound.is_none_or(|device| device == self.device)
    }

    /// Takes over what passed. Gives whether there was anything new.
    fn accept(&mut self, passed: Vec<((RecordId, u32), Passed)>) -> bool {
        let number = self.out.accepted.len() as u64;
        let mut changes = Vec::new();
        for (place, passed) in passed {
            let Some(slot) = self.slots.get_mut(&place) else { continue };
            if passed.new.is_empty() {
                continue;
            }
            for Admitted { hash, actor, bytes } in &passed.new {
                let actors = self.actors.get_mut();
                let unbound = actors.read.get(actor).is_some_and(Option::is_none);
                if unbound && !actors.new.contains(actor) {
                    actors.new.push(*actor);
                }
                let bytes = seal_envelope(bytes);
                changes.push(ChangeWrite { doc: place.0, generation: place.1, hash: *hash, actor: *actor, bytes });
            }
            let first = slot.changed.as_ref().map_or(number, |(_, first, _)| *first);
            slot.weight = weight(&passed.document, &passed.saved);
            slot.document = passed.document;
            slot.is_there = true;
            self.newest.insert(place.0, (place.1, slot.kind));
            slot.changed = Some((passed.saved, first, number));
        }
        if changes.is_empty() {
            return false;
        }
        self.out.accepted.push(changes);
        true
    }

    /// Makes the rows of the changed records.
    fn finish(self) -> Judged {
        let mut out = self.out;
        let actors = self.actors.into_inner();
        out.read = self.read;
        out.actors = actors.read;
        out.new_actors = actors.new;
        for ((id, generation), slot) in self.slots {
            let Some((bytes, first, last)) = slot.changed else { continue };
            let definition = slot.document.definition();
            out.docs.push(DocWrite {
                id,
                generation,
                kind: slot.kind,
                seq_first: first,
                seq_last: last,
                heads: head_bytes(&slot.document),
                row_version: definition.row_version,
                changed_ms: if planted(Plant::StaleTime) { 0 } else { slot.document.changed_ms() },
                row: encode_row(&slot.document.read(None).values),
                bytes,
            });
        }
        // An older generation first: what comes after it takes its place.
        out.docs.sort_by_key(|doc| (doc.generation, doc.seq_first, doc.id));
        out
    }
}

/// The heads of a document as they are stored.
pub(crate) fn head_bytes(document: &Document) -> Vec<u8> {
    document.heads().iter().flat_map(|head| head.0).collect()
}
