//! The verbs of the repository: `cargo xtask demo`, `test`, `simulate`, `fuzz`, `bench`, `bindings`, `doctor` and `howto`.
//!
//! Everything that is built, generated or tested goes through here, so that a new machine, a developer and the build
//! server do the same thing.

mod bench;
mod bindings;
mod counts;
mod demo;
mod deny;
mod doctor;
mod files;
mod fuzz;
mod howto;
mod kotlin;
mod lint;
mod needs;
mod places;
mod rust;
mod sh;
mod simulate;
mod steps;
mod summary;
mod swift;
mod swift_root;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, generates and tests everything in this repository")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the main job for real: a server and two phones that edit offline, meet and agree
    Demo {
        /// Stop the server at the end instead of leaving it up
        #[arg(long)]
        exit: bool,
    },
    /// Measure the performance table, each line beside its floor
    Bench {
        /// Fewer records
        #[arg(long)]
        quick: bool,
        /// Also write the table to this file, as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<String>,
    },
    /// Look for inputs that break what takes bytes or text from outside, guided by coverage
    Fuzz {
        /// How long, for all targets together, after the build
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Write the inputs that the product makes today into tests/corpus, and do nothing else
        #[arg(long, conflicts_with = "targets")]
        seeds: bool,
        /// Only these
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Do in a copy what docs/howto/add-a-field.md says, and run the test that it adds
    Howto,
    /// Show what is installed, what is missing and the command that installs it
    Doctor {
        /// Install what is missing (Debian and Ubuntu packages need root)
        #[arg(long)]
        install: bool,
    },
    /// Run the real client and server against seeded faults
    Simulate {
        /// Build with optimisation, for long runs
        #[arg(long)]
        release: bool,
        /// For the simulator: `--seeds N`, `--seed S`, `--steps K`, `--only STEPS`, `--plant BUG`; `-- --help` shows all
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build the native library and generate its Kotlin and Swift
    Bindings,
    /// Run every test; installs what it lacks
    Test {
        /// Only these steps, and the ones that they need
        #[arg(long, value_delimiter = ',', value_parser = steps::names())]
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Demo { exit } => demo::run(exit),
        Verb::Bench { quick, json } => bench::run(quick, json.as_deref()),
        Verb::Fuzz { seeds: true, .. } => fuzz::seeds(),
        Verb::Fuzz { minutes, targets, .. } => fuzz::run(minutes, &targets),
        Verb::Howto => howto::run(),
        Verb::Doctor { install } => doctor::run(install),
        Verb::Simulate { release, args } => simulate::run(release, &args),
        Verb::Bindings => bindings::run(),
        Verb::Test { only } => return steps::test(&only),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
