//! A process that writes and syncs until it is killed, and what it said until then.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use roadbook_core::book::Book;
use roadbook_core::id::RecordId;
use roadbook_core::records::Contact;

use crate::process::Desk;
use crate::server::programs;

/// For each contact, the number in its notes.
pub type Numbers = BTreeMap<RecordId, u64>;

/// What writers said they had done.
#[derive(Debug, Clone, Default)]
pub struct Reported {
    /// Saved on the device.
    pub saved: Numbers,
    /// Of that, what the server has.
    pub synced: Numbers,
}

/// A process that writes and syncs.
pub struct Writer {
    child: Child,
    listener: JoinHandle<Reported>,
}

impl Writer {
    /// Starts one on a book that has joined a server.
    pub fn start(desk: &Desk, seed: u64) -> Self {
        let mut child = Command::new(programs().join("roadbook-client"))
            .arg("work")
            .arg(desk.path(""))
            .arg(seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, listener: std::thread::spawn(move || listen(output)) }
    }

    /// Kills the process and adds what it had said.
    pub fn kill(mut self, reported: &mut Reported) {
        if let Some(status) = self.child.try_wait().expect("its state") {
            panic!("a client ended by itself: {status}");
        }
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
        let more = self.listener.join().expect("what it said");
        reported.saved.extend(more.saved);
        reported.synced.extend(more.synced);
    }
}

fn listen(output: impl BufRead) -> Reported {
    let mut reported = Reported::default();
    for line in output.lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("saved"), Some(id), Some(n)) => {
                reported.saved.insert(id.parse().expect("an id"), n.parse().expect("a number"));
            }
            (Some("synced"), None, None) => reported.synced.clone_from(&reported.saved),
            other => panic!("a client said {other:?}"),
        }
    }
    reported
}

/// Asserts that the book holds what was reported, or what was saved after that.
pub fn assert_holds(book: &Book, numbers: &Numbers, whose: &str) {
    for (id, n) in numbers {
        let contact: Contact = book.get(*id).unwrap_or_else(|error| panic!("{whose}: {id}: {error}"));
        let found: u64 = contact.notes.parse().expect("a number");
        assert!(found >= *n, "{whose}: {id} says {found}, and {n} was reported");
    }
}
