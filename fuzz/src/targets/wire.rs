//! The messages. The first byte says which, the second whether the rest is a body or CBOR that gets a plain envelope.

use std::fmt::Debug;

use roadbook_core::sync::wire::{
    ErrorResponse, HelloRequest, HelloResponse, JoinRequest, JoinResponse, SyncRequest, SyncResponse, TokenRequest,
    TokenResponse, decode, encode,
};

use crate::parts::choice;

/// How a body of one type is decoded and encoded again.
type Codec = fn(&[u8]);

/// Every message of the protocol, in the order of the first byte.
const MESSAGES: [Codec; 9] = [
    both::<HelloRequest>,
    both::<HelloResponse>,
    both::<JoinRequest>,
    both::<JoinResponse>,
    both::<TokenRequest>,
    both::<TokenResponse>,
    both::<SyncRequest>,
    both::<SyncResponse>,
    both::<ErrorResponse>,
];

pub fn run(input: &[u8]) {
    let (message, rest) = choice(input);
    let (sealed, rest) = choice(rest);
    let body = if sealed & 1 == 1 { rest.to_vec() } else { roadbook_core::document::seal_envelope(rest) };
    MESSAGES[usize::from(message) % MESSAGES.len()](&body);
}

fn both<T>(body: &[u8])
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()> + PartialEq + Debug,
{
    let Ok(message) = decode::<T>(body) else { return };
    let encoded = encode(&message).expect("what was decoded can be encoded");
    let again: T = decode(&encoded).expect("what was encoded can be decoded");
    // Messages with secrets say nothing of themselves: a plain comparison.
    assert!(again == message, "{message:?} is not {again:?}");
}
