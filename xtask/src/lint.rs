//! Format, lints, documentation and licences.

use crate::needs::{self, CLIPPY, FMT};
use crate::sh::{self, Result};
use crate::steps::Outcome;
use crate::{deny, places};

/// Runs every check, also after one failed, so that one run shows everything.
pub fn check() -> Result<Outcome> {
    needs::ensure(needs::TO_BUILD)?;
    needs::ensure(&[&FMT, &CLIPPY])?;
    let mut problems = Vec::new();
    let mut cargo = |args: &[&str]| -> Result {
        let mut command = sh::command("cargo");
        // Only documentation reads this variable: setting it for every cargo command does not rebuild anything.
        command.args(args).env("RUSTDOCFLAGS", "-D warnings").current_dir(places::root()?);
        problems.extend(sh::run(&mut command).err());
        Ok(())
    };
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The simulator is built with a feature that nothing else has.
    cargo(&["clippy", "--quiet", "-p", "roadbook-tests", "--features", "simulate", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])?;
    let note = deny::check().unwrap_or_else(|why| {
        problems.push(why);
        None
    });
    let problem = (!problems.is_empty()).then(|| problems.join("\n"));
    Ok(Outcome { problem, note, ..Outcome::default() })
}
