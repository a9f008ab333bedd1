//! `cargo xtask bench`: the performance table, each line beside its floor, in one run of a release build.

use crate::sh::{self, Result};
use crate::{needs, places};

/// Builds with optimisation and measures; `quick` takes fewer records, `json` also writes the table to a file.
pub fn run(quick: bool, json: Option<&str>) -> Result {
    needs::ensure(needs::TO_BUILD)?;
    let root = places::root()?;
    sh::run(
        sh::command("cargo")
            .args(["build", "--release", "-p", "roadbook-server", "-p", "roadbook-tests", "--bins"])
            .current_dir(&root),
    )?;
    let mut bench = sh::command(places::target()?.join("release/roadbook-bench"));
    if quick {
        bench.arg("--quick");
    }
    if let Some(file) = json {
        bench.args(["--json", file]);
    }
    sh::run(&mut bench)
}
