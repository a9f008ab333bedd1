//! The message of a change: which action of the user it belongs to, of what kind, and where the values came from.
//! Frozen form: `<kind>.<source>.<action id, base64url>`; no personal data.

use std::fmt;
use std::str::FromStr;

use crate::env::Env;

/// A short word for a kind of action or a source: lower-case letters, digits and `-`, at most 24.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

impl Code {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Code {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 24 || !text.bytes().all(legal) {
            return Err(crate::error::Error::invalid("why", crate::error::ProblemCode::Format));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! known_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        impl Code {
            $($(#[$doc])* pub fn $name() -> Self { Self($code.to_owned()) })*
        }
    };
}

known_codes! {
    /// A person saved a form.
    save = "save",
    /// A person deleted a record.
    delete = "delete",
    /// A person erased a record.
    erase = "erase",
    /// A person settled a conflict.
    settle = "settle",
    /// A person took an action back.
    undo = "undo",
    /// A file was imported.
    import = "import",
    /// Edits were written again after a refusal or on a new incarnation.
    replay = "replay",
    /// Source: typed by a person.
    typed = "typed",
    /// Source: a vCard file.
    vcard = "vcard",
}

/// The id of one action of a user, perhaps over many records: the unit of undo and history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub [u8; 16]);

impl ActionId {
    /// A new id.
    pub fn generate(env: &dyn Env) -> Self {
        Self(*crate::id::RecordId::generate(env).as_bytes())
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ActionId {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| crate::error::Error::invalid("action", crate::error::ProblemCode::Format))
    }
}

/// What a change says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the user did.
    pub kind: Code,
    /// Where the values came from.
    pub source: Code,
    /// The action that the change belongs to.
    pub action: ActionId,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.kind, self.source, self.action)
    }
}

impl FromStr for Message {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next().unwrap_or_default();
        Ok(Self { kind: next().parse()?, source: next().parse()?, action: next().parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_form_is_frozen() {
        let message = Message { kind: Code::save(), source: Code::typed(), action: ActionId([0xab; 16]) };
        assert_eq!(message.to_string(), "save.typed.q6urq6urq6urq6urq6urqw");
        assert_eq!(message.to_string().parse::<Message>().ok(), Some(message));
        for bad in ["", "save", "save.typed", "save.typed.x", "Save.typed.q6urq6urq6urq6urq6urqw", "save.vcard.name@example.com"]
        {
            assert!(bad.parse::<Message>().is_err(), "{bad}");
        }
    }
}
