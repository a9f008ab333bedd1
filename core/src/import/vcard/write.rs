//! Writes cards in version 4.0 (RFC 6350).

use super::property::tidy;
use super::{Card, CardPhone, PhoneKind, PlaceKind};
use std::io::{self, Write};

/// The most bytes a line may have without its line end (RFC 6350, 3.2).
const WIDTH: usize = 75;

/// Writes `card` as a vCard 4.0, such that [`Cards`](super::Cards) reads the same card again.
///
/// "The same" holds for a card that was read, or that is like one: no value is empty, has white space around it or
/// control characters in it. Any other value is written as the reader would tidy it, so that no text ends its line. The
/// line is not written, nor is the fingerprint, which follows from the rest. A birthday with a year outside 1 to 9999 is
/// left out. Labels are written as `X-ABLabel`, which phones understand.
///
/// # Errors
///
/// Those of `out`.
pub fn write_card(out: &mut impl Write, card: &Card) -> io::Result<()> {
    let mut writer = Writer { out, groups: 0 };
    writer.line("BEGIN:VCARD")?;
    writer.line("VERSION:4.0")?;
    if let Some(uid) = &card.uid {
        writer.uri("UID", "", uid)?;
    }
    // The one property that a card must have, even if it has nothing to say.
    writer.line(&format!("FN:{}", text(card.full_name.as_ref())))?;
    let name = [&card.family, &card.given, &card.middle, &card.prefix, &card.suffix];
    writer.structured("N", "", &name)?;
    writer.structured("ORG", "", &[&card.organization, &card.department])?;
    if let Some(title) = &card.title {
        writer.line(&format!("TITLE:{}", escaped(title)))?;
    }
    for phone in &card.phones {
        writer.phone(phone)?;
    }
    for email in &card.emails {
        let parameters = parameters(place(email.kind), email.preferred);
        writer.labelled(email.label.as_ref(), &format!("EMAIL{parameters}:{}", escaped(&email.value)))?;
    }
    for url in &card.urls {
        let group = writer.label(url.label.as_ref())?;
        writer.uri("URL", &group, &url.value)?;
    }
    for messenger in &card.messengers {
        writer.uri("IMPP", "", &format!("{}:{}", messenger.scheme, messenger.value))?;
    }
    for address in &card.addresses {
        let parts = [
            &address.po_box,
            &address.extended,
            &address.street,
            &address.city,
            &address.region,
            &address.postcode,
            &address.country,
        ];
        writer.structured("ADR", &parameters(place(address.kind), false), &parts)?;
    }
    if let Some(birthday) = card.birthday.and_then(super::CardDate::to_basic) {
        writer.line(&format!("BDAY:{birthday}"))?;
    }
    if let Some(note) = &card.note {
        writer.line(&format!("NOTE:{}", escaped(note)))?;
    }
    if !card.categories.is_empty() {
        let categories: Vec<String> = card.categories.iter().map(|category| escaped(category)).collect();
        writer.line(&format!("CATEGORIES:{}", categories.join(",")))?;
    }
    writer.line("END:VCARD")
}

struct Writer<'a, W> {
    out: &'a mut W,
    /// How many groups were given out.
    groups: u32,
}

impl<W: Write> Writer<'_, W> {
    /// Writes a line, folded between characters.
    fn line(&mut self, line: &str) -> io::Result<()> {
        let mut folded = Vec::with_capacity(line.len() + line.len() / WIDTH * 3 + 2);
        let mut width = 0;
        for letter in line.chars() {
            if width + letter.len_utf8() > WIDTH {
                folded.extend_from_slice(b"\r\n ");
                width = 1;
            }
            folded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            width += letter.len_utf8();
        }
        folded.extend_from_slice(b"\r\n");
        self.out.write_all(&folded)
    }

    /// Writes the label, if there is one, and gives the start of the line it belongs to.
    fn label(&mut self, label: Option<&String>) -> io::Result<String> {
        let Some(label) = label else {
            return Ok(String::new());
        };
        self.groups += 1;
        let group = format!("item{}.", self.groups);
        self.line(&format!("{group}X-ABLabel:{}", escaped(label)))?;
        Ok(group)
    }

    fn labelled(&mut self, label: Option<&String>, line: &str) -> io::Result<()> {
        let group = self.label(label)?;
        self.line(&format!("{group}{line}"))
    }

    /// Writes a value that is a URI by default, as text if it is not one.
    fn uri(&mut self, name: &str, group: &str, value: &str) -> io::Result<()> {
        let is_uri = value.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty())
            && value.chars().all(|letter| letter.is_ascii_graphic() && letter != '\\');
        match is_uri {
            true => self.line(&format!("{group}{name}:{value}")),
            false => self.line(&format!("{group}{name};VALUE=text:{}", escaped(value))),
        }
    }

    fn structured(&mut self, name: &str, parameters: &str, parts: &[&Option<String>]) -> io::Result<()> {
        if parts.iter().all(|part| part.is_none()) {
            return Ok(());
        }
        let parts: Vec<String> = parts.iter().map(|part| text(part.as_ref())).collect();
        self.line(&format!("{name}{parameters}:{}", parts.join(";")))
    }

    fn phone(&mut self, phone: &CardPhone) -> io::Result<()> {
        let kind = match phone.kind {
            PhoneKind::Mobile => "cell",
            PhoneKind::Work => "work",
            PhoneKind::Home => "home",
            PhoneKind::Fax => "fax",
            PhoneKind::Other => "",
        };
        let parameters = parameters(kind, phone.preferred);
        let value = match &phone.extension {
            None => format!("VALUE=text:{}", escaped(&phone.value)),
            Some(extension) if is_tel(&phone.value) && is_tel(extension) => {
                format!("VALUE=uri:tel:{};ext={extension}", phone.value)
            }
            // Not for a URI, but the only form in which the number and its extension stay together.
            Some(extension) => format!("VALUE=text:{}\\;ext={}", escaped(&phone.value), escaped(extension)),
        };
        self.labelled(phone.label.as_ref(), &format!("TEL{parameters};{value}"))
    }
}

fn is_tel(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_digit() || "+-.()*#".contains(letter))
}

fn place(kind: PlaceKind) -> &'static str {
    match kind {
        PlaceKind::Work => "work",
        PlaceKind::Home => "home",
        PlaceKind::Other => "",
    }
}

fn parameters(kind: &str, preferred: bool) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!(";TYPE={kind}") };
    format!("{kind}{}", if preferred { ";PREF=1" } else { "" })
}

fn text(value: Option<&String>) -> String {
    value.map(|value| escaped(value)).unwrap_or_default()
}

/// Escapes what has a meaning in text (RFC 6350, 3.4), and leaves nothing in it that ends a line.
fn escaped(value: &str) -> String {
    let value = tidy(value);
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' | ',' | ';' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            _ => escaped.push(letter),
        }
    }
    escaped
}
