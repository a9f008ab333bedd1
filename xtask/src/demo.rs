//! `cargo xtask demo`: builds the server and the story, and runs it.

use crate::sh::{self, Result};
use crate::{needs, places};

/// Minutes that a first build takes on two cores; the encryption library alone takes a third of it.
const FIRST_BUILD_ON_TWO_CORES: f64 = 7.0;

/// Builds what the demo needs and runs it; with `exit` the server stops with it.
pub fn run(exit: bool) -> Result {
    needs::ensure(needs::TO_BUILD)?;
    let (root, target) = (places::root()?, places::target()?);
    if !target.join("debug/roadbook-demo").exists() {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let minutes = (FIRST_BUILD_ON_TWO_CORES * 2.0 / cores.clamp(1, 6) as f64).ceil();
        println!("The first build takes about {minutes} minutes on this machine's {cores} cores; later ones take seconds.");
    }
    let mut build = sh::command("cargo");
    build.args(["build", "--quiet", "-p", "roadbook-server", "-p", "roadbook-tests", "--bins"]).current_dir(&root);
    let status = build.status().map_err(|why| format!("cannot start cargo: {why}"))?;
    if !status.success() {
        return Err("the demo does not build; cargo says why above".to_owned());
    }
    let mut demo = sh::command(target.join("debug/roadbook-demo"));
    demo.arg(target.join("demo")).arg(root.join("tests/fixtures/address-book.vcf")).current_dir(&root);
    if exit {
        demo.arg("--exit");
    }
    let status = demo.status().map_err(|why| format!("cannot start the demo: {why}"))?;
    if status.success() { Ok(()) } else { Err("the demo failed; it says why above".to_owned()) }
}
