//! Where a device stands in the feed. Opaque to devices.
//!
//! The feed is state: a record stands in it at the number of its *last* change. A device that stopped in the middle of
//! a walk has therefore not seen everything below the place where it stopped: what changed again meanwhile moved on.
//! So a cursor says two things: below which number everything is known, and how far the present walk has come. It proves a
//! third: the history up to the last number that was given when the page was read. What a device pushed in the middle of a
//! walk stands beyond its place, and a server that lost it must not take the cursor for one of its own history.
//!
//! | bytes | meaning |
//! |---|---|
//! | none | nothing is known |
//! | 16: number, chain | everything up to the number is known |
//! | 48: number, chain, known, id, last | everything up to `known`; of the walk beyond it, what stands up to (number, id); the chain is that of `last` |

use roadbook_core::id::RecordId;
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::store::View;

/// The chain before the first number.
const CHAIN_START: [u8; 8] = [0; 8];

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// All changes up to this number are known.
    pub known: u64,
    /// The walk goes on beyond this place: a number, and an id among the records that stand at it.
    pub after: (u64, RecordId),
    /// The last number that was given when the page was read.
    pub last: u64,
}

/// Greater than every id that a record has.
const LAST_ID: RecordId = RecordId::from_bytes([0xff; 16]);

impl Position {
    /// Nothing is known.
    pub const START: Self = Self { known: 0, after: (0, LAST_ID), last: 0 };

    /// Everything up to a number is known.
    pub fn whole(seq: u64) -> Self {
        Self { known: seq, after: (seq, LAST_ID), last: seq }
    }

    /// Reads a cursor; `None` where it is of another history than the view's, or no cursor.
    ///
    /// # Errors
    /// Those of the store.
    pub fn read(cursor: &[u8], view: &dyn View) -> Result<Option<Self>> {
        if cursor.is_empty() {
            return Ok(Some(Self::START));
        }
        let Some((seq, rest)) = cursor.split_first_chunk::<8>() else { return Ok(None) };
        let Some((chain, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let seq = u64::from_be_bytes(*seq);
        let position = match rest.split_first_chunk::<8>() {
            None if rest.is_empty() => Self::whole(seq),
            None => return Ok(None),
            Some((known, rest)) => {
                let Some((id, last)) = rest.split_first_chunk::<16>() else { return Ok(None) };
                let Ok(last) = last.try_into().map(u64::from_be_bytes) else { return Ok(None) };
                Self { known: u64::from_be_bytes(*known), after: (seq, RecordId::from_bytes(*id)), last }
            }
        };
        // A number that was never given has no chain: the client was further than this server is.
        let same = chain_at(view, position.last)?.is_some_and(|ours| ours == *chain);
        Ok((same && position.known <= seq && seq <= position.last).then_some(position))
    }

    /// The cursor's bytes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn write(&self, view: &dyn View) -> Result<Vec<u8>> {
        let (seq, id) = self.after;
        let mut cursor = seq.to_be_bytes().to_vec();
        cursor.extend_from_slice(&chain_at(view, self.last)?.unwrap_or(CHAIN_START));
        if *self != Self::whole(seq) {
            cursor.extend_from_slice(&self.known.to_be_bytes());
            cursor.extend_from_slice(id.as_bytes());
            cursor.extend_from_slice(&self.last.to_be_bytes());
        }
        Ok(cursor)
    }
}

/// The running hash at a number; `None` where the number was never given.
///
/// # Errors
/// Those of the store.
pub fn chain_at(view: &dyn View, seq: u64) -> Result<Option<[u8; 8]>> {
    if seq == 0 { Ok(Some(CHAIN_START)) } else { view.chain(seq) }
}

/// The running hash after one more group: the first 8 bytes of SHA-256 over the one before, the number, and the hashes
/// of the group's changes.
pub fn next_chain<'a>(before: [u8; 8], seq: u64, hashes: impl Iterator<Item = &'a [u8; 32]>) -> [u8; 8] {
    let mut digest = Sha256::new().chain_update(before).chain_update(seq.to_be_bytes());
    for hash in hashes {
        digest.update(hash);
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest.first_chunk().copied().unwrap_or(CHAIN_START)
}
