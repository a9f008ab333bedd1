//! Forgetting what has ended: tokens, invitations, verdicts, and single changes that are old enough for snapshots to
//! stand for them.

use roadbook_core::document::Document;
use roadbook_core::id::RecordId;
use roadbook_core::record::Kind;

use crate::error::Result;
use crate::store::{Store, View, Workspace};

const DAY_MS: i64 = 24 * 3_600_000;

/// How long single changes are kept, in milliseconds: 90 days. A device that was away for longer gets whole records.
pub const CHANGES_MS: i64 = 90 * DAY_MS;

/// How long the chain is kept, in milliseconds: 400 days, so that whoever was away for a year need not start over.
pub const CHAIN_MS: i64 = 400 * DAY_MS;

/// Records whose changes are dropped in one transaction, so that nobody waits long for it.
const BATCH: usize = 200;

/// Forgets what has ended at `now_ms` by the server's clock. It may be interrupted at any point, and goes on the next
/// time.
///
/// # Errors
/// Those of the store.
pub fn tidy(store: &dyn Store, now_ms: i64) -> Result<()> {
    store.tidy(now_ms)?;
    for workspace in store.workspaces()? {
        trim_changes(store, &workspace, now_ms)?;
        trim_chain(store, &workspace, now_ms)?;
    }
    Ok(())
}

/// Drops the old changes of a workspace.
fn trim_changes(store: &dyn Store, workspace: &Workspace, now_ms: i64) -> Result<()> {
    let (ws, mut until, mut records) = (workspace.id, None, Vec::new());
    store.view(ws, &mut |view| {
        until = view.marked(now_ms.saturating_sub(CHANGES_MS))?.filter(|until| *until > workspace.trimmed_to);
        if let Some(until) = until {
            records = view.records_changed_until(until)?;
        }
        Ok(())
    })?;
    let Some(until) = until else { return Ok(()) };
    // First, so that no device is given a part of the changes that it lacks.
    store.commit(ws, &mut |tx| tx.keep_changes_from(until))?;
    let (mut dropped, mut kept) = (0, 0);
    for batch in records.chunks(BATCH) {
        store.commit(ws, &mut |tx| {
            for record in batch {
                if is_covered(tx, *record, until)? {
                    dropped += tx.drop_changes(*record, until)?;
                } else {
                    kept += 1;
                    tracing::warn!(workspace = %ws, %record, "old changes are kept: the record's document does not stand for them");
                }
            }
            Ok(())
        })?;
    }
    store.commit(ws, &mut |tx| tx.trimmed_to(until))?;
    tracing::info!(workspace = %ws, until, changes = dropped, kept, "old changes were dropped");
    Ok(())
}

/// Drops the old chain of a workspace.
fn trim_chain(store: &dyn Store, workspace: &Workspace, now_ms: i64) -> Result<()> {
    let mut from = None;
    store.view(workspace.id, &mut |view| {
        let begins = view.chain_begins()?;
        from = view.marked(now_ms.saturating_sub(CHAIN_MS))?.filter(|from| begins.is_some_and(|begins| begins < *from));
        Ok(())
    })?;
    let Some(from) = from else { return Ok(()) };
    store.commit(workspace.id, &mut |tx| tx.keep_chain_from(from))?;
    tracing::info!(workspace = %workspace.id, from, "the old chain was dropped");
    Ok(())
}

/// Whether the record's snapshot holds its changes up to a number. Changes that it lacks may be all that is left.
fn is_covered(view: &dyn View, record: RecordId, until: u64) -> Result<bool> {
    let Some(stored) = view.doc(record)? else { return Ok(false) };
    let Ok(document) = Document::load(Kind::definition_of(stored.kind), &stored.bytes) else { return Ok(false) };
    let changes = view.stored_changes(record)?;
    let mut old = changes.iter().filter(|change| change.seq <= until);
    Ok(old.all(|change| document.contains(&change.hash)))
}
