//! `cargo xtask doctor`: what this machine has, what it lacks, and the command for each.

use crate::needs::{self, Need};
use crate::sh::Result;

/// Shows every need; with `install` meets those that are missing first.
pub fn run(install: bool) -> Result {
    if install {
        needs::ensure(needs::ALL)?;
    }
    let mut missing = Vec::new();
    for need in needs::ALL {
        match (need.found)() {
            Some(found) => println!("ok       {:<12} {found}", need.name),
            None => {
                println!("{:<8} {:<12} for {}; install: {}", word(need), need.name, need.purpose, need.command());
                if !need.optional {
                    missing.push(need.name);
                }
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("missing: {}", missing.join(", "))) }
}

fn word(need: &Need) -> &'static str {
    if need.optional { "optional" } else { "MISSING" }
}
