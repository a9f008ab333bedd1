//! Reading how many tests passed and failed out of what the test runners print.

use std::ops::AddAssign;

/// Tests of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that ran and held.
    pub passed: u64,
    /// Tests that did not hold.
    pub failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Cargo prints `test result: ok. 5 passed; 0 failed; 1 ignored; …` for every test program.
pub fn cargo(lines: &[String]) -> Counts {
    let mut counts = Counts::default();
    for line in lines.iter().filter(|line| line.starts_with("test result:")) {
        counts += Counts { passed: number_before(line, " passed"), failed: number_before(line, " failed") };
    }
    counts
}

/// Surefire writes `Tests run: 3, Failures: 1, Errors: 0, Skipped: 1, …` into the report of every class.
pub fn surefire(report: &str) -> Counts {
    let mut counts = Counts::default();
    for line in report.lines().filter(|line| line.starts_with("Tests run:")) {
        let failed = number_after(line, "Failures: ") + number_after(line, "Errors: ");
        let run = number_after(line, "Tests run: ").saturating_sub(number_after(line, "Skipped: "));
        counts += Counts { passed: run.saturating_sub(failed), failed };
    }
    counts
}

/// `swift test` runs XCTest and then Swift Testing; each sums up in its own words.
pub fn swift(lines: &[String]) -> Counts {
    let mut counts = xctest(lines);
    counts += swift_testing(lines);
    counts
}

/// XCTest prints `Executed 3 tests, with 1 test skipped and 1 failure (0 unexpected) in …` for every suite, the outermost last.
/// Its failures are assertions, of which a test may break several; failed tests have lines of their own.
fn xctest(lines: &[String]) -> Counts {
    let Some(total) = lines.iter().rev().find(|line| line.trim_start().starts_with("Executed ")) else {
        return Counts::default();
    };
    let run = number_after(total, "Executed ");
    let skipped = number_before(total, " test skipped") + number_before(total, " tests skipped");
    let failed = lines.iter().filter(|line| line.starts_with("Test Case ") && line.contains(" failed (")).count() as u64;
    Counts { passed: run.saturating_sub(skipped).saturating_sub(failed), failed }
}

/// Swift Testing prints `Test run with 2 tests passed after …` (or `failed`) at the end, and `Test name() failed after …` before.
fn swift_testing(lines: &[String]) -> Counts {
    let run =
        lines.iter().rev().find(|line| line.contains("Test run with ")).map_or(0, |line| number_after(line, "Test run with "));
    let ended = |line: &&String, word: &str| own_line(line).is_some_and(|rest| rest.contains(word));
    let failed = lines.iter().filter(|line| ended(line, " failed after ")).count() as u64;
    let skipped = lines.iter().filter(|line| ended(line, " skipped")).count() as u64;
    Counts { passed: run.saturating_sub(failed).saturating_sub(skipped), failed }
}

/// What follows the sign and `Test` in a line of Swift Testing about one test, not about the run or one case of a test with
/// arguments. The tests' own output, and XCTest's, may hold the same words.
fn own_line(line: &str) -> Option<&str> {
    let (sign, rest) = line.trim_start().split_once(' ')?;
    let is_sign = sign.chars().count() == 1 && !sign.is_ascii();
    let about = rest.strip_prefix("Test ").filter(|_| is_sign)?;
    (!about.starts_with("run with ") && !about.starts_with("case ")).then_some(about)
}

/// The number that ends where `word` begins; 0 if there is none.
fn number_before(line: &str, word: &str) -> u64 {
    let Some((before, _)) = line.split_once(word) else { return 0 };
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The number that begins where `word` ends; 0 if there is none.
fn number_after(line: &str, word: &str) -> u64 {
    let Some((_, after)) = line.split_once(word) else { return 0 };
    after.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn cargo_programs_are_added_up() {
        let text = "running 2 tests\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(cargo(&lines(text)), Counts { passed: 15, failed: 2 });
    }

    #[test]
    fn surefire_errors_fail_and_skipped_tests_count_nowhere() {
        let text = "-----\nTest set: dev.roadbook.CoreTest\n-----\n\
            Tests run: 9, Failures: 1, Errors: 2, Skipped: 3, Time elapsed: 0.5 s -- in dev.roadbook.CoreTest";
        assert_eq!(surefire(text), Counts { passed: 3, failed: 3 });
    }

    #[test]
    fn both_runners_of_swift_count() {
        let text = "Test Case 'T.testA' passed (0.0 seconds)\n\
            T.swift:9: error: T.testB : XCTAssertEqual failed: (1) is not equal to (2)\n\
            Test Case 'T.testB' failed (0.0 seconds)\n\
            T.swift:11: T.testC : Test skipped - why\n\
            Test Suite 'T' failed at 2026-01-01 00:00:00.000\n\
            \t Executed 3 tests, with 1 test skipped and 2 failures (0 unexpected) in 0.0 (0.0) seconds\n\
            Test Suite 'All tests' failed at 2026-01-01 00:00:00.000\n\
            \t Executed 3 tests, with 1 test skipped and 2 failures (0 unexpected) in 0.0 (0.0) seconds\n\
            ◇ Test run started.\n\
            ✔ Test holds() passed after 0.001 seconds.\n\
            ✘ Test breaks() recorded an issue at T.swift:5:3: Expectation failed: 1 == 2\n\
            ✘ Test breaks() failed after 0.001 seconds with 1 issue.\n\
            ✘ Test off() skipped: \"not here\"\n\
            ✘ Test run with 3 tests failed after 0.001 seconds with 1 issue.";
        assert_eq!(swift(&lines(text)), Counts { passed: 2, failed: 2 });
    }

    #[test]
    fn other_output_counts_nothing() {
        assert_eq!(cargo(&lines("Compiling\n")), Counts::default());
        assert_eq!(swift(&lines("Build complete!")), Counts::default());
    }
}
