//! Who wrote a change: 16 random bytes for each incarnation of a store.

use std::fmt;

use automerge::ActorId;

use crate::env::Env;

/// Automerge writes a change at an older version under a derived actor: these bytes, a level, then the actor.
const DERIVED: [u8; 4] = [0x13, 0xb2, 0x23, 0x09];

/// How many levels of derived actors the gate admits.
pub const MAX_LEVEL: u64 = 8;

/// A device's actor, without the prefix of derived ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(pub [u8; 16]);

impl Actor {
    /// The author of the frozen skeleton changes.
    pub const SKELETON: Self = Self([0; 16]);

    /// A new random actor.
    pub fn generate(env: &dyn Env) -> Self {
        let mut bytes = [0; 16];
        env.fill(&mut bytes);
        Self(bytes)
    }

    /// The device's actor and the level of derivation, from the bytes in a change; `None` where they are neither.
    pub fn parse(bytes: &[u8]) -> Option<(Self, u64)> {
        if let Ok(actor) = bytes.try_into() {
            return Some((Self(actor), 0));
        }
        let rest = bytes.strip_prefix(&DERIVED)?;
        // Levels below 128 are one byte of LEB128; more are not admitted anyway.
        let (level, actor) = rest.split_first()?;
        let actor = actor.try_into().ok()?;
        (*level > 0 && *level < 128).then_some((Self(actor), u64::from(*level)))
    }

    pub(super) fn automerge(self) -> ActorId {
        ActorId::from(self.0.as_slice())
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}
