//! One property of a card.

use super::head::{OMIT_YEAR, SERVICE};
use super::{Card, PhoneKind, PlaceKind};
use calcard::common::IanaString;
use calcard::vcard::{VCardEntry, VCardParameterName, VCardParameterValue, VCardProperty, VCardValue};

/// A property as the parser gives it, with its text tidied up.
pub(super) struct Property {
    pub(super) group: Option<String>,
    pub(super) name: VCardProperty,
    /// The value's parts, each of them a list.
    pub(super) parts: Vec<Vec<String>>,
    /// In upper case.
    types: Vec<String>,
    pub(super) service: Option<String>,
    pub(super) omit_year: Option<String>,
}

impl Property {
    /// Nothing if the parser could not make text of the value.
    pub(super) fn new(entry: VCardEntry, legacy: bool) -> Option<Self> {
        let mut property = Self {
            group: entry.group,
            name: entry.name,
            parts: Vec::with_capacity(entry.values.len()),
            types: Vec::new(),
            service: None,
            omit_year: None,
        };
        for value in entry.values {
            property.parts.push(match value {
                VCardValue::Text(text) => vec![tidy(&text)],
                // A comma means nothing in version 2.1: what the parser took apart is put back together.
                VCardValue::Component(list) if legacy => vec![tidy(&list.join(","))],
                VCardValue::Component(list) => list,
                _ => return None,
            });
        }
        for parameter in entry.params {
            match (parameter.name, parameter.value) {
                (VCardParameterName::Type, VCardParameterValue::Type(kind)) => {
                    property.types.push(kind.as_str().to_owned());
                }
                (VCardParameterName::Type, VCardParameterValue::Text(kind)) => {
                    property.types.push(kind.to_ascii_uppercase());
                }
                (VCardParameterName::Other(name), VCardParameterValue::Text(text)) => match name.as_str() {
                    SERVICE => property.service = Some(text),
                    OMIT_YEAR => property.omit_year = Some(text),
                    _ => {}
                },
                _ => {}
            }
        }
        Some(property)
    }

    fn has_type(&self, kind: &str) -> bool {
        self.types.iter().any(|own| own == kind)
    }

    pub(super) fn preferred(&self) -> bool {
        self.has_type("PREF")
    }

    pub(super) fn place(&self) -> PlaceKind {
        if self.has_type("WORK") {
            PlaceKind::Work
        } else if self.has_type("HOME") {
            PlaceKind::Home
        } else {
            PlaceKind::Other
        }
    }

    pub(super) fn phone_kind(&self) -> PhoneKind {
        if self.has_type("FAX") {
            PhoneKind::Fax
        } else if self.has_type("CELL") || self.has_type("IPHONE") {
            PhoneKind::Mobile
        } else if self.has_type("WORK") {
            PhoneKind::Work
        } else if self.has_type("HOME") {
            PhoneKind::Home
        } else {
            PhoneKind::Other
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        self.part(0, ",")
    }

    /// A part of the value, its list joined; nothing if it is empty.
    pub(super) fn part(&self, index: usize, separator: &str) -> Option<String> {
        Card::text(&self.parts.get(index)?.join(separator))
    }

    /// A part of a name: a list of several names reads as words.
    pub(super) fn name_part(&self, index: usize) -> Option<String> {
        let list = self.parts.get(index)?;
        let words: Vec<&str> = list.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
        Card::text(&words.join(" "))
    }
}

impl Card {
    /// A text as a card holds it, whoever typed it: line breaks are `\n`, other control characters but tabs are dropped, and
    /// white space around it. Nothing where nothing is left.
    pub(crate) fn text(raw: &str) -> Option<String> {
        Some(tidy(raw)).filter(|text| !text.is_empty())
    }
}

/// Line breaks as `\n`, no other control characters but tabs, no white space around.
pub(super) fn tidy(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.trim().to_owned();
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = unified.chars().filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control()).collect();
    kept.trim().to_owned()
}
