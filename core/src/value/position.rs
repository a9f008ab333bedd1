//! Where a deal stands: stage and outcome change together.

use std::fmt;
use std::str::FromStr;

use super::{Scalar, code::codes, scalar::register_as_text};

codes! {
    /// A stage of the default pipeline.
    Stage, default New, mirror stage_mirror {
        /// Just noticed.
        New = "new",
        /// Worth the time.
        Qualified = "qualified",
        /// An offer is out.
        Proposal = "proposal",
        /// Terms are being talked over.
        Negotiation = "negotiation",
    }
}

codes! {
    /// How a deal ended, or that it has not.
    Outcome, default Open, mirror outcome_mirror {
        /// Still going.
        Open = "open",
        /// Won.
        Won = "won",
        /// Lost.
        Lost = "lost",
    }
}

/// Stage and outcome, one value: encoded `proposal/open`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The stage it has reached.
    pub stage: Stage,
    /// Whether it is closed, and how.
    pub outcome: Outcome,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.outcome)
    }
}

impl FromStr for Position {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stage, outcome) = text.split_once('/').unwrap_or((text, "open"));
        let Ok(stage) = stage.parse();
        let Ok(outcome) = outcome.parse();
        Ok(Self { stage, outcome })
    }
}

register_as_text!(Position);

/// The rank of a position among concurrent ones: won beats lost beats a move.
pub(crate) fn closing_wins(scalar: &Scalar) -> u8 {
    match scalar.as_str().and_then(|text| text.split_once('/')) {
        Some((_, "won")) => 2,
        Some((_, "lost")) => 1,
        _ => 0,
    }
}
