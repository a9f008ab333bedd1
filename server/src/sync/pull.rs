//! A page of the feed. No document is opened here: what is sent was made when it was pushed.

use std::collections::HashSet;

use minicbor::bytes::ByteVec;
use roadbook_core::fault::{Plant, planted};
use roadbook_core::id::RecordId;
use roadbook_core::sync::wire::{Entry, Form, RowVersion, SyncRequest};

use super::cursor::Cursor;
use crate::error::Result;
use crate::store::{FeedDoc, Own, View, Workspace};

/// The least and the most bytes of a page, before compression. The most fits into
/// [`roadbook_core::sync::wire::MAX_RESPONSE`] also where nothing folds, beside as many verdicts and actors as one answer has.
const PAGE: std::ops::RangeInclusive<usize> = if cfg!(feature = "planted") { 1024 } else { 64 * 1024 }..=3_800_000;
/// The most records that one page looks at; those that the device made itself are looked at and not sent.
const LOOKED_AT: usize = 20_000;
/// The most records that are sent because the device asked for them.
const WANTED: usize = 200;
/// A row is left out where the record with it would pass this: the device makes it from the document.
const WITH_ROW: usize = 3_500_000;
/// What an entry weighs beside its bytes.
const OVERHEAD: usize = 64;

/// A page of the feed.
pub(super) struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// Where the device stands after them.
    pub cursor: Vec<u8>,
    /// Whether there is more.
    pub more: bool,
}

/// How a record is sent.
enum Sending {
    Nothing,
    Snapshot { row: bool },
    Changes { bytes: usize },
}

struct Reader<'a> {
    view: &'a dyn View,
    workspace: &'a Workspace,
    own: Own,
    rows: &'a [RowVersion],
    known: u64,
    /// Whether any change of the workspace may be the device's own.
    wrote: bool,
}

/// Reads a page beyond `cursor`, and the records that the device asked for.
///
/// # Errors
/// Those of the store.
pub(super) fn page(view: &dyn View, workspace: &Workspace, own: Own, request: &SyncRequest, cursor: &Cursor) -> Result<Page> {
    let budget = usize::try_from(request.max_bytes).unwrap_or(usize::MAX).clamp(*PAGE.start(), *PAGE.end());
    let reader = Reader { view, workspace, own, rows: &request.rows, known: cursor.known, wrote: view.has_actors(own.device)? };
    let mut entries = Vec::new();
    let mut whole = HashSet::new();
    let (mut used, mut looked_at, mut more) = (0, 0, false);
    let mut reached = cursor.after;
    view.feed(cursor.after, &mut |doc| {
        let sending = reader.sending(&doc)?;
        let weight = weight(&doc, &sending);
        if looked_at == LOOKED_AT || (!entries.is_empty() && used + weight > budget) {
            more = true;
            return Ok(false);
        }
        looked_at += 1;
        used += weight;
        reached = (doc.seq_last, doc.id);
        match sending {
            Sending::Nothing => {}
            Sending::Changes { .. } => entries.push(reader.changes(&doc)?),
            Sending::Snapshot { row } => {
                whole.insert(doc.id);
                entries.push(snapshot(&doc, row));
            }
        }
        Ok(true)
    })?;
    let after = if more && !planted(Plant::ShortWalk) {
        Cursor { known: cursor.known, after: reached }
    } else {
        Cursor::whole(workspace.seq)
    };
    let wanted = reader.wanted(request, &whole, budget.saturating_sub(used), entries.is_empty())?;
    // Before the changes that may build on them.
    entries.splice(0..0, wanted);
    Ok(Page { entries, cursor: after.write(workspace.seq, view)?, more })
}

impl Reader<'_> {
    fn sending(&self, doc: &FeedDoc<'_>) -> Result<Sending> {
        let complete = self.known >= self.workspace.kept_from;
        let has_rest = complete && doc.seq_first <= self.known;
        if !has_rest && (!self.wrote || !complete) {
            return Ok(self.snapshot(doc));
        }
        let others = self.view.others_changes(doc.id, self.known, self.own)?;
        if others.count == 0 {
            // The device sent these changes itself, just now.
            return Ok(Sending::Nothing);
        }
        let bytes = usize::try_from(others.bytes.saturating_add(others.count.saturating_mul(8))).unwrap_or(usize::MAX);
        if has_rest && bytes < doc.bytes.len() { Ok(Sending::Changes { bytes }) } else { Ok(self.snapshot(doc)) }
    }

    /// The row goes along where the device can read rows of this kind.
    fn snapshot(&self, doc: &FeedDoc<'_>) -> Sending {
        let reads = self.rows.iter().any(|version| version.kind == doc.kind && version.major == doc.row_version.0);
        Sending::Snapshot { row: reads && doc.bytes.len() + doc.row.len() <= WITH_ROW }
    }

    fn changes(&self, doc: &FeedDoc<'_>) -> Result<Entry> {
        let changes = self.view.changes(doc.id, self.known, self.own)?;
        Ok(Entry {
            id: doc.id.as_bytes().to_vec(),
            generation: doc.generation,
            kind: doc.kind,
            form: Form::Changes,
            snapshot: None,
            changes: Some(changes.into_iter().map(ByteVec::from).collect()),
            row: None,
            row_version: None,
            changed_ms: None,
        })
    }

    /// The records that the device asked for, whole, as far as they fit. The feed comes first, so that a record that
    /// the device can never use does not keep it from going on.
    fn wanted(&self, request: &SyncRequest, sent: &HashSet<RecordId>, room: usize, alone: bool) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut used = 0;
        let mut seen = HashSet::new();
        for id in request.want.iter().take(WANTED).filter_map(|id| RecordId::from_slice(id)) {
            if sent.contains(&id) || !seen.insert(id) {
                continue;
            }
            self.view.feed_doc(id, &mut |doc| {
                let sending = self.snapshot(&doc);
                let weight = weight(&doc, &sending);
                if used + weight <= room || (alone && entries.is_empty()) {
                    used += weight;
                    entries.push(snapshot(&doc, matches!(sending, Sending::Snapshot { row: true })));
                }
                Ok(())
            })?;
        }
        Ok(entries)
    }
}

fn weight(doc: &FeedDoc<'_>, sending: &Sending) -> usize {
    match sending {
        Sending::Nothing => 0,
        Sending::Changes { bytes } => OVERHEAD + bytes,
        Sending::Snapshot { row: true } => OVERHEAD + doc.bytes.len() + doc.row.len(),
        Sending::Snapshot { row: false } => OVERHEAD + doc.bytes.len(),
    }
}

fn snapshot(doc: &FeedDoc<'_>, row: bool) -> Entry {
    let (major, minor) = doc.row_version;
    Entry {
        id: doc.id.as_bytes().to_vec(),
        generation: doc.generation,
        kind: doc.kind,
        form: Form::Snapshot,
        snapshot: Some(doc.bytes.to_vec()),
        changes: None,
        row: row.then(|| doc.row.to_vec()),
        row_version: row.then_some(RowVersion { kind: doc.kind, major, minor }),
        changed_ms: Some(doc.changed_ms),
    }
}
