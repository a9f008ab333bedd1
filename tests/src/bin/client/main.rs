//! A client for tests across processes: it writes and syncs until somebody ends it, and prints a line after each call
//! that returned. What it printed must outlive any end.
//!
//! - `roadbook-client work FOLDER SEED`: the folder holds a book that has joined a server. Lines: `saved ID N` (the
//!   contact whose notes say N), `synced` (the server has everything of before).
//! - `roadbook-client leave FOLDER SEED`: closes the book while its threads use it, and returns from `main`.

#![allow(clippy::expect_used, clippy::panic, reason = "test support: what it cannot do must stop it loudly")]

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use roadbook_cli::http::{Client, drive};
use roadbook_core::book::{Book, DealFilter, DealSort};
use roadbook_core::id::RecordId;
use roadbook_core::records::{Contact, Deal};
use roadbook_core::sync::{End, Session};
use roadbook_core::{Error, Result};
use roadbook_tests::process::Desk;
use roadbook_tests::random::Random;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().expect("a verb");
    let desk = Desk::at(arguments.next().expect("a folder").as_ref());
    let seed = arguments.next().and_then(|seed| seed.parse().ok()).expect("a seed");
    let mut random = Random::new(seed);
    let done = match verb.as_str() {
        "work" => work(&Arc::new(desk.open()), &mut random),
        "leave" => leave(&desk, &mut random),
        other => panic!("no verb {other}"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "roadbook-client: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Works until nobody listens any more.
fn work(book: &Arc<Book>, random: &mut Random) -> Result<()> {
    let client = Client::new();
    let mut mine: Vec<RecordId> = Vec::new();
    for n in 1.. {
        let id = match random.one_of(&mine) {
            Some(id) if random.below(3) > 0 => *id,
            _ => book.new_id(),
        };
        save(book, &mut mine, id, n)?;
        if say(&format!("saved {id} {n}")).is_err() {
            return Ok(());
        }
        if random.below(4) == 0 {
            quarrel(book, n)?;
        }
        if random.below(3) == 0 && sync(book, &client)? && say("synced").is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Closes the book, as an app should, at any moment of what its other threads do with it; then returns.
fn leave(desk: &Desk, random: &mut Random) -> Result<()> {
    let book = Arc::new(desk.open());
    for n in 0..8 {
        let book = Arc::clone(&book);
        // Not joined: an app does not know all who hold its book. Their errors are those of a closed book.
        std::thread::spawn(move || {
            loop {
                let _ = book.status();
                if n == 0 {
                    let _ = save(&book, &mut Vec::new(), book.new_id(), n);
                }
            }
        });
    }
    std::thread::sleep(Duration::from_micros(random.below(20_000)));
    book.shutdown();
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn save(book: &Book, mine: &mut Vec<RecordId>, id: RecordId, n: u64) -> Result<()> {
    let mut contact = if mine.contains(&id) {
        book.get::<Contact>(id)?
    } else {
        mine.push(id);
        Contact { id: id.into(), family_name: format!("Number {n}"), ..Contact::default() }
    };
    contact.notes = n.to_string();
    book.save(&contact).map(drop)
}

/// Edits what everybody edits, so that the clients disagree.
fn quarrel(book: &Book, n: u64) -> Result<()> {
    let deals = book.deals(&DealFilter::default(), DealSort::default(), None, 1)?;
    let Some(row) = deals.items.first() else { return Ok(()) };
    let mut deal = book.get::<Deal>(row.id.0)?;
    deal.title = format!("Everybody's, {n} of process {}", std::process::id());
    book.save(&deal).map(drop)
}

/// Whether the server has taken everything.
fn sync(book: &Arc<Book>, client: &Client) -> Result<bool> {
    let mut session = match Session::sync(book, None) {
        Err(Error::Busy) => return Ok(false),
        other => other?,
    };
    match drive(&mut session, client)?.end {
        End::Done(_) => Ok(true),
        // The server is being killed, too.
        End::Wait { .. } => Ok(false),
        other => panic!("a sync ended with {other:?}"),
    }
}
