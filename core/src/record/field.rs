//! One field of a definition.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value as Sql;

use super::values::FieldValue;
use crate::search::SearchText;
use crate::value::Scalar;

/// How a field is laid out in the document and how concurrent edits of it merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value under the field's name: the later of two concurrent ones is shown, the other is kept as a conflict.
    Register,
    /// Members under `name/<member>`: an addition beats a concurrent removal.
    Set,
    /// Entries under `name/<entry id>`, each a register: an edit beats a concurrent removal.
    Keyed,
    /// A text that merges character by character.
    Text,
}

/// The rank of a value among concurrent ones: the higher wins before any clock is asked.
pub type Rank = fn(&Scalar) -> u8;

/// What is checked when a user saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The field may not be empty.
    Required,
    /// At most this many characters, in the value or in each member.
    MaxChars(usize),
    /// At most this many members or entries.
    MaxItems(usize),
}

/// The functions that a field's type gives.
pub(crate) struct Type {
    /// The canonical form of one stored value (of one entry or member); `None` where it is not of this type.
    pub canonical: fn(&str, &Scalar) -> Option<Scalar>,
    /// What people read.
    pub display: fn(&str, &Scalar) -> String,
    /// Adds one value to the search text.
    pub index: fn(&str, &Scalar, &mut SearchText),
    /// Binds the value of a row field to its columns.
    pub bind: Option<fn(&FieldValue, &mut Vec<Sql>)>,
}

/// A field: its name, its shape, its rules. Built by a `const` chain in the definition; an option that means nothing for
/// the shape does not compile.
pub struct Field {
    /// The name in documents, JSON, filters and problems.
    pub name: &'static str,
    /// How it is stored and merged.
    pub shape: Shape,
    /// The columns of the query table, for fields of the row.
    pub columns: &'static [&'static str],
    /// What is checked at save.
    pub checks: [Option<Check>; 3],
    /// Whether search finds the record by it.
    pub searched: bool,
    /// Whether members are ids of other records.
    pub links: bool,
    /// Whether an erased record keeps it.
    pub stays: bool,
    /// The rank among concurrent values.
    pub rank: Rank,
    pub(crate) ty: Type,
    /// `[name]`, the default for `columns`.
    own_column: [&'static str; 1],
}

fn no_rank(_: &Scalar) -> u8 {
    0
}

impl Field {
    pub(crate) const fn new(name: &'static str, shape: Shape, ty: Type) -> Self {
        Self {
            name,
            shape,
            columns: &[],
            checks: [None; 3],
            searched: false,
            links: false,
            stays: false,
            rank: no_rank,
            ty,
            own_column: [name],
        }
    }

    /// The field may not be empty.
    pub const fn required(self) -> Self {
        self.check(0, Check::Required)
    }

    /// At most `chars` characters.
    pub const fn max(self, chars: usize) -> Self {
        self.check(1, Check::MaxChars(chars))
    }

    /// At most `items` members or entries.
    pub const fn max_items(self, items: usize) -> Self {
        assert!(matches!(self.shape, Shape::Set | Shape::Keyed), "max_items is for sets and keyed fields");
        self.check(2, Check::MaxItems(items))
    }

    const fn check(mut self, at: usize, check: Check) -> Self {
        // `at` is a literal of the three callers above.
        #[allow(clippy::indexing_slicing)]
        {
            self.checks[at] = Some(check);
        }
        self
    }

    /// Search finds the record by this field.
    pub const fn search(mut self) -> Self {
        self.searched = true;
        self
    }

    /// Members are ids of other records, kept in the table of links.
    pub const fn link(mut self) -> Self {
        assert!(matches!(self.shape, Shape::Set), "link is for sets");
        self.links = true;
        self
    }

    /// An erased record keeps the value: it says nothing about a person, and figures are made from it.
    pub const fn stays(mut self) -> Self {
        assert!(matches!(self.shape, Shape::Register), "stays is for single values");
        self.stays = true;
        self
    }

    /// A value's rank among concurrent ones, where not only time decides.
    pub const fn resolve(mut self, rank: Rank) -> Self {
        assert!(matches!(self.shape, Shape::Register | Shape::Keyed), "resolve is for values that may be in conflict");
        self.rank = rank;
        self
    }

    /// The names of the columns, where one type fills several.
    pub const fn columns(mut self, names: &'static [&'static str]) -> Self {
        assert!(self.ty.bind.is_some(), "columns is for fields of the row");
        self.columns = names;
        self
    }

    /// The columns of the query table that this field fills.
    pub fn column_names(&self) -> &[&'static str] {
        match (self.ty.bind, self.columns.is_empty()) {
            (None, _) => &[],
            (Some(_), true) => &self.own_column,
            (Some(_), false) => self.columns,
        }
    }

    /// What people read of one value: of the field, or of one entry or member of it.
    pub fn display(&self, entry: &str, scalar: &Scalar) -> String {
        (self.ty.display)(entry, scalar)
    }

    /// The canonical form of a value; `None` where it is not of the field's type.
    pub fn canonical(&self, entry: &str, scalar: &Scalar) -> Option<Scalar> {
        (self.ty.canonical)(entry, scalar)
    }

    /// The key of the whole field or of one entry in the document.
    pub fn key(&self, entry: &str) -> String {
        if entry.is_empty() { self.name.to_owned() } else { format!("{}/{entry}", self.name) }
    }
}

/// Names a field at run time: `value`, or `channels/<entry>` for one entry or member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(String);

impl FieldId {
    /// The id of a field or, with an entry, of one part of it.
    pub fn new(field: &Field, entry: &str) -> Self {
        Self(field.key(entry))
    }

    /// An id as it stands in a document.
    pub fn from_key(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The field's name.
    pub fn field(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(field, _)| field)
    }

    /// The entry or member; empty for a whole field.
    pub fn entry(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, entry)| entry)
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FieldId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}
