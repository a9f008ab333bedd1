//! The byte before every blob. The first byte chooses the limit.

use roadbook_core::document::{EnvelopeError, open_envelope, seal_envelope};

use crate::parts::choice;

pub fn run(input: &[u8]) {
    let (limit, sealed) = choice(input);
    let limit = 1usize << (limit % 24);
    match open_envelope(sealed, limit) {
        Ok(raw) => {
            assert!(raw.len() <= limit);
            assert_eq!(open_envelope(&seal_envelope(&raw), limit), Ok(raw));
        }
        Err(EnvelopeError::TooLarge(max)) => assert_eq!(max, limit),
        Err(_) => {}
    }
}
