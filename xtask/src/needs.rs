//! What the repository needs from a machine, how to see whether it is there, and how it gets there.

use crate::sh::{self, Result};
use crate::{deny, places, swift_root};
use std::path::{Path, PathBuf};

/// Something that must be installed.
pub struct Need {
    /// Its name and least version.
    pub name: &'static str,
    /// What does not work without it.
    pub purpose: &'static str,
    /// Its version or place, if it is there.
    pub found: fn() -> Option<String>,
    /// How it is installed.
    pub remedy: Remedy,
    /// Whether tests on a developer's machine go on without it, with a note.
    pub optional: bool,
}

/// How a need is met.
pub enum Remedy {
    /// Packages of Debian and Ubuntu, and what to do elsewhere.
    Packages(&'static [&'static str], &'static str),
    /// The first of these packages that this release of Debian or Ubuntu has, and what to do elsewhere.
    FirstPackage(&'static [&'static str], &'static str),
    /// A component of the Rust toolchain.
    Component(&'static str),
    /// Only the user can.
    ByHand(&'static str),
    /// cargo-deny, built into the cache folder.
    Deny,
    /// Swift in a root folder of its own, in the cache folder.
    SwiftRoot,
}

pub const RUST: Need = Need {
    name: "Rust 1.90",
    purpose: "everything",
    found: || versioned("rustc", &["--version"], "rustc ", (1, 90)),
    remedy: Remedy::ByHand("rustup update stable"),
    optional: false,
};
pub const FMT: Need = Need {
    name: "rustfmt",
    purpose: "lint",
    found: || first_line("cargo", &["fmt", "--version"]),
    remedy: Remedy::Component("rustfmt"),
    optional: false,
};
pub const CLIPPY: Need = Need {
    name: "clippy",
    purpose: "lint",
    found: || first_line("cargo", &["clippy", "--version"]),
    remedy: Remedy::Component("clippy"),
    optional: false,
};
pub const CC: Need = Need {
    name: "C compiler",
    purpose: "SQLCipher, OpenSSL and zstd",
    found: || first_line("cc", &["--version"]),
    remedy: Remedy::Packages(&["build-essential"], "xcode-select --install"),
    optional: false,
};
pub const MAKE: Need = Need {
    name: "make",
    purpose: "OpenSSL",
    found: || first_line("make", &["--version"]),
    remedy: Remedy::Packages(&["make"], "xcode-select --install"),
    optional: false,
};
/// A minimal Debian has a Perl without its library, which OpenSSL's build uses.
pub const PERL: Need = Need {
    name: "Perl",
    purpose: "OpenSSL",
    found: || {
        first_line(
            "perl",
            &["-MIPC::Cmd", "-MFindBin", "-MFile::Compare", "-MFile::Copy", "-MPod::Usage", "-e", "print \"Perl $^V\""],
        )
    },
    remedy: Remedy::Packages(&["perl"], "brew install perl"),
    optional: false,
};
pub const JDK: Need = Need {
    name: "JDK 17",
    purpose: "kotlin",
    found: || versioned(&java_tool("javac"), &["-version"], "javac ", (17, 0)),
    // By its number first: the default of an older release is older than what is needed, and a newer one has no 17.
    remedy: Remedy::FirstPackage(&["openjdk-17-jdk-headless", "default-jdk-headless"], "brew install openjdk@17"),
    optional: false,
};
pub const MAVEN: Need = Need {
    name: "Maven 3.6",
    purpose: "kotlin",
    found: || versioned("mvn", &["--version"], "Apache Maven ", (3, 6)),
    remedy: Remedy::Packages(&["maven"], "brew install maven"),
    optional: false,
};
pub const SWIFT: Need = Need {
    name: "Swift 6",
    purpose: "swift",
    found: || installed_swift().or_else(|| swift_root::ready().map(|root| format!("in {}", root.display()))),
    remedy: Remedy::SwiftRoot,
    optional: false,
};
pub const DEBOOTSTRAP: Need = Need {
    name: "debootstrap",
    purpose: "making the Swift root",
    // Without the keyring it cannot check what it fetches.
    found: || first_line("debootstrap", &["--version"]).filter(|_| Path::new(DEBIAN_KEYS).exists()),
    remedy: Remedy::Packages(&["debootstrap", "debian-archive-keyring"], "(Debian and Ubuntu only)"),
    optional: false,
};
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
pub const DENY: Need = Need {
    name: "cargo-deny",
    purpose: "lint: licences and duplicates",
    found: || deny::program().and_then(|program| first_line(&program.to_string_lossy(), &["--version"])),
    remedy: Remedy::Deny,
    optional: true,
};

/// What `doctor` shows, in this order. debootstrap is not among them: it is needed once, and installed then.
pub const ALL: &[&Need] = &[&RUST, &FMT, &CLIPPY, &CC, &MAKE, &PERL, &JDK, &MAVEN, &SWIFT, &DENY];

/// What compiling the workspace takes.
pub const TO_BUILD: &[&Need] = &[&RUST, &CC, &MAKE, &PERL];

impl Need {
    /// The command that a person types to meet the need.
    pub fn command(&self) -> String {
        match &self.remedy {
            Remedy::Packages(packages, _) if has("apt-get") => format!("{}apt-get install -y {}", sudo(), packages.join(" ")),
            Remedy::FirstPackage(packages, _) if has("apt-get") => {
                format!("{}apt-get install -y {}", sudo(), first_known(packages, is_known))
            }
            Remedy::Packages(_, elsewhere) | Remedy::FirstPackage(_, elsewhere) => (*elsewhere).to_owned(),
            Remedy::Component(name) => format!("rustup component add {name}"),
            Remedy::ByHand(command) => (*command).to_owned(),
            Remedy::Deny => "cargo xtask doctor --install".to_owned(),
            Remedy::SwiftRoot if cfg!(target_os = "macos") => "xcode-select --install".to_owned(),
            Remedy::SwiftRoot => format!("{}cargo xtask doctor --install (or put Swift 6 on the PATH)", sudo()),
        }
    }

    fn install(&self) -> Result {
        match &self.remedy {
            Remedy::Packages(packages, _) => install_packages(|| packages.to_vec()),
            Remedy::FirstPackage(packages, _) => install_packages(|| vec![first_known(packages, is_known)]),
            Remedy::Component(name) => sh::run(sh::command("rustup").args(["component", "add", name])),
            Remedy::ByHand(command) => Err(format!("run `{command}`")),
            Remedy::Deny => deny::install(),
            Remedy::SwiftRoot => swift_root::make().map(|_| ()),
        }
    }
}

/// Installs what is missing of `needs`, saying so; what cannot be installed from here is an error that names the command.
pub fn ensure(needs: &[&Need]) -> Result {
    for need in needs.iter().filter(|need| (need.found)().is_none()) {
        println!("{} is missing (for {}); installing it", need.name, need.purpose);
        need.install().map_err(|why| format!("{} is missing; install it with `{}`\n{why}", need.name, need.command()))?;
        if (need.found)().is_none() {
            return Err(format!("{} is still missing after installing it with `{}`", need.name, need.command()));
        }
    }
    Ok(())
}

/// A Swift that the user installed.
pub fn installed_swift() -> Option<String> {
    versioned("swift", &["--version"], "Swift version ", (6, 0))
}

/// `packages` is asked after the lists are fresh.
fn install_packages(packages: impl FnOnce() -> Vec<&'static str>) -> Result {
    if !has("apt-get") {
        return Err("only Debian's and Ubuntu's packages are installed from here".to_owned());
    }
    if !places::is_superuser() {
        return Err("packages are installed from here only as root".to_owned());
    }
    // Without fresh lists a package that was updated since is not found.
    sh::run(sh::command("apt-get").args(["update", "-qq"]))?;
    let mut install = sh::command("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages());
    sh::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The first package that is known, and the last one where none is.
fn first_known(packages: &[&'static str], is_known: impl Fn(&str) -> bool) -> &'static str {
    packages.iter().copied().find(|package| is_known(package)).or(packages.last().copied()).unwrap_or_default()
}

/// Whether the package lists of this machine have the package; of a mere name for others they have nothing to show.
fn is_known(package: &str) -> bool {
    sh::read(sh::command("apt-cache").args(["show", "--no-all-versions", package])).is_ok_and(|shown| !shown.trim().is_empty())
}

fn sudo() -> &'static str {
    if places::is_superuser() { "" } else { "sudo " }
}

fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Java as Maven finds it: `JAVA_HOME` first.
pub fn java_tool(name: &str) -> String {
    match std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin").join(name)) {
        Some(path) if path.is_file() => path.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let text = sh::read(sh::command(program).args(args)).ok()?;
    text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

/// What follows `before` in the program's answer, if it is at least `least`.
fn versioned(program: &str, args: &[&str], before: &str, least: (u32, u32)) -> Option<String> {
    let text = sh::read(sh::command(program).args(args)).ok()?;
    let version = after(&text, before)?;
    (numbers(&version) >= least).then_some(version)
}

fn after(text: &str, before: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!version.is_empty()).then_some(version)
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_package_that_a_release_has_is_installed() {
        let packages = ["openjdk-17-jdk-headless", "default-jdk-headless"];
        assert_eq!(first_known(&packages, |_| true), "openjdk-17-jdk-headless");
        assert_eq!(first_known(&packages, |package| package.starts_with("default")), "default-jdk-headless");
        assert_eq!(first_known(&packages, |_| false), "default-jdk-headless");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(after("rustc 1.100.0 (abc 2026)", "rustc ").as_deref(), Some("1.100.0"));
        assert!(numbers("1.100.0") > numbers("1.90.0"));
        assert!(numbers("17.0.15") >= (17, 0));
        assert!(numbers("21") >= (17, 0));
        assert!(numbers("11.0.2") < (17, 0));
        assert_eq!(after("\u{1b}[1mApache Maven 3.8.7\u{1b}[m", "Apache Maven ").as_deref(), Some("3.8.7"));
    }
}
