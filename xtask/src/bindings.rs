//! The native library, and the Kotlin and Swift generated from it.

use crate::files::{self, Change};
use crate::sh::{self, Result};
use crate::steps::Outcome;
use crate::{needs, places};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Generated Kotlin: never committed; the Maven build reads it from here.
const KOTLIN: &str = "android/core/target/generated/kotlin";
/// Generated Swift: committed, so that the difference in a change is the review of the API.
const SWIFT: &str = "ios/Sources/Roadbook/Generated";
/// The C header and module map that the generated Swift imports.
const SWIFT_FFI: &str = "ios/Sources/RoadbookFFI";

/// Builds and generates, and says what changed.
pub fn run() -> Result {
    generate().map(|_| ())
}

/// The same as a step of the whole test. On a build server what is committed must already be what is generated.
pub fn check() -> Result<Outcome> {
    let stale = stale(&places::root()?, &generate()?);
    let problem = (!stale.is_empty() && places::in_ci()).then(|| {
        format!("{} not what the library generates: run `cargo xtask bindings` and commit the result", stale.join(", "))
    });
    Ok(Outcome { problem, ..Outcome::default() })
}

/// The committed files that were not what is generated: also one that was missing, and one that nothing generates.
fn stale(root: &Path, changes: &[(PathBuf, Change)]) -> Vec<String> {
    let committed = [root.join(SWIFT), root.join(SWIFT_FFI)];
    let changed = changes.iter().filter(|(path, _)| committed.iter().any(|folder| path.starts_with(folder)));
    let shown = |(path, _): &(PathBuf, Change)| path.strip_prefix(root).unwrap_or(path).display().to_string();
    changed.map(shown).collect()
}

/// Builds the native library, the generator and the programs, and returns the folder that holds them.
///
/// The whole workspace at once, because cargo turns on the features that the selected packages ask for together: one package
/// alone has fewer, and its dependencies would be built a second time.
pub fn build() -> Result<PathBuf> {
    needs::ensure(needs::TO_BUILD)?;
    let mut build = sh::command("cargo");
    build.args(["build", "--workspace", "--exclude", "xtask", "--lib", "--bins"]).current_dir(places::root()?);
    sh::run(&mut build)?;
    Ok(places::target()?.join("debug"))
}

/// The native library's file name on this system.
pub fn library_name() -> String {
    format!("{}roadbook_ffi{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

fn generate() -> Result<Vec<(PathBuf, Change)>> {
    let programs = build()?;
    let root = places::root()?;
    let (mut swift, mut ffi) = (BTreeMap::new(), BTreeMap::new());
    for (name, bytes) in generated(&programs, "swift")? {
        match name.extension().and_then(|extension| extension.to_str()) {
            Some("swift") => swift.insert(name, bytes),
            // The name under which SwiftPM looks for it.
            Some("modulemap") => ffi.insert(PathBuf::from("module.modulemap"), bytes),
            _ => ffi.insert(name, bytes),
        };
    }
    let kotlin = generated(&programs, "kotlin")?;
    let mut changes = files::put(&root.join(KOTLIN), &kotlin)?;
    changes.extend(files::put(&root.join(SWIFT), &swift)?);
    changes.extend(files::put(&root.join(SWIFT_FFI), &ffi)?);
    for (path, change) in &changes {
        println!("{} {}", format!("{change:?}").to_lowercase(), path.strip_prefix(&root).unwrap_or(path).display());
    }
    if changes.is_empty() {
        println!("the generated Kotlin and Swift are up to date");
    }
    Ok(changes)
}

/// Generates into a folder below `target` first: a generator that fails half-way leaves the tree as it was.
fn generated(programs: &Path, language: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let out = programs.join("bindings").join(language);
    files::make_empty(&out)?;
    let mut generator = sh::command(programs.join("roadbook-bindgen"));
    generator.args(["generate", "--no-format", "--language", language, "--out-dir"]).arg(&out);
    // It asks cargo where the crate's uniffi.toml is, so it must run inside the workspace.
    sh::read(generator.arg(programs.join(library_name())).current_dir(places::root()?))?;
    let files = files::contents(&out)?;
    if files.is_empty() { Err(format!("the library exports nothing: no {language} was generated")) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_what_is_committed_is_stale_and_none_of_what_is_not() {
        let root = Path::new("/r");
        let changes = [
            (root.join(KOTLIN).join("roadbook.kt"), Change::Changed),
            (root.join(SWIFT).join("Roadbook.swift"), Change::Added),
            (root.join(SWIFT_FFI).join("module.modulemap"), Change::Changed),
            (root.join(SWIFT_FFI).join("old.h"), Change::Removed),
        ];
        assert_eq!(
            stale(root, &changes),
            [
                "ios/Sources/Roadbook/Generated/Roadbook.swift",
                "ios/Sources/RoadbookFFI/module.modulemap",
                "ios/Sources/RoadbookFFI/old.h"
            ]
        );
    }
}
