//! Writing a save into a document.
//!
//! The rule (a form is compared with the record at its version): a key that nobody else changed since is written at
//! the present heads. A key that somebody else changed is written at the form's version, so that both values stay
//! and the disagreement is seen. What this store itself wrote to that key since is included in that version: nobody
//! conflicts with themselves. A device has so many branches in a document; a write at an older version that would need
//! one more goes on from one of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::transaction::{CommitOptions, Transactable as _, Transaction};
use automerge::{ChangeHash, PatchLog, ROOT, ReadDoc as _, ScalarValue, Value};
use unicode_segmentation::UnicodeSegmentation;

use super::actor::MAX_LEVEL;
use super::{Actor, Document, Message};
use crate::error::{Error, Result};
use crate::fault::{Plant, planted};
use crate::record::{Definition, FieldId};
use crate::value::{Scalar, carry_unknown};

/// One key that a save touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEdit {
    /// Sets a register, an entry or a member.
    Put {
        /// The key in the document.
        key: String,
        /// The new value.
        scalar: Scalar,
    },
    /// Makes a value the only one where several stand, also the one that is shown already.
    Settle {
        /// The key in the document.
        key: String,
        /// The value that stays.
        scalar: Scalar,
    },
    /// Removes an entry or a member.
    Remove {
        /// The key in the document.
        key: String,
    },
    /// Changes a text.
    Text {
        /// The key in the document.
        key: String,
        /// The text that the user began with.
        from: String,
        /// The text that the user left.
        to: String,
    },
}

impl KeyEdit {
    /// The key that it touches.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Settle { key, .. } | Self::Remove { key } | Self::Text { key, .. } => key,
        }
    }

    /// What the key is to hold; `None` for nothing.
    pub fn wanted(&self) -> Option<Scalar> {
        match self {
            Self::Put { scalar, .. } | Self::Settle { scalar, .. } => Some(scalar.clone()),
            Self::Remove { .. } => None,
            Self::Text { to, .. } => Some(Scalar::Str(to.clone())),
        }
    }
}

/// A change that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its hash.
    pub hash: ChangeHash,
    /// The raw chunk.
    pub bytes: Vec<u8>,
    /// The keys it touches.
    pub keys: Vec<String>,
}

/// Changes that were written again, with those that stand for them now.
pub(crate) type Rewritten = HashMap<ChangeHash, Vec<ChangeHash>>;

/// What stands around a save.
pub(crate) struct Context<'a> {
    /// The heads that the form was read at.
    pub base: &'a [ChangeHash],
    /// The actor to write as.
    pub actor: Actor,
    /// Whether an actor is this store's.
    pub own: &'a dyn Fn(Actor) -> bool,
    /// For texts that were already saved from this version: the change that the form's text goes on from.
    pub formed: &'a BTreeMap<String, ChangeHash>,
    /// The change's message.
    pub message: &'a Message,
    /// The change's time.
    pub at_ms: i64,
}

impl Document {
    /// Writes edits by the rule of this module; none where all of them already hold.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`] for a base that is not in the document.
    pub(crate) fn write(&mut self, edits: Vec<KeyEdit>, context: &Context<'_>) -> Result<Vec<Written>> {
        if !context.base.iter().all(|hash| self.contains(hash)) {
            // Automerge takes unknown heads for an empty base, silently.
            return Err(Error::UnknownVersion);
        }
        self.am.set_actor(context.actor.automerge());
        let mut groups: BTreeMap<Vec<ChangeHash>, Vec<KeyEdit>> = BTreeMap::new();
        let mut now = Vec::new();
        let since: HashSet<ChangeHash> = if self.same_as(context.base) {
            HashSet::new()
        } else {
            self.am.get_changes_meta(context.base).into_iter().map(|meta| meta.hash).collect()
        };
        for edit in edits {
            if self.holds(&edit) {
                continue;
            }
            match self.base_of(&edit, &since, context) {
                None => now.push(edit),
                Some(base) => groups.entry(base).or_default().push(edit),
            }
        }
        let mut written = Vec::new();
        // At the older heads first: the change at the present heads then follows them all.
        for (base, edits) in groups {
            let (mut base, edits) = self.with_room(base, edits, &since, context);
            for part in parts(edits) {
                let change = self.commit(Some(&base), &part, context)?;
                base = change.as_ref().map_or(base, |change| vec![change.hash]);
                written.extend(change);
            }
        }
        for part in parts(now) {
            written.extend(self.commit(None, &part, context)?);
        }
        Ok(written)
    }

    /// Whether the record already shows what the edit wants.
    fn holds(&self, edit: &KeyEdit) -> bool {
        let id = FieldId::from_key(edit.key());
        let Some(field) = self.definition.field(id.field()) else { return false };
        let candidates = || self.candidates(field, id.entry(), None);
        match edit {
            KeyEdit::Put { scalar, .. } => candidates().first().is_some_and(|shown| shown.scalar == *scalar),
            KeyEdit::Settle { scalar, .. } => matches!(&*candidates(), [only] if only.scalar == *scalar),
            KeyEdit::Remove { .. } => candidates().is_empty(),
            KeyEdit::Text { from, to, .. } => from == to,
        }
    }

    /// The heads at which to write an edit; `None` for the present ones.
    fn base_of(&self, edit: &KeyEdit, since: &HashSet<ChangeHash>, context: &Context<'_>) -> Option<Vec<ChangeHash>> {
        if since.is_empty() {
            return None;
        }
        if let KeyEdit::Text { key, from, .. } = edit {
            let unchanged = self.text_object(key).and_then(|object| self.am.text(object).ok()).is_some_and(|text| text == *from);
            return if unchanged {
                None
            } else {
                Some(context.formed.get(key).map_or_else(|| context.base.to_vec(), |hash| vec![*hash]))
            };
        }
        let later: Vec<ChangeHash> = self.writers(edit.key()).into_iter().filter(|hash| since.contains(hash)).collect();
        let own = |hash: &ChangeHash| self.is_own(hash, context);
        if later.iter().all(own) {
            return None;
        }
        let mut base = context.base.to_vec();
        base.extend(later.into_iter().filter(own));
        Some(self.minimal(base))
    }

    /// Whether this store wrote a change.
    fn is_own(&self, hash: &ChangeHash, context: &Context<'_>) -> bool {
        let actor = self.am.get_change_meta_by_hash(hash).and_then(|meta| Actor::parse(meta.actor.to_bytes()));
        actor.is_some_and(|(actor, _)| (context.own)(actor))
    }

    /// The heads at which edits that belong at `base` can be written, and the edits as they are there.
    ///
    /// Automerge writes at the lowest level of the device whose last change is in the history of the heads, else at a new
    /// one, and the gate admits so many. Where none is left, the change follows the newest of the device's branches, too,
    /// that does not know what others wrote to the same keys since: their values stay beside the new ones.
    fn with_room(
        &self,
        base: Vec<ChangeHash>,
        mut edits: Vec<KeyEdit>,
        since: &HashSet<ChangeHash>,
        context: &Context<'_>,
    ) -> (Vec<ChangeHash>, Vec<KeyEdit>) {
        let mut deps = HashMap::new();
        // The last change of each level, by its greatest operation: a later change has a greater one.
        let mut ends: BTreeMap<u64, (u64, ChangeHash)> = BTreeMap::new();
        for meta in self.am.get_changes_meta(&[]) {
            if let Some((actor, level)) = Actor::parse(meta.actor.to_bytes())
                && actor == context.actor
            {
                let end = ends.entry(level).or_insert((meta.max_op, meta.hash));
                *end = (*end).max((meta.max_op, meta.hash));
            }
            deps.insert(meta.hash, meta.deps);
        }
        let known = history(&deps, &base);
        if !(0..=MAX_LEVEL).all(|level| ends.get(&level).is_some_and(|(_, end)| !known.contains(end))) {
            return (base, edits);
        }
        let keys = edits.iter().filter(|edit| !matches!(edit, KeyEdit::Text { .. })).map(KeyEdit::key);
        let of_others: HashSet<ChangeHash> =
            keys.flat_map(|key| self.writers(key)).filter(|hash| since.contains(hash) && !self.is_own(hash, context)).collect();
        let mut ends: Vec<(u64, ChangeHash)> = ends.into_values().collect();
        ends.sort();
        let mut newest = ends.iter().rev().map(|(_, end)| *end);
        let apart = newest.clone().find(|end| history(&deps, &[*end]).is_disjoint(&of_others));
        let base = self.minimal(base.into_iter().chain(apart.or_else(|| newest.next())).collect());
        for edit in &mut edits {
            if let KeyEdit::Text { key, from, to } = edit
                && let Some(there) = self.text_object(key).and_then(|object| self.am.text_at(object, &base).ok())
            {
                *to = carried_over(from, to, &there);
                *from = there;
            }
        }
        (base, edits)
    }

    /// The hashes without those that another one's history includes, sorted.
    fn minimal(&self, mut hashes: Vec<ChangeHash>) -> Vec<ChangeHash> {
        hashes.sort();
        hashes.dedup();
        if hashes.len() < 2 {
            return hashes;
        }
        let deps: HashMap<ChangeHash, Vec<ChangeHash>> =
            self.am.get_changes_meta(&[]).into_iter().map(|meta| (meta.hash, meta.deps)).collect();
        let followed: Vec<ChangeHash> = hashes.iter().filter_map(|hash| deps.get(hash)).flatten().copied().collect();
        let seen = history(&deps, &followed);
        hashes.retain(|hash| !seen.contains(hash));
        hashes
    }

    /// The nearest ancestors of a change with these dependencies that `target` holds; its skeleton where there are none.
    /// What was written again stands for what it was before: `again` says as what.
    pub(crate) fn ancestors_in(&self, deps: &[ChangeHash], target: &Self, again: &Rewritten) -> Vec<ChangeHash> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut todo = deps.to_vec();
        while let Some(hash) = todo.pop() {
            if let Some(present) = again.get(&hash) {
                found.extend(present);
            } else if target.contains(&hash) {
                found.push(hash);
            } else if seen.insert(hash)
                && let Some(meta) = self.am.get_change_meta_by_hash(&hash)
            {
                todo.extend(meta.deps);
            }
        }
        if found.is_empty() { target.definition.skeleton.last() } else { target.minimal(found) }
    }

    fn text_object(&self, key: &str) -> Option<automerge::ObjId> {
        match self.am.get(ROOT, key) {
            Ok(Some((Value::Object(automerge::ObjType::Text), object))) => Some(object),
            _ => None,
        }
    }

    fn commit(&mut self, base: Option<&[ChangeHash]>, edits: &[KeyEdit], context: &Context<'_>) -> Result<Option<Written>> {
        let definition = self.definition;
        let texts: Vec<Option<automerge::ObjId>> = edits.iter().map(|edit| self.text_object(edit.key())).collect();
        let mut tx = match base {
            None => self.am.transaction(),
            Some(heads) => self.am.transaction_at(PatchLog::null(), heads).map_err(|error| Error::Internal(error.to_string()))?,
        };
        for (edit, text) in edits.iter().zip(texts) {
            match edit {
                KeyEdit::Put { key, scalar } => {
                    let value = merged_with_unknown(&tx, definition, key, scalar);
                    tx.put(ROOT, key.as_str(), automerge_scalar(&value))?;
                }
                // Also the value that is shown is written anew: its time is that of the decision.
                KeyEdit::Settle { key, scalar } => {
                    tx.delete(ROOT, key.as_str())?;
                    tx.put(ROOT, key.as_str(), automerge_scalar(scalar))?;
                }
                KeyEdit::Remove { key } => tx.delete(ROOT, key.as_str())?,
                KeyEdit::Text { to, .. } => {
                    let object = text.ok_or_else(|| Error::Internal(format!("{} has no text", edit.key())))?;
                    write_text(&mut tx, &object, to)?;
                }
            }
        }
        if planted(Plant::DropUnknown) {
            tx.delete(ROOT, "probability")?;
        }
        let hash = tx_commit(tx, context);
        self.finish(hash, edits)
    }

    fn finish(&self, hash: Option<ChangeHash>, edits: &[KeyEdit]) -> Result<Option<Written>> {
        let Some(hash) = hash else { return Ok(None) };
        let change =
            self.am.get_change_by_hash(&hash).ok_or_else(|| Error::Internal("a change is not in its document".into()))?;
        match Actor::parse(change.actor_id().to_bytes()) {
            Some((_, level)) if level <= MAX_LEVEL => {}
            _ => return Err(Error::Internal("too many branches of one device in a document".into())),
        }
        let keys: Vec<String> = edits.iter().map(|edit| edit.key().to_owned()).collect();
        if let Err(fault) = crate::gate::scan_change(change.raw_bytes(), &crate::gate::Limits::CHANGE) {
            // The gate would refuse it everywhere: the user hears of it now.
            return Err(Error::own_gate(keys.first().map_or("record", String::as_str), fault));
        }
        Ok(Some(Written { hash, bytes: change.raw_bytes().to_vec(), keys }))
    }
}

/// Changes with all that they follow, by what each follows.
fn history(deps: &HashMap<ChangeHash, Vec<ChangeHash>>, changes: &[ChangeHash]) -> HashSet<ChangeHash> {
    let mut seen = HashSet::new();
    let mut todo = changes.to_vec();
    while let Some(hash) = todo.pop() {
        if seen.insert(hash) {
            todo.extend(deps.get(&hash).into_iter().flatten());
        }
    }
    seen
}

/// Every character of a text is an operation, and a change may have so many: a large edit of a text becomes several.
const MAX_TEXT_STEP: usize = 8_000;
/// Bytes of values in one change; what the gate admits is more.
const MAX_PART_BYTES: usize = 100_000;

/// What the text at another version becomes by the edit that turned `from` into `to`. Words are replaced as wholes: of one
/// whose other letters came by an edit that is not there, a letter alone would be left. What stands in their place there
/// and was never theirs stays.
pub(crate) fn carried_over(from: &str, to: &str, there: &str) -> String {
    let words = |text| <str as UnicodeSegmentation>::split_word_bounds(text).collect::<Vec<&str>>();
    let (from, to, there) = (words(from), words(to), words(there));
    let (start, end) = shared(&from, &to);
    let (before, rest) = from.split_at(start);
    let (gone, after) = rest.split_at(rest.len() - end);
    let come = to.get(start..to.len() - end).unwrap_or_default();
    let (head, rest) = there.split_at(shared(before, &there).0);
    let same = after.iter().rev().zip(rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (middle, tail) = rest.split_at(rest.len() - same);
    let place = if gone.is_empty() { None } else { middle.windows(gone.len()).position(|words| words == gone) };
    let (kept, left) = middle.split_at(place.unwrap_or(middle.len()));
    let left = left.get(gone.len()..).unwrap_or_default();
    [head, kept, come, left, tail].concat().concat()
}

/// How much two texts share at their beginnings and, beyond those, at their ends.
pub(crate) fn shared<T: PartialEq>(old: &[T], new: &[T]) -> (usize, usize) {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let ends = old.iter().skip(start).rev().zip(new.iter().skip(start).rev());
    (start, ends.take_while(|(a, b)| a == b).count())
}

/// So many single insertions and deletions are looked for, so that a merge keeps what others wrote between them.
const MAX_DISTANCE: usize = 1_000;

/// Whether one text becomes the other by at most [`MAX_DISTANCE`] insertions and deletions of characters (the greedy
/// algorithm of E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986). Only then is a fine comparison
/// worth its time; texts that differ more are replaced where they differ.
fn is_near(old: &[char], new: &[char]) -> bool {
    if old.len().abs_diff(new.len()) > MAX_DISTANCE {
        return false;
    }
    let middle = MAX_DISTANCE + 1;
    let mut furthest = vec![0usize; 2 * middle + 1];
    for distance in 0..=MAX_DISTANCE {
        for diagonal in (middle - distance..=middle + distance).step_by(2) {
            let at = |diagonal: usize| furthest.get(diagonal).copied().unwrap_or(0);
            let down = diagonal == middle - distance || (diagonal != middle + distance && at(diagonal - 1) < at(diagonal + 1));
            let mut x = if down { at(diagonal + 1) } else { at(diagonal - 1) + 1 };
            let Some(mut y) = (x + middle).checked_sub(diagonal) else { continue };
            while old.get(x).is_some_and(|c| new.get(y) == Some(c)) {
                (x, y) = (x + 1, y + 1);
            }
            if x >= old.len() && y >= new.len() {
                return true;
            }
            if let Some(place) = furthest.get_mut(diagonal) {
                *place = x;
            }
        }
    }
    false
}

/// Changes a text object into `to`: by single characters where the texts are near, else by replacing what differs.
fn write_text(tx: &mut Transaction<'_>, object: &automerge::ObjId, to: &str) -> Result<()> {
    let (old, new): (Vec<char>, Vec<char>) = (tx.text(object)?.chars().collect(), to.chars().collect());
    let (start, end) = shared(&old, &new);
    let (gone, come) = (old.get(start..old.len() - end).unwrap_or_default(), new.get(start..new.len() - end).unwrap_or_default());
    if !gone.is_empty() && !come.is_empty() && is_near(gone, come) {
        tx.update_text(object, to)?;
    } else {
        let removed = isize::try_from(gone.len()).map_err(|_| Error::Internal("a text is too long".into()))?;
        tx.splice_text(object, start, removed, &come.iter().collect::<String>())?;
    }
    Ok(())
}

/// Splits edits so that each part fits into one change.
fn parts(edits: Vec<KeyEdit>) -> Vec<Vec<KeyEdit>> {
    let mut first = Vec::new();
    let mut rest = Vec::new();
    let mut bytes = 0;
    for edit in edits {
        let KeyEdit::Text { key, from, to } = edit else {
            bytes += edit.key().len() + edit.wanted().and_then(|scalar| scalar.as_str().map(str::len)).unwrap_or(0);
            if bytes > MAX_PART_BYTES && !first.is_empty() {
                rest.push(std::mem::take(&mut first));
                bytes = 0;
            }
            first.push(edit);
            continue;
        };
        let mut at = from;
        for (step, next) in text_steps(&at, &to).into_iter().enumerate() {
            let part = KeyEdit::Text { key: key.clone(), from: at, to: next.clone() };
            if step == 0 {
                first.push(part)
            } else {
                rest.push(vec![part])
            }
            at = next;
        }
    }
    if first.is_empty() { rest } else { std::iter::once(first).chain(rest).collect() }
}

/// The texts on the way from one to another, each at most [`MAX_TEXT_STEP`] characters from the last.
fn text_steps(from: &str, to: &str) -> Vec<String> {
    let (old, new): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let (start, end) = shared(&old, &new);
    let tail: String = new.iter().skip(new.len() - end).collect();
    let head: String = new.iter().take(start).collect();
    let (gone, come) = (old.len() - start - end, new.len() - start - end);
    let mut steps = Vec::new();
    let part = |of: &[char]| of.get(start..of.len() - end).unwrap_or_default().to_vec();
    if gone + come <= MAX_TEXT_STEP || is_near(&part(&old), &part(&new)) {
        return vec![to.to_owned()];
    }
    let mut left = gone;
    while left > 0 {
        left = left.saturating_sub(MAX_TEXT_STEP);
        let middle: String = old.iter().skip(start).take(left).collect();
        steps.push(format!("{head}{middle}{tail}"));
    }
    let mut placed = 0;
    while placed < come {
        placed = (placed + MAX_TEXT_STEP).min(come);
        let middle: String = new.iter().skip(start).take(placed).collect();
        steps.push(format!("{head}{middle}{tail}"));
    }
    steps
}

fn tx_commit(tx: Transaction<'_>, context: &Context<'_>) -> Option<ChangeHash> {
    let options = CommitOptions::default().with_time(context.at_ms).with_message(context.message.to_string());
    tx.commit_with(options).0
}

/// A composite keeps what a newer release put into it.
fn merged_with_unknown(tx: &Transaction<'_>, definition: &Definition, key: &str, scalar: &Scalar) -> Scalar {
    let id = FieldId::from_key(key);
    let Some(field) = definition.field(id.field()) else { return scalar.clone() };
    let Ok(Some((Value::Scalar(old), _))) = tx.get(ROOT, key) else { return scalar.clone() };
    let ScalarValue::Str(old) = old.as_ref() else { return scalar.clone() };
    let old = Scalar::Str(old.to_string());
    match field.canonical(id.entry(), &old) {
        Some(rewritten) => carry_unknown(&old, &rewritten, scalar),
        None => scalar.clone(),
    }
}

fn automerge_scalar(scalar: &Scalar) -> ScalarValue {
    match scalar {
        Scalar::Null => ScalarValue::Null,
        Scalar::Bool(value) => ScalarValue::Boolean(*value),
        Scalar::Int(value) => ScalarValue::Int(*value),
        Scalar::Str(text) => ScalarValue::Str(text.as_str().into()),
        Scalar::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::carried_over;

    #[test]
    fn an_edit_of_a_text_is_carried_over_in_whole_words() {
        for (from, to, there, becomes) in [
            ("", "One", "", "One"),
            ("One two", "One two three", "One two", "One two three"),
            ("One two", "One two three", "Zero. One two", "Zero. One two three"),
            ("One two", "One. Two", "One two four", "One. Two four"),
            // The word that a letter was put into is not there.
            ("fishs", "fishes", "", "fishes"),
            ("Call Elkin today", "Call Elkins today", " today", "Elkins today"),
            // What was put before it is not there.
            ("foo wrld", "foo world", "wrld", "world"),
            ("foo wrld", "foo wrld bar", "wrld", "wrld bar"),
            ("foo wrld", "foo big wrld", "wrld", "big wrld"),
            ("One two three", "One three", "two three", "three"),
            ("One", "", "One two", " two"),
            ("你好世界", "你好大世界", "世界", "大世界"),
        ] {
            assert_eq!(carried_over(from, to, there), becomes, "{from:?} → {to:?} on {there:?}");
        }
    }
}
