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

/// The limits: several times the seeds that each took when it was planted.
fn within(plant: Plant) -> u64 {
    match plant {
        Plant::LostAck
        | Plant::EarlyCursor
        | Plant::StaleRow
        | Plant::RefusedBytes
        | Plant::SecondItem
        | Plant::CrossWorkspace
        | Plant::ShortWalk => 20,
        Plant::ActorReuse
        | Plant::HeldAccepted
        | Plant::EpochForgets
        | Plant::DoubleSave
        | Plant::VerdictReplay
        | Plant::SkipOwn
        | Plant::RevokedToken
        | Plant::EarlyAnswer => 80,
        Plant::OwnForOthers
        | Plant::DropUnknown
        | Plant::StaleWords
        | Plant::LostCursor
        | Plant::LostDraft
        | Plant::ErasedBytes
        | Plant::ErasedCard => 80,
        Plant::SkipVerify | Plant::UndoOthers => 300,
    }
}

/// All planted bugs.
pub fn all() -> impl Iterator<Item = Planted> {
    Plant::ALL.into_iter().map(|(name, plant)| Planted { name, plant, within: within(plant) })
}
