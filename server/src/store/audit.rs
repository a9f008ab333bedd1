//! What is looked at to tell whether the store fits together.

use roadbook_core::document::{Actor, ChangeHash};
use roadbook_core::id::RecordId;

use super::DeviceId;

/// A change as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChange {
    /// The number of its group.
    pub seq: u64,
    /// The generation of the record that it belongs to.
    pub generation: u32,
    /// Its hash.
    pub hash: ChangeHash,
    /// The device that sent it.
    pub device: DeviceId,
    /// Its author.
    pub actor: Actor,
    /// The raw chunk in an envelope.
    pub bytes: Vec<u8>,
}

/// A number of the feed, with what is stored under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The number.
    pub seq: u64,
    /// The running hash there; `None` where it is missing.
    pub chain: Option<[u8; 8]>,
    /// The places and hashes of the changes that are kept.
    pub changes: Vec<(u32, ChangeHash)>,
}

/// Rows that belong to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LooseEnd {
    /// What they are.
    pub what: &'static str,
    /// The id of what they would belong to, or their own.
    pub id: RecordId,
}
