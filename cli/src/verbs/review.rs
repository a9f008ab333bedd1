//! What happened and what waits for a decision: history, conflicts, undo, refused edits.

use roadbook_core::book::{Conflict, ConflictValue, FieldChange};
use roadbook_core::id::RecordId;
use roadbook_core::record::FieldId;
use roadbook_core::value::RecordLink;
use roadbook_core::{Book, Error, ProblemCode};
use serde_json::{Value, json};

use super::Run;
use super::check::way_back;
use crate::args::RefusalVerb;
use crate::failure::{Failure, Outcome};
use crate::say::{People, count, line, time, width};
use crate::show::headline;
use crate::table::{self, cut, whole};

fn link_json(link: RecordLink) -> Value {
    json!({"kind": link.kind.name(), "id": link.id.to_string()})
}

fn change_json(change: &FieldChange) -> Value {
    json!({"field": change.field.as_str(), "before": change.before, "after": change.after})
}

/// What a field is called in a sentence; the random id of a channel or an address says nothing to people.
fn field_name(field: &FieldId) -> String {
    let name = match field.field() {
        "channels" => "channel",
        "addresses" => "address",
        "tags" => return line(&format!("tag {}", field.entry())),
        "x" => return line(field.entry()),
        "contacts" | "links" => return line(&format!("link {}", field.entry())),
        name => name,
    };
    name.replace('_', " ")
}

fn change_line(change: &FieldChange) -> String {
    let name = field_name(&change.field);
    // Of a member there is nothing to show but that it is there.
    let member = matches!(change.field.field(), "tags" | "contacts" | "links");
    match (&change.before, &change.after) {
        (None, Some(_)) if member => format!("{name} added"),
        (Some(_), None) if member => format!("{name} removed"),
        (before, after) => {
            let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "(empty)".into(), line);
            format!("{name}: {} → {}", shown(before), shown(after))
        }
    }
}

pub(super) fn history(run: &Run<'_>, id: RecordId) -> Outcome {
    let book = run.open()?;
    let entries = book.history(id)?;
    let people = People::of(&book)?;
    run.say.answer(
        || {
            let item = |entry: &roadbook_core::book::HistoryEntry| {
                json!({
                    "action": entry.action.map(|action| action.to_string()),
                    "kind": entry.kind,
                    "source": entry.source,
                    "at_ms": entry.at_ms,
                    "author": people.author_json(&entry.author),
                    "changes": entry.changes.iter().map(change_json).collect::<Vec<_>>(),
                })
            };
            Ok(json!({"items": entries.iter().map(item).collect::<Vec<_>>(), "next": null}))
        },
        |out| {
            writeln!(out, "{}", headline(&book, id))?;
            for entry in &entries {
                let what = match (entry.kind.as_str(), entry.source.as_str()) {
                    ("", _) => "by another program".into(),
                    (kind, "typed" | "") => line(kind),
                    (kind, source) => line(&format!("{kind} ({source})")),
                };
                let action = entry.action.map(|action| format!("  action {action}")).unwrap_or_default();
                writeln!(out, "\n{}  {}  {what}{action}", time(entry.at_ms), people.author(&entry.author))?;
                for change in &entry.changes {
                    writeln!(out, "  {}", change_line(change))?;
                }
            }
            Ok(())
        },
    )
}

/// The most disputed records that are shown at once.
const MOST_DISPUTED: u32 = 1000;

pub(super) fn conflicts(run: &Run<'_>, id: Option<RecordId>) -> Outcome {
    let book = run.open()?;
    let (mut conflicts, mut unreadable) = (Vec::new(), Vec::new());
    let (mut complete, mut more) = (true, false);
    match id {
        Some(id) => conflicts = book.conflicts(id)?,
        None => {
            complete = run.open_arrived(&book, None)?;
            // One more than is shown tells whether there is more.
            let mut links = book.disputed(MOST_DISPUTED + 1)?;
            more = links.len() > MOST_DISPUTED as usize;
            links.truncate(MOST_DISPUTED as usize);
            for link in links {
                match book.conflicts(link.id) {
                    Ok(found) => conflicts.extend(found),
                    // One bad record hides no other.
                    Err(Error::Unreadable(_)) => unreadable.push(link),
                    // Another process took it away meanwhile.
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    for link in &unreadable {
        let name = headline(&book, link.id);
        run.say.remark(&format!("The {} {name} cannot be opened; {}.", link.kind, way_back(&book)));
    }
    let people = People::of(&book)?;
    run.say.answer(
        || {
            let value = |value: &ConflictValue| {
                json!({
                    "id": value.id,
                    "text": value.text,
                    "author": people.author_json(&value.author),
                    "at_ms": value.at_ms,
                    "suspect_clock": value.suspect_clock,
                    "shown": value.shown,
                })
            };
            let item = |conflict: &Conflict| {
                json!({
                    "id": conflict.id,
                    "record": link_json(conflict.record),
                    "headline": headline(&book, conflict.record.id),
                    "field": conflict.field.as_str(),
                    "values": conflict.values.iter().map(value).collect::<Vec<_>>(),
                })
            };
            Ok(json!({
                "items": conflicts.iter().map(item).collect::<Vec<_>>(),
                "unreadable": unreadable.iter().copied().map(link_json).collect::<Vec<_>>(),
                "complete": complete,
                "more": more,
                "next": null,
            }))
        },
        |out| {
            if conflicts.is_empty() {
                let known = if complete && unreadable.is_empty() { "No disagreements." } else { "No disagreements known." };
                return Ok(writeln!(out, "{known}")?);
            }
            for (at, conflict) in conflicts.iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                let record = conflict.record;
                writeln!(out, "{} {}: {}", record.kind, headline(&book, record.id), field_name(&conflict.field))?;
                let rows: Vec<Vec<String>> = conflict
                    .values
                    .iter()
                    .map(|value| {
                        let shown = if value.shown { "shown" } else { "" };
                        let clock = if value.suspect_clock { "clock is ahead" } else { "" };
                        let text = if value.text.is_empty() { "(empty)".into() } else { value.text.clone() };
                        let note = [shown, clock].into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(", ");
                        vec![short(&value.id).to_owned(), text, people.author(&value.author), time(value.at_ms), note]
                    })
                    .collect();
                table::write(out, &[whole("id"), cut("value"), cut("author"), whole("when"), whole("")], &rows, width())?;
                writeln!(out, "Keep one: roadbook settle {} {} VALUE_ID", record.id, line(conflict.field.as_str()))?;
            }
            Ok(())
        },
    )?;
    if more {
        run.say.remark(&format!("The first {MOST_DISPUTED} records are shown and there are more: settle some of these first."));
    }
    Ok(())
}

pub(super) fn settle(run: &Run<'_>, which: &[String]) -> Outcome {
    let book = run.open()?;
    let (conflict, value) = match which {
        [conflict, value] => {
            let record = conflict.split_once('/').and_then(|(record, _)| record.parse::<RecordLink>().ok());
            let record = record.ok_or_else(|| {
                Failure::usage("name the disagreement as `roadbook conflicts` shows it: roadbook settle ID FIELD VALUE_ID")
            })?;
            let found = book.conflicts(record.id)?.into_iter().find(|known| known.id == *conflict);
            (found, value)
        }
        [id, field, value] => {
            let id = match id.parse::<RecordLink>() {
                Ok(link) => link.id,
                Err(_) => id.parse().map_err(|error: roadbook_core::id::NotAnId| Failure::usage(error.to_string()))?,
            };
            let found = book.conflicts(id)?.into_iter().find(|known| named(&known.field, field));
            (found, value)
        }
        _ => return Err(Failure::usage("roadbook settle ID FIELD VALUE_ID")),
    };
    let conflict = conflict.ok_or_else(|| {
        Failure::new("no_conflict", "there is no such disagreement; it may have been settled meanwhile: see `roadbook conflicts`")
    })?;
    let value = pick(&conflict, value)?;
    book.settle(&conflict.id, &value.id)?;
    run.say.answer(
        || Ok(json!({"settled": conflict.id, "value": value.id, "text": value.text})),
        |out| {
            let text = if value.text.is_empty() { "(empty)" } else { &value.text };
            Ok(writeln!(
                out,
                "{} of {} is now {}.",
                field_name(&conflict.field),
                headline(&book, conflict.record.id),
                line(text)
            )?)
        },
    )
}

/// Whether a typed text names the field: as documents do, or with hyphens as options do.
fn named(field: &FieldId, typed: &str) -> bool {
    if field.as_str() == typed {
        return true;
    }
    let (name, entry) = typed.split_once('/').unwrap_or((typed, ""));
    field.field() == name.replace('-', "_") && field.entry() == entry
}

/// So much of a value's id is shown, and less is no name of it. There are no numbers: a sync between look and decision would give
/// them to other values.
const SHORTEST: usize = 8;

fn short(id: &str) -> &str {
    id.get(..SHORTEST).unwrap_or(id)
}

/// A value by its id or the beginning of its id.
fn pick<'c>(conflict: &'c Conflict, typed: &str) -> Outcome<&'c ConflictValue> {
    let mut found = conflict.values.iter().filter(|value| typed.len() >= SHORTEST && value.id.starts_with(typed));
    match (found.next(), found.next()) {
        (Some(value), None) => Ok(value),
        _ => {
            let message = format!("“{}” is none of the {} values; see `roadbook conflicts`", line(typed), conflict.values.len());
            Err(Failure::new("no_value", message))
        }
    }
}

pub(super) fn undo(run: &Run<'_>, action: Option<&str>) -> Outcome {
    let wrong = |_| Failure::usage("that is no action; `roadbook history ID` shows the actions of a record");
    let action = action.map(|action| action.parse().map_err(wrong)).transpose()?;
    let book = run.open()?;
    let report = book.undo(action)?;
    let people = People::of(&book)?;
    run.say.answer(
        || {
            let skipped = |skipped: &roadbook_core::book::Skipped| {
                json!({
                    "record": link_json(skipped.record),
                    "whole": skipped.whole,
                    "field": skipped.field.as_str(),
                    "author": people.author_json(&skipped.author),
                    "at_ms": skipped.at_ms,
                })
            };
            Ok(json!({
                "undone": report.undone.to_string(),
                "action": report.action.to_string(),
                "records": report.records.iter().copied().map(link_json).collect::<Vec<_>>(),
                "skipped": report.skipped.iter().map(skipped).collect::<Vec<_>>(),
            }))
        },
        |out| {
            const SHOWN: usize = 10;
            match report.records.len() as u64 {
                0 => writeln!(out, "Nothing was taken back.")?,
                records => writeln!(out, "Taken back in {}.", count(records, "record", "records"))?,
            }
            for record in report.records.iter().take(SHOWN) {
                writeln!(out, "  {} {}", record.kind, headline(&book, record.id))?;
            }
            if report.records.len() > SHOWN {
                writeln!(out, "  and {} more", report.records.len() - SHOWN)?;
            }
            for skipped in &report.skipped {
                let name = headline(&book, skipped.record.id);
                if skipped.whole {
                    writeln!(out, "Left whole: {name}, which is somebody else's now.")?;
                    continue;
                }
                let who = people.author(&skipped.author);
                writeln!(out, "Left as it is: {} of {name}, changed since by {who}.", field_name(&skipped.field))?;
            }
            if !report.records.is_empty() {
                writeln!(out, "To do it again: roadbook undo {}", report.action)?;
            }
            Ok(())
        },
    )
}

/// The server's reason in words for people.
fn reason(code: &str) -> String {
    match code {
        "forbidden" => "your role does not allow it".into(),
        // One change may be too heavy, or all that one action wrote together.
        "too_large" => "it writes too much at once, or more than a record can hold".into(),
        "erased" => "the record was erased for good".into(),
        "kind" => "the server has a record of another kind in its place".into(),
        "missing" => "it builds on an edit that the server does not have".into(),
        "clone" | "foreign_actor" => "a copy of this book writes under the same name".into(),
        "numbers" | "skeleton" | "malformed" | "document" | "field_type" => {
            format!("the server could not take it as it was written, which is no mistake of yours; please report it ({code})")
        }
        "" => "the server did not say why".into(),
        other => format!("the server has a reason that this release does not know; update Roadbook ({})", line(other)),
    }
}

/// What is left to do where a refused edit cannot be made again: its content went with an erasure, or belongs to nothing.
fn cannot_retry(error: Error, id: &str) -> Failure {
    match &error {
        Error::Invalid(problems)
            if problems.iter().any(|problem| problem.field == "refusal" && problem.code == ProblemCode::Gone) =>
        {
            Failure::new(
                "nothing_to_retry",
                format!(
                    "This edit cannot be made again; `roadbook refusals` shows what is left of it, and `roadbook refusals discard {id}` clears it away."
                ),
            )
        }
        _ => error.into(),
    }
}

pub(super) fn refusals(run: &Run<'_>, verb: Option<RefusalVerb>) -> Outcome {
    let book = run.open()?;
    match verb {
        None => list_refusals(run, &book),
        Some(RefusalVerb::Retry { id }) => {
            known(&book, &id)?;
            book.retry(&id).map_err(|error| cannot_retry(error, &id))?;
            run.say.answer(|| Ok(json!({"retried": id})), |out| Ok(writeln!(out, "Made again; the next sync sends it.")?))
        }
        Some(RefusalVerb::Discard { id }) => {
            known(&book, &id)?;
            book.discard(&id)?;
            run.say.answer(|| Ok(json!({"discarded": id})), |out| Ok(writeln!(out, "Forgotten.")?))
        }
    }
}

fn known(book: &Book, id: &str) -> Outcome {
    if book.refusals()?.iter().any(|refusal| refusal.id == id) {
        return Ok(());
    }
    Err(Failure::new("no_refusal", "there is no such refused edit; `roadbook refusals` shows them"))
}

fn list_refusals(run: &Run<'_>, book: &Book) -> Outcome {
    let refusals = book.refusals()?;
    run.say.answer(
        || {
            let item = |refusal: &roadbook_core::book::Refusal| {
                json!({
                    "id": refusal.id,
                    "record": link_json(refusal.record),
                    "reason": refusal.reason,
                    "text": reason(&refusal.reason),
                    "can_retry": refusal.can_retry,
                    "changes": refusal.changes.iter().map(change_json).collect::<Vec<_>>(),
                })
            };
            Ok(json!({"items": refusals.iter().map(item).collect::<Vec<_>>(), "next": null}))
        },
        |out| {
            if refusals.is_empty() {
                return Ok(writeln!(out, "No refused edits.")?);
            }
            for (at, refusal) in refusals.iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                let record = refusal.record;
                writeln!(out, "{} {}: {}", record.kind, headline(book, record.id), reason(&refusal.reason))?;
                for change in &refusal.changes {
                    let wanted = change.after.as_deref().map_or_else(|| "(empty)".into(), line);
                    writeln!(out, "  {}: {wanted}", field_name(&change.field))?;
                }
                if !refusal.can_retry {
                    let why = if refusal.changes.is_empty() { "Nothing of it is left that could" } else { "It cannot" };
                    writeln!(out, "  {why} be made again.")?;
                } else {
                    writeln!(out, "  roadbook refusals retry {}", refusal.id)?;
                }
                writeln!(out, "  roadbook refusals discard {}", refusal.id)?;
            }
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use roadbook_core::gate::{Malformed, Refused};

    use super::*;

    #[test]
    fn every_reason_of_a_refusal_is_told_in_words() {
        let known = [
            Refused::Malformed(Malformed::TooLarge { what: "change", found: 2, limit: 1 }),
            Refused::Group,
            Refused::ForeignActor,
            Refused::Clone,
            Refused::Missing(Vec::new()),
            Refused::Numbers,
            Refused::Skeleton,
            Refused::FieldType(String::new()),
            Refused::Document,
            Refused::Kind,
            Refused::Erased,
            Refused::Forbidden,
        ];
        for code in known.iter().map(Refused::code).chain([""]) {
            let said = reason(code);
            assert!(said.split(' ').count() > 4 && !said.contains("does not know"), "{code}: {said}");
        }
        assert!(reason("of_tomorrow").contains("update Roadbook (of_tomorrow)"));
    }

    fn conflict() -> Conflict {
        let value = |id: &str| ConflictValue {
            id: id.into(),
            text: String::new(),
            author: Default::default(),
            at_ms: 0,
            suspect_clock: false,
            shown: false,
        };
        let id = RecordId::default();
        Conflict {
            id: format!("deal:{id}/close_date"),
            record: RecordLink { kind: roadbook_core::record::Kind::Deal, id },
            field: FieldId::from_key("close_date"),
            values: vec![value("aaaaaaaa11"), value("aaaaaaaa22"), value("123456789")],
        }
    }

    #[test]
    fn a_value_is_named_by_enough_of_its_id_and_by_no_number() {
        let conflict = conflict();
        let picked = |typed: &str| pick(&conflict, typed).ok().map(|value| value.id.as_str());
        assert_eq!(
            [picked("aaaaaaaa22"), picked("aaaaaaaa2"), picked("12345678")],
            [Some("aaaaaaaa22"), Some("aaaaaaaa22"), Some("123456789")]
        );
        assert_eq!([picked("1"), picked("3"), picked("aaaaaaaa"), picked("123456"), picked("")], [None; 5]);
    }

    #[test]
    fn a_field_is_named_as_documents_or_as_options_do() {
        let field = FieldId::from_key("close_date");
        assert!(named(&field, "close_date") && named(&field, "close-date") && !named(&field, "close"));
        let entry = FieldId::from_key("channels/a-b");
        assert!(named(&entry, "channels/a-b") && !named(&entry, "channels/a_b") && !named(&entry, "channels"));
    }
}
