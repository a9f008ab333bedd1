//! Turns a card's lines into text that means the same to the parser whichever program wrote them.
//!
//! The parser (`calcard`) decodes character sets, undoes escapes and takes values apart. It guesses at folding,
//! takes Latin-1 for quoted-printable text without a character set, drops some `TYPE` parameters, and passes over
//! what it does not understand. So it is given only properties that are used, on one line each, with their encoding
//! spelt out, and every line that is no property is a fault found here.

use super::head::Head;
use super::{Fault, Reason};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::str;

/// Properties that a card is read from, besides the messengers.
const PROPERTIES: [&str; 13] =
    ["UID", "FN", "N", "ORG", "TITLE", "TEL", "EMAIL", "URL", "IMPP", "ADR", "BDAY", "NOTE", "CATEGORIES"];

/// The property with the owner's own word for another property of the same group.
pub(super) const LABEL: &str = "X-ABLABEL";

/// Messengers that older programs give a property of their own, with the name of the service.
pub(super) const MESSENGERS: [(&str, &str); 16] = [
    ("X-AIM", "aim"),
    ("X-GOOGLE-TALK", "gtalk"),
    ("X-GTALK", "gtalk"),
    ("X-ICQ", "icq"),
    ("X-JABBER", "xmpp"),
    ("X-MAX", "max"),
    ("X-MSN", "msn"),
    ("X-QQ", "qq"),
    ("X-SIGNAL", "signal"),
    ("X-SKYPE", "skype"),
    ("X-SKYPE-USERNAME", "skype"),
    ("X-TELEGRAM", "telegram"),
    ("X-VIBER", "viber"),
    ("X-WECHAT", "wechat"),
    ("X-WHATSAPP", "whatsapp"),
    ("X-YAHOO", "yahoo"),
];

/// The most values one card may have: each takes a hundred times its size while it is read, so a card of a mebibyte
/// could fill a phone's memory with commas alone.
const MAX_VALUES: usize = 10_000;

/// A card as the parser is to see it.
#[derive(Debug)]
pub(super) struct Prepared {
    /// `BEGIN:VCARD`, the properties, `END:VCARD`.
    pub(super) text: String,
    /// Where each property of `text` comes from, in order.
    pub(super) origins: Vec<Origin>,
    /// The card is in version 2.1.
    pub(super) legacy: bool,
    /// How many values the properties can come apart into.
    values: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) line: u64,
    /// The value is in a character set other than UTF-8.
    pub(super) converted: bool,
}

/// Prepares the lines between `BEGIN` and `END`, the first of which comes after line `begin`.
pub(super) fn prepare(text: &[u8], begin: u64, utf16: bool) -> Result<Prepared, Fault> {
    let legacy = version_is_legacy(text, begin)?;
    let mut prepared = Prepared { text: String::from("BEGIN:VCARD\n"), origins: Vec::new(), legacy, values: 0 };
    let mut current: Option<Logical> = None;
    for (number, raw) in (begin + 1..).zip(text.split(|byte| *byte == b'\n')) {
        if let Some(open) = current.as_mut().filter(|open| !raw.is_empty() && open.is_soft()) {
            // Quoted-printable goes on with the next line whatever that starts with.
            open.text.pop();
            open.append(raw.trim_ascii_end());
        } else if let (Some(open), [b' ' | b'\t', rest @ ..]) = (current.as_mut(), raw) {
            // Version 2.1 breaks lines before white space that belongs to the text; 3.0 and 4.0 add theirs.
            open.append(if legacy { raw } else { rest });
        } else if raw.is_empty() {
            if let Some(open) = &mut current {
                open.ended = true;
            }
        } else if let Some(done) = current.replace(Logical::new(number, raw)) {
            prepared.push(&done, utf16)?;
        }
    }
    if let Some(done) = current {
        prepared.push(&done, utf16)?;
    }
    prepared.text.push_str("END:VCARD\n");
    Ok(prepared)
}

fn version_is_legacy(text: &[u8], begin: u64) -> Result<bool, Fault> {
    for (number, raw) in (begin + 1..).zip(text.split(|byte| *byte == b'\n')) {
        let is_version = raw.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"VERSION"));
        if is_version && matches!(raw.get(7), Some(b':' | b';')) {
            let value = raw.rsplit(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
            return match value {
                b"2.1" => Ok(true),
                b"3.0" | b"4.0" => Ok(false),
                _ => Err(Fault { line: Some(number), reason: Reason::UnknownVersion }),
            };
        }
    }
    Err(Fault { line: None, reason: Reason::MissingVersion })
}

/// A line with those that continue it.
struct Logical {
    line: u64,
    text: Vec<u8>,
    /// How far the colon was looked for, and what was seen: each byte is looked at once, however many lines follow.
    scanned: usize,
    quoted: bool,
    colon: Option<usize>,
    quoted_printable: bool,
    /// An empty line came after it, which ends quoted-printable text.
    ended: bool,
}

impl Logical {
    fn new(line: u64, raw: &[u8]) -> Self {
        let mut new =
            Self { line, text: Vec::new(), scanned: 0, quoted: false, colon: None, quoted_printable: false, ended: false };
        new.append(raw);
        new
    }

    fn append(&mut self, raw: &[u8]) {
        self.text.extend_from_slice(raw);
        if self.colon.is_some() {
            return;
        }
        for (index, byte) in self.text.iter().enumerate().skip(self.scanned) {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b':' if !self.quoted => {
                    self.colon = Some(index);
                    break;
                }
                _ => {}
            }
        }
        self.scanned = self.text.len();
        if let Some(colon) = self.colon {
            let head = self.text.get(..colon).unwrap_or_default();
            self.quoted_printable = head.split(|byte| *byte == b';').skip(1).any(is_quoted_printable);
        }
    }

    fn is_soft(&self) -> bool {
        self.quoted_printable && !self.ended && self.text.last() == Some(&b'=')
    }
}

fn is_quoted_printable(parameter: &[u8]) -> bool {
    let value = parameter.rsplit(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    value.eq_ignore_ascii_case(b"QUOTED-PRINTABLE")
}

impl Prepared {
    fn push(&mut self, logical: &Logical, utf16: bool) -> Result<(), Fault> {
        let fault = |reason| Fault { line: Some(logical.line), reason };
        // A quote that is never closed must not hide the value.
        let colon = logical.colon.or_else(|| logical.text.iter().position(|byte| *byte == b':'));
        let (head, value) = colon
            .and_then(|colon| Some((logical.text.get(..colon)?, logical.text.get(colon + 1..)?)))
            .ok_or(fault(Reason::BadLine))?;
        let head = String::from_utf8_lossy(head);
        let head = Head::parse(&head).ok_or(fault(Reason::BadLine))?;
        if head.base64 || !is_used(&head.name) {
            return Ok(());
        }
        let is_list = head.name != "NOTE";
        self.values += 1 + value.iter().filter(|byte| is_list && matches!(byte, b',' | b';')).count();
        if self.values > MAX_VALUES {
            return Err(fault(Reason::TooLarge));
        }
        let quoted_printable = logical.quoted_printable;
        // A line break that nothing follows.
        let value = value.strip_suffix(b"=").filter(|_| quoted_printable).unwrap_or(value);
        let charset = encoding(value, &head, quoted_printable, self.legacy, utf16).map_err(fault)?;

        if let Some(group) = &head.group {
            self.text.push_str(group);
            self.text.push('.');
        }
        self.text.push_str(&head.name);
        self.text.push_str(&head.parameters);
        // Dates and URIs are read here, the same in all versions.
        self.text.push_str(";VALUE=TEXT");
        match &charset {
            Some(charset) => {
                // Writing to a string cannot fail.
                let _ = write!(self.text, ";ENCODING=QUOTED-PRINTABLE;CHARSET={charset}:");
                self.push_encoded(value, quoted_printable);
            }
            None => {
                self.text.push(':');
                self.push_plain(str::from_utf8(value).map_err(|_| fault(Reason::UnreadableText))?);
            }
        }
        self.text.push('\n');
        let converted = charset.is_some_and(|charset| charset != "UTF-8");
        self.origins.push(Origin { line: logical.line, converted });
        Ok(())
    }

    /// Doubles every backslash that starts no escape, so that the parser leaves `C:\report` alone.
    fn push_plain(&mut self, value: &str) {
        let mut chars = value.chars().peekable();
        while let Some(next) = chars.next() {
            self.text.push(next);
            if next == '\\' {
                self.text.push(chars.next_if(|after| is_escaped(*after)).unwrap_or('\\'));
            }
        }
    }

    /// Like [`Self::push_plain`], in quoted-printable, which carries bytes of any character set through the parser.
    fn push_encoded(&mut self, value: &[u8], already: bool) {
        let mut bytes = value.iter().copied().enumerate().peekable();
        while let Some((index, byte)) = bytes.next() {
            let code = already && byte == b'=' && hex_pair(value.get(index + 1..)).is_some();
            match byte {
                b'\\' => {
                    self.text.push('\\');
                    let after = bytes.next_if(|(_, after)| is_escaped(char::from(*after)));
                    self.text.push(after.map_or('\\', |(_, after)| char::from(after)));
                }
                b'=' if code => self.text.push('='),
                b' '..=b'~' if byte != b'=' => self.text.push(char::from(byte)),
                _ => {
                    let _ = write!(self.text, "={byte:02X}");
                }
            }
        }
    }
}

fn is_used(name: &str) -> bool {
    PROPERTIES.contains(&name) || name == LABEL || MESSENGERS.iter().any(|(property, _)| *property == name)
}

fn is_escaped(after: char) -> bool {
    matches!(after, 'n' | 'N' | ',' | ';' | ':' | '\\' | '"')
}

/// The character set in which the parser has to read the value; none if the value can stand as it is.
fn encoding(value: &[u8], head: &Head, quoted: bool, legacy: bool, utf16: bool) -> Result<Option<String>, Reason> {
    let bytes = if quoted { decode_quoted(value) } else { Cow::Borrowed(value) };
    // A file in UTF-16 has been decoded as a whole, whatever its cards say. Quoted bytes have not.
    let named = head.charset.as_deref().filter(|_| quoted || !utf16);
    let utf8 = quoted.then(|| String::from("UTF-8"));
    match named.filter(|name| !is_unicode(name) && !bytes.is_ascii()) {
        Some(name) if name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.:".contains(letter)) => {
            Ok(Some(name.to_owned()))
        }
        Some(_) => Err(Reason::UnknownCharset),
        None if str::from_utf8(&bytes).is_ok() => Ok(utf8),
        None if legacy && !utf16 && named.is_none() => Ok(Some(String::from("windows-1252"))),
        None => Err(Reason::UnreadableText),
    }
}

fn is_unicode(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("UTF-8") || charset.eq_ignore_ascii_case("UTF8")
}

/// Undoes quoted-printable; an equals sign that starts no code stands for itself.
fn decode_quoted(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'=') {
        return Cow::Borrowed(value);
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match hex_pair(Some(after)).filter(|_| *first == b'=') {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

fn hex_pair(bytes: Option<&[u8]>) -> Option<u8> {
    let [high, low, ..] = bytes? else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
