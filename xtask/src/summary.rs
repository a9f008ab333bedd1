//! The table at the end of `cargo xtask test`, and the line that closes it.

use crate::counts::Counts;
use std::time::Duration;

/// How one step went.
pub struct Line {
    /// The step's name.
    pub step: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Its tests; a failure that is no test (a compile error, a lint) is one failed test, so that the totals never hide it.
    pub counts: Counts,
    /// What went wrong, if anything did.
    pub problem: Option<String>,
    /// What the reader should know though nothing failed.
    pub note: Option<String>,
}

/// The report: problems and notes first, then the table, then `N passed, M failed` alone on the last line.
pub fn report(lines: &[Line]) -> String {
    let mut text = String::from("\n");
    for line in lines {
        if let Some(problem) = &line.problem {
            text += &format!("{}: {problem}\n", line.step);
        }
        if let Some(note) = &line.note {
            text += &format!("{}: note: {note}\n", line.step);
        }
    }
    text += &format!("\n{:<10} {:>9} {:>8} {:>8}  result\n", "step", "seconds", "passed", "failed");
    let mut all = Counts::default();
    for line in lines {
        let result = if line.problem.is_some() { "FAILED" } else { "ok" };
        let seconds = line.took.as_secs_f64();
        text += &format!("{:<10} {seconds:>9.1} {:>8} {:>8}  {result}\n", line.step, line.counts.passed, line.counts.failed);
        all += line.counts;
    }
    text + &format!("\n{} passed, {} failed", all.passed, all.failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_totals_alone() {
        let line = |step, passed, failed, problem: Option<&str>| Line {
            step,
            took: Duration::from_millis(1500),
            counts: Counts { passed, failed },
            problem: problem.map(str::to_owned),
            note: None,
        };
        let text = report(&[line("rust", 5, 0, None), line("kotlin", 2, 1, Some("1 test failed"))]);
        assert_eq!(text.lines().last(), Some("7 passed, 1 failed"));
        assert!(text.contains("kotlin: 1 test failed"), "{text}");
    }
}
