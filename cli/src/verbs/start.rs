//! Making a book.

use roadbook_core::Book;
use roadbook_core::value::Region;
use serde_json::json;

use super::Run;
use crate::failure::{Failure, FieldProblem, Outcome};

/// A region as it was typed.
pub(super) fn region(text: Option<&str>) -> Outcome<Option<Region>> {
    let read = |text: &str| {
        let message = format!("“{text}” is no country code (two letters, as RU or DE)");
        text.parse().map_err(|_| Failure::invalid(vec![FieldProblem::format("region", message)]))
    };
    text.map(read).transpose()
}

/// Makes a book and sets its region. Returns whether its key file is new.
pub(super) fn create(run: &Run<'_>, region: Option<&Region>) -> Outcome<(Book, bool)> {
    let (book, is_new) = run.at.create()?;
    if let Some(region) = region {
        book.set_region(region)?;
    }
    Ok((book, is_new))
}

/// What a new book's owner has to know about its key.
pub(super) fn about_key(run: &Run<'_>, is_new: bool) -> String {
    let path = run.at.key_file.display();
    if is_new {
        format!("Its key is in {path}. Keep a copy of that file elsewhere: losing it loses the book.")
    } else {
        format!("Its key is the one in {path}; losing that file loses the book.")
    }
}

pub(super) fn init(run: &Run<'_>, typed: Option<&str>) -> Outcome {
    let region = region(typed)?;
    let (book, is_new) = create(run, region.as_ref())?;
    run.say.answer(
        || {
            Ok(json!({
                "store": run.at.dir.display().to_string(),
                "key_file": run.at.key_file.display().to_string(),
                "key_created": is_new,
                "region": book.region()?.code(),
            }))
        },
        |out| {
            writeln!(out, "Made a book in {}.", run.at.dir.display())?;
            writeln!(out, "{}", about_key(run, is_new))?;
            if region.is_none() {
                writeln!(
                    out,
                    "Phone numbers are understood with their country code only; `--region XX` at an import reads national ones."
                )?;
            }
            Ok(())
        },
    )
}
