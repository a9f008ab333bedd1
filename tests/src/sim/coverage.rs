//! How often each operation, fault and outcome came up.

use std::collections::BTreeMap;
use std::fmt;

use roadbook_core::sync::wire::ErrorCode;

use super::faults::STRUCK;
use super::steps::What;

/// The kinds of counted things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Steps.
    Step,
    /// Faults of the network.
    Network,
    /// Faults that took effect in a store.
    Store,
    /// What the client did when such a fault took effect.
    Struck,
    /// The server's verdicts.
    Verdict,
    /// The server's answers.
    Answer,
    /// How sessions ended.
    End,
    /// What the client said to its caller.
    Error,
    /// What was seen and is worth having been seen.
    Seen,
}

/// Names that must come up in a long run, beside steps and answers.
const EXPECTED: &[(Section, &[&str])] = &[
    (
        Section::Network,
        &[
            "request lost",
            "answer lost",
            "request twice",
            "request late",
            "request damaged",
            "answer damaged",
            "group damaged",
            "entry damaged",
            "row differs",
            "row of a newer release",
            "entries shuffled and repeated",
            "captive portal",
            "too large for a proxy",
            "busy",
            "small pages",
        ],
    ),
    (
        Section::Store,
        &[
            "client died before a commit",
            "client died after a commit",
            "client disk was full",
            "server died before a commit",
            "server died after a commit",
            "server disk was full",
        ],
    ),
    (
        Section::Verdict,
        &[
            "accepted",
            "held missing",
            "held document",
            "held later",
            "refused malformed",
            "refused too_large",
            "refused foreign_actor",
            "refused clone",
            "refused numbers",
            "refused skeleton",
            "refused field_type",
            "refused kind",
            "refused erased",
            "refused forbidden",
        ],
    ),
    (
        Section::End,
        &[
            "done",
            "wait offline",
            "wait not the server",
            "wait server",
            "wait held",
            "rejoin not joined",
            "rejoin revoked",
            "rejoin unknown",
            "cancelled",
            "more",
        ],
    ),
    (Section::Error, &["invalid", "unknown version", "no space", "nothing to undo", "not allowed"]),
    (
        Section::Seen,
        &[
            "conflict at the end",
            "refusal at the end",
            "records converged",
            "edit acknowledged",
            "edit of a newer release kept",
            "record of a newer release kept",
            "erased record is gone",
            "rest beside a damaged record",
            "card imported again",
            "page with more to come",
            "edit during a sync",
            "promises narrowed by losses",
            "revoked between two pages",
            "erased while others had it",
            "server lost edits",
            "old changes dropped",
        ],
    ),
];

/// Counters.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeMap<(Section, &'static str), u64>);

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, section: Section, name: &'static str) {
        *self.0.entry((section, name)).or_default() += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }

    /// How often something came up.
    pub fn of(&self, section: Section, name: &'static str) -> u64 {
        self.0.get(&(section, name)).copied().unwrap_or(0)
    }

    fn expected() -> Vec<(Section, &'static str)> {
        let steps = What::ALL.iter().map(|(_, name, _, _)| (Section::Step, *name));
        let answers = std::iter::once("ok").chain(ErrorCode::ALL.iter().map(|code| code.code()));
        let named = EXPECTED.iter().flat_map(|(section, names)| names.iter().map(|name| (*section, *name)));
        let struck = STRUCK.iter().map(|what| (Section::Struck, what.name()));
        steps.chain(answers.map(|name| (Section::Answer, name))).chain(struck).chain(named).collect()
    }

    /// What should have come up in a long run and did not.
    pub fn missing(&self) -> Vec<String> {
        let missing = Self::expected().into_iter().filter(|(section, name)| self.of(*section, name) == 0);
        missing.map(|(section, name)| format!("{section:?} {name}").to_lowercase()).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: BTreeMap<(Section, &str), u64> = Self::expected().into_iter().map(|key| (key, 0)).collect();
        all.extend(self.0.iter().map(|(key, count)| (*key, *count)));
        writeln!(f, "| what | | times |\n|---|---|---:|")?;
        for ((section, name), count) in all {
            let mark = if count == 0 { " **never**" } else { "" };
            writeln!(f, "| {} | {name} | {count}{mark} |", format!("{section:?}").to_lowercase())?;
        }
        Ok(())
    }
}
