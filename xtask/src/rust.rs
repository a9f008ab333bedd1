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

/// What must work with no network at all: the command line and the core, as programs that have not even a loopback interface.
pub fn offline() -> Result<Outcome> {
    needs::ensure(needs::TO_BUILD)?;
    let no_network = no_network()?;
    let mut test = sh::command("cargo");
    // Cargo itself runs outside: only the programs that it built are cut off.
    // The whole workspace is selected for the reason that `bindings::build` gives.
    test.args(["--config", &format!("target.'cfg(all())'.runner = {no_network:?}"), "test", "--workspace", "--no-fail-fast"]);
    for suite in ["desktop", "saving", "store", "import", "merging", "session", "traces", "rows"] {
        test.args(["--test", suite]);
    }
    // These talk to the loopback interface.
    test.args([
        "--",
        "--skip",
        "where_nobody_answers",
        "--skip",
        "from_a_file_or_standard_input",
        "--skip",
        "something_else_that_answers",
        "--skip",
        "no_list_of_processes",
    ]);
    counted(test.current_dir(places::root()?))
}

/// The command that runs another without any network: as root, or in a user namespace where the system allows it.
fn no_network() -> Result<[&'static str; 2]> {
    let ways = [["unshare", "-n"], ["unshare", "-Urn"]];
    let opens = |[program, how]: &[&str; 2]| sh::read(sh::command(program).args([how, "true"])).is_ok();
    ways.into_iter().find(opens).ok_or_else(|| {
        "needs `unshare` (util-linux), and root with its rights (a container with --privileged) or unprivileged user namespaces".into()
    })
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
