//! The planted bugs, and how soon each must be found.

use roadbook_core::fault::Plant;

/// A planted bug.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Its name on the command line.
    pub name: &'static str,
    /// The bug.
    pub plant: Plant,
    /// It must be found within so many seeds.
    pub within: u64,
}

/// The limits, in the order of [`Plant::ALL`]: some times the seeds that each took when it was planted.
const WITHIN: [u64; Plant::ALL.len()] = [200; Plant::ALL.len()];

/// All planted bugs.
pub fn all() -> impl Iterator<Item = Planted> {
    Plant::ALL.into_iter().zip(WITHIN).map(|((name, plant), within)| Planted { name, plant, within })
}
