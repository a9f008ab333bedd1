//! Time and randomness, as arguments: the core asks its caller, never the system.

use std::sync::LazyLock;

use crate::value::Instant;

/// What the world outside gives: the time and random bytes.
pub trait Env: Send + Sync {
    /// The present moment with the offset of the user's time zone.
    fn now(&self) -> Instant;
    /// Milliseconds since some moment, by a clock that nobody sets.
    fn ticks_ms(&self) -> u64 {
        static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    /// Fills `bytes` with randomness fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The clock and the randomness of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEnv;

impl Env for SystemEnv {
    fn now(&self) -> Instant {
        let now = chrono::Local::now();
        Instant { ms: now.timestamp_millis(), offset_minutes: now.offset().local_minus_utc() / 60 }
    }

    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no id and no key is safe to make: stopping is the only right answer.
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
