//! Limits for guessing at invitations: a low one for each source, and a high one for all together behind it, so that
//! one stranger cannot keep everybody else from joining.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::source::Source;

/// Wrong codes of one source in a minute, after which none of it is looked at.
const OF_SOURCE: usize = 10;
/// Wrong codes of all sources in a minute, after which none is looked at. It bounds the table, too: no more sources can be
/// in it. A code has 100 bits, so that even this many guesses find none; the limits guard the log and the disk more.
const OF_ALL: usize = 1000;
/// The minute, in milliseconds.
const SPAN_MS: i64 = 60_000;

/// The times of wrong codes of the last minute, oldest first.
#[derive(Default)]
struct Window(VecDeque<i64>);

impl Window {
    fn forget(&mut self, now_ms: i64) {
        // A time in the future was taken before the clock was set back.
        self.0.retain(|at| (0..SPAN_MS).contains(&now_ms.saturating_sub(*at)));
    }

    /// Milliseconds until there are fewer than `most`; 0 where there are now.
    fn wait_ms(&self, most: usize, now_ms: i64) -> i64 {
        let over = self.0.len().saturating_add(1).checked_sub(most).filter(|over| *over > 0);
        let last = over.and_then(|over| self.0.get(over - 1));
        last.map_or(0, |at| at.saturating_add(SPAN_MS).saturating_sub(now_ms))
    }
}

#[derive(Default)]
struct Table {
    all: Window,
    sources: HashMap<Source, Window>,
}

impl Table {
    fn forget(&mut self, now_ms: i64) {
        self.all.forget(now_ms);
        self.sources.retain(|_, window| {
            window.forget(now_ms);
            !window.0.is_empty()
        });
    }
}

/// Wrong codes of the last minute.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Table>);

impl Guesses {
    /// Seconds until the source may try another code; `None` where it may now.
    pub fn wait_s(&self, source: Source, now_ms: i64) -> Option<u32> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget(now_ms);
        let own = table.sources.get(&source).map_or(0, |window| window.wait_ms(OF_SOURCE, now_ms));
        let wait_ms = own.max(table.all.wait_ms(OF_ALL, now_ms));
        (wait_ms > 0).then(|| u32::try_from(wait_ms / 1000 + 1).unwrap_or(u32::MAX))
    }

    /// Notes a wrong code.
    pub fn wrong(&self, source: Source, now_ms: i64) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.all.0.push_back(now_ms);
        table.sources.entry(source).or_default().0.push_back(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(at: u32) -> Source {
        Source::of(std::net::Ipv4Addr::from_bits(at).into())
    }

    #[test]
    fn a_source_that_guesses_waits_and_others_do_not() {
        let guesses = Guesses::default();
        for at in 0..10 {
            assert_eq!(guesses.wait_s(source(1), at * 1000), None);
            guesses.wrong(source(1), at * 1000);
        }
        assert_eq!(guesses.wait_s(source(1), 10_000), Some(51));
        assert_eq!(guesses.wait_s(source(2), 10_000), None);
        assert_eq!(guesses.wait_s(source(1), 60_000), None);
        // A clock that was set back locks nobody out for longer.
        assert_eq!(guesses.wait_s(source(1), -1_000_000), None);
    }

    #[test]
    fn many_sources_together_wait_and_the_table_stays_small() {
        let guesses = Guesses::default();
        for at in 0..1000 {
            assert_eq!(guesses.wait_s(source(at), 0), None);
            guesses.wrong(source(at), 0);
        }
        assert_eq!(guesses.wait_s(source(5000), 0), Some(61));
        assert_eq!(guesses.0.lock().unwrap().sources.len(), 1000);
        assert_eq!(guesses.wait_s(source(5000), 60_000), None);
        assert_eq!(guesses.0.lock().unwrap().sources.len(), 0);
    }
}
