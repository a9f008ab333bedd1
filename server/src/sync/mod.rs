//! `POST /v1/sync`, after the token was checked: what is pushed passes the gate, then the feed is read.

mod cursor;
mod directory;
mod judge;
mod pull;

use roadbook_core::document::{EnvelopeError, open_envelope};
use roadbook_core::fault::{Plant, planted};
use roadbook_core::gate::{Limits, scan_change};
use roadbook_core::sync::wire::{self, ErrorCode, SyncRequest, SyncResponse, Verdict};

use crate::error::{Error, Result};
use crate::rejection::Rejection;
use crate::store::{Caller, Device, DeviceId, Own, Store, WorkspaceId};
use cursor::Cursor;
pub(crate) use cursor::{chain_at, next_chain};
pub(crate) use judge::head_bytes;
use judge::judge;

/// The most groups of one request.
pub const MAX_GROUPS: usize = 4000;
/// The most items of one request, and records that it names.
pub const MAX_ITEMS: usize = 4000;

/// What a sync did, for the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Groups in the request.
    pub groups: usize,
    /// Changes that were new.
    pub changes: usize,
    /// Records in the answer.
    pub entries: usize,
}

/// Answers a sync request of a known device.
///
/// # Errors
/// [`Rejection`] for a body that is none, a request that is too large, and a cursor of another history.
pub fn answer(store: &dyn Store, caller: &Caller, body: &[u8], now_ms: i64) -> Result<(Vec<u8>, Done), Rejection> {
    let request: SyncRequest =
        wire::decode(body).map_err(|_| Rejection::new(ErrorCode::Malformed, "the body is no sync request"))?;
    if !is_bounded(&request) {
        return Err(Rejection::new(
            ErrorCode::TooLarge,
            "more groups, items, records, bytes or operations than a request may have",
        ));
    }
    let ws = caller.workspace;
    let Some((cursor, since)) = cursor(store, caller, &request)? else {
        return Err(Rejection::new(ErrorCode::EpochChanged, "the cursor is of another history"));
    };
    let (verdicts, changes) = push(store, ws, caller.device, &request, now_ms)?;
    let mut answered = None;
    let mut returned = None;
    store.view(ws, &mut |view| {
        let workspace = view.workspace()?;
        // Revoked while the body was on its way: what it pushed was refused, and it gets nothing either.
        let is_good = |device: &Device| device.revoked_ms.is_none() || planted(Plant::RevokedToken);
        let device = view.device(caller.device)?.filter(is_good).ok_or(Error::Revoked)?;
        if device.epoch != Some(workspace.epoch) {
            returned = Some((workspace.epoch, workspace.restored));
        }
        let since = if planted(Plant::SkipOwn) { 0 } else { since };
        // The numbers of another history say nothing about what the device has.
        let known = if request.epoch.is_empty() { 0 } else { request.directory };
        let page = pull::page(view, &workspace, Own { device: caller.device, since }, &request, &cursor)?;
        answered = Some(SyncResponse {
            epoch: workspace.epoch.to_vec(),
            verdicts: verdicts.clone(),
            entries: page.entries,
            cursor: page.cursor,
            more: page.more,
            time_ms: now_ms,
            directory: directory::beyond(view, &workspace, known)?,
        });
        Ok(())
    })?;
    if let Some((epoch, restored)) = returned {
        store.commit(ws, &mut |tx| tx.synced_under(caller.device, epoch))?;
        if restored.is_some() {
            tracing::info!(device = %caller.device, workspace = %ws, changes, "a device is back after the restore");
        }
    }
    let response = answered.ok_or_else(|| Error::Internal("the store gave no view".into()))?;
    let done = Done { groups: request.groups.len(), changes, entries: response.entries.len() };
    let body = wire::encode(&response).map_err(Error::from)?;
    Ok((body, done))
}

/// Whether a request holds no more than the gate can judge while others wait: counted without opening a record. Changes
/// fold well: a request of a few kilobytes could unfold to gigabytes, and to millions of operations.
fn is_bounded(request: &SyncRequest) -> bool {
    let items = || request.groups.iter().flat_map(|group| &group.items);
    if request.groups.len() > MAX_GROUPS || items().count() > MAX_ITEMS || request.docs.len() > MAX_ITEMS {
        return false;
    }
    let (mut bytes, mut ops) = (0, 0);
    for item in items() {
        // What is no change is refused by itself, with a verdict; unfolding it takes its time all the same.
        match open_envelope(&item.change, Limits::CHANGE.bytes) {
            Ok(raw) => {
                bytes += raw.len();
                ops += scan_change(&raw, &Limits::CHANGE).map_or(0, |facts| facts.ops);
            }
            Err(EnvelopeError::TooLarge(limit)) => bytes += limit,
            Err(_) => {}
        }
        if bytes > wire::MAX_INFLATED || ops > wire::MAX_REQUEST_OPS {
            return false;
        }
    }
    true
}

/// Where the device stands, and the workspace's number; `None` where it comes from another history.
fn cursor(store: &dyn Store, caller: &Caller, request: &SyncRequest) -> Result<Option<(Cursor, u64)>> {
    let mut cursor = None;
    store.view(caller.workspace, &mut |view| {
        let workspace = view.workspace()?;
        if request.epoch.is_empty() || request.epoch == workspace.epoch {
            cursor = Cursor::read(&request.cursor, view)?.map(|cursor| (cursor, workspace.seq));
            if cursor.is_none() {
                // `restore` would have given another epoch: this tells the administrator what nobody said.
                tracing::warn!(
                    device = %caller.device,
                    workspace = %caller.workspace,
                    "a device stands in a history that the database does not have: it was put back without `restore`, or the device was away for very long"
                );
            }
        }
        Ok(())
    })?;
    Ok(cursor)
}

/// Judges the groups and writes what was accepted, durably. Gives a verdict for each group, and how many changes are new.
fn push(
    store: &dyn Store,
    ws: WorkspaceId,
    device: DeviceId,
    request: &SyncRequest,
    now_ms: i64,
) -> Result<(Vec<Verdict>, usize)> {
    if request.groups.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let mut judged = judge::Judged::default();
    let mut written = false;
    for last in [false, false, true] {
        store.view(ws, &mut |view| {
            judged = judge(view, device, request)?;
            Ok(())
        })?;
        if !judged.writes() {
            break;
        }
        let committed = store.commit(ws, &mut |tx| {
            if tx.device(device)?.is_none_or(|device| device.revoked_ms.is_some()) {
                return Err(Error::Revoked);
            }
            if !judged.still_holds(tx, device)? {
                // Somebody was faster. Judging takes its time, and others want to write meanwhile.
                if !last {
                    return Ok(());
                }
                judged = judge(tx, device, request)?;
            }
            written = true;
            judged.write(tx, device, now_ms)
        });
        if !planted(Plant::EarlyAnswer) {
            committed?;
        }
        if written {
            break;
        }
    }
    let changes = judged.changes();
    Ok((judged.verdicts, changes))
}
