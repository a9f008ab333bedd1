//! What a form was read at: the document's generation and heads, opaque to apps.

use std::fmt;
use std::str::FromStr;

use automerge::ChangeHash;

use crate::error::Error;

/// A document's generation and heads. As text: base64url of a format byte, the generation, and the sorted heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The generation; a new one begins when a person is erased.
    pub generation: u32,
    /// The heads, sorted.
    pub heads: Vec<ChangeHash>,
}

const FORMAT: u8 = 1;

impl Version {
    /// The bytes behind the text; the key of what was saved from a version.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        for head in &self.heads {
            bytes.extend_from_slice(head.as_ref());
        }
        bytes
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.to_bytes()))
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Error::BadVersion)?;
        let (format, rest) = bytes.split_first().ok_or(Error::BadVersion)?;
        let (generation, heads) = rest.split_first_chunk::<4>().ok_or(Error::BadVersion)?;
        if *format != FORMAT || heads.is_empty() || heads.len() % 32 != 0 {
            return Err(Error::BadVersion);
        }
        Ok(Self { generation: u32::from_be_bytes(*generation), heads: hashes(heads) })
    }
}

/// The hashes in a run of 32-byte pieces; a rest is left out.
pub(crate) fn hashes(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.chunks_exact(32).filter_map(|piece| piece.try_into().ok()).map(ChangeHash).collect()
}

/// The bytes of hashes, one after the other.
pub(crate) fn hash_bytes(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
