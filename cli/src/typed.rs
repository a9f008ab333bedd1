//! Single values as people type them and read them: the only place that knows how a type's typed form differs from
//! its stored one.

use roadbook_core::id::{EntryId, RecordId};
use roadbook_core::record::{Entry as _, Field};
use roadbook_core::value::{
    Channel, CustomField, CustomValue, Due, LocalDate, Money, PostalAddress, Priority, Register as _, Scalar, TaskStatus,
};

use crate::say::People;

/// The stored form of a register as a person types it.
pub(crate) fn register(field: &str, text: &str, people: &People) -> Result<Scalar, String> {
    if text.is_empty() {
        return Ok(Scalar::Null);
    }
    let said = |error: &dyn std::fmt::Display| error.to_string();
    match field {
        "value" => Money::parse(text).map(|money| money.to_scalar()).map_err(|error| said(&error)),
        "close_date" | "birthday" => text.parse::<LocalDate>().map(|date| date.to_scalar()).map_err(|error| said(&error)),
        "due" => text.parse::<Due>().map(|due| due.to_scalar()).map_err(|error| said(&error)),
        "priority" => code::<Priority>(text, Priority::CODES).map(|code| code.to_scalar()),
        "status" => code::<TaskStatus>(text, TaskStatus::CODES).map(|code| code.to_scalar()),
        "owner" => people.find(text).map(Scalar::Str).ok_or_else(|| format!("“{text}” is nobody of this workspace")),
        "deleted" => Err("only an empty value, which brings the record back; to delete it there is `delete`".into()),
        // Most types store what people type; what does not fit its type is found by `check_types`.
        _ => Ok(text.into()),
    }
}

/// A code that this release knows: an unknown one is kept when it comes from elsewhere, but typed it is a mistake.
pub(crate) fn code<T: std::str::FromStr + Default>(text: &str, codes: &[&str]) -> Result<T, String> {
    if text.is_empty() {
        return Ok(T::default());
    }
    let folded = text.to_lowercase();
    let wrong = || format!("“{text}” is none of {}", codes.join(", "));
    if codes.contains(&folded.as_str()) { folded.parse().map_err(|_| wrong()) } else { Err(wrong()) }
}

pub(crate) fn id(text: &str) -> Result<RecordId, String> {
    text.parse().map_err(|error: roadbook_core::id::NotAnId| error.to_string())
}

/// Whether two channels reach the same: by number where both were understood, else by what was typed.
pub(crate) fn same(one: &Channel, other: &Channel) -> bool {
    let by_number = one.e164.is_some() && one.e164 == other.e164 && one.extension == other.extension;
    one.kind == other.kind && (by_number || one.value == other.value)
}

pub(crate) fn address(id: EntryId, text: &str) -> PostalAddress {
    let mut parts = text.split(';').map(|part| part.trim().to_owned());
    let mut part = || parts.next().unwrap_or_default();
    PostalAddress { id, label: None, street: part(), postcode: part(), city: part(), region: part(), country: part() }
}

pub(crate) fn custom(text: &str) -> Result<(EntryId, Scalar), String> {
    let wrong = "write ID=TEXT, ID:=NUMBER or ID:=true";
    let (id, value) = text.split_once('=').ok_or(wrong)?;
    let (id, plain) = id.strip_suffix(':').map_or((id, true), |id| (id, false));
    let id: EntryId = id.trim().parse().map_err(|error: roadbook_core::id::NotAnId| error.to_string())?;
    let value = match (plain, value.trim()) {
        (_, "") => return Ok((id, Scalar::Null)),
        (true, text) => CustomValue::Text { text: text.to_owned() },
        (false, "true") => CustomValue::Flag { flag: true },
        (false, "false") => CustomValue::Flag { flag: false },
        (false, number) => CustomValue::Number { number: number.parse().map_err(|_| wrong)? },
    };
    Ok((id.clone(), CustomField { id, value }.to_scalar()))
}

/// What people read of one stored value of a field.
pub(crate) fn display(field: &Field, entry: &str, scalar: &Scalar) -> String {
    let by_entry = |read: &dyn Fn(EntryId) -> Option<String>| entry.parse().ok().and_then(read);
    let shown = match field.name {
        "value" => Money::from_scalar(scalar).map(|money| money.to_text()),
        "deleted" => roadbook_core::value::Instant::from_scalar(scalar).map(|at| crate::say::time(at.ms)),
        "channels" => by_entry(&|id| Channel::from_scalar(id, scalar).map(|channel| channel.display())),
        "addresses" => {
            by_entry(&|id| PostalAddress::from_scalar(id, scalar).map(|address| address.display().replace('\n', ", ")))
        }
        _ => None,
    };
    shown.unwrap_or_else(|| scalar.to_string())
}

#[cfg(test)]
mod tests {
    use roadbook_core::value::Stage;

    use super::*;

    #[test]
    fn a_custom_field_keeps_the_type_that_was_typed() {
        assert_eq!(custom("a=5").unwrap().1, Scalar::from("5"));
        assert_eq!(custom("a:=5").unwrap().1, Scalar::Int(5));
        assert_eq!(custom("a:=true").unwrap().1, Scalar::Bool(true));
        assert_eq!(custom("a=").unwrap().1, Scalar::Null);
        assert!(custom("a").is_err() && custom("é=1").is_err() && custom("a:=x").is_err());
    }

    #[test]
    fn a_mistyped_stage_is_no_new_stage() {
        assert!(code::<Stage>("propsal", Stage::CODES).is_err());
        assert_eq!(code::<Stage>("Proposal", Stage::CODES), Ok(Stage::Proposal));
    }
}
