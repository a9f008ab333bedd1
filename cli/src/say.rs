//! Output: one JSON object, or lines for people. What people see is cleaned of control characters, since names and
//! notes come from files and from other devices and could drive the terminal.

use std::io::{BufWriter, Write};

use chrono::{Local, TimeZone as _};
use console::Term;
use roadbook_core::book::{Author, Book, Person};
use roadbook_core::id::RecordId;
use serde_json::Value;

use crate::failure::{Outcome, Said};

/// How this run speaks.
pub(crate) struct Say {
    json: bool,
}

impl Say {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Answers in the form that was asked for.
    pub fn answer(&self, json: impl FnOnce() -> Outcome<Value>, people: impl FnOnce(&mut dyn Write) -> Outcome) -> Outcome {
        let mut out = BufWriter::new(std::io::stdout().lock());
        if self.json {
            writeln!(out, "{}", json()?)?;
        } else {
            people(&mut out)?;
        }
        out.flush()?;
        Ok(())
    }

    /// Says why the run failed; where nobody listens any more, nobody is told.
    pub fn failure(&self, said: &Said) {
        if self.json {
            let _ = writeln!(std::io::stdout().lock(), "{}", said.to_json());
            return;
        }
        let mut err = std::io::stderr().lock();
        // A whole sentence stands for itself; a reason needs to say whose it is.
        let prefix = if said.message.starts_with(char::is_uppercase) { "" } else { "roadbook: " };
        if said.problems.len() > 1 {
            let _ = writeln!(err, "roadbook: nothing was saved:");
            for problem in &said.problems {
                let _ = writeln!(err, "  {}", lines(&problem.message));
            }
        } else {
            let _ = writeln!(err, "{prefix}{}", lines(&said.message));
        }
    }

    /// A remark beside the answer, for people only.
    pub fn remark(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// The width to cut tables to; `None` where the output is no terminal and nothing may be lost.
pub(crate) fn width() -> Option<usize> {
    let term = Term::stdout();
    if !term.is_term() {
        return None;
    }
    term.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
}

fn drives_terminal(c: char) -> bool {
    // The second group turns the direction of writing, which can make one value look like another.
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on one line.
pub(crate) fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => {}
            c if drives_terminal(c) => clean.push(' '),
            c => clean.push(c),
        }
    }
    clean
}

/// A text with its lines.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A moment in local time.
pub(crate) fn time(ms: i64) -> String {
    match Local.timestamp_millis_opt(ms).earliest() {
        Some(time) => time.format("%Y-%m-%d %H:%M").to_string(),
        None => format!("{ms} ms"),
    }
}

/// `1 change`, `2 changes`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `412 bytes`, `1.2 kB`, `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = (bytes + unit / 20) / (unit / 10);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000 => count(bytes, "byte", "bytes"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        _ => format!("{} MB", tenths(1_000_000)),
    }
}

/// Names authors for the person who sits here.
pub(crate) struct People {
    me: Option<RecordId>,
    people: Vec<Person>,
}

impl People {
    pub fn of(book: &Book) -> Outcome<Self> {
        Ok(Self { me: book.account()?.map(|account| account.person), people: book.people()? })
    }

    pub fn author(&self, author: &Author) -> String {
        let mine = author.person.is_some_and(|person| Some(person.0) == self.me);
        let who = match () {
            () if author.own => return "you".into(),
            () if mine => "you",
            () if !author.name.is_empty() => &author.name,
            () => "somebody",
        };
        let device = if author.device.is_empty() { "another device" } else { &author.device };
        line(&format!("{who} ({device})"))
    }

    pub fn author_json(&self, author: &Author) -> Value {
        serde_json::json!({
            "person": author.person.map(|person| person.to_string()),
            "name": author.name,
            "device": author.device,
            "own": author.own,
        })
    }

    /// The name of a person by id, where it is known.
    pub fn name(&self, id: &str) -> Option<&str> {
        self.people.iter().find(|person| person.id.to_string() == id).map(|person| person.name.as_str())
    }

    /// A person by `me`, name or id.
    pub fn find(&self, text: &str) -> Option<String> {
        if text.eq_ignore_ascii_case("me") {
            return self.me.map(|me| me.to_string());
        }
        let folded = text.to_lowercase();
        let mut named = self.people.iter().filter(|person| person.name.to_lowercase() == folded);
        match (named.next(), named.next()) {
            (Some(person), None) => Some(person.id.to_string()),
            _ => text.parse::<roadbook_core::id::UserId>().ok().map(|id| id.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(line("An\u{1b}[31mna\u{202e}\r\nB"), "An [31mna  B");
        assert_eq!(lines("a\u{7}\r\nb"), "a \nb");
    }

    #[test]
    fn sizes_are_said_in_words() {
        let said: Vec<String> = [1, 412, 1_000, 1_249, 999_999, 3_400_000].into_iter().map(size).collect();
        assert_eq!(said, ["1 byte", "412 bytes", "1.0 kB", "1.2 kB", "1000.0 kB", "3.4 MB"]);
    }
}
