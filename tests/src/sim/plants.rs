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
    /// By one of these oracles: a failure of another one is not about this bug.
    pub oracles: &'static [&'static str],
}

/// The limits, several times the seeds that each took when it was planted, and the promises that each breaks.
fn expected(plant: Plant) -> (u64, &'static [&'static str]) {
    match plant {
        Plant::LostAck => (20, &["lost", "convergence", "limbo"]),
        Plant::EarlyCursor | Plant::ShortWalk => (20, &["convergence"]),
        Plant::StaleRow => (20, &["rows"]),
        Plant::RefusedBytes => (20, &["lost"]),
        Plant::SecondItem => (20, &["limbo", "convergence", "lost"]),
        Plant::CrossWorkspace => (20, &["workspace", "rest"]),
        Plant::ActorReuse => (80, &["progress", "feed", "rest"]),
        Plant::HeldAccepted | Plant::EpochForgets => (80, &["limbo", "convergence"]),
        Plant::DoubleSave => (80, &["double save"]),
        Plant::VerdictReplay => (80, &["gate"]),
        Plant::SilentSync => (80, &["notices"]),
        Plant::NamelessActor => (20, &["people"]),
        Plant::StalledFeed => (80, &["convergence", "feed"]),
        Plant::WrongVerdict => (20, &["verdict"]),
        Plant::StaleTime => (20, &["doctor"]),
        Plant::SkipOwn => (80, &["convergence"]),
        Plant::RevokedToken => (80, &["revoked"]),
        Plant::EarlyAnswer => (80, &["limbo", "lost"]),
        Plant::OwnForOthers => (80, &["self-conflict"]),
        Plant::DropUnknown => (80, &["unknown"]),
        Plant::StaleWords => (80, &["search", "rows"]),
        Plant::LostCursor => (80, &["cursor"]),
        Plant::LostDraft => (80, &["draft"]),
        Plant::ErasedBytes | Plant::ErasedCard => (80, &["erased"]),
        Plant::SkipVerify => (300, &["rows"]),
        Plant::UndoOthers => (300, &["undo"]),
    }
}

/// All planted bugs.
pub fn all() -> impl Iterator<Item = Planted> {
    Plant::ALL.into_iter().map(|(name, plant)| {
        let (within, oracles) = expected(plant);
        Planted { name, plant, within, oracles }
    })
}

/// The planted bugs that the page of promises names in no row beside one of their oracles.
pub fn undocumented() -> Vec<&'static str> {
    let page = include_str!("../../../docs/reliability.md");
    let names = |row: &str, name: &str| row.contains(&format!("`{name}`"));
    let is_there = |planted: &Planted| {
        page.lines().any(|row| names(row, planted.name) && planted.oracles.iter().any(|oracle| names(row, oracle)))
    };
    all().filter(|planted| !is_there(planted)).map(|planted| planted.name).collect()
}
