//! The real command line, as a process with a book on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use roadbook_cli::store::Location;
use roadbook_core::book::Book;
use serde_json::Value;

use crate::server::{Server, programs};

/// A computer with a folder in which its user works: the book in `book`, its key in `book.key`.
pub struct Desk {
    dir: PathBuf,
}

/// Standard output and standard error together, for messages of failed tests.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Desk {
    /// The computer with this folder, which is there; the book may not be.
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A computer whose book has joined a workspace.
    pub fn joined(dir: &Path, server: &Server, workspace: &str, person: &str) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        let desk = Self::at(dir);
        desk.json(&["join", &server.url, "--invite", &server.invite(workspace, person)]);
        desk
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of the book.
    pub fn store(&self) -> PathBuf {
        self.path("book")
    }

    /// The command line on this book.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("roadbook"));
        for variable in ["ROADBOOK_STORE", "ROADBOOK_KEY_FILE", "ROADBOOK_CA", "ROADBOOK_TIMEOUT"] {
            command.env_remove(variable);
        }
        command.env("TZ", "UTC").current_dir(&self.dir).arg("--store").arg(self.store()).args(arguments);
        command
    }

    /// Runs the command line to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command line: build it with `cargo build -p roadbook-cli`")
    }

    /// Its answer as JSON; it must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.expect(arguments, 0)
    }

    /// The code of the error that it ends with, and the message.
    pub fn fails(&self, arguments: &[&str]) -> (String, String) {
        let answer = self.expect(arguments, 1);
        let text = |key: &str| answer["error"][key].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("code"), text("message"))
    }

    fn expect(&self, arguments: &[&str], exit: i32) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{}: {}",
            arguments.join(" ").chars().take(200).collect::<String>(),
            said(&output)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", said(&output)))
    }

    /// The hash of what the book holds.
    pub fn state_hash(&self) -> String {
        self.json(&["status"])["state_hash"].as_str().expect("a hash").to_owned()
    }

    /// Asserts that the doctor finds nothing.
    pub fn assert_sound(&self) {
        assert_eq!(self.json(&["doctor"])["findings"], Value::Array(Vec::new()), "{}", self.dir.display());
    }

    /// The names of the files in the folder of the book, sorted.
    pub fn files(&self) -> Vec<String> {
        names(&self.store())
    }

    /// The book itself, opened in this process.
    pub fn open(&self) -> Book {
        let at = Location::new(Some(self.store()), None).expect("a folder");
        at.open().unwrap_or_else(|error| panic!("{}: {error}", self.dir.display()))
    }
}

/// The names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
