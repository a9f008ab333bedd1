//! The simulator: the real client core and the real server core in one process, with a seeded clock, network and disk.
//!
//! A seed gives a world (devices, people, workspaces) and a list of steps; every step carries its own dice, so that any
//! part of the list can be run again by itself. After the steps all faults stop and everybody syncs until nothing moves; then the
//! oracles look at what is left.

mod coverage;
mod device;
mod disk;
mod edits;
mod faults;
mod model;
mod network;
mod oracle;
mod peer;
mod plants;
mod server;
mod shrink;
mod steps;
mod syncing;
mod users;
mod world;

pub use coverage::Coverage;
pub use disk::Disk;
pub use plants::{Planted, all as plants, undocumented};
pub use roadbook_core::fault::Plant;
pub use shrink::shrink;
pub use steps::{Step, plan};

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The oracle that saw it.
    pub oracle: &'static str,
    /// What it saw.
    pub what: String,
}

impl Failure {
    /// A failure of an oracle.
    pub fn new(oracle: &'static str, what: impl Into<String>) -> Self {
        Self { oracle, what: what.into() }
    }
}

/// What a check gives.
pub type Check<T = ()> = Result<T, Failure>;

/// Pseudo-randomness for choices (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.roll() % n as u64) as usize }
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

/// Runs the steps of a seed to the end, and the oracles after them. A panic is a failure like another.
///
/// # Errors
/// The first promise that did not hold.
pub fn run(disk: &Disk, seed: u64, steps: &[Step], plant: Option<Plant>, coverage: &mut Coverage) -> Check {
    roadbook_core::fault::plant(plant);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = world::Sim::new(disk, seed, coverage);
        for step in steps {
            world.step(step)?;
        }
        world.settle()
    }));
    roadbook_core::fault::disarm();
    roadbook_core::fault::plant(None);
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::new("panic", text.unwrap_or_default()))
    })
}
