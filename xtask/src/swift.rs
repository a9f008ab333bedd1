//! The Swift package, tested against the native library: with the Swift that is installed, or else in a root of its own.

use crate::sh::{self, Ran, Result};
use crate::steps::Outcome;
use crate::{bindings, counts, needs, places, swift_root};
use std::path::Path;

/// Runs `swift test` in `ios`.
pub fn test() -> Result<Outcome> {
    let root = places::root()?;
    if !root.join("ios/Package.swift").is_file() {
        return Err("ios/Package.swift does not exist".to_owned());
    }
    let target = places::target()?;
    if !target.join("debug").join(bindings::library_name()).is_file() {
        return Err("the native library is not built".to_owned());
    }
    let ran = if needs::installed_swift().is_some() { installed(&root, &target)? } else { rooted(&root, &target)? };
    Ok(Outcome::of_runner(counts::swift(&ran.lines), ran.ok, ran.end))
}

/// The command line of the Swift program that the proof talks to, built by `test`; and where it sees the repository, if elsewhere.
pub fn phone() -> Result<(String, Option<&'static str>)> {
    let (root, target) = (places::root()?, places::target()?);
    let program = |target: &str| format!("{target}/swift/debug/RoadbookProof");
    if needs::installed_swift().is_some() {
        return Ok((program(&target.to_string_lossy()), None));
    }
    let words = [program(swift_root::TARGET)];
    let inside = swift_root::inside(&swift_root::make()?, &root, &target, "ios", &words)?;
    Ok((sh::typed(&inside), Some(swift_root::REPOSITORY)))
}

/// The arguments of `swift`, given where the target folder is seen. Built files go there too, apart from those of Xcode.
fn arguments(target: &str) -> Vec<String> {
    let native = format!("{target}/debug");
    let mut arguments = vec!["test".to_owned(), "--scratch-path".to_owned(), format!("{target}/swift")];
    let mut linker = vec![format!("-L{native}"), "-rpath".to_owned(), native];
    if cfg!(target_os = "linux") {
        // Debian's Observation library leaves symbols to the program that loads it.
        linker.push("--allow-shlib-undefined".to_owned());
    }
    for flag in linker {
        arguments.extend(["-Xlinker".to_owned(), flag]);
    }
    arguments
}

fn installed(root: &Path, target: &Path) -> Result<Ran> {
    let mut command = sh::command("swift");
    sh::stream(command.args(arguments(&target.to_string_lossy())).current_dir(root.join("ios")))
}

fn rooted(root: &Path, target: &Path) -> Result<Ran> {
    needs::ensure(&[&needs::SWIFT])?;
    let swift_root = swift_root::make()?;
    let words: Vec<String> = std::iter::once("swift".to_owned()).chain(arguments(swift_root::TARGET)).collect();
    let shown = format!("{} (in {})", words.join(" "), swift_root.display());
    sh::stream_as(&shown, &mut swift_root::inside(&swift_root, root, target, "ios", &words)?)
}
