//! The performance table of the design, measured: each figure beside the same work done by raw SQLite on SQLCipher with
//! the same tables, indexes and FTS5 and no CRDT (the floor), in one run. Ratios are what counts.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark that fails must stop")]

mod floor;

use std::fmt::Write as _;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roadbook_cli::http::{Client, drive};
use roadbook_core::Key;
use roadbook_core::book::{Book, ContactFilter, ContactSort, Vault};
use roadbook_core::env::SystemEnv;
use roadbook_core::record::Record as _;
use roadbook_core::records::Contact;
use roadbook_core::search::SearchText;
use roadbook_core::sync::{End, Report, Session};
use roadbook_tests::server::Server;

/// How often a new device is filled, and the floor.
const PULLS: usize = 5;

/// A measured line of the table.
struct Line {
    name: &'static str,
    what: String,
    core: f64,
    floor: Option<f64>,
    unit: &'static str,
    must: &'static str,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut count, mut json) = (10_000, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => count = 2_000,
            "--json" => json = arguments.next(),
            other => panic!("unknown argument {other}"),
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let lines = measure(dir.path(), count);
    println!("| # | work | core | floor | ratio | must reach |\n|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for line in &lines {
        let floor = line.floor.map_or("—".to_owned(), |floor| format!("{floor:.1} {}", line.unit));
        let ratio = line.floor.map_or("—".to_owned(), |floor| format!("{:.2}", line.core / floor));
        println!("| {} | {} | {:.1} {} | {floor} | {ratio} | {} |", line.name, line.what, line.core, line.unit, line.must);
        rows.push(serde_json::json!({
            "name": line.name, "work": line.what, "core": line.core, "floor": line.floor, "unit": line.unit, "must": line.must,
            "ratio": line.floor.map(|floor| line.core / floor),
        }));
    }
    if let Some(path) = json {
        let table = serde_json::json!({ "records": count, "lines": rows });
        std::fs::write(&path, format!("{table:#}\n")).expect("the JSON file");
        println!("written to {path}");
    }
}

fn book(dir: &Path) -> Arc<Book> {
    let vault = Vault { key: Key::new(floor::KEY), incarnation: *roadbook_core::id::RecordId::generate(&SystemEnv).as_bytes() };
    Arc::new(Book::create(dir, vault, Arc::new(SystemEnv)).expect("a book"))
}

fn run(session: roadbook_core::Result<Session>) -> (Report, Duration) {
    let begun = Instant::now();
    let trip = drive(&mut session.expect("a session"), &Client::new()).expect("the store");
    match trip.end {
        End::Done(report) => (report, begun.elapsed()),
        other => panic!("{other:?} {:?}", trip.trouble),
    }
}

fn cards(count: usize) -> String {
    let mut cards = String::new();
    for n in 0..count {
        let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let _ = write!(
            cards,
            "BEGIN:VCARD\nVERSION:3.0\nUID:bench-{n}\nN:Family{};Given{n};;;\nORG:Firm {}\nTITLE:Purchasing manager\nTEL;TYPE=CELL:+49151{:07}\nEMAIL;TYPE=WORK:given{n}@example.com\nADR;TYPE=WORK:;;Street {};Berlin;;10115;Germany\nCATEGORIES:north\nEND:VCARD\n",
            hash % 9973,
            hash % 501,
            hash % 9_999_999,
            n % 211
        );
    }
    cards
}

fn measure(dir: &Path, count: usize) -> Vec<Line> {
    let server = Server::with_people(&dir.join("server"), "Bench", &["Anna", "Boris"]);
    let anna = book(&dir.join("anna"));
    let begun = Instant::now();
    let report = anna.import_vcard("bench", BufReader::new(cards(count).as_bytes()), None, &|_| true).expect("an import");
    assert_eq!(report.added, count as u64);
    eprintln!("import: {:.0} µs a card", begun.elapsed().as_secs_f64() * 1e6 / count as f64);
    let (pushed, took) = run(Session::join(&anna, &server.url, &server.invite("Bench", "Anna"), "bench"));
    eprintln!(
        "push: {} changes in {:.2} s, {} requests, {} bytes up",
        pushed.pushed,
        took.as_secs_f64(),
        pushed.requests,
        pushed.bytes_up
    );

    let boris_dir = dir.join("boris");
    let boris = book(&boris_dir);
    let pull = |book: &Arc<Book>| {
        let (pulled, took) = run(Session::join(book, &server.url, &server.invite("Bench", "Boris"), "bench"));
        assert_eq!(pulled.pulled, count as u64);
        (pulled, took)
    };
    let (pulled, first) = pull(&boris);
    eprintln!("pull: {} bytes down, {} requests", pulled.bytes_down, pulled.requests);
    let rows = floor::rows(&boris_dir, |id| {
        let contact: Contact = boris.get(id).expect("the contact");
        SearchText::of(&contact.to_values())
    });
    // Core and floor in turn, so that what else the machine does meets both.
    let (mut pulls, mut bulks) = (vec![first], vec![floor::bulk(&dir.join("floor"), &rows)]);
    for again in 1..PULLS {
        pulls.push(pull(&book(&dir.join(format!("boris-{again}")))).1);
        bulks.push(floor::bulk(&dir.join(format!("floor-{again}")), &rows));
    }
    let each = |times| median(times) / count as f64;
    let mut lines = vec![Line {
        name: "P1",
        what: format!("a new device receives {count} contacts, a record, median of {PULLS}"),
        core: each(pulls),
        floor: Some(each(bulks)),
        unit: "µs",
        must: "≤ 1.5 × floor",
    }];

    let (idle, _) = run(Session::sync(&boris, None));
    lines.push(Line {
        name: "P2",
        what: "reconnect with nothing new, round trips".into(),
        core: f64::from(idle.requests),
        floor: None,
        unit: "",
        must: "1",
    });
    let bytes = idle.bytes_up + idle.bytes_down;
    lines.push(Line {
        name: "P2",
        what: "reconnect with nothing new, bytes of bodies".into(),
        core: bytes as f64,
        floor: None,
        unit: "B",
        must: "≤ 500 B",
    });

    let some = boris.contacts(&ContactFilter::default(), ContactSort::Name, None, 300).expect("contacts").items;
    let mut times: Vec<Duration> = Vec::new();
    for (n, row) in some.iter().enumerate() {
        let mut form: Contact = boris.get(row.id.0).expect("the contact");
        form.job_title = format!("Director {n}");
        let begun = Instant::now();
        boris.save(&form).expect("a save");
        times.push(begun.elapsed());
    }
    let floor_save = floor::saves(&dir.join("floor"), &rows, some.len());
    lines.push(Line {
        name: "P4",
        what: "save one edited contact, durable, median".into(),
        core: median(times),
        floor: Some(median(floor_save)),
        unit: "µs",
        must: "≤ 4 × floor",
    });
    lines
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
