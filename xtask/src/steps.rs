//! `cargo xtask test`: the steps, in order. A new kind of test is a new line of `STEPS`.

use crate::counts::Counts;
use crate::sh::Result;
use crate::summary::{self, Line};
use crate::{bindings, kotlin, lint, rust, simulate, swift};
use std::process::ExitCode;
use std::time::Instant;

/// One step of the whole test.
struct Step {
    name: &'static str,
    /// Steps that must have passed before; `--only` takes them along.
    needs: &'static [&'static str],
    /// Runs it. An error means that it could not run to its end.
    run: fn() -> Result<Outcome>,
}

/// What a step that ran to its end found.
#[derive(Default)]
pub struct Outcome {
    /// Tests that passed and failed.
    pub counts: Counts,
    /// What is wrong beyond the failed tests, or explains them.
    pub problem: Option<String>,
    /// What was left out, and how to have it.
    pub note: Option<String>,
}

const STEPS: &[Step] = &[
    Step { name: "lint", needs: &[], run: lint::check },
    Step { name: "rust", needs: &[], run: rust::test },
    Step { name: "offline", needs: &[], run: rust::offline },
    Step { name: "simulate", needs: &[], run: simulate::test },
    Step { name: "bindings", needs: &[], run: bindings::check },
    Step { name: "kotlin", needs: &["bindings"], run: kotlin::test },
    Step { name: "swift", needs: &["bindings"], run: swift::test },
    Step { name: "proof", needs: &["bindings", "kotlin", "swift"], run: rust::proof },
];

/// The names that `--only` takes.
pub fn names() -> Vec<&'static str> {
    STEPS.iter().map(|step| step.name).collect()
}

impl Outcome {
    /// The outcome of a test runner that ended (`ok` or not) having printed `counts`. A runner that found no tests is a failure:
    /// a step must not pass because it looked in the wrong place.
    pub fn of_runner(counts: Counts, ok: bool, end: String) -> Outcome {
        let problem = match counts {
            Counts { failed: 1.., .. } => Some(format!("{} failed", counts.failed)),
            // Compiling failed, or a test program died.
            _ if !ok => Some(end),
            Counts { passed: 0, .. } => Some("no test ran".to_owned()),
            _ => None,
        };
        Outcome { counts, problem, note: None }
    }
}

/// Runs the steps (all, or `only` and what they need), prints the report, and says whether everything passed.
pub fn test(only: &[String]) -> ExitCode {
    let mut lines: Vec<Line> = Vec::new();
    for step in STEPS.iter().filter(|step| wanted(step, only)) {
        println!("\n== {} ==", step.name);
        let start = Instant::now();
        let broken = lines.iter().find(|line| line.problem.is_some() && step.needs.contains(&line.step));
        let done = match broken {
            Some(line) => Err(format!("not run, because {} failed", line.step)),
            None => (step.run)(),
        };
        let mut outcome = done.unwrap_or_else(|why| Outcome { problem: Some(why), ..Outcome::default() });
        if let Some(problem) = &outcome.problem {
            println!("{} failed: {problem}", step.name);
            outcome.counts.failed = outcome.counts.failed.max(1);
        }
        let Outcome { counts, problem, note } = outcome;
        lines.push(Line { step: step.name, took: start.elapsed(), counts, problem, note });
    }
    println!("{}", summary::report(&lines));
    if lines.iter().any(|line| line.problem.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wanted(step: &Step, only: &[String]) -> bool {
    let asked = |name: &str| only.iter().any(|one| one == name);
    only.is_empty() || asked(step.name) || STEPS.iter().any(|other| asked(other.name) && other.needs.contains(&step.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takes_along_what_a_step_needs() {
        let run = |only: &str| -> Vec<_> {
            let only = [only.to_owned()];
            STEPS.iter().filter(|step| wanted(step, &only)).map(|step| step.name).collect()
        };
        assert_eq!(run("kotlin"), ["bindings", "kotlin"]);
        assert_eq!(run("proof"), ["bindings", "kotlin", "swift", "proof"]);
    }

    #[test]
    fn needs_name_earlier_steps() {
        for (place, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(STEPS.iter().take(place).any(|earlier| earlier.name == *need), "{} needs {need}", step.name);
            }
        }
    }

    #[test]
    fn a_runner_without_tests_fails() {
        assert!(Outcome::of_runner(Counts::default(), true, String::new()).problem.is_some());
        assert!(Outcome::of_runner(Counts { passed: 1, failed: 0 }, true, String::new()).problem.is_none());
        assert!(Outcome::of_runner(Counts { passed: 1, failed: 1 }, true, String::new()).problem.is_some());
    }
}
