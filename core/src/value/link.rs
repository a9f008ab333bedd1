//! A link from one record to another of any kind.

use std::fmt;
use std::str::FromStr;

use crate::id::{NotAnId, RecordId};
use crate::record::Kind;

/// Points to a record; the record may not (yet) be on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordLink {
    /// The kind of the record.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

impl fmt::Display for RecordLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.id)
    }
}

impl FromStr for RecordLink {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong = || NotAnId(text.chars().take(60).collect());
        let (kind, id) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self { kind: Kind::named(kind).ok_or_else(wrong)?, id: id.parse()? })
    }
}
