//! The frame of Automerge's chunks, so that changed content can have a good one around it: a checksum that does not fit
//! would stop every input at the gate's first line.

use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

/// The type byte of a document.
pub const DOCUMENT: u8 = 0;
/// The type byte of a change.
pub const CHANGE: u8 = 1;

/// A number as Automerge writes it.
pub fn uleb(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A chunk of any content, with its hash.
pub fn framed(kind: u8, content: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let mut hashed = vec![kind];
    hashed.extend(uleb(content.len() as u64));
    hashed.extend_from_slice(content);
    let hash: [u8; 32] = Sha256::digest(&hashed).into();
    ([&MAGIC, &hash[..4], &hashed].concat(), hash)
}

/// The content of a well-framed chunk.
pub fn content(chunk: &[u8]) -> &[u8] {
    after_number(&chunk[9..])
}

/// What follows the counters in the content of a change: time, message, other actors, columns.
pub fn after_counters(content: &[u8]) -> &[u8] {
    let deps = usize::from(content[0]);
    assert!(deps < 0x80, "few dependencies");
    let actor = &content[1 + 32 * deps..];
    let rest = &actor[1 + usize::from(actor[0])..];
    after_number(after_number(rest))
}

fn after_number(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a number");
    &bytes[end + 1..]
}
