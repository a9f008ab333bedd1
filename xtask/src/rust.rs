//! Tests that cargo runs.

use crate::sh::{self, Result};
use crate::steps::Outcome;
use crate::{counts, kotlin, needs, places, swift};
use std::process::Command;

/// Every test of the workspace.
pub fn test() -> Result<Outcome> {
    needs::ensure(needs::TO_BUILD)?;
    let mut test = sh::command("cargo");
    // A failing test must not keep the others from running: one run shows everything.
    test.args(["test", "--workspace", "--no-fail-fast"]).current_dir(places::root()?);
    counted(&mut test)
}

/// The whole product across processes and languages: the real server, and phones that are Kotlin and Swift programs, started by
/// the command lines that the test finds in these variables.
pub fn proof() -> Result<Outcome> {
    let mut test = sh::command("cargo");
    // The whole workspace is selected for the reason that `bindings::build` gives.
    test.args(["test", "--workspace", "--test", "proof", "--", "--ignored"]).current_dir(places::root()?);
    test.env("ROADBOOK_PROOF_KOTLIN", kotlin::phone()?);
    let (phone, repository) = swift::phone()?;
    test.env("ROADBOOK_PROOF_SWIFT", phone);
    if let Some(repository) = repository {
        test.env("ROADBOOK_PROOF_SWIFT_REPO", repository);
    }
    counted(&mut test)
}

fn counted(test: &mut Command) -> Result<Outcome> {
    let ran = sh::stream(test)?;
    Ok(Outcome::of_runner(counts::cargo(&ran.lines), ran.ok, ran.end))
}
