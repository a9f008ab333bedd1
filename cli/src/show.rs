//! One record for people: what is filled in, with names instead of ids, and what needs a decision.

use std::io::Write;

use roadbook_core::Book;
use roadbook_core::book::Sheet;
use roadbook_core::id::{EntryId, RecordId};
use roadbook_core::record::{Entry as _, Field, FieldValue, Record, Shape};
use roadbook_core::value::{Channel, Money, Outcome, Position, RecordLink, Register as _, Scalar};
use serde_json::{Value, json};

use crate::failure;
use crate::say::{People, count, line, lines, time};
use crate::typed::display;

/// What a record is called; its id where it is not on this device.
pub(crate) fn headline(book: &Book, id: RecordId) -> String {
    let json = book.to_json(id).unwrap_or_default();
    match json.get("headline").and_then(|headline| headline.as_str()).filter(|headline| !headline.is_empty()) {
        Some(headline) => line(headline),
        None => id.to_string(),
    }
}

/// A field's value as JSON for programs: composites are objects, where documents keep one encoded text for each. An
/// amount carries the text that people read, since its number alone is easily taken for whole units.
pub(crate) fn value_json(field: &Field, value: &FieldValue) -> Value {
    match (field.shape, value) {
        (Shape::Register, FieldValue::Register(scalar)) => match field.name {
            "value" => Money::from_scalar(scalar)
                .map_or(Value::Null, |money| json!({"minor": money.minor, "currency": money.currency, "text": money.to_text()})),
            "position" => {
                let position = Position::from_scalar(scalar).unwrap_or_default();
                json!({"stage": position.stage.code(), "outcome": position.outcome.code()})
            }
            _ => scalar.to_json(),
        },
        // The text of a workspace's own field stays a text, whatever it looks like.
        (Shape::Keyed, FieldValue::Keyed(entries)) if field.name != "x" => {
            let entry = |scalar: &Scalar| scalar.as_str().and_then(|text| serde_json::from_str(text).ok());
            entries.iter().map(|(id, scalar)| (id.clone(), entry(scalar).unwrap_or_else(|| scalar.to_json()))).collect()
        }
        _ => value.to_json(),
    }
}

/// Writes a record.
pub(crate) fn sheet<R: Record>(out: &mut dyn Write, book: &Book, sheet: &Sheet<R>) -> failure::Outcome {
    let people = People::of(book)?;
    let values = sheet.record.to_values();
    let id = sheet.record.record_id();
    writeln!(out, "{}", line(&(R::DEFINITION.headline)(&values)))?;
    writeln!(out, "{} {id}, changed {}", R::DEFINITION.kind, time(sheet.changed_ms))?;
    writeln!(out)?;
    let mut rows: Vec<(String, String)> = Vec::new();
    for (field, value) in values.iter() {
        if field.name == "tags" {
            let tags: Vec<&str> = value.parts().into_iter().map(|(tag, _)| tag).collect();
            if !tags.is_empty() {
                rows.push(("tags".into(), tags.join(", ")));
            }
            continue;
        }
        for (entry, scalar) in value.parts() {
            rows.push((label(field, entry, &scalar), text(book, &people, field, entry, &scalar)));
        }
    }
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    for (label, text) in rows {
        let label = format!("{label:width$}");
        for (at, part) in lines(&text).lines().enumerate() {
            let margin = if at == 0 { label.clone() } else { " ".repeat(width) };
            writeln!(out, "  {margin}  {part}")?;
        }
    }
    for problem in &sheet.violations {
        writeln!(out, "\nTo be put right: {}", line(&problem.to_string()))?;
    }
    if !sheet.conflicts.is_empty() {
        let disputed = count(sheet.conflicts.len() as u64, "field is", "fields are");
        writeln!(out, "\n{disputed} disputed: roadbook conflicts {id}")?;
    }
    Ok(())
}

fn label(field: &Field, entry: &str, scalar: &Scalar) -> String {
    match field.name {
        "channels" => channel(entry, scalar).map_or_else(|| "channel".into(), |channel| channel.kind.to_string()),
        "addresses" => "address".into(),
        "x" => line(entry),
        "contacts" => "contact".into(),
        "links" => "about".into(),
        "position" => "stage".into(),
        name => name.replace('_', " "),
    }
}

fn channel(entry: &str, scalar: &Scalar) -> Option<Channel> {
    Channel::from_scalar(entry.parse::<EntryId>().ok()?, scalar)
}

fn text(book: &Book, people: &People, field: &Field, entry: &str, scalar: &Scalar) -> String {
    if field.name == "owner" {
        let id = scalar.to_string();
        return people.name(&id).map_or(id.clone(), str::to_owned);
    }
    if field.name == "position" {
        let Position { stage, outcome } = Position::from_scalar(scalar).unwrap_or_default();
        return if outcome == Outcome::Open { stage.to_string() } else { format!("{outcome}, at {stage}") };
    }
    if field.links {
        let id = entry.parse::<RecordLink>().map(|link| link.id).or_else(|_| entry.parse::<RecordId>());
        return id.map_or_else(|_| entry.to_owned(), |id| format!("{} ({id})", headline(book, id)));
    }
    match (field.name, channel(entry, scalar)) {
        ("channels", Some(channel)) => {
            let mut text = channel.display();
            if channel.preferred {
                text.push_str(", preferred");
            }
            text
        }
        _ => display(field, entry, scalar),
    }
}
