//! From the parser's properties to a [`Card`].

use super::content::{LABEL, MESSENGERS, Prepared};
use super::property::Property;
use super::{Card, CardAddress, CardDate, CardEmail, CardMessenger, CardPhone, CardUrl, Fault, Reason};
use calcard::vcard::{VCard, VCardProperty};
use std::collections::HashMap;

/// Reads a card from prepared text; line and fingerprint are left to the caller.
pub(super) fn card(prepared: &Prepared) -> Result<Card, Fault> {
    let unreadable = Fault { line: None, reason: Reason::Unreadable };
    let parsed = VCard::parse(&prepared.text).map_err(|_| unreadable)?;
    // The parser must have seen every line, and as one property each.
    if parsed.entries.len() != prepared.origins.len() {
        return Err(unreadable);
    }
    let mut properties = Vec::with_capacity(parsed.entries.len());
    for (entry, origin) in parsed.entries.into_iter().zip(&prepared.origins) {
        let fault = |reason| Fault { line: Some(origin.line), reason };
        let property = Property::new(entry, prepared.legacy).ok_or(fault(Reason::UnknownCharset))?;
        // The parser's mark for bytes that the character set does not have.
        if origin.converted && property.parts.iter().flatten().any(|part| part.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(fault(Reason::UnreadableText));
        }
        properties.push(property);
    }
    let card = Builder::read(properties, prepared.legacy);
    if is_empty(&card) {
        return Err(Fault { line: None, reason: Reason::Empty });
    }
    Ok(card)
}

fn is_empty(card: &Card) -> bool {
    let names = [&card.full_name, &card.given, &card.middle, &card.family, &card.organization];
    names.iter().all(|name| name.is_none())
        && card.phones.is_empty()
        && card.emails.is_empty()
        && card.messengers.is_empty()
        && card.urls.is_empty()
        && card.addresses.is_empty()
}

/// The best of several values for one field: a preferred one, then the first in byte order.
struct Best<T>(Option<(bool, T)>);

impl<T> Default for Best<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord> Best<T> {
    fn offer(&mut self, preferred: bool, value: Option<T>) {
        let Some(value) = value else { return };
        // False sorts first, so "not preferred" makes the preferred one the smaller.
        let offered = (!preferred, value);
        if self.0.as_ref().is_none_or(|best| offered < *best) {
            self.0 = Some(offered);
        }
    }

    fn take(self) -> Option<T> {
        self.0.map(|(_, value)| value)
    }
}

/// Prefix, given, middle, family, suffix.
type Name = [Option<String>; 5];

#[derive(Default)]
struct Builder {
    card: Card,
    labels: HashMap<String, String>,
    uid: Best<String>,
    full_name: Best<String>,
    name: Best<Name>,
    organization: Best<[Option<String>; 2]>,
    title: Best<String>,
    birthday: Best<CardDate>,
    notes: Vec<String>,
    legacy: bool,
}

impl Builder {
    fn read(properties: Vec<Property>, legacy: bool) -> Card {
        let mut builder = Self { legacy, ..Self::default() };
        for property in &properties {
            let label = match &property.name {
                VCardProperty::Other(name) if name == LABEL => property.text().and_then(|label| unwrapped(&label)),
                _ => continue,
            };
            if let (Some(group), Some(label)) = (&property.group, label) {
                let known = builder.labels.entry(group.clone()).or_insert_with(|| label.clone());
                if label < *known {
                    *known = label;
                }
            }
        }
        for property in &properties {
            builder.add(property);
        }
        builder.finish()
    }

    fn add(&mut self, property: &Property) {
        let preferred = property.preferred();
        match &property.name {
            VCardProperty::Uid => self.uid.offer(preferred, property.text()),
            VCardProperty::Fn => self.full_name.offer(preferred, property.text()),
            VCardProperty::N => {
                let parts = [3, 1, 2, 0, 4].map(|index| property.name_part(index));
                self.name.offer(preferred, some_of(parts));
            }
            VCardProperty::Org => {
                let units: Vec<String> = (1..property.parts.len()).filter_map(|index| property.part(index, ",")).collect();
                let units = Some(units.join(", ")).filter(|units| !units.is_empty());
                self.organization.offer(preferred, some_of([property.part(0, ","), units]));
            }
            VCardProperty::Title => self.title.offer(preferred, property.text()),
            VCardProperty::Bday => {
                let date = property.text().and_then(|text| CardDate::parse(&text, property.omit_year.as_deref()));
                self.birthday.offer(preferred, date);
            }
            VCardProperty::Note => self.notes.extend(property.text()),
            VCardProperty::Tel => self.add_phone(property),
            VCardProperty::Email => {
                let value = property.text().and_then(|text| without_scheme(&text, "mailto:").1);
                let (kind, label) = (property.place(), self.label(property));
                self.card.emails.extend(value.map(|value| CardEmail { value, kind, preferred, label }));
            }
            VCardProperty::Url => {
                let label = self.label(property);
                self.card.urls.extend(property.text().map(|value| CardUrl { value, label }));
            }
            VCardProperty::Impp => {
                self.card.messengers.extend(property.text().and_then(|text| messenger(&text, property.service.as_deref())));
            }
            VCardProperty::Adr => self.card.addresses.extend(address(property)),
            VCardProperty::Categories => self.add_categories(property),
            VCardProperty::Other(name) => {
                let scheme = MESSENGERS.iter().find(|(property, _)| property == name).map(|(_, scheme)| *scheme);
                if let (Some(scheme), Some(text)) = (scheme, property.text()) {
                    let (_, value) = without_prefix(&text, &format!("{scheme}:"));
                    let value = value.to_owned();
                    let messenger = CardMessenger { scheme: scheme.to_owned(), value };
                    self.card.messengers.extend(Some(messenger).filter(|messenger| !messenger.value.is_empty()));
                }
            }
            _ => {}
        }
    }

    fn add_phone(&mut self, property: &Property) {
        let Some(text) = property.text() else { return };
        let (is_uri, Some(text)) = without_scheme(&text, "tel:") else {
            return;
        };
        let extension = text.split(';').skip(1).find_map(|parameter| {
            let (found, extension) = without_prefix(parameter.trim(), "ext=");
            found.then(|| extension.to_owned()).filter(|extension| !extension.is_empty())
        });
        let value = match text.split_once(';') {
            Some((number, _)) if is_uri || extension.is_some() => number.trim().to_owned(),
            _ => text,
        };
        if !value.is_empty() {
            let (kind, preferred, label) = (property.phone_kind(), property.preferred(), self.label(property));
            self.card.phones.push(CardPhone { value, kind, extension, preferred, label });
        }
    }

    fn add_categories(&mut self, property: &Property) {
        for text in property.parts.iter().flatten() {
            // Version 2.1 has no list of categories of its own; programs use either separator.
            let separator = |letter| self.legacy && letter == ';';
            for category in text.split(separator) {
                let words: Vec<String> = category.split_whitespace().filter_map(Card::text).collect();
                if !words.is_empty() {
                    self.card.categories.push(words.join(" "));
                }
            }
        }
    }

    fn label(&self, property: &Property) -> Option<String> {
        self.labels.get(property.group.as_ref()?).cloned()
    }

    fn finish(self) -> Card {
        let mut notes = self.notes;
        notes.sort();
        notes.dedup();
        let [prefix, given, middle, family, suffix] = self.name.take().unwrap_or_default();
        let [organization, department] = self.organization.take().unwrap_or_default();
        Card {
            uid: self.uid.take(),
            full_name: self.full_name.take(),
            prefix,
            given,
            middle,
            family,
            suffix,
            organization,
            department,
            title: self.title.take(),
            birthday: self.birthday.take(),
            note: Some(notes.join("\n")).filter(|note| !note.is_empty()),
            ..self.card
        }
    }
}

/// The parts, if any of them is there.
fn some_of<const N: usize>(parts: [Option<String>; N]) -> Option<[Option<String>; N]> {
    parts.iter().any(Option::is_some).then_some(parts)
}

/// Apple writes its own labels as `_$!<Work>!$_`, to translate them when they are shown.
fn unwrapped(label: &str) -> Option<String> {
    let mut label = label.trim();
    while let Some(inner) = label.strip_prefix("_$!<").and_then(|rest| rest.strip_suffix(">!$_")) {
        label = inner.trim();
    }
    Some(label.to_owned()).filter(|label| !label.is_empty())
}

/// Whether the text started with the prefix, in either case, and what follows it.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> (bool, &'a str) {
    match (text.get(..prefix.len()), text.get(prefix.len()..)) {
        (Some(start), Some(rest)) if start.eq_ignore_ascii_case(prefix) => (true, rest.trim()),
        _ => (false, text),
    }
}

/// Like [`without_prefix`], for a prefix that some programs write twice; nothing if nothing else is left.
fn without_scheme(text: &str, scheme: &str) -> (bool, Option<String>) {
    let (mut any, mut rest) = (false, text.trim());
    while let (true, shorter) = without_prefix(rest, scheme) {
        (any, rest) = (true, shorter);
    }
    (any, Some(rest.to_owned()).filter(|rest| !rest.is_empty()))
}

fn messenger(text: &str, service: Option<&str>) -> Option<CardMessenger> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    };
    let (scheme, value) = match text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        Some((scheme, value)) => (scheme.to_ascii_lowercase(), value.trim()),
        None => (String::from("im"), text),
    };
    // Services without a scheme of their own get one of these, and their name beside it.
    let service = service.map(str::to_ascii_lowercase).filter(|service| is_scheme(service));
    let scheme = service.filter(|_| matches!(scheme.as_str(), "im" | "x-apple")).unwrap_or(scheme);
    (!value.is_empty()).then(|| CardMessenger { scheme, value: value.to_owned() })
}

fn address(property: &Property) -> Option<CardAddress> {
    let parts = [0, 1, 2, 3, 4, 5, 6].map(|index| property.part(index, ","));
    let [po_box, extended, street, city, region, postcode, country] = some_of(parts)?;
    Some(CardAddress { kind: property.place(), po_box, extended, street, city, region, postcode, country })
}
