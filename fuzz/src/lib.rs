//! Everything that takes bytes or text from outside, each as one [`Target`] that is run in two ways: by the tests over
//! the kept corpus and over random changes of it, and by `cargo xtask fuzz` guided by coverage.
//!
//! A target must not panic, hang, or hold more memory than its bound, whatever its input is. What the product panics on
//! and catches (Automerge does) is no failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test support: what is not as it should be must stop the run"
)]

pub mod changes;
pub mod chunk;
pub mod memory;
pub mod mutate;
pub mod parts;
pub mod records;
pub mod seeds;
mod still;
mod targets;

pub use targets::groups_that_pass;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// One entrance of the product, with what must hold behind it.
pub struct Target {
    /// Its name: that of its folder in `tests/corpus`.
    pub name: &'static str,
    /// Runs one input; panics where something does not hold.
    run: fn(&[u8]),
    /// The most bytes that the run of one input may hold at once, without what SQLite holds.
    pub memory: usize,
    /// The good and the crafted inputs that the corpus begins with, by name.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub const TARGETS: &[Target] = targets::ALL;

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Target {
    /// The target with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Where its kept inputs are.
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(self.name)
    }

    /// Runs one input.
    ///
    /// # Errors
    /// What did not hold, with the place in the code.
    pub fn check(&self, input: &[u8]) -> Result<(), String> {
        let (ran, held) = memory::held_by(|| catch_unwind(AssertUnwindSafe(|| (self.run)(input))));
        if ran.is_err() {
            return Err(LAST_PANIC.take());
        }
        if held > self.memory {
            return Err(format!("holds {held} bytes at once, more than {}", self.memory));
        }
        Ok(())
    }
}

/// Keeps panics from being printed, or from ending the program before the product could catch them: most are
/// Automerge's, which the gate expects. [`Target::check`] says what was not caught.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| {
        let told = info.to_string();
        LAST_PANIC.with(|last| last.replace(told));
    }));
}
