//! The doctor, and what can be done where it cannot help.

use std::path::PathBuf;

use roadbook_core::book::Finding;
use roadbook_core::{Book, Error};
use serde_json::{Value, json};

use super::Run;
use crate::failure::{ATTENTION, Failure, OK, Outcome, PARTLY};
use crate::say::{count, line};
use crate::show::headline;
use crate::store::{Location, START_ANEW, StoreError};

fn json_of(finding: &Finding) -> Value {
    match finding {
        Finding::File { fault: said } => json!({"code": "file", "text": said}),
        Finding::Unreadable { id } => json!({"code": "unreadable", "id": id.to_string()}),
        Finding::RowDiffers { id } => json!({"code": "row_differs", "id": id.to_string()}),
    }
}

/// How a record comes back that cannot be opened.
pub(super) fn way_back(book: &Book) -> &'static str {
    match book.account() {
        Ok(None) => "this book has joined no workspace that could have it: only a copy of the folder brings it back",
        _ => "the next sync fetches it again",
    }
}

fn text_of(book: &Book, finding: &Finding) -> String {
    match finding {
        Finding::File { fault: said } => format!("The file is damaged: {}. Copy the folder before anything else.", line(said)),
        Finding::Unreadable { id } => format!("The record {id} cannot be opened; {}.", way_back(book)),
        Finding::RowDiffers { id } => format!("The lists show {} otherwise than its record says.", headline(book, *id)),
    }
}

/// What to do where no repair helps, though the book can be opened.
const RESCUE: &str = "Keep the folder and its key; `roadbook rescue NEW_FOLDER` puts all that can be read, unsent edits included, into a new folder.";

/// Why a repair that was asked for did not help; what the core advises is to run it.
fn in_vain(run: &Run<'_>, error: Error) -> Failure {
    let Error::Corrupt(fault) = error else { return error.into() };
    let (dir, fault) = (run.at.dir.display(), line(&fault));
    Failure::new("corrupt", format!("The book in {dir} is damaged where nothing can be made again ({fault}). {RESCUE}"))
}

/// Checks, repairs where that was asked for, and returns the exit code.
pub(super) fn doctor(run: &Run<'_>, rebuild: bool) -> Outcome<u8> {
    let book = run.open()?;
    let found = book.check()?;
    let (rebuilt, left) = if rebuild {
        let report = book.rebuild().map_err(|error| in_vain(run, error))?;
        (Some(report), book.check()?)
    } else {
        (None, found.clone())
    };
    run.say.answer(
        || {
            Ok(json!({
                "findings": found.iter().map(json_of).collect::<Vec<_>>(),
                "rebuilt": rebuilt.as_ref().map(|report| json!({
                    "records": report.records,
                    "unreadable": report.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })),
                "left": left.iter().map(json_of).collect::<Vec<_>>(),
            }))
        },
        |out| {
            const SHOWN: usize = 20;
            for finding in found.iter().take(SHOWN) {
                writeln!(out, "{}", text_of(&book, finding))?;
            }
            if found.len() > SHOWN {
                writeln!(out, "And {} more findings.", found.len() - SHOWN)?;
            }
            if let Some(report) = &rebuilt {
                let records = count(report.records, "record", "records");
                writeln!(out, "Made lists and search again from {records}.")?;
            }
            if left.is_empty() {
                writeln!(out, "{}", if found.is_empty() { "The book is sound." } else { "The book is sound again." })?;
            } else if rebuilt.is_some() {
                writeln!(out, "{} left.", count(left.len() as u64, "finding is", "findings are"))?;
                if left.iter().any(|finding| matches!(finding, Finding::File { .. })) {
                    writeln!(out, "{RESCUE}")?;
                }
            } else {
                writeln!(out, "`roadbook doctor --rebuild` repairs what can be made again from the records.")?;
            }
            Ok(())
        },
    )?;
    Ok(if left.is_empty() { OK } else { ATTENTION })
}

/// What is missing of a rescued book beside records, in words for people.
fn missing(table: &str) -> Option<&'static str> {
    match table {
        "outbox" => Some("some edits that the server had refused"),
        "action" | "action_doc" => Some("what `undo` knows of some actions"),
        "draft" => Some("drafts"),
        "person" | "actor" => Some("who wrote what, until the next sync"),
        "meta" => Some("the workspace and the region: `roadbook join URL --invite CODE` joins it again"),
        // Asked for anew with the next sync.
        _ => None,
    }
}

/// Puts what can be read into a new book, and returns the exit code.
pub(super) fn rescue(run: &Run<'_>, folder: PathBuf) -> Outcome<u8> {
    let book = run.open()?;
    let place = Location::new(Some(folder), None)?;
    let (fresh, made) = match place.create() {
        // A book that holds nothing is what a rescue leaves that was killed.
        Err(StoreError::Exists { .. }) => (place.open()?, None),
        created => created.map(|(fresh, is_new)| (fresh, Some(is_new)))?,
    };
    let report = match book.rescue(&fresh) {
        Ok(report) => report,
        Err(Error::BookExists) => {
            let text = format!("There is a book with records in {} already; name a folder that holds none.", place.dir.display());
            return Err(Failure::new("book_exists", text));
        }
        Err(error) => {
            drop(fresh);
            if let Some(is_new) = made {
                place.unmake(is_new);
            }
            let Error::Corrupt(fault) = error else { return Err(error.into()) };
            let text = format!("Nothing can be rescued of this book ({}). Keep it and its key, and {START_ANEW}.", line(&fault));
            return Err(Failure::new("corrupt", text));
        }
    };
    let (dir, key) = (place.dir.display(), place.key_file.display());
    run.say.answer(
        || {
            Ok(json!({
                "store": dir.to_string(),
                "key_file": key.to_string(),
                "records": report.records,
                "unreadable": report.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "incomplete": report.incomplete,
            }))
        },
        |out| {
            writeln!(out, "Put {} into {dir}.", count(report.records, "record", "records"))?;
            writeln!(out, "Its key is in {key}; losing that file loses the book.")?;
            if !report.unreadable.is_empty() {
                let lost = count(report.unreadable.len() as u64, "record", "records");
                writeln!(out, "{lost} could not be read. The next sync fetches what the server has of them:")?;
                for id in &report.unreadable {
                    writeln!(out, "  {id}")?;
                }
            }
            let mut missing: Vec<_> = report.incomplete.iter().filter_map(|table| missing(table)).collect();
            missing.dedup();
            for what in missing {
                writeln!(out, "Not there any more: {what}.")?;
            }
            Ok(writeln!(out, "Go on with `roadbook --store {dir}`, and do not use the old folder any more; it stays as it is.")?)
        },
    )?;
    Ok(if report.unreadable.is_empty() && report.incomplete.is_empty() { OK } else { PARTLY })
}
