//! `POST /v1/sync`, after the token was checked: what is pushed passes the gate, then the feed is read.

mod cursor;
mod directory;
mod judge;
mod pull;

use roadbook_core::fault::{Plant, planted};
use roadbook_core::sync::wire::{self, ErrorCode, SyncRequest, SyncResponse, Verdict};

use crate::error::{Error, Result};
use crate::rejection::Rejection;
use crate::store::{DeviceId, Own, Session, Store, WorkspaceId};
use cursor::Position;
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
pub fn answer(store: &dyn Store, session: &Session, body: &[u8], now_ms: i64) -> Result<(Vec<u8>, Done), Rejection> {
    let request: SyncRequest =
        wire::decode(body).map_err(|_| Rejection::new(ErrorCode::Malformed, "the body is no sync request"))?;
    let items: usize = request.groups.iter().map(|group| group.items.len()).sum();
    if request.groups.len() > MAX_GROUPS || items > MAX_ITEMS || request.docs.len() > MAX_ITEMS {
        return Err(Rejection::new(ErrorCode::TooLarge, "more groups, items or records than a request may have"));
    }
    let ws = session.workspace;
    let Some((position, since)) = position(store, ws, &request)? else {
        return Err(Rejection::new(ErrorCode::EpochChanged, "the cursor is of another history"));
    };
    let (verdicts, changes) = push(store, ws, session.device, &request, now_ms)?;
    let mut answered = None;
    store.view(ws, &mut |view| {
        let workspace = view.workspace()?;
        let since = if planted(Plant::SkipOwn) { 0 } else { since };
        let page = pull::page(view, &workspace, Own { device: session.device, since }, &request, &position)?;
        let newer = workspace.directory > request.directory;
        answered = Some(SyncResponse {
            epoch: workspace.epoch.to_vec(),
            verdicts: verdicts.clone(),
            entries: page.entries,
            cursor: page.cursor,
            more: page.more,
            time_ms: now_ms,
            directory: if newer { Some(directory::directory(view, &workspace)?) } else { None },
        });
        Ok(())
    })?;
    let response = answered.ok_or_else(|| Error::Internal("the store gave no view".into()))?;
    let done = Done { groups: request.groups.len(), changes, entries: response.entries.len() };
    let body = wire::encode(&response).map_err(Error::from)?;
    Ok((body, done))
}

/// Where the device stands, and the workspace's number; `None` where it comes from another history.
fn position(store: &dyn Store, ws: WorkspaceId, request: &SyncRequest) -> Result<Option<(Position, u64)>> {
    let mut position = None;
    store.view(ws, &mut |view| {
        let workspace = view.workspace()?;
        if request.epoch.is_empty() || request.epoch == workspace.epoch {
            position = Position::read(&request.cursor, view)?.map(|position| (position, workspace.seq));
        }
        Ok(())
    })?;
    Ok(position)
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
    store.view(ws, &mut |view| {
        judged = judge(view, device, request)?;
        Ok(())
    })?;
    if judged.writes() {
        let committed = store.commit(ws, &mut |tx| {
            if tx.device(device)?.is_none_or(|device| device.revoked_ms.is_some()) {
                return Err(Error::Revoked);
            }
            if !judged.still_holds(tx)? {
                // Somebody was faster: judge again, now that nobody else can write.
                judged = judge(tx, device, request)?;
            }
            judged.write(tx, device, now_ms)
        });
        if !planted(Plant::EarlyAnswer) {
            committed?;
        }
    }
    let changes = judged.changes();
    Ok((judged.verdicts, changes))
}
