//! The Kotlin packages, tested on the JVM against the native library.

use crate::counts::{self, Counts};
use crate::needs::{self, JDK, MAVEN};
use crate::sh::{self, Result};
use crate::steps::Outcome;
use crate::{bindings, files, places};
use std::path::Path;

/// Maven projects, in the order in which they need each other.
const PROJECTS: &[&str] = &["android/core"];

/// Tests every project; one that fails does not keep the others from running.
pub fn test() -> Result<Outcome> {
    let root = places::root()?;
    if let Some(absent) = PROJECTS.iter().find(|project| !root.join(project).join("pom.xml").is_file()) {
        return Err(format!("{absent}/pom.xml does not exist"));
    }
    needs::ensure(&[&JDK, &MAVEN])?;
    let native = places::target()?.join("debug");
    if !native.join(bindings::library_name()).is_file() {
        return Err("the native library is not built".to_owned());
    }
    let mut all = Outcome::default();
    for project in PROJECTS {
        let outcome = test_project(&root.join(project), &native)?;
        all.counts += outcome.counts;
        if let Some(problem) = outcome.problem {
            all.problem = Some(format!("{}{project}: {problem}", all.problem.map(|before| before + "\n").unwrap_or_default()));
        }
    }
    Ok(all)
}

/// The command line of the Kotlin program that the proof talks to; it is among the tests of the package, compiled by `test`.
pub fn phone() -> Result<String> {
    let built = places::root()?.join("android/core/target");
    let list = built.join("classpath.txt");
    let others = std::fs::read_to_string(&list).map_err(|why| format!("{}: {why}", list.display()))?;
    let native = places::target()?.join("debug");
    let (built, native) = (built.display(), native.display());
    let classes = format!("{built}/test-classes:{built}/classes:{}", others.trim());
    Ok(format!("{} -cp {classes} -Djna.library.path={native} dev.roadbook.proof.ProofKt", needs::java_tool("java")))
}

fn test_project(project: &Path, native: &Path) -> Result<Outcome> {
    // Reports of tests that no longer exist would be counted.
    let reports = project.join("target/surefire-reports");
    files::remove_folder(&reports)?;
    let mut maven = sh::command("mvn");
    maven.args(["-B", "-q", "-Dstyle.color=never", "test"]).arg(format!("-Droadbook.native={}", native.display()));
    // Kotlin's daemon would stay behind with almost a gigabyte.
    maven.args(["-Dkotlin.compiler.daemon=false", "-Dmaven.wagon.http.retryHandler.count=3"]);
    maven.env("MAVEN_OPTS", options()).current_dir(project);
    let ran = sh::stream(&mut maven)?;
    Ok(Outcome::of_runner(reported(&reports)?, ran.ok, ran.end))
}

/// Quiet but for Surefire, whose lines per class and in total are what the reader waits for.
fn options() -> String {
    let own = "-Dorg.slf4j.simpleLogger.log.org.apache.maven.plugin.surefire=info";
    format!("{} {own}", std::env::var("MAVEN_OPTS").unwrap_or_default())
}

/// The counts come from Surefire's reports, not from Maven's log, whose form depends on levels and versions.
fn reported(reports: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    if reports.is_dir() {
        for (name, text) in files::contents(reports)? {
            let is_summary = name.extension().is_some_and(|extension| extension == "txt");
            if is_summary && !name.to_string_lossy().ends_with("-output.txt") {
                counts += counts::surefire(&String::from_utf8_lossy(&text));
            }
        }
    }
    Ok(counts)
}
