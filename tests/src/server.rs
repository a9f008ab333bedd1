//! The real server, as a process: for the demo, the benchmarks and tests across processes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server with a data folder.
pub struct Server {
    child: Child,
    data: PathBuf,
    /// Where it listens: `http://127.0.0.1:…`.
    pub url: String,
}

/// The folder of the built programs: that of this program, or the one above it for tests.
pub fn programs() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let dir = program.parent().expect("a folder");
    if dir.ends_with("deps") { dir.parent().expect("a folder").to_owned() } else { dir.to_owned() }
}

fn binary() -> PathBuf {
    let path = programs().join("roadbook-server");
    assert!(path.exists(), "{} is missing: build it with `cargo build -p roadbook-server`", path.display());
    path
}

/// A verb of the server on a data folder, to be run.
pub fn command(data: &Path, verb: &[&str]) -> Command {
    let mut command = Command::new(binary());
    let (first, rest) = verb.split_first().expect("a verb");
    command.arg(first);
    if let Some((second, rest)) = rest.split_first().filter(|_| matches!(*first, "workspace" | "user" | "device")) {
        command.arg(second).arg("--data").arg(data).args(rest);
    } else {
        command.arg("--data").arg(data).args(rest);
    }
    command
}

/// Runs a verb of the server on a data folder and gives what it printed.
pub fn admin(data: &Path, verb: &[&str]) -> String {
    let output = command(data, verb).output().expect("the server's program");
    assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

impl Server {
    /// Starts the server on a data folder, on a free port of this machine.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    /// Ends the server as a power cut would, and starts it again where its clients look for it.
    pub fn kill_and_start(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Starts the server, which has ended, where its clients look for it.
    pub fn start_again(&mut self) {
        *self = Self::start_at(&self.data.clone(), self.address());
    }

    /// Asks the server to stop, as an administrator or the system does, and waits for its end.
    #[cfg(unix)]
    pub fn stop(&mut self) -> std::process::ExitStatus {
        // The shell's own: a small system has no other.
        let asked = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.process())).status().expect("a shell");
        assert!(asked.success(), "the server was gone already");
        self.child.wait().expect("its end")
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn start_at(data: &Path, listen: &str) -> Self {
        let mut child = Command::new(binary())
            .args(["serve", "--data"])
            .arg(data)
            .args(["--listen", listen])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server's program");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its first line");
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"))
            .unwrap_or_else(|| panic!("{line:?} names no address"));
        Self { url: format!("http://{}", address.trim_end_matches('/')), data: data.to_owned(), child }
    }

    /// A server with a workspace and these people, all reps.
    pub fn with_people(data: &Path, workspace: &str, people: &[&str]) -> Self {
        admin(data, &["workspace", "create", workspace]);
        for person in people {
            admin(data, &["user", "add", "--workspace", workspace, "--role", "rep", person]);
        }
        Self::start(data)
    }

    /// An invitation's code.
    pub fn invite(&self, workspace: &str, person: &str) -> String {
        let printed = admin(&self.data, &["invite", "--workspace", workspace, person]);
        printed.lines().last().expect("a code").trim().to_owned()
    }

    /// The id of the server's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Lets the server run on after this value is dropped.
    pub fn leave_running(self) {
        std::mem::forget(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
