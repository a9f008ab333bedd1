//! Limits for guessing at invitations: a low one for each source, and a high one for all together behind it, so that
//! one stranger cannot keep everybody else from joining.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::source::Source;

/// Wrong codes of one source in a minute, after which none of it is looked at.
const OF_SOURCE: usize = 10;
/// Wrong codes of all sources in a minute, after which none is looked at. It bounds the table, too: no more sources can be
/// in it. A code has 100 bits, so that even this many guesses find none; the limits guard the log and the disk more.
const OF_ALL: usize = 1000;
/// The minute, in milliseconds.
const SPAN_MS: i64 = 60_000;
/// How long to wait for codes that are being looked at, in milliseconds.
const LOOK_MS: i64 = 500;

/// The codes of the last minute that count.
#[derive(Default)]
struct Window {
    /// When codes were wrong, oldest first.
    wrong: VecDeque<i64>,
    /// Codes that are being looked at: each may be wrong.
    open: usize,
}

impl Window {
    fn forget(&mut self, now_ms: i64) {
        // A time in the future was taken before the clock was set back.
        self.wrong.retain(|at| (0..SPAN_MS).contains(&now_ms.saturating_sub(*at)));
    }

    fn is_idle(&self) -> bool {
        self.wrong.is_empty() && self.open == 0
    }

    /// Milliseconds until there are fewer than `most`; 0 where there are now.
    fn wait_ms(&self, most: usize, now_ms: i64) -> i64 {
        let over = self.wrong.len().saturating_add(1).checked_sub(most).filter(|over| *over > 0);
        match over.and_then(|over| self.wrong.get(over - 1)) {
            Some(last) => last.saturating_add(SPAN_MS).saturating_sub(now_ms),
            None if self.wrong.len().saturating_add(self.open) >= most => LOOK_MS,
            None => 0,
        }
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
            !window.is_idle()
        });
    }
}

/// Wrong codes of the last minute, and those that are being looked at.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Table>);

impl Guesses {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to look at a code of a source. It counts from now on, so that none passes the limit beside others.
    ///
    /// # Errors
    /// Seconds until the source may try another one, where it may not now.
    pub fn attempt(&self, source: Source, now_ms: i64) -> Result<Attempt<'_>, u32> {
        let mut table = self.table();
        table.forget(now_ms);
        let own = table.sources.get(&source).map_or(0, |window| window.wait_ms(OF_SOURCE, now_ms));
        let wait_ms = own.max(table.all.wait_ms(OF_ALL, now_ms));
        if wait_ms > 0 {
            return Err(u32::try_from(wait_ms / 1000 + 1).unwrap_or(u32::MAX));
        }
        table.all.open += 1;
        table.sources.entry(source).or_default().open += 1;
        Ok(Attempt { guesses: self, source, now_ms, wrong: false })
    }
}

/// A code that is being looked at. Unless it was wrong it counts no more when this is dropped.
pub(super) struct Attempt<'a> {
    guesses: &'a Guesses,
    source: Source,
    now_ms: i64,
    wrong: bool,
}

impl Attempt<'_> {
    /// Notes that the code was wrong.
    pub fn was_wrong(mut self) {
        self.wrong = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut table = self.guesses.table();
        let Table { all, sources } = &mut *table;
        let own = sources.entry(self.source).or_default();
        for window in [all, &mut *own] {
            window.open = window.open.saturating_sub(1);
            if self.wrong {
                window.wrong.push_back(self.now_ms);
            }
        }
        if own.is_idle() {
            sources.remove(&self.source);
        }
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
            guesses.attempt(source(1), at * 1000).unwrap().was_wrong();
        }
        assert_eq!(guesses.attempt(source(1), 10_000).err(), Some(51));
        assert!(guesses.attempt(source(2), 10_000).is_ok());
        assert!(guesses.attempt(source(1), 60_000).is_ok());
        // A clock that was set back locks nobody out for longer.
        assert!(guesses.attempt(source(1), -1_000_000).is_ok());
    }

    #[test]
    fn codes_that_are_looked_at_beside_each_other_do_not_pass_the_limit() {
        let guesses = Guesses::default();
        let mut open: Vec<Attempt<'_>> = (0..10).map(|_| guesses.attempt(source(1), 0).unwrap()).collect();
        // Whoever has a good code waits a moment for the others.
        assert_eq!(guesses.attempt(source(1), 0).err(), Some(1));
        assert!(guesses.attempt(source(2), 0).is_ok());
        // One was good: another one takes its place.
        drop(open.pop());
        open.push(guesses.attempt(source(1), 0).unwrap());
        assert_eq!(guesses.attempt(source(1), 0).err(), Some(1));
        open.into_iter().for_each(Attempt::was_wrong);
        assert_eq!(guesses.attempt(source(1), 0).err(), Some(61));
        assert_eq!(guesses.0.lock().unwrap().sources.len(), 1);
    }

    #[test]
    fn many_sources_together_wait_and_the_table_stays_small() {
        let guesses = Guesses::default();
        for at in 0..1000 {
            guesses.attempt(source(at), 0).unwrap().was_wrong();
        }
        assert_eq!(guesses.attempt(source(5000), 0).err(), Some(61));
        assert_eq!(guesses.0.lock().unwrap().sources.len(), 1000);
        assert!(guesses.attempt(source(5000), 60_000).is_ok());
        assert_eq!(guesses.0.lock().unwrap().sources.len(), 0);
    }
}
