//! Tests with disks of their own. Such a test runs again as a process in a mount namespace, where it may mount what it
//! wants; the mounts go when the process goes. It needs `unshare` and `mount`, and root or unprivileged user namespaces.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for a test that runs in its namespace.
const INSIDE: &str = "ROADBOOK_TESTS_INSIDE";

/// The ways into a namespace: for root, and for everybody where the system allows it.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// Runs the body of the test with this name in a mount namespace. Fails where there is no way into one: a test that does not
/// run must be seen.
pub fn with_own_mounts(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let opens = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let way = WAYS.iter().find(opens).expect(
        "this test mounts small and read-only disks: it needs `unshare` and `mount` (util-linux), and root with the right to mount \
         (a container with --privileged) or unprivileged user namespaces",
    );
    let output = Command::new("unshare")
        .args(*way)
        .arg(std::env::current_exe().expect("the path of this program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    // A name that is none would run nothing and pass.
    let ran = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(ran, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn mount(arguments: &[&str], dir: &Path) {
    let output = Command::new("mount").args(arguments).arg(dir).output().expect("mount");
    assert!(output.status.success(), "mount {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A disk of this process's own.
pub struct Disk {
    /// Where it is mounted.
    pub dir: PathBuf,
}

impl Disk {
    /// A disk with so many bytes.
    pub fn new(dir: &Path, bytes: u64) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], dir);
        Self { dir: dir.to_owned() }
    }

    /// Takes all the room that is left but for so many bytes.
    pub fn fill(&self, but: u64) {
        let path = self.dir.join("ballast");
        let mut file = std::fs::File::create(&path).expect("a file");
        let piece = vec![0xa5; 4096];
        // Page by page: a disk is full when not one more fits.
        while file.write_all(&piece).is_ok() {}
        let len = file.metadata().expect("its size").len();
        file.set_len(len.saturating_sub(but)).expect("a shorter file");
    }

    /// Gives the room back.
    pub fn empty(&self) {
        std::fs::remove_file(self.dir.join("ballast")).expect("the ballast");
    }

    /// From now on nobody can write on it, root included.
    pub fn lock(&self) {
        mount(&["-o", "remount,ro"], &self.dir);
    }

    /// Ends [`Disk::lock`].
    pub fn unlock(&self) {
        mount(&["-o", "remount,rw"], &self.dir);
    }
}

/// From now on nobody can write this file or folder, root included; its place in the folder stays as it is.
pub fn lock(path: &Path) {
    mount(&["--bind", &path.display().to_string()], path);
    mount(&["-o", "remount,bind,ro"], path);
}
