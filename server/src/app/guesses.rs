//! A limit for guessing at invitations.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Wrong codes in a minute, of everybody together, after which none is looked at.
const WRONG: usize = 10;
/// The minute, in milliseconds.
const SPAN_MS: i64 = 60_000;

/// Wrong codes of the last minute. A code has 100 bits, so this guards the log and the disk more than the codes.
#[derive(Default)]
pub(super) struct Guesses(Mutex<VecDeque<i64>>);

impl Guesses {
    /// Seconds until another code may be tried; `None` where it may be now.
    pub fn wait_s(&self, now_ms: i64) -> Option<u32> {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A time in the future was taken before the clock was set back.
        wrong.retain(|at| (0..SPAN_MS).contains(&now_ms.saturating_sub(*at)));
        let first = wrong.front().filter(|_| wrong.len() >= WRONG)?;
        u32::try_from((first.saturating_add(SPAN_MS).saturating_sub(now_ms)) / 1000 + 1).ok()
    }

    /// Notes a wrong code.
    pub fn wrong(&self, now_ms: i64) {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.push_back(now_ms);
        while wrong.len() > WRONG {
            wrong.pop_front();
        }
    }
}
