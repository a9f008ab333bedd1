//! The main job, for real: a server, a workspace, two phones that import an address book, edit offline, meet and agree.
//! Prints at most 25 lines and writes the same as a page, `target/demo/index.html`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a demonstration that fails must stop")]

mod page;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use roadbook_cli::http::Client;
use roadbook_core::Key;
use roadbook_core::book::{Author, Book, Change, Vault};
use roadbook_core::env::{Env as _, SystemEnv};
use roadbook_core::record::Kind;
use roadbook_core::records::{Deal, TaskItem};
use roadbook_core::sync::{End, Report, Session};
use roadbook_core::value::{Money, RecordLink, Stage};
use roadbook_tests::server::{Server, admin};

use page::{Page, Side};

const WORKSPACE: &str = "Northern Pumps";

/// A phone of the story.
struct Phone {
    name: &'static str,
    book: Arc<Book>,
    client: Client,
}

impl Phone {
    fn new(dir: &Path, name: &'static str) -> Self {
        let (mut key, mut incarnation) = ([0; 32], [0; 16]);
        SystemEnv.fill(&mut key);
        SystemEnv.fill(&mut incarnation);
        let vault = Vault { key: Key::new(key), incarnation };
        let book = Book::create(&dir.join(name), vault, Arc::new(SystemEnv)).expect("a new book");
        book.set_region(&"RU".parse().expect("a region")).expect("the region");
        Self { name, book: Arc::new(book), client: Client::new() }
    }

    fn run(&self, session: roadbook_core::Result<Session>) -> Report {
        let trip = roadbook_cli::http::drive(&mut session.expect("a session"), &self.client).expect("the store");
        match trip.end {
            End::Done(report) => report,
            other => panic!("{}: the sync ended with {other:?} ({:?})", self.name, trip.trouble),
        }
    }

    fn sync(&self) -> Report {
        self.run(Session::sync(&self.book, None))
    }

    fn edit(&self, deal: &Deal, edit: impl FnOnce(&mut Deal)) {
        let mut form: Deal = self.book.get(deal.id.0).expect("the deal");
        edit(&mut form);
        self.book.save(&form).expect("a good form");
    }

    fn deal(&self, deal: &Deal) -> Deal {
        self.book.get(deal.id.0).expect("the deal")
    }

    fn side(&self, deal: &Deal) -> Side {
        let status = self.book.status().expect("the status");
        Side { name: self.name, deal: self.book.get(deal.id.0).ok(), pending: status.pending_actions, records: status.records }
    }
}

fn trip(report: &Report) -> String {
    let trips = if report.requests == 1 { "one round trip".to_owned() } else { format!("{} round trips", report.requests) };
    format!("{trips}, {} bytes up, {} bytes down", report.bytes_up, report.bytes_down)
}

fn who(author: &Author) -> String {
    if author.own { "this phone".into() } else { author.name.clone() }
}

fn main() {
    let exit = std::env::args().any(|argument| argument == "--exit");
    let target =
        PathBuf::from(std::env::args().nth(1).filter(|dir| !dir.starts_with("--")).unwrap_or_else(|| "target/demo".into()));
    let cards = PathBuf::from(
        std::env::args().nth(2).filter(|dir| !dir.starts_with("--")).unwrap_or_else(|| "tests/fixtures/address-book.vcf".into()),
    );
    let _ = std::fs::remove_dir_all(&target);
    std::fs::create_dir_all(&target).expect("the demo's folder");
    let mut page = Page::new(WORKSPACE);

    let data = target.join("server");
    let server = Server::with_people(&data, WORKSPACE, &["Anna", "Boris"]);
    page.line(&format!("Server on {} with the workspace “{WORKSPACE}”, data in {}", server.url, data.display()));
    let (anna, boris) = (Phone::new(&target, "Anna"), Phone::new(&target, "Boris"));

    // Both import the same address book before they have ever met.
    for phone in [&anna, &boris] {
        let begun = Instant::now();
        let file = File::open(&cards).expect("the address book");
        let report = phone.book.import_vcard("address-book.vcf", BufReader::new(file), None, &|_| true).expect("an import");
        page.line(&format!(
            "{}'s phone, no network: {} contacts imported in {} ms; {}",
            phone.name,
            report.added,
            begun.elapsed().as_millis(),
            report
                .problems
                .iter()
                .map(|problem| format!("line {}: {}", problem.line, problem.reason))
                .collect::<Vec<_>>()
                .join(" "),
        ));
    }
    let found = anna.book.search("petr elk", 3).expect("a search");
    page.line(&format!(
        "Anna types “petr elk” and finds {}",
        found.iter().map(|found| found.headline.clone()).collect::<Vec<_>>().join(", ")
    ));

    let deal = Deal {
        id: anna.book.new_id().into(),
        title: "Two pumps for the brewery".into(),
        organization: "Adler Pumpen GmbH".into(),
        ..Deal::default()
    };
    let deal = anna.book.save(&deal).expect("a good deal");
    for phone in [&anna, &boris] {
        let code = server.invite(WORKSPACE, phone.name);
        let report = phone.run(Session::join(&phone.book, &server.url, &code, &format!("{}'s phone", phone.name)));
        page.line(&format!(
            "{} joins: {} changes sent, {} records received; {}",
            phone.name,
            report.pushed,
            report.pulled,
            trip(&report)
        ));
    }
    anna.sync();
    page.step("Joined", [anna.side(&deal), boris.side(&deal)]);

    // Offline: different fields, the same field, a task each.
    anna.edit(&deal, |form| {
        form.value = Some(Money { minor: 1_250_000, currency: "EUR".into() });
        form.title = "Two pumps and spare parts".into();
    });
    let task = |phone: &Phone, title: &str| TaskItem {
        id: phone.book.new_id().into(),
        title: title.into(),
        due: "2026-12-01".parse().ok(),
        links: vec![RecordLink { kind: Kind::Deal, id: deal.id.0 }],
        ..TaskItem::default()
    };
    anna.book.apply(&[Change::Task(task(&anna, "Send the offer"))], "call").expect("a good task");
    std::thread::sleep(std::time::Duration::from_millis(5));
    boris.edit(&deal, |form| {
        form.position.stage = Stage::Proposal;
        form.title = "Two pumps, delivery in March".into();
        form.notes = "They need them before the season.".into();
    });
    boris.book.apply(&[Change::Task(task(&boris, "Ask for the drawings"))], "visit").expect("a good task");
    for phone in [&anna, &boris] {
        let status = phone.book.status().expect("the status");
        page.line(&format!("{}'s phone, in a basement: {} edits are on no other device", phone.name, status.pending_actions));
    }
    page.step("Offline, each edits the same deal and adds a task", [anna.side(&deal), boris.side(&deal)]);

    for phone in [&anna, &boris, &anna] {
        let report = phone.sync();
        page.line(&format!(
            "{} is back: {} changes sent, {} records received; {}",
            phone.name,
            report.pushed,
            report.pulled,
            trip(&report)
        ));
    }
    page.step("Met", [anna.side(&deal), boris.side(&deal)]);
    let merged = boris.deal(&deal);
    page.line(&format!(
        "Both phones show {} at {}, stage {}: edits of different fields merged",
        merged.title,
        merged.value.as_ref().map(Money::to_text).unwrap_or_default(),
        merged.position.stage
    ));
    let conflicts = boris.book.conflicts(deal.id.0).expect("the conflicts");
    for value in conflicts.iter().flat_map(|conflict| &conflict.values) {
        let at = roadbook_core::value::Instant { ms: value.at_ms, offset_minutes: SystemEnv.now().offset_minutes };
        let shown = if value.shown { " (shown)" } else { "" };
        page.line(&format!("  title on Boris's phone: “{}” by {} at {}{shown}", value.text, who(&value.author), at.to_rfc3339()));
    }
    let conflict = conflicts.first().expect("a conflict");
    let kept = conflict.values.iter().find(|value| !value.shown).expect("another value");
    boris.book.settle(&conflict.id, &kept.id).expect("settled");
    boris.sync();
    anna.sync();
    page.line(&format!(
        "Boris keeps “{}”; on Anna's phone {} conflicts are left",
        kept.text,
        anna.book.conflicts(deal.id.0).expect("the conflicts").len()
    ));
    page.step("Settled", [anna.side(&deal), boris.side(&deal)]);
    let idle = anna.sync();
    page.line(&format!("Anna syncs again with nothing new: {}", trip(&idle)));

    let hash = |phone: &Phone| phone.book.status().expect("the status").state_hash;
    let shown: serde_json::Value =
        serde_json::from_str(&admin(&data, &["workspace", "show", "--json", WORKSPACE])).expect("JSON");
    let on_server = shown["state_hash"].as_str().unwrap_or_default().to_owned();
    assert!(hash(&anna) == hash(&boris) && hash(&anna) == on_server, "the devices differ");
    page.line(&format!(
        "Identical on 2 devices and the server: {} records, state {}",
        shown["records"],
        on_server.chars().take(16).collect::<String>()
    ));
    let written = page.write(&target);
    println!("The same as a page, phone beside phone: {}", written.display());
    if exit {
        return;
    }
    println!("The server stays up on {} (process {}); stop it with: kill {}", server.url, server.process(), server.process());
    server.leave_running();
}
