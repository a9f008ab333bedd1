//! Fields that a workspace adds itself: stored as `x/<id>`, read and written by the code of every other field.

use super::{Register, Scalar};
use crate::id::EntryId;

/// The value of a custom field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomValue {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// A whole number.
    Number {
        /// The number.
        number: i64,
    },
    /// Yes or no.
    Flag {
        /// The answer.
        flag: bool,
    },
}

/// A custom field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomField {
    /// The field's id in the workspace.
    pub id: EntryId,
    /// Its value in this record.
    pub value: CustomValue,
}

impl Register for CustomValue {
    fn to_scalar(&self) -> Scalar {
        match self {
            Self::Text { text } => Scalar::Str(text.clone()),
            Self::Number { number } => Scalar::Int(*number),
            Self::Flag { flag } => Scalar::Bool(*flag),
        }
    }

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        match scalar {
            Scalar::Str(text) => Some(Self::Text { text: text.clone() }),
            Scalar::Int(number) => Some(Self::Number { number: *number }),
            Scalar::Bool(flag) => Some(Self::Flag { flag: *flag }),
            Scalar::Null | Scalar::Bytes(_) => None,
        }
    }
}

impl crate::record::Entry for CustomField {
    fn id(&self) -> &EntryId {
        &self.id
    }

    fn to_scalar(&self) -> Scalar {
        self.value.to_scalar()
    }

    fn from_scalar(id: EntryId, scalar: &Scalar) -> Option<Self> {
        CustomValue::from_scalar(scalar).map(|value| Self { id, value })
    }

    fn display(&self) -> String {
        self.value.display()
    }
}
