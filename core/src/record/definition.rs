//! Definitions and the kinds of record that there are.

use std::fmt;

use super::{Columns, Field, Values};
use crate::document::Skeleton;
use crate::error::Problem;
use crate::id::RecordId;
use crate::records;

/// The kinds of record, with the codes that stand in stores and on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    Contact,
    /// A sale in progress.
    Deal,
    /// Something to do.
    Task,
    /// Every kind of a newer release: its records are kept, synced and erased, and shown nowhere.
    Unknown,
}

impl Kind {
    /// All kinds that this release knows.
    pub const ALL: [Self; 3] = [Self::Contact, Self::Deal, Self::Task];

    /// The word for it in JSON, links and documents.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The number in stores and on the wire; never reused. 0 stands there for none: a record of an unknown kind keeps
    /// the number that it came with.
    pub const fn code(self) -> u16 {
        match self {
            Self::Unknown => 0,
            Self::Contact => 1,
            Self::Deal => 2,
            Self::Task => 3,
        }
    }

    /// The kind with this number; `None` for one of a newer release.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its definition.
    pub fn definition(self) -> &'static Definition {
        match self {
            Self::Contact => &records::contact::DEFINITION,
            Self::Deal => &records::deal::DEFINITION,
            Self::Task => &records::task::DEFINITION,
            Self::Unknown => &records::unknown::DEFINITION,
        }
    }

    /// The definition that documents with this number are read by: a known kind's, or the one without fields.
    pub fn definition_of(code: u16) -> &'static Definition {
        Self::from_code(code).unwrap_or(Self::Unknown).definition()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything that the generic code knows of a record type.
pub struct Definition {
    /// The kind.
    pub kind: Kind,
    /// The kind's name in documents and JSON.
    pub name: &'static str,
    /// The query table.
    pub table: &'static str,
    /// The frozen changes in which every document of the kind begins.
    pub skeleton: &'static Skeleton,
    /// Version of the wire row (major, minor): major changes when a stored field changes its meaning, minor when
    /// one is added.
    pub row_version: (u16, u16),
    /// The fields in their order.
    pub fields: &'static [Field],
    /// The values as the Rust struct can hold them: a form is compared with these, so that a value which this release
    /// cannot read is never taken for one that the user cleared.
    pub normalize: fn(&Values) -> Values,
    /// Rules beyond those of single fields.
    pub rules: fn(&Values) -> Vec<Problem>,
    /// What the record is called in a list of any kind.
    pub headline: fn(&Values) -> String,
    /// The text that lists are sorted by, before folding.
    pub sort: fn(&Values) -> String,
}

impl Definition {
    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The columns of the query table that fields fill, in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().flat_map(|field| field.column_names().iter().copied())
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Definition({})", self.name)
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Definition {}

/// A record as apps see it: an id, an opaque version, and fields.
pub trait Record: Sized {
    /// The definition.
    const DEFINITION: &'static Definition;
    /// The row that lists show.
    type Row: RecordRow;
    /// The fields of the struct as values.
    fn to_values(&self) -> Values;
    /// The struct with these values; a value that this release cannot read becomes the field's default.
    fn from_values(id: RecordId, version: String, values: &Values) -> Self;
    /// A row as a record, with nothing in the fields that rows do not have: to show it, never to save it.
    fn from_row(row: Self::Row) -> Self;
    /// The record's id.
    fn record_id(&self) -> RecordId;
    /// The version that the fields were read at; empty for a new record.
    fn version(&self) -> &str;
}

/// A row of a list: an id and the fields that lists show. It carries no version, so it cannot be saved.
pub trait RecordRow: Sized {
    /// The definition whose columns it reads.
    const DEFINITION: &'static Definition;
    /// Reads the columns in the definition's order.
    ///
    /// # Errors
    /// When a column does not hold what this release wrote.
    fn read(id: RecordId, columns: &mut Columns<'_>) -> rusqlite::Result<Self>;
}
