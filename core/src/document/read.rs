//! Reading values: one function decides among concurrent ones, everywhere.

use std::collections::HashMap;

use automerge::iter::MapRangeItem;
use automerge::{ChangeHash, ObjId, ROOT, ReadDoc as _, ScalarValue, Value, ValueRef};

use super::{Actor, Document};
use crate::record::{Field, FieldValue, Kind, Shape, Values};
use crate::value::Scalar;

/// Most bytes of a key: a field's name and a member of a hundred characters in any script.
pub(crate) const MAX_KEY: usize = 600;
/// Concurrent values of one key. Each of a firm's devices may add one while it is offline; reading compares them pairwise.
pub const MAX_CONCURRENT: usize = 500;

/// How far the numbers in a document go.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The number of the last change of each actor, by its literal bytes: derived ones count for themselves.
    pub last_seq: HashMap<Vec<u8>, u64>,
    /// The greatest operation counter.
    pub max_op: u64,
}

/// One of the concurrent values of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The value.
    pub scalar: Scalar,
    /// The change that wrote it.
    pub change: ChangeHash,
    /// The wall clock of that change, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who wrote it; `None` for bytes that are no device's actor.
    pub actor: Option<Actor>,
}

/// A record as read from its document.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The values.
    pub values: Values,
    /// Whether the document holds keys that this release does not know.
    pub has_unknown: bool,
    /// The keys whose concurrent values differ.
    pub disputed: Vec<String>,
}

impl Document {
    /// The record as it is now, or as it was at older heads.
    pub fn read(&self, at: Option<&[ChangeHash]>) -> Reading {
        let mut values = Values::empty(self.definition);
        let mut has_unknown = false;
        let mut disputed = Vec::new();
        let items: Vec<MapRangeItem<'_>> = match at {
            None => self.am.map_range(ROOT, ..).collect(),
            Some(heads) => self.am.map_range_at(ROOT, .., heads).collect(),
        };
        for item in items {
            let (name, entry) = item.key.split_once('/').unwrap_or((&item.key, ""));
            let Some(field) = self.definition.field(name) else {
                has_unknown |= name != "kind";
                continue;
            };
            let scalar = if item.conflict {
                let candidates = self.candidates(field, entry, at);
                if candidates.len() > 1 {
                    disputed.push(item.key.to_string());
                }
                candidates.into_iter().next().map(|candidate| candidate.scalar)
            } else {
                match &item.value {
                    ValueRef::Scalar(value) => Some(scalar(&value.into())),
                    ValueRef::Object(_) => None,
                }
            };
            let Some(slot) = values.get_mut(name) else { continue };
            match (slot, scalar, entry.is_empty()) {
                (FieldValue::Register(value), Some(scalar), true) => *value = scalar,
                (FieldValue::Set(members), Some(_), false) => {
                    members.insert(entry.to_owned());
                }
                (FieldValue::Keyed(entries), Some(scalar), false) => {
                    entries.insert(entry.to_owned(), scalar);
                }
                (FieldValue::Text(text), None, true) => *text = self.text(&item.id(), at),
                // A field whose shape a newer release changed: kept in the document, not shown.
                _ => has_unknown = true,
            }
        }
        Reading { values, has_unknown, disputed }
    }

    fn text(&self, object: &ObjId, at: Option<&[ChangeHash]>) -> String {
        match at {
            None => self.am.text(object),
            Some(heads) => self.am.text_at(object, heads),
        }
        .unwrap_or_default()
    }

    /// The concurrent values of a register, entry or member; the first is the one shown. Among several the core
    /// chooses by the field's rank, then the change's time, then Automerge's order. Equal values are one.
    pub fn candidates(&self, field: &Field, entry: &str, at: Option<&[ChangeHash]>) -> Vec<Candidate> {
        let mut found: Vec<(u8, usize, Candidate)> = Vec::new();
        for (order, (value, id)) in self.values_at(&field.key(entry), at).into_iter().enumerate() {
            let Value::Scalar(value) = value else { continue };
            let Some(change) = self.am.hash_for_opid(&id) else { continue };
            let Some(meta) = self.am.get_change_meta_by_hash(&change) else { continue };
            let scalar = scalar(&value);
            let actor = Actor::parse(meta.actor.to_bytes()).map(|(actor, _)| actor);
            found.push(((field.rank)(&scalar), order, Candidate { scalar, change, at_ms: meta.timestamp, actor }));
        }
        found.sort_by_key(|(rank, order, candidate)| std::cmp::Reverse((*rank, candidate.at_ms, *order)));
        let mut candidates: Vec<Candidate> = Vec::with_capacity(found.len());
        for (_, _, candidate) in found {
            let same = |other: &Candidate| other.scalar == candidate.scalar || field.shape == Shape::Set;
            if !candidates.iter().any(same) {
                candidates.push(candidate);
            }
        }
        candidates
    }

    fn values_at(&self, key: &str, at: Option<&[ChangeHash]>) -> Vec<(Value<'_>, ObjId)> {
        match at {
            None => self.am.get_all(ROOT, key),
            Some(heads) => self.am.get_all_at(ROOT, key, heads),
        }
        .unwrap_or_default()
    }

    /// The changes that wrote the present values of a key, equal ones included.
    pub(crate) fn writers(&self, key: &str) -> Vec<ChangeHash> {
        self.values_at(key, None).iter().filter_map(|(_, id)| self.am.hash_for_opid(id)).collect()
    }
}

fn scalar(value: &ScalarValue) -> Scalar {
    match value {
        ScalarValue::Null => Scalar::Null,
        ScalarValue::Boolean(value) => Scalar::Bool(*value),
        ScalarValue::Int(value) | ScalarValue::Timestamp(value) => Scalar::Int(*value),
        ScalarValue::Uint(value) => {
            i64::try_from(*value).map_or_else(|_| Scalar::Bytes(value.to_be_bytes().to_vec()), Scalar::Int)
        }
        ScalarValue::Str(text) => Scalar::Str(text.to_string()),
        ScalarValue::Bytes(bytes) => Scalar::Bytes(bytes.clone()),
        ScalarValue::F64(value) => Scalar::Bytes(value.to_be_bytes().to_vec()),
        ScalarValue::Counter(_) => Scalar::Bytes(Vec::new()),
        ScalarValue::Unknown { bytes, .. } => Scalar::Bytes(bytes.clone()),
    }
}

impl Document {
    /// How far its authors' numbers go.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for meta in self.am.get_changes_meta(&[]) {
            counters.max_op = counters.max_op.max(meta.max_op);
            let last = counters.last_seq.entry(meta.actor.to_bytes().to_vec()).or_default();
            *last = meta.seq.max(*last);
        }
        counters
    }

    /// Its operations; deletions are none, a document stores them as successors of what they delete.
    pub fn ops(&self) -> u64 {
        self.am.stats().num_ops
    }

    /// Whether the frozen first changes wrote something.
    fn is_of_skeleton(&self, id: &ObjId) -> bool {
        self.am.hash_for_opid(id).is_some_and(|change| self.definition.skeleton.has(&change, self))
    }

    /// Whether a change is by the skeleton's actor.
    pub(crate) fn is_by_skeleton(&self, change: &ChangeHash) -> bool {
        let meta = self.am.get_change_meta_by_hash(change);
        meta.is_some_and(|meta| meta.actor.to_bytes() == Actor::SKELETON.0)
    }

    /// Whether the kind that the document itself names is the one that it is read as.
    pub fn is_of_its_kind(&self) -> bool {
        let named = match self.am.get(ROOT, "kind") {
            Ok(Some((Value::Scalar(name), _))) => scalar(&name).as_str().and_then(Kind::named),
            _ => None,
        };
        named.unwrap_or(Kind::Unknown) == self.definition.kind
    }

    /// The first field that holds something which is no value of its type, concurrent values included, or more of those
    /// than any number of people can disagree about. Fields that this release does not know may hold any scalar; containers
    /// come from the skeleton only.
    pub(crate) fn broken_field(&self) -> Option<String> {
        for item in self.am.map_range(ROOT, ..) {
            let key = item.key.to_string();
            let (name, entry) = key.split_once('/').unwrap_or((&key, ""));
            let field = self.definition.field(name);
            let values = self.values_at(&key, None);
            if values.len() > MAX_CONCURRENT {
                return Some(name.chars().take(60).collect());
            }
            for (value, id) in values {
                let fits = match (&value, field) {
                    (Value::Object(automerge::ObjType::Text), _) => self.is_of_skeleton(&id),
                    (Value::Object(_), _) => false,
                    (Value::Scalar(_), _) if name == "kind" => self.is_of_skeleton(&id),
                    (Value::Scalar(value), None) => !matches!(value.as_ref(), ScalarValue::Counter(_)),
                    (Value::Scalar(value), Some(field)) => {
                        let scalar = scalar(value);
                        let placed = match field.shape {
                            Shape::Register => entry.is_empty(),
                            Shape::Set | Shape::Keyed => !entry.is_empty(),
                            Shape::Text => false,
                        };
                        placed && (scalar.is_null() || field.canonical(entry, &scalar).is_some())
                    }
                };
                if !fits || key.len() > MAX_KEY {
                    return Some(name.chars().take(60).collect());
                }
            }
        }
        None
    }
}
