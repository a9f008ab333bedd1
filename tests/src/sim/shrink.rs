//! Fewer steps that still fail in the same way.

use super::{Coverage, Disk, Failure, Plant, Step, run};

/// The most runs that shrinking takes.
const MAX_RUNS: usize = 400;

/// Leaves out steps as long as the same oracle still fails.
pub fn shrink(disk: &Disk, seed: u64, steps: &[Step], plant: Option<Plant>, failure: &Failure) -> Vec<Step> {
    let mut steps = steps.to_vec();
    let mut size = steps.len().div_ceil(2);
    let mut runs = 0;
    while size > 0 && runs < MAX_RUNS {
        let mut start = 0;
        let mut dropped = false;
        while start < steps.len() && runs < MAX_RUNS {
            let end = steps.len().min(start + size);
            let fewer: Vec<Step> = steps.iter().take(start).chain(steps.iter().skip(end)).copied().collect();
            runs += 1;
            match run(disk, seed, &fewer, plant, &mut Coverage::default()) {
                Err(other) if other.oracle == failure.oracle => {
                    steps = fewer;
                    dropped = true;
                }
                _ => start = end,
            }
        }
        if !dropped || size > steps.len() {
            size = if size == 1 && !dropped { 0 } else { (size / 2).max(usize::from(dropped)) };
        }
    }
    steps
}
