//! Identities: 16 opaque bytes, shown as a UUID.
//!
//! A record that a person makes gets a UUIDv7 on the device that made it. A record that two devices may make
//! on their own (an imported card) gets a UUIDv5 of stated parts, so that both make the same one.
//! The record id is the document id.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use uuid::Uuid;

use crate::env::Env;

/// The namespace of every derived id of this product; frozen, since ids made from it are stored.
const DERIVED: Uuid = Uuid::from_u128(0x5be3_62c1_7a0d_4e5b_9d1f_63f0_8f0e_2a17);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not an id (an id looks like 01890a5d-ac96-774b-bcce-b302099a8057)")]
pub struct NotAnId(pub String);

/// The id of a record and of its document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// A new id (UUIDv7): sorts by the time it was made.
    pub fn generate(env: &dyn Env) -> Self {
        let mut random = [0u8; 10];
        env.fill(&mut random);
        let ms = u64::try_from(env.now().ms).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().into_bytes())
    }

    /// The id of a record that several devices may make: equal parts give the same id (UUIDv5).
    pub fn derived(parts: &[&[u8]]) -> Self {
        let mut name = Vec::new();
        for part in parts {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part);
        }
        Self(Uuid::new_v5(&DERIVED, &name).into_bytes())
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id in a slice; `None` unless it has 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecordId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Uuid::try_parse(text.trim()).map(|id| Self(id.into_bytes())).map_err(|_| NotAnId(text.chars().take(60).collect()))
    }
}

impl<C> Encode<C> for RecordId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<C> Decode<'_, C> for RecordId {
    fn decode(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_slice(decoder.bytes()?).ok_or_else(|| minicbor::decode::Error::message("an id has 16 bytes"))
    }
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub RecordId);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.parse().map(Self)
            }
        }

        impl From<RecordId> for $name {
            fn from(id: RecordId) -> Self {
                Self(id)
            }
        }
    )*};
}

id_types! {
    /// The id of a contact.
    ContactId,
    /// The id of a deal.
    DealId,
    /// The id of a task.
    TaskId,
    /// The id of a person who uses the workspace.
    UserId,
}

/// The id of an entry inside a record (a channel, an address): letters, digits, `-` and `_`, at most 40.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct EntryId(String);

impl EntryId {
    /// A new random id of 11 characters.
    pub fn generate(env: &dyn Env) -> Self {
        let mut bytes = [0u8; 8];
        env.fill(&mut bytes);
        Self(data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }

    /// The id of an entry that several devices may make: equal parts give the same id.
    pub fn derived(parts: &[&[u8]]) -> Self {
        let id = RecordId::derived(parts);
        let short: Vec<u8> = id.as_bytes().iter().copied().take(8).collect();
        Self(data_encoding::BASE64URL_NOPAD.encode(&short))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntryId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > 40 || !text.chars().all(legal) {
            return Err(NotAnId(text.chars().take(60).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
