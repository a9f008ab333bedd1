//! How this device stands: what is on no other device, what waits for a decision.

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::{Account, Book};
use crate::error::Result;
use crate::id::RecordId;
use crate::store::{DocState, Meta, OutboxState};

/// How this device stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The workspace's name; `None` before joining one.
    pub workspace: Option<String>,
    /// The server; `None` before joining one.
    pub server: Option<String>,
    /// Actions of this device that are on no other device yet.
    pub pending_actions: u64,
    /// The changes of these actions.
    pub pending_changes: u64,
    /// Changes that the server refused and that wait for their user.
    pub refused: u64,
    /// Records with conflicts, of those that were opened here: [`Book::verify_some`] opens what came whole from the server.
    pub disputed: u64,
    /// Records that this device cannot open, or whose news it could not take.
    pub unreadable: u64,
    /// Living and deleted records.
    pub records: u64,
    /// When a sync last came to its end, in milliseconds since 1970.
    pub synced_at_ms: Option<i64>,
    /// When this store was last found to be a copy or a restored backup, in milliseconds since 1970: it writes under a
    /// new name since then. What was written after the copy was made, and not sent, is not in it. A restored store must join
    /// again.
    pub copied_at_ms: Option<i64>,
    /// Equal on two stores exactly when they hold the same records at the same heads; hexadecimal.
    pub state_hash: String,
}

impl Book {
    /// How this device stands. Reads the heads of all records: some milliseconds for ten thousand.
    ///
    /// # Errors
    /// Those of the store.
    pub fn status(&self) -> Result<Status> {
        self.read(|conn| {
            let count = |sql: &str| -> Result<u64> { Ok(conn.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs()) };
            let (waiting, refused, unreadable) = (OutboxState::Waiting, OutboxState::Refused, DocState::Unreadable);
            let account = Account::load(conn)?;
            let moment = |meta: Meta| -> Result<Option<i64>> {
                Ok(meta.get(conn)?.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes))
            };
            Ok(Status {
                workspace: account.map(|account| account.workspace_name),
                server: Meta::ServerUrl.text(conn)?,
                pending_actions: count(&format!("SELECT count(DISTINCT action) FROM outbox WHERE state = {waiting}"))?,
                pending_changes: count(&format!("SELECT count(*) FROM outbox WHERE state = {waiting}"))?,
                refused: count(&format!("SELECT count(*) FROM outbox WHERE state = {refused}"))?,
                disputed: count("SELECT count(*) FROM doc WHERE disputed > 0")?,
                unreadable: count(&format!(
                    "SELECT count(*) FROM (SELECT id FROM doc WHERE state = {unreadable} UNION SELECT doc FROM quarantine WHERE length(bytes) > 0)"
                ))?,
                records: count("SELECT count(*) FROM doc")?,
                synced_at_ms: moment(Meta::SyncedAt)?,
                copied_at_ms: moment(Meta::CopiedAt)?,
                state_hash: state_hash(conn)?,
            })
        })
    }
}

fn state_hash(conn: &Connection) -> Result<String> {
    let mut statement = conn.prepare_cached("SELECT id, gen, heads FROM doc ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut hash = StateHash::default();
    while let Some(row) = rows.next()? {
        let id: Vec<u8> = row.get(0)?;
        hash.add(RecordId::from_slice(&id).unwrap_or_default(), row.get(1)?, &row.get::<_, Vec<u8>>(2)?);
    }
    Ok(hash.finish())
}

/// The hash of a set of records: SHA-256 over id, generation and sorted heads of each, in the order of the ids.
#[derive(Default)]
pub struct StateHash(Sha256);

impl StateHash {
    /// Adds a record; call it in the order of the ids.
    pub fn add(&mut self, id: RecordId, generation: u32, heads: &[u8]) {
        self.0.update(id.as_bytes());
        self.0.update(generation.to_be_bytes());
        self.0.update((heads.len() as u64).to_be_bytes());
        self.0.update(heads);
    }

    /// The hash in hexadecimal.
    pub fn finish(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0.finalize())
    }
}
