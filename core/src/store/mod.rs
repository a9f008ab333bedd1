//! The one store: SQLite with SQLCipher. Documents, query tables and search are written in one transaction.

mod docs;
mod meta;
mod open;
mod outbox;
mod row;
mod state;

pub(crate) use docs::{DocRow, StoredDoc};
pub(crate) use meta::Meta;
pub use open::Key;
pub(crate) use open::{DATABASE, OpenMode, deciphers, open};
pub(crate) use outbox::{OpenGroup, OutboxItem, Size};
pub(crate) use row::{SearchChange, links, row_values, stored_links, stored_row};
pub(crate) use state::{DocState, OutboxState};

use std::collections::HashSet;

use rusqlite::Transaction;

use crate::document::Actor;
use crate::env::Env;
use crate::id::RecordId;
use crate::record::Kind;
use crate::value::Instant;

/// A write in progress: everything that a commit must contain.
pub(crate) struct Tx<'a> {
    /// The SQLite transaction.
    pub sql: &'a Transaction<'a>,
    /// Time and randomness.
    pub env: &'a dyn Env,
    /// The actor that this store writes as.
    pub actor: Actor,
    /// The push group of this transaction's changes: the server takes them together or not at all.
    pub group: OpenGroup,
    /// What the search indexes are to hold, written last.
    pub searched: Vec<SearchChange>,
    /// Whether a record was erased: what the indexes and the log still hold of it goes with this transaction.
    pub erased: bool,
    /// Records that own changes were taken out of: id, code of the kind, generation.
    pub taken_out: Vec<(RecordId, u16, u32)>,
    /// The push groups of later own changes that went with them and were written again.
    pub fallen: HashSet<Vec<u8>>,
    /// Records that changed, for observers.
    pub changed: Vec<(Kind, RecordId)>,
}

impl Tx<'_> {
    /// The present moment.
    pub fn now(&self) -> Instant {
        self.env.now()
    }
}
