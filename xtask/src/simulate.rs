//! `cargo xtask simulate`: the real client and server against seeded faults, and planted bugs that must be found.

use crate::sh::{self, Result};
use crate::steps::Outcome;
use crate::{counts, needs, places};
use std::path::PathBuf;

/// Seeds without a planted bug in the whole test.
const SEEDS: &str = "2000";
/// What runs hottest in a seed and is cheap to build: it is built for the simulator alone, because of the planted bugs. The
/// large dependencies are those of every other build.
const OPTIMISED: [&str; 4] = ["roadbook-core", "roadbook-server", "roadbook-tests", "rusqlite"];

/// Builds and runs the simulator; `release` is for long runs.
pub fn run(release: bool, args: &[String]) -> Result {
    let mut simulate = sh::command(build(release)?);
    sh::run(simulate.args(args).current_dir(places::root()?))
}

/// As a step of the whole test: seeds without a planted bug, then every planted bug.
pub fn test() -> Result<Outcome> {
    let program = build(false)?;
    let mut lines = Vec::new();
    for args in [["--seeds", SEEDS], ["--plant", "all"]] {
        let ran = sh::stream(sh::command(&program).args(args).current_dir(places::root()?))?;
        lines.extend(ran.lines);
        if !ran.ok {
            return Ok(Outcome::of_runner(counts::cargo(&lines), false, ran.end));
        }
    }
    Ok(Outcome::of_runner(counts::cargo(&lines), true, String::new()))
}

/// One package and one program: no other program of the target folder gets the planted bugs.
fn build(release: bool) -> Result<PathBuf> {
    needs::ensure(needs::TO_BUILD)?;
    let mut build = sh::command("cargo");
    build.args(["build", "-p", "roadbook-tests", "--features", "simulate", "--bin", "roadbook-simulate"]);
    if release {
        build.arg("--release");
    } else {
        for package in OPTIMISED {
            build.arg("--config").arg(format!("profile.dev.package.{package}.opt-level=2"));
        }
    }
    sh::run(build.current_dir(places::root()?))?;
    Ok(places::target()?.join(if release { "release" } else { "debug" }).join("roadbook-simulate"))
}
