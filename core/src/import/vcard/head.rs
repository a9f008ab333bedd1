//! What stands before a property's colon: group, name and parameters.

use std::fmt::Write as _;

/// Parameters that are handed to the parser besides `TYPE` and `PREF`.
pub(super) const SERVICE: &str = "X-SERVICE-TYPE";
pub(super) const OMIT_YEAR: &str = "X-APPLE-OMIT-YEAR";

/// What stands before the colon.
pub(super) struct Head {
    pub(super) group: Option<String>,
    /// In upper case.
    pub(super) name: String,
    /// Those that are handed to the parser, as text.
    pub(super) parameters: String,
    pub(super) charset: Option<String>,
    pub(super) base64: bool,
}

impl Head {
    /// Nothing if the name is not one that a property can have.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut quoted = false;
        let mut parts = text.split(|letter| {
            quoted ^= letter == '"';
            letter == ';' && !quoted
        });
        let full_name = parts.next()?.trim();
        let (group, name) = match full_name.rsplit_once('.') {
            Some((group, name)) => (Some(group), name),
            None => (None, full_name),
        };
        let is_name =
            |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
        if !is_name(name) || !group.is_none_or(|group| group.split('.').all(is_name)) {
            return None;
        }
        let mut head = Self {
            // A group with dots would come apart in the parser; they tell groups apart as well as dashes.
            group: group.map(|group| group.to_ascii_lowercase().replace('.', "-")),
            name: name.to_ascii_uppercase(),
            parameters: String::new(),
            charset: None,
            base64: false,
        };
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) => head.parameter(&name.trim().to_ascii_uppercase(), &unquoted(value)),
                None if part.trim().eq_ignore_ascii_case("BASE64") => head.base64 = true,
                // Version 2.1 leaves out the name of TYPE.
                None => head.types(part),
            }
        }
        Some(head)
    }

    fn parameter(&mut self, name: &str, value: &str) {
        match name {
            "ENCODING" => self.base64 = ["B", "BASE64"].iter().any(|base64| value.eq_ignore_ascii_case(base64)),
            "CHARSET" => self.charset = Some(value.to_owned()).filter(|charset| !charset.is_empty()),
            "TYPE" => self.types(value),
            "PREF" if value == "1" => self.types("PREF"),
            SERVICE | OMIT_YEAR | "SERVICE-TYPE" => {
                let name = if name == OMIT_YEAR { OMIT_YEAR } else { SERVICE };
                let value: String = value.chars().filter(|letter| is_plain(*letter)).collect();
                if !value.is_empty() {
                    // Writing to a string cannot fail.
                    let _ = write!(self.parameters, ";{name}={value}");
                }
            }
            _ => {}
        }
    }

    fn types(&mut self, values: &str) {
        for value in values.split(',').map(str::trim) {
            if !value.is_empty() && value.chars().all(is_plain) {
                let _ = write!(self.parameters, ";TYPE={value}");
            }
        }
    }
}

/// Whether a parameter's value may hold the letter without quotes.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_".contains(letter)
}

fn unquoted(value: &str) -> String {
    value.chars().filter(|letter| *letter != '"').collect::<String>().trim().to_owned()
}
