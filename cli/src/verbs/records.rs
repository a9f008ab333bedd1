//! Adding, listing, showing, editing and deleting records of any kind, and search over all of them.

use roadbook_core::book::{Book, Change, MAX_PAGE, Sheet};
use roadbook_core::id::RecordId;
use roadbook_core::record::Record;
use roadbook_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::Run;
use crate::args::{Part, RecordVerb};
use crate::failure::{Failure, Outcome, problem_code};
use crate::fields::{Fields, names};
use crate::kinds::{Common, Listed};
use crate::say::{count, line, width};
use crate::show;
use crate::table::{self, cut, whole};

pub(super) fn run<R: Listed>(run: &Run<'_>, verb: RecordVerb<R>) -> Outcome {
    match verb {
        RecordVerb::Add { name, fields } => add(run, name.as_deref(), &fields),
        RecordVerb::List { common, filter, part } => list::<R>(run, &common, &filter, &part),
        RecordVerb::Show { id } => show::<R>(run, id),
        RecordVerb::Edit { id, fields } => edit(run, id, &fields),
        RecordVerb::Delete { id } => delete::<R>(run, id),
        RecordVerb::Erase { id, yes } => erase::<R>(run, id, yes),
    }
}

fn add<R: Listed>(run: &Run<'_>, name: Option<&str>, fields: &Fields<R>) -> Outcome {
    let book = run.open()?;
    let id = book.new_id();
    let mut values = R::named(id, name.unwrap_or_default()).to_values();
    fields.apply(&book, &mut values)?;
    let saved = book.save(&R::from_values(id, String::new(), &values))?;
    run.say.answer(
        || Ok(Value::Object(record_json(&book.sheet::<R>(id)?))),
        |out| {
            let name = (R::DEFINITION.headline)(&saved.to_values());
            Ok(writeln!(out, "Added the {} {} ({id}).", R::DEFINITION.kind, line(&name))?)
        },
    )
}

fn edit<R: Listed>(run: &Run<'_>, id: RecordId, fields: &Fields<R>) -> Outcome {
    if fields.is_empty() {
        return Err(Failure::usage(format!(
            "nothing to change; the fields of a {} are {}",
            R::DEFINITION.kind,
            names(R::DEFINITION)
        )));
    }
    let book = run.open()?;
    let before: R = of_kind(&book, id, Book::get)?;
    let mut values = before.to_values();
    fields.apply(&book, &mut values)?;
    let saved = book.save(&R::from_values(id, before.version().to_owned(), &values))?;
    let changed = saved.version() != before.version();
    run.say.answer(
        || {
            let mut json = record_json(&book.sheet::<R>(id)?);
            json.insert("changed".into(), changed.into());
            Ok(Value::Object(json))
        },
        |out| {
            let name = line(&(R::DEFINITION.headline)(&saved.to_values()));
            if !changed {
                return Ok(writeln!(out, "{name} is so already; nothing was changed.")?);
            }
            Ok(writeln!(out, "Saved {name}.")?)
        },
    )
}

fn delete<R: Listed>(run: &Run<'_>, id: RecordId) -> Outcome {
    let book = run.open()?;
    let before: R = of_kind(&book, id, Book::get)?;
    // As one action, because that tells whether anything was written: `undo` takes back the last thing that was.
    let done = book.apply(&[Change::Delete(R::DEFINITION.kind, id)], "delete")?;
    let changed = done.action.is_some();
    run.say.answer(
        || Ok(json!({"id": id.to_string(), "kind": R::DEFINITION.name, "deleted": true, "changed": changed})),
        |out| {
            let name = (R::DEFINITION.headline)(&before.to_values());
            let name = line(if name.is_empty() { "The record" } else { &name });
            if !changed {
                return Ok(writeln!(out, "{name} is deleted already; nothing was changed.")?);
            }
            Ok(writeln!(out, "Deleted {name}. `roadbook undo` brings it back.")?)
        },
    )
}

fn erase<R: Listed>(run: &Run<'_>, id: RecordId, yes: bool) -> Outcome {
    let book = run.open()?;
    // One that cannot be opened can be erased all the same.
    let name = match book.get::<R>(id) {
        Err(Error::Unreadable(_)) => id.to_string(),
        _ => (R::DEFINITION.headline)(&of_kind(&book, id, Book::get::<R>)?.to_values()),
    };
    if !yes {
        return Err(Failure::usage(format!(
            "this erases {} and its history for good, here at once and on every device that syncs; add --yes to do it",
            line(&name)
        )));
    }
    book.erase(R::DEFINITION.kind, id)?;
    run.say.answer(
        || Ok(json!({"id": id.to_string(), "kind": R::DEFINITION.name, "erased": true})),
        |out| Ok(writeln!(out, "Erased {}. The next sync erases it everywhere else.", line(&name))?),
    )
}

fn show<R: Listed>(run: &Run<'_>, id: RecordId) -> Outcome {
    let book = run.open()?;
    let sheet = of_kind(&book, id, Book::sheet::<R>)?;
    run.say.answer(|| Ok(Value::Object(record_json(&sheet))), |out| show::sheet(out, &book, &sheet))
}

/// Reads a record, and says of what kind it is where it is of another one than was asked for.
fn of_kind<T>(book: &Book, id: RecordId, read: impl FnOnce(&Book, RecordId) -> Result<T>) -> Outcome<T> {
    match read(book, id) {
        Err(error @ Error::NotFound { .. }) => Err(match book.kind_of(id) {
            Ok(kind) => Failure::new("not_found", format!("{id} is a {kind}: use `roadbook {kind} …`")),
            Err(_) => error.into(),
        }),
        other => Ok(other?),
    }
}

/// A record as JSON: what names it, every field, and what is disputed or to be put right in it.
fn record_json<R: Record>(sheet: &Sheet<R>) -> Map<String, Value> {
    let values = sheet.record.to_values();
    let mut json = Map::new();
    json.insert("kind".into(), R::DEFINITION.name.into());
    json.insert("id".into(), sheet.record.record_id().to_string().into());
    json.insert("version".into(), sheet.record.version().into());
    json.insert("headline".into(), (R::DEFINITION.headline)(&values).into());
    json.insert("changed_ms".into(), sheet.changed_ms.into());
    json.insert("conflicts".into(), sheet.conflicts.iter().map(|conflict| conflict.id.clone()).collect());
    let violations = sheet
        .violations
        .iter()
        .map(|problem| json!({"field": problem.field, "code": problem_code(&problem.code), "message": problem.to_string()}));
    json.insert("violations".into(), violations.collect());
    for (field, value) in values.iter() {
        json.insert(field.name.to_owned(), show::value_json(field, value));
    }
    json
}

/// A row as JSON: the keys and encodings of `show`, as far as rows know them.
fn row_json<R: Listed>(row: R::Row) -> Value {
    let record = R::from_row(row);
    let values = record.to_values();
    let mut json = Map::new();
    json.insert("id".into(), record.record_id().to_string().into());
    json.insert("headline".into(), (R::DEFINITION.headline)(&values).into());
    for (field, value) in values.iter().filter(|(field, _)| !field.column_names().is_empty()) {
        json.insert(field.name.to_owned(), show::value_json(field, value));
    }
    Value::Object(json)
}

fn list<R: Listed>(run: &Run<'_>, common: &Common, filter: &R::Filter, part: &Part) -> Outcome {
    let book = run.open()?;
    let mut rows: Vec<R::Row> = Vec::new();
    let mut next = part.after.clone();
    loop {
        let missing = u32::try_from(rows.len()).map_or(0, |have| part.limit.saturating_sub(have));
        let limit = if part.all { MAX_PAGE } else { missing.min(MAX_PAGE) };
        let page = R::page(&book, common, filter, next.as_deref(), limit)?;
        rows.extend(page.items);
        next = page.next;
        if next.is_none() || (!part.all && rows.len() >= part.limit as usize) {
            break;
        }
    }
    let kind = R::DEFINITION.kind;
    if run.say.is_json() {
        let items: Vec<Value> = rows.into_iter().map(row_json::<R>).collect();
        return run.say.answer(|| Ok(json!({"items": items, "next": next})), |_| Ok(()));
    }
    if rows.is_empty() {
        run.say.answer(|| Ok(Value::Null), |out| Ok(writeln!(out, "No {kind}s here.")?))?;
        for (typed, known) in R::unknown(filter) {
            run.say.remark(&format!("“{}” is none of {}.", line(&typed), known.join(", ")));
        }
        return Ok(());
    }
    let cells: Vec<Vec<String>> = rows.iter().map(R::cells).collect();
    run.say.answer(|| Ok(Value::Null), |out| Ok(table::write(out, R::COLUMNS, &cells, width())?))?;
    // On standard error, so that a table that is piped on stays a table.
    if let Some(next) = next {
        let shown = count(cells.len() as u64, "is", "are");
        run.say.remark(&format!("{shown} shown and there are more: add `--after {next}`, or `--all`"));
    }
    Ok(())
}

pub(super) fn search(run: &Run<'_>, text: &str, limit: u32) -> Outcome {
    let book = run.open()?;
    let limit = limit.min(MAX_PAGE);
    // One more than is shown tells whether there is more.
    let mut found = book.search(text, limit + 1)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    run.say.answer(
        || {
            let item = |found: &roadbook_core::book::Found| {
                json!({"kind": found.record.kind.name(), "id": found.record.id.to_string(), "headline": found.headline})
            };
            Ok(json!({"items": found.iter().map(item).collect::<Vec<_>>(), "next": null, "more": more}))
        },
        |out| {
            if found.is_empty() {
                return Ok(writeln!(out, "Nothing found for “{}”.", line(text))?);
            }
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|found| vec![found.record.id.to_string(), found.record.kind.to_string(), found.headline.clone()])
                .collect();
            Ok(table::write(out, &[whole("id"), whole("kind"), cut("name")], &rows, width())?)
        },
    )?;
    if more {
        let shown = count(found.len() as u64, "is", "are");
        run.say.remark(&format!("{shown} shown and there are more: type more of the name, or add `--limit N`"));
    }
    Ok(())
}
