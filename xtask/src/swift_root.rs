//! Swift on a machine that has none: a small Debian with Swift in a folder of the cache, entered with chroot.
//!
//! Everything that is mounted is mounted in a mount namespace of the running command. It vanishes with that command, however
//! that ends, so nothing is left behind to unmount, and two runs do not see each other's mounts.

use crate::needs::{self, DEBOOTSTRAP};
use crate::sh::{self, Result};
use crate::{files, places};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Debian release that first has Swift 6, and a number that goes up when `PACKAGES` change.
const SUITE: &str = "trixie";
const REVISION: u32 = 1;
const PACKAGES: &str = "swiftlang,libc6-dev,libstdc++-14-dev,gcc,git";
/// Where Debian's packages are for everybody, for a machine that installs from elsewhere, as Ubuntu does. Without TLS, for which a
/// new machine may have no authorities: debootstrap checks signatures.
const PUBLIC: &str = "http://deb.debian.org/debian";
/// Overrides the mirror that is read from this machine's own package sources.
const MIRROR: &str = "ROADBOOK_DEBIAN_MIRROR";

/// Where the repository and cargo's target folder are seen inside; `ENTER` says the same.
pub const REPOSITORY: &str = "/roadbook";
pub const TARGET: &str = "/target";

/// Mounts and enters. `$1` is the root, `$2` the repository, `$3` the target folder, `$4` the folder below the repository to be
/// in; the rest is the command. The temporary folder is memory: what a test leaves there is gone with it.
const ENTER: &str = r#"set -eu
root=$1; repository=$2; target=$3; folder=$4
shift 4
mkdir -p "$root/roadbook" "$root/target"
mount -t proc proc "$root/proc" || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$repository" "$root/roadbook"
mount --bind "$target" "$root/target"
exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin LANG=C.UTF-8 \
    sh -c 'cd "$0" && exec "$@"' "/roadbook/$folder" "$@"
"#;

/// The root, if it has been made.
pub fn ready() -> Option<PathBuf> {
    let root = folder().ok()?;
    // Not followed: it is a link that leads somewhere only inside the root.
    fs::symlink_metadata(root.join("usr/bin/swift")).is_ok().then_some(root)
}

/// The root, made if it has not been.
pub fn make() -> Result<PathBuf> {
    if let Some(root) = ready() {
        return Ok(root);
    }
    if !cfg!(target_os = "linux") {
        return Err("a Swift root is made on Linux only".to_owned());
    }
    if !places::is_superuser() {
        return Err("a Swift root is made and entered only as root".to_owned());
    }
    needs::ensure(&[&DEBOOTSTRAP])?;
    can_mount()?;
    let root = folder()?;
    let parent = root.parent().ok_or("the cache folder has no parent")?;
    files::make_folder(parent)?;
    remove_abandoned(parent)?;
    let mirror = mirror();
    println!("making a Swift root in {}, once: 1 to 4 minutes, 3 GB", root.display());
    let unfinished = unfinished(&root, std::process::id());
    let mut make = in_namespace();
    // debootstrap has its own idea of where temporary files go; the root's is the only one that exists inside it.
    make.args(["debootstrap", "--variant=minbase", "--force-check-gpg"])
        .arg(format!("--include={PACKAGES}"))
        .arg(SUITE)
        .arg(&unfinished)
        .arg(mirror);
    sh::read(make.env_remove("TMPDIR"))?;
    files::remove_folder(&unfinished.join("var/cache/apt/archives"))?;
    // Whole or not at all: a root with this name is complete.
    match fs::rename(&unfinished, &root) {
        Err(_) if ready().is_some() => remove_tree(&unfinished)?,
        renamed => renamed.map_err(|why| format!("{}: {why}", root.display()))?,
    }
    Ok(root)
}

/// A command that runs `words` inside the root, in `folder` of the repository. It becomes that program, so that killing the
/// one kills the other. The script is a file, so that the whole can be handed on as one line of words.
pub fn inside(root: &Path, repository: &Path, target: &Path, folder: &str, words: &[String]) -> Result<Command> {
    let script = target.join("enter-swift-root.sh");
    // Left alone if it is right: another run's shell may be reading it.
    if fs::read_to_string(&script).ok().as_deref() != Some(ENTER) {
        fs::write(&script, ENTER).map_err(|why| format!("{}: {why}", script.display()))?;
    }
    let mut command = in_namespace();
    command.arg("sh").arg(script).args([root, repository, target]).arg(folder).args(words);
    Ok(command)
}

fn in_namespace() -> Command {
    let mut command = sh::command("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command
}

/// Containers often are root without the right to mount; say so before three gigabytes are fetched.
fn can_mount() -> Result {
    sh::read(in_namespace().arg("true"))
        .map(|_| ())
        .map_err(|why| format!("this system does not let root mount (start the container with `--privileged`)\n{why}"))
}

fn folder() -> Result<PathBuf> {
    Ok(places::cache()?.join(format!("swift-root-{SUITE}-{REVISION}")))
}

fn unfinished(root: &Path, process: u32) -> PathBuf {
    root.with_file_name(format!("unfinished-swift-root-{process}"))
}

/// Roots that a killed run left half-made.
fn remove_abandoned(parent: &Path) -> Result {
    for entry in fs::read_dir(parent).map_err(|why| format!("{}: {why}", parent.display()))?.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("unfinished-swift-root-"));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            println!("removing {}, left by a run that was killed", entry.path().display());
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// `rm` and not this program's own removal: it does not follow what may be mounted inside.
fn remove_tree(folder: &Path) -> Result {
    sh::read(sh::command("rm").args(["-rf", "--one-file-system", "--"]).arg(folder)).map(|_| ())
}

/// The Debian archive that this machine itself installs from, and otherwise the public one.
fn mirror() -> String {
    if let Some(mirror) = std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty()) {
        return mirror;
    }
    let mut sources = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "list" || extension == "sources"));
        more.sort();
        sources.extend(more);
    }
    archive(sources.iter().filter_map(|path| fs::read_to_string(path).ok()))
}

/// The first Debian archive in files of package sources; the public one where they name none.
fn archive(texts: impl Iterator<Item = String>) -> String {
    texts.flat_map(|text| addresses(&text)).find(|address| is_archive(address)).unwrap_or_else(|| PUBLIC.to_owned())
}

/// The addresses in a file of package sources, of either form (`deb [options] ADDRESS …`, `URIs: ADDRESS …`).
fn addresses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let words = line.strip_prefix("deb ").or_else(|| line.strip_prefix("URIs:")).unwrap_or_default();
        found.extend(words.split_whitespace().filter(|word| word.contains(":/")).map(str::to_owned));
    }
    found
}

/// Snapshots lack newer releases, the security archive lacks everything else, and other vendors have archives of their own.
fn is_archive(address: &str) -> bool {
    !address.contains("snapshot") && address.trim_end_matches('/').ends_with("/debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_forms_of_sources() {
        let old = "# deb http://old.example/debian trixie main\n\
            deb [signed-by=/usr/share/keyrings/a.gpg] https://vendor.example/apt stable main\n\
            deb http://snapshot.example/archive/debian bookworm main\n\
            deb [arch=amd64] http://mirror.example/debian/ bookworm main";
        let new = "Types: deb\nURIs: http://mirror.example/debian-security\n\n\
            Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm";
        let first = |text: &str| archive(std::iter::once(text.to_owned()));
        assert_eq!(first(old), "http://mirror.example/debian/");
        assert_eq!(first(new), "http://mirror.example/debian");
    }

    #[test]
    fn a_machine_that_installs_from_no_debian_archive_takes_the_public_one() {
        let ubuntu = "deb http://mirror.example/ubuntu noble main".to_owned();
        assert_eq!(archive([ubuntu].into_iter()), PUBLIC);
        assert_eq!(archive(std::iter::empty()), PUBLIC);
    }
}
