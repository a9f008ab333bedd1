//! One record: its document, what is derived from it, and its changes.

use roadbook_core::document::{Actor, Document, open_envelope};
use roadbook_core::gate::{self, Limits, scan_change};
use roadbook_core::id::RecordId;
use roadbook_core::record::{Definition, Kind, encode_row};

use super::{Fault, Finding, Repair};
use crate::error::{Error, Result};
use crate::store::{Commit, DocWrite, SqliteStore, Store, StoredChange, StoredDoc, View, WorkspaceId};
use crate::sync::head_bytes;

/// What a record came to: what is wrong, each with whether the write mends it, and the write.
#[derive(Default)]
struct Diagnosis {
    faults: Vec<(Fault, bool)>,
    write: Option<DocWrite>,
}

/// Looks at a record and perhaps mends it.
pub(super) fn look(
    store: &SqliteStore,
    workspace: WorkspaceId,
    record: RecordId,
    repair: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let mut diagnosis = Diagnosis::default();
    store.view(workspace, &mut |view| {
        diagnosis = diagnose(view, record)?;
        Ok(())
    })?;
    if repair && diagnosis.write.is_some() {
        store.commit(workspace, &mut |tx: &dyn Commit| {
            // A running server may have written meanwhile: what counts is how the record stands now.
            diagnosis = diagnose(tx, record)?;
            diagnosis.write.as_ref().map_or(Ok(()), |write| tx.put_doc(write))
        })?;
    }
    findings.extend(diagnosis.faults.into_iter().map(|(fault, mended)| {
        let repair = match (mended, repair) {
            (true, true) => Repair::Done,
            (true, false) => Repair::Possible,
            (false, _) => Repair::None,
        };
        Finding { workspace: Some(workspace), record: Some(record), fault, repair }
    }));
    Ok(())
}

fn diagnose(view: &dyn View, record: RecordId) -> Result<Diagnosis> {
    let mut found = Diagnosis::default();
    // Gone since the list of records was read.
    let Some(stored) = view.doc(record)? else { return Ok(found) };
    let changes = view.stored_changes(record)?;
    let mut place = None;
    view.feed_doc(record, &mut |doc| {
        place = Some((doc.seq_first, doc.seq_last, doc.row_version, doc.changed_ms, doc.row.to_vec()));
        Ok(())
    })?;
    let Some((seq_first, seq_last, row_version, changed_ms, row)) = place else {
        return Err(Error::Internal("a record left during one transaction".into()));
    };
    let workspace = view.workspace()?;
    if seq_last > workspace.seq {
        found.faults.push((Fault::Number(seq_last), false));
    }
    let last = changes.iter().map(|change| change.seq).max();
    if let Some(last) = last.filter(|last| *last != seq_last) {
        found.faults.push((Fault::Place { stands: seq_last, last }, false));
    }
    for change in &changes {
        if let Some(fault) = wrong(view, &stored, change)? {
            found.faults.push((fault, false));
        }
    }
    let definition = Kind::definition_of(stored.kind);
    let loaded = Document::load(definition, &stored.bytes);
    let is_stored = |document: &Document| head_bytes(document) == stored.heads;
    let again = if loaded.as_ref().is_ok_and(is_stored) { None } else { again(definition, &stored, &changes) };
    if let Err(why) = &loaded {
        found.faults.push((Fault::Unreadable(why.clone()), again.is_some()));
    } else if again.is_some() {
        found.faults.push((Fault::Heads, true));
    }
    let (document, bytes) = match (again, loaded) {
        (Some(again), _) => again,
        (None, Ok(document)) => (document, stored.bytes.clone()),
        (None, Err(_)) => return Ok(found),
    };
    if !document.is_of_its_kind() {
        found.faults.push((Fault::Kind(stored.kind), false));
        return Ok(found);
    }
    let lacking = changes.iter().filter(|change| !document.contains(&change.hash));
    found.faults.extend(lacking.map(|change| (Fault::Lacks(change.seq), false)));
    // What is derived from a document that is not the last one would hide that.
    let is_last = !found.faults.iter().any(|(fault, _)| matches!(fault, Fault::Lacks(_)));
    let write = DocWrite {
        id: record,
        generation: stored.generation,
        kind: stored.kind,
        seq_first,
        seq_last,
        heads: head_bytes(&document),
        row_version: definition.row_version,
        changed_ms: document.changed_ms(),
        row: encode_row(&document.read(None).values),
        bytes,
    };
    if write.heads != stored.heads {
        found.faults.push((Fault::Heads, is_last));
    }
    if (write.row_version, write.changed_ms, &write.row) != (row_version, changed_ms, &row) {
        found.faults.push((Fault::Row, is_last));
    }
    if found.faults.iter().any(|(_, mended)| *mended) {
        found.write = Some(write);
    }
    Ok(found)
}

/// What is wrong with a change, apart from its document.
fn wrong(view: &dyn View, stored: &StoredDoc, change: &StoredChange) -> Result<Option<Fault>> {
    let facts = open_envelope(&change.bytes, Limits::CHANGE.bytes).ok().and_then(|raw| scan_change(&raw, &Limits::CHANGE).ok());
    if facts.is_none_or(|facts| facts.hash != change.hash.0) {
        return Ok(Some(Fault::Change(change.seq)));
    }
    if change.generation != stored.generation {
        return Ok(Some(Fault::Generation(change.seq)));
    }
    // The first change of a record is frozen, and nobody's. It comes along where the kind was unknown here.
    let is_frozen = |kind: Kind| kind.definition().skeleton.pinned().contains(&change.hash);
    if change.actor == Actor::SKELETON && Kind::from_code(stored.kind).is_none_or(is_frozen) {
        return Ok(None);
    }
    let bound = view.bound(change.actor)?;
    Ok((bound != Some(change.device)).then_some(Fault::Author(change.seq)))
}

/// The document made again from all its changes, where that gives the heads that it had.
fn again(definition: &'static Definition, stored: &StoredDoc, changes: &[StoredChange]) -> Option<(Document, Vec<u8>)> {
    let empty = Document::new(definition).ok()?;
    let sealed: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
    let passed = gate::admit(&empty, &sealed, &|_| true).ok()?;
    (head_bytes(&passed.document) == stored.heads).then_some((passed.document, passed.saved))
}
