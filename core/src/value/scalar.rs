//! What a register of a document holds.

use std::fmt;

/// One stored value. `Null` is a cleared field: clearing writes it, since deleting a key beside somebody's edit
/// would leave no trace of the disagreement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub enum Scalar {
    /// Cleared, or never set.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text, or the canonical encoding of a composite.
    Str(String),
    /// Bytes, or a value of a kind that this release does not know.
    Bytes(Vec<u8>),
}

impl Scalar {
    /// Whether the field is empty.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The scalar as JSON; bytes become base64url.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Str(text) => text.as_str().into(),
            Self::Bytes(bytes) => data_encoding::BASE64URL_NOPAD.encode(bytes).into(),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Str(text) => f.write_str(text),
            Self::Bytes(bytes) => write!(f, "({} bytes)", bytes.len()),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

/// A type that a register field can hold.
pub trait Register: Sized {
    /// The canonical encoding.
    fn to_scalar(&self) -> Scalar;
    /// The value; `None` where the scalar is not one of this type (a newer release may have written it).
    fn from_scalar(scalar: &Scalar) -> Option<Self>;
    /// What people read: in history, conflicts and tables.
    fn display(&self) -> String {
        self.to_scalar().to_string()
    }
}

impl Register for String {
    fn to_scalar(&self) -> Scalar {
        if self.is_empty() { Scalar::Null } else { Scalar::Str(self.clone()) }
    }

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Null => Some(Self::new()),
            Scalar::Str(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl<T: Register> Register for Option<T> {
    fn to_scalar(&self) -> Scalar {
        self.as_ref().map_or(Scalar::Null, Register::to_scalar)
    }

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        if scalar.is_null() { Some(None) } else { T::from_scalar(scalar).map(Some) }
    }

    fn display(&self) -> String {
        self.as_ref().map(Register::display).unwrap_or_default()
    }
}

/// A register whose canonical encoding is its `Display`, read back by `FromStr`.
macro_rules! register_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::value::Register for $type {
            fn to_scalar(&self) -> $crate::value::Scalar {
                $crate::value::Scalar::Str(self.to_string())
            }
            fn from_scalar(scalar: &$crate::value::Scalar) -> Option<Self> {
                scalar.as_str().and_then(|text| text.parse().ok())
            }
        }
    )*};
}
pub(crate) use register_as_text;

register_as_text!(crate::id::ContactId, crate::id::DealId, crate::id::TaskId, crate::id::UserId);

/// A composite's canonical encoding: JSON with the keys in the order of their declaration, absent ones left out.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Scalar {
    serde_json::to_string(value).map_or(Scalar::Null, Scalar::Str)
}

/// Writes `new` over `old` without losing what a newer release put into the composite: the keys of `old` that
/// reading and writing it here would drop are kept.
pub(crate) fn carry_unknown(old: &Scalar, old_rewritten: &Scalar, new: &Scalar) -> Scalar {
    let object = |scalar: &Scalar| match scalar.as_str().map(serde_json::from_str) {
        Some(Ok(serde_json::Value::Object(map))) => Some(map),
        _ => None,
    };
    let (Some(old), Some(known), Some(mut merged)) = (object(old), object(old_rewritten), object(new)) else {
        return new.clone();
    };
    let before = merged.len();
    for (key, value) in old {
        if !known.contains_key(&key) && !merged.contains_key(&key) {
            merged.insert(key, value);
        }
    }
    if merged.len() == before { new.clone() } else { json(&merged) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_release_put_into_a_value_stays_under_an_edit_and_goes_with_its_old_parts() {
        let text = |json: &str| Scalar::Str(json.to_owned());
        let old = text(r#"{"kind":"email","value":"a@x.org","label":"work","verified":true}"#);
        let known = text(r#"{"kind":"email","value":"a@x.org","label":"work"}"#);
        let without_label = text(r#"{"kind":"email","value":"b@x.org"}"#);
        assert_eq!(
            carry_unknown(&old, &known, &without_label),
            text(r#"{"kind":"email","value":"b@x.org","verified":true}"#),
            "what is known and was cleared does not come back"
        );
        assert_eq!(carry_unknown(&known, &known, &without_label), without_label);
        assert_eq!(carry_unknown(&Scalar::Null, &Scalar::Null, &without_label), without_label);
        assert_eq!(carry_unknown(&old, &known, &Scalar::Null), Scalar::Null);
    }
}
