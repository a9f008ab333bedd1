//! The end of a book and of a process that has one open: long work ends with them, and exit handlers of SQLCipher and OpenSSL
//! run while the process's threads still do.
//!
//! `ROADBOOK_LEAVES` says how often (30).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadbook_core::book::{Book, Change, Vault};
use roadbook_core::env::Env;
use roadbook_core::records::Deal;
use roadbook_core::sync::wire::ErrorCode;
use roadbook_core::sync::{Event, Session, Step};
use roadbook_core::value::Instant;
use roadbook_core::{Error, Key};
use roadbook_tests::process::{Desk, said};
use roadbook_tests::random::Random;
use roadbook_tests::relay::Relay;
use roadbook_tests::server::{Server, admin};
use roadbook_tests::{Device, World};

fn times() -> u64 {
    std::env::var("ROADBOOK_LEAVES").map_or(30, |text| text.parse().expect("a number"))
}

/// How many files under this folder this process has open.
#[cfg(target_os = "linux")]
fn open_files(dir: &std::path::Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    files.filter(|file| std::fs::read_link(file.path()).is_ok_and(|path| path.starts_with(dir))).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_book_that_was_shut_down_has_no_file_open_whatever_other_threads_do_with_it() {
    let mut random = Random::new(1);
    for _ in 0..times() {
        let device = Device::new(&World::new(random.draw()));
        let dir = device.dir.path().canonicalize().unwrap();
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let book = Arc::clone(&device.book);
                std::thread::spawn(move || while book.status().is_ok() {})
            })
            .collect();
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        device.book.shutdown();
        assert_eq!(open_files(&dir), 0);
        for reader in readers {
            reader.join().unwrap();
        }
    }
}

#[test]
fn a_process_that_shuts_its_book_down_before_it_exits_ends_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::at(dir.path());
    desk.json(&["init"]);
    for seed in 0..times() {
        let mut leave = Command::new(env!("CARGO_BIN_EXE_roadbook-client"));
        let output = leave.arg("leave").arg(dir.path()).arg(seed.to_string()).output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, said(&output));
    }
    desk.assert_sound();
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_stop_while_it_works_ends_cleanly_and_keeps_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(2);
    let mut server = Server::with_people(&dir.path().join("server"), "Firm", &["Anna"]);
    let desk = Desk::joined(&dir.path().join("anna"), &server, "Firm", "Anna");
    let cards = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/address-book.vcf");
    desk.run(&["import", cards.to_str().unwrap()]);
    for n in 0..times() / 3 {
        desk.json(&["contact", "add", &format!("Number {n}")]);
        let mut sync = desk.command(&["sync", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        let status = server.stop();
        assert!(status.success(), "the server ended with {status}");
        sync.wait().unwrap();
        server.start_again();
    }
    desk.json(&["sync"]);
    let shown: serde_json::Value = serde_json::from_str(&admin(server.data(), &["workspace", "show", "--json", "Firm"])).unwrap();
    assert_eq!(shown["state_hash"].as_str().unwrap(), desk.state_hash());
}

/// A world that holds up somebody who asks it for randomness, as every write does when it begins, and counts who asks.
struct Halting {
    world: Arc<World>,
    asked: AtomicU64,
    halt: Mutex<Option<Halt>>,
}

struct Halt {
    /// So many may still ask before the one that is held up.
    after: u64,
    reached: Sender<()>,
    go: Receiver<()>,
}

impl Halting {
    /// Holds up who asks after so many others. Gives what hears of it, and what lets them go on.
    fn halt(&self, after: u64) -> (Receiver<()>, Sender<()>) {
        let (reached, hears) = channel();
        let (lets_go, go) = channel();
        *self.halt.lock().unwrap() = Some(Halt { after, reached, go });
        (hears, lets_go)
    }

    /// How often somebody has asked.
    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Env for Halting {
    fn now(&self) -> Instant {
        self.world.now()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let halt = self.halt.lock().unwrap().take_if(|halt| {
            let here = halt.after == 0;
            halt.after = halt.after.saturating_sub(1);
            here
        });
        if let Some(halt) = halt {
            halt.reached.send(()).unwrap();
            // Nobody lets it go on where the test has failed meanwhile.
            let _ = halt.go.recv();
        }
        self.world.fill(bytes);
    }
}

/// The records of a long write.
const RECORDS: u64 = 300;

/// A book with many records in a world that halts.
struct Full {
    env: Arc<Halting>,
    dir: tempfile::TempDir,
    vault: Vault,
    book: Arc<Book>,
}

impl Full {
    fn new() -> Self {
        let env = Arc::new(Halting { world: World::new(7), asked: AtomicU64::new(0), halt: Mutex::new(None) });
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault { key: Key::new([7; 32]), incarnation: [7; 16] };
        let book = Arc::new(Book::create(dir.path(), vault.clone(), env.clone()).unwrap());
        let deals: Vec<Change> = (0..RECORDS).map(|n| Change::Deal(deal(&book, n))).collect();
        book.apply(&deals, "call").unwrap();
        Self { env, dir, vault, book }
    }

    /// Shuts the book down while a write is held up; once the shutdown has begun, the write goes on. Gives how often somebody
    /// asked the world for randomness before.
    fn shut_down(&self, go: &Sender<()>) -> u64 {
        let asked = self.env.asked();
        let book = Arc::clone(&self.book);
        let closing = std::thread::spawn(move || book.shutdown());
        while !self.book.is_closed() {
            std::thread::yield_now();
        }
        go.send(()).unwrap();
        closing.join().unwrap();
        asked
    }

    /// Opens the book again and checks that it is as it was.
    fn assert_whole(&self, pending: u64) {
        let book = Book::open(self.dir.path(), self.vault.clone(), self.env.clone()).unwrap();
        assert_eq!(book.check().unwrap(), []);
        let status = book.status().unwrap();
        assert_eq!((status.records, status.pending_changes), (RECORDS, pending));
        assert_eq!(book.search("pumps299", 9).unwrap().len(), 1);
    }
}

fn deal(book: &Book, n: u64) -> Deal {
    Deal { id: book.new_id().into(), title: format!("Pumps{n}"), ..Deal::default() }
}

#[test]
fn a_shutdown_ends_a_rebuild_and_lets_no_write_begin_that_waited_for_it() {
    let full = Full::new();
    let forms: Vec<Deal> = (RECORDS..RECORDS + 4).map(|n| deal(&full.book, n)).collect();
    let (halted, go) = full.env.halt(0);
    let book = Arc::clone(&full.book);
    let rebuild = std::thread::spawn(move || book.rebuild().err());
    halted.recv().unwrap();
    let save = |form: Deal| {
        let book = Arc::clone(&full.book);
        std::thread::spawn(move || book.save(&form).err())
    };
    let waiting: Vec<_> = forms.into_iter().map(save).collect();
    // Time to queue behind the rebuild; one that comes later finds the book closed.
    std::thread::sleep(Duration::from_millis(50));
    let asked = full.shut_down(&go);
    assert!(matches!(rebuild.join().unwrap(), Some(Error::Closed)));
    for save in waiting {
        assert!(matches!(save.join().unwrap(), Some(Error::Closed)));
    }
    assert_eq!(full.env.asked(), asked, "a write began in a closed book");
    full.assert_whole(RECORDS);
}

#[test]
fn a_shutdown_ends_a_long_write_at_its_next_record_and_nothing_of_it_stays() {
    let full = Full::new();
    let mut relay = Relay::default();
    relay.join(&full.book, "Anna");
    // A server with another history: all changes are queued again in one write, which asks for an id for each.
    relay.fail_next = Some(ErrorCode::EpochChanged);
    let mut session = Session::sync(&full.book, None).unwrap();
    let Step::Send(request) = session.start().unwrap() else { panic!("nothing is sent") };
    let answer = relay.answer(&request);
    let (halted, go) = full.env.halt(2);
    let start_over = std::thread::spawn(move || session.next(Event::Answered(answer)).err());
    halted.recv().unwrap();
    let asked = full.shut_down(&go);
    assert!(matches!(start_over.join().unwrap(), Some(Error::Closed)));
    let more = full.env.asked() - asked;
    assert!(more < RECORDS / 2, "{more} records were queued in a closed book");
    full.assert_whole(0);
}
