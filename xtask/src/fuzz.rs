//! `cargo xtask fuzz`: the targets of `fuzz/`, guided by coverage, on stable Rust.
//!
//! rustc's own LLVM pass counts what an input reaches, in the product and in what it depends on; libFuzzer comes with a
//! crate and needs g++ only. The instrumented build has its own folder, `target/fuzz`, and so has what is found.

use crate::sh::{self, Result};
use crate::{files, needs, places};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PASSES: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds, and runs each target for its part of `minutes`; all of them where `targets` names none. Every target is run even
/// after one failed.
pub fn run(minutes: f64, targets: &[String]) -> Result {
    needs::ensure(needs::TO_BUILD)?;
    let (root, target) = (places::root()?, places::target()?);
    let all = all(&root)?;
    if let Some(unknown) = targets.iter().find(|name| !all.contains(name)) {
        return Err(format!("no target is called {unknown}; there are {}", all.join(", ")));
    }
    let chosen = if targets.is_empty() { &all } else { targets };
    let program = build(&root, &target)?;
    let seconds = (minutes * 60.0 / chosen.len() as f64).max(1.0) as u64;
    let failed: Vec<String> =
        chosen.iter().filter_map(|name| guided(&program, &root, &target.join("fuzz"), name, seconds).err()).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Writes the inputs that the product makes today into the kept corpus.
pub fn seeds() -> Result {
    needs::ensure(needs::TO_BUILD)?;
    let mut test = sh::command("cargo");
    test.args(["test", "-p", "roadbook-fuzz", "--test", "targets", "the_corpus"]).current_dir(places::root()?);
    sh::run(test.env("ROADBOOK_FUZZ_SEEDS", "1"))
}

/// The targets, which are the folders of the kept corpus: a test compares them with the code.
fn all(root: &Path) -> Result<Vec<String>> {
    let corpus = root.join("tests/corpus");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&corpus).map_err(|why| format!("cannot read {}: {why}", corpus.display()))? {
        let entry = entry.map_err(|why| format!("cannot read {}: {why}", corpus.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let host = host()?;
    let folder = target.join("fuzz");
    let start = Instant::now();
    let mut cargo = sh::command("cargo");
    cargo.args(["build", "--profile", "fuzz", "-p", "roadbook-fuzz", "--features", "libfuzzer", "--bin", "roadbook-fuzz"]);
    // With a named target, build scripts and macros are not instrumented.
    cargo.args(["--target", &host, "--target-dir"]).arg(&folder).env("RUSTFLAGS", PASSES).current_dir(root);
    match openssl(target) {
        Some(built) => {
            cargo.env("OPENSSL_NO_VENDOR", "1").env("OPENSSL_STATIC", "1").env("OPENSSL_DIR", built);
        }
        None => println!("There is no build of OpenSSL in {} yet: the first build takes some minutes more.", target.display()),
    }
    println!(
        "The instrumented build is one of its own, SQLCipher without OpenSSL included: some minutes the first time, one later."
    );
    sh::run(&mut cargo)?;
    println!("built in {}", shown(start.elapsed()));
    Ok(folder.join(host).join("fuzz/roadbook-fuzz"))
}

/// OpenSSL as an ordinary build left it. It is most of what SQLCipher takes to build, and counting in it helps nobody.
fn openssl(target: &Path) -> Option<PathBuf> {
    let builds = std::fs::read_dir(target.join("debug/build")).ok()?;
    let installed = builds.flatten().map(|build| build.path().join("out/openssl-build/install"));
    installed.filter(|path| path.is_dir()).max()
}

fn host() -> Result<String> {
    let version = sh::read(sh::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say for which machine it builds".to_owned())
}

fn guided(program: &Path, root: &Path, folder: &Path, name: &str, seconds: u64) -> Result {
    let (corpus, found) = (folder.join("corpus").join(name), folder.join("found"));
    files::make_folder(&corpus)?;
    files::make_folder(&found)?;
    println!("\n== {name}, {seconds} s ==");
    let mut fuzz = sh::command(program);
    // What is new goes into the first folder; the kept one is only read.
    fuzz.arg(&corpus).arg(root.join("tests/corpus").join(name));
    fuzz.args([format!("-max_total_time={seconds}"), format!("-artifact_prefix={}/{name}-", found.display())]);
    fuzz.args(["-max_len=8192", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"]);
    fuzz.env("ROADBOOK_FUZZ_TARGET", name);
    sh::run(&mut fuzz)
        .map_err(|why| format!("{name}: {why}\nkeep the input that is in {} in tests/corpus/{name}", found.display()))
}

fn shown(took: Duration) -> String {
    format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
}
