//! A world that stands still: every run of an input sees the same time and the same randomness.

use std::sync::atomic::{AtomicU64, Ordering};

use roadbook_core::env::Env;
use roadbook_core::value::Instant;
use sha2::{Digest as _, Sha256};

/// The moment of every run, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_790_000_000_000;

/// Time that stands, and bytes that are a number's hash.
#[derive(Default)]
pub struct Still(AtomicU64);

impl Env for Still {
    fn now(&self) -> Instant {
        Instant { ms: NOW_MS, offset_minutes: 60 }
    }

    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            piece.copy_from_slice(&Sha256::digest(number.to_be_bytes())[..piece.len()]);
        }
    }
}
