//! The desktop command line of Roadbook; everything is in the library.
//!
//! Exit codes: 0 done, 1 error, 2 wrong command line, 3 partly done (some cards of an import or some records of an
//! export were left out), 4 something needs a person (the doctor found what it did not repair).

use std::process::ExitCode;

// The simulator's build of the core keeps its stores in plain text; nothing that people use may be made of it.
const _: () = assert!(roadbook_core::fault::CIPHERED, "the core was built with its feature `planted`");

fn main() -> ExitCode {
    ExitCode::from(roadbook_cli::run(std::env::args_os()))
}
