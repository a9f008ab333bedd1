//! The doctor.

use roadbook_core::book::Finding;
use roadbook_core::{Book, Error};
use serde_json::{Value, json};

use super::Run;
use crate::failure::{ATTENTION, Failure, OK, Outcome};
use crate::say::{count, line};
use crate::show::headline;
use crate::store::START_ANEW;

fn json_of(finding: &Finding) -> Value {
    match finding {
        Finding::File { fault: said } => json!({"code": "file", "text": said}),
        Finding::Unreadable { id } => json!({"code": "unreadable", "id": id.to_string()}),
        Finding::RowDiffers { id } => json!({"code": "row_differs", "id": id.to_string()}),
    }
}

fn text_of(book: &Book, finding: &Finding) -> String {
    match finding {
        Finding::File { fault: said } => format!("The file is damaged: {}. Copy the folder before anything else.", line(said)),
        Finding::Unreadable { id } => format!("The record {id} cannot be opened; the next sync fetches it again."),
        Finding::RowDiffers { id } => format!("The lists show {} otherwise than its record says.", headline(book, *id)),
    }
}

/// What to do where no repair helps, though the book can be opened.
fn rescue() -> String {
    format!(
        "Keep the folder and its key, sync once more if that still works, save what can still be read with `roadbook export --format json -o FILE`, and {START_ANEW}."
    )
}

/// Why a repair that was asked for did not help; what the core advises is to run it.
fn in_vain(run: &Run<'_>, error: Error) -> Failure {
    let Error::Corrupt(fault) = error else { return error.into() };
    let (dir, fault) = (run.at.dir.display(), line(&fault));
    Failure::new("corrupt", format!("The book in {dir} is damaged where nothing can be made again ({fault}). {}", rescue()))
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
                    writeln!(out, "{}", rescue())?;
                }
            } else {
                writeln!(out, "`roadbook doctor --rebuild` repairs what can be made again from the records.")?;
            }
            Ok(())
        },
    )?;
    Ok(if left.is_empty() { OK } else { ATTENTION })
}
