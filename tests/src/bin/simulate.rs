//! `roadbook-simulate`: many seeds of the simulator on all cores; `cargo xtask simulate` builds and runs it.

#![allow(clippy::expect_used, reason = "a broken machine must stop the run")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use roadbook_tests::sim::{self, Coverage, Disk, Failure, Plant, Planted};

/// How many seeds, unless told otherwise.
const SEEDS: u64 = 1000;
/// From so many seeds on, everything that can happen must have happened.
const LONG_RUN: u64 = 1000;

#[derive(Parser)]
#[command(name = "cargo xtask simulate", about = "Runs the real client and server against seeded faults")]
struct Cli {
    /// How many seeds; 1000 unless told otherwise
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; without `--seeds` the only one, step by step
    #[arg(long)]
    seed: Option<u64>,
    /// Steps of each seed
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Only these steps of the seed's list
    #[arg(long, value_delimiter = ',')]
    only: Vec<usize>,
    /// Plant a bug; the run is good when it is found. `all`: every one, each within its number of seeds
    #[arg(long, value_name = "BUG")]
    plant: Option<String>,
    /// Go on after a failure and tell all of them
    #[arg(long)]
    keep_going: bool,
    /// Threads; one a core unless told otherwise
    #[arg(long)]
    threads: Option<usize>,
}

/// What a run over seeds found.
struct Ran {
    coverage: Coverage,
    seeds: u64,
    /// What failed, by seed.
    failed: Vec<(u64, Failure)>,
    seconds: f64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic of a seed is its failure, told with the seed.
    std::panic::set_hook(Box::new(|_| {}));
    let disk = Disk::new();
    let good = match cli.plant.as_deref() {
        None => clean(&cli, &disk),
        Some("all") => {
            // One that is not found must not hide what becomes of the others.
            let found: Vec<bool> = sim::plants().map(|planted| planted_is_found(&cli, &disk, &planted)).collect();
            let undocumented = sim::undocumented();
            if !undocumented.is_empty() {
                eprintln!("error: docs/reliability.md names no promise and oracle for {}", undocumented.join(", "));
            }
            undocumented.is_empty() && found.into_iter().all(|found| found)
        }
        Some(name) => match sim::plants().find(|planted| planted.name == name) {
            Some(planted) if cli.seed.is_some() => clean_seed(&cli, &disk, Some(planted.plant)),
            Some(planted) => planted_is_found(&cli, &disk, &planted),
            None => {
                let names: Vec<_> = sim::plants().map(|planted| planted.name).collect();
                eprintln!("error: “{name}” is no planted bug; there are: all, {}", names.join(", "));
                false
            }
        },
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Seeds without a planted bug: none may fail.
fn clean(cli: &Cli, disk: &Disk) -> bool {
    if cli.seed.is_some() && cli.seeds.is_none() {
        return clean_seed(cli, disk, None);
    }
    let ran = run(cli, disk, cli.seed.unwrap_or(0), cli.seeds.unwrap_or(SEEDS), None);
    println!("{}", ran.coverage);
    let rate = ran.seeds as f64 / ran.seconds;
    println!("{} seeds of {} steps in {:.1} s: {rate:.1} seeds a second", ran.seeds, cli.steps, ran.seconds);
    if let Some((seed, failure)) = ran.failed.first() {
        report(cli, disk, *seed, None, failure);
    }
    let missing = if ran.seeds >= LONG_RUN && ran.failed.is_empty() { ran.coverage.missing() } else { Vec::new() };
    for name in &missing {
        println!("never happened: {name}");
    }
    let good = ran.failed.is_empty() && missing.is_empty();
    let failed = (ran.failed.len() as u64).max(u64::from(!good));
    println!("test result: simulated. {} passed; {failed} failed;", ran.seeds.saturating_sub(failed));
    good
}

fn clean_seed(cli: &Cli, disk: &Disk, plant: Option<Plant>) -> bool {
    let seed = cli.seed.unwrap_or(0);
    let mut steps = sim::plan(seed, cli.steps);
    if !cli.only.is_empty() {
        steps.retain(|step| cli.only.contains(&step.at));
    }
    for step in &steps {
        println!("{:>4} device {:>2} {}", step.at, step.who, step.what.name());
    }
    match sim::run(disk, seed, &steps, plant, &mut Coverage::default()) {
        Ok(()) => {
            println!("seed {seed}: every promise held");
            true
        }
        Err(failure) => {
            println!("seed {seed}: {}: {}", failure.oracle, failure.what);
            false
        }
    }
}

/// A planted bug must be found within its number of seeds, by an oracle of the promises that it breaks.
fn planted_is_found(cli: &Cli, disk: &Disk, planted: &Planted) -> bool {
    let ran = run(cli, disk, 0, planted.within, Some(planted));
    match ran.failed.iter().find(|(_, failure)| planted.oracles.contains(&failure.oracle)) {
        Some((seed, failure)) => {
            println!("| {} | {} | {} | {} |", planted.name, failure.oracle, seed + 1, planted.within);
            println!("test result: planted. 1 passed; 0 failed;");
            true
        }
        None => {
            let others: Vec<_> = ran.failed.iter().map(|(seed, failure)| format!("{} in seed {seed}", failure.oracle)).collect();
            println!("{}: not found in {} seeds {}", planted.name, planted.within, others.join(", "));
            println!("test result: planted. 0 passed; 1 failed;");
            false
        }
    }
}

/// Runs seeds on several threads, until one fails unless told otherwise, or until the planted bug is found.
fn run(cli: &Cli, disk: &Disk, first: u64, count: u64, planted: Option<&Planted>) -> Ran {
    let ends = |failure: &Failure| planted.map_or(!cli.keep_going, |planted| planted.oracles.contains(&failure.oracle));
    let plant = planted.map(|planted| planted.plant);
    let threads = cli.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(2);
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let total = Mutex::new((Coverage::default(), 0, Vec::new()));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut coverage = Coverage::default();
                let (mut done, mut failed) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let steps = sim::plan(seed, cli.steps);
                    done += 1;
                    if let Err(failure) = sim::run(disk, seed, &steps, plant, &mut coverage) {
                        if cli.keep_going {
                            // A long run tells at once, whatever ends it.
                            println!("seed {seed}: {}: {}", failure.oracle, failure.what);
                        }
                        if ends(&failure) {
                            stop.store(true, Ordering::Relaxed);
                        }
                        failed.push((seed, failure));
                    }
                }
                let mut total = total.lock().expect("a total");
                total.0.add(&coverage);
                total.1 += done;
                total.2.extend(failed);
            });
        }
    });
    let (coverage, seeds, mut failed) = total.into_inner().expect("a total");
    failed.sort_by_key(|(seed, _)| *seed);
    Ran { coverage, seeds, failed, seconds: started.elapsed().as_secs_f64() }
}

/// Says what failed, with a command that replays it in few steps.
fn report(cli: &Cli, disk: &Disk, seed: u64, plant: Option<Plant>, failure: &Failure) {
    println!("seed {seed}: {}: {}", failure.oracle, failure.what);
    let steps = sim::shrink(disk, seed, &sim::plan(seed, cli.steps), plant, failure);
    let only: Vec<String> = steps.iter().map(|step| step.at.to_string()).collect();
    let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
    println!("replay: cargo xtask simulate --seed {seed} --steps {}{only}", cli.steps);
}
