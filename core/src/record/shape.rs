//! How each shape of field is made from its Rust type: one module a shape, named as the definitions name it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use rusqlite::types::{Type as SqlType, Value as Sql};

use super::field::{Field, Shape, Type};
use super::values::FieldValue;
use crate::id::EntryId;
use crate::search::SearchText;
use crate::value::{Instant, Money, Position, Register, Scalar};

/// Columns of one row, read in order.
pub struct Columns<'r> {
    row: &'r rusqlite::Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Starts at column `first`.
    pub fn new(row: &'r rusqlite::Row<'r>, first: usize) -> Self {
        Self { row, next: first }
    }

    /// Reads the next column.
    ///
    /// # Errors
    /// When the column does not hold a `T`.
    pub fn take<T: rusqlite::types::FromSql>(&mut self) -> rusqlite::Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.get(at)
    }

    fn bad(&self) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.next.saturating_sub(1), SqlType::Text, "not in this release's form".into())
    }
}

/// A type that a row field can have: how it fills its columns.
pub trait Column: Sized {
    /// Appends the values of the columns.
    fn bind(&self, out: &mut Vec<Sql>);
    /// Reads them back.
    ///
    /// # Errors
    /// When a column does not hold what `bind` wrote.
    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self>;
}

impl Column for String {
    fn bind(&self, out: &mut Vec<Sql>) {
        out.push(Sql::Text(self.clone()));
    }

    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        columns.take()
    }
}

/// A register whose canonical text is its column.
macro_rules! column_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl Column for $type {
            fn bind(&self, out: &mut Vec<Sql>) {
                out.push(Sql::Text(self.to_scalar().as_str().unwrap_or_default().to_owned()));
            }
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                let text: String = columns.take()?;
                <$type>::from_scalar(&Scalar::Str(text)).ok_or_else(|| columns.bad())
            }
        }
        impl Column for Option<$type> {
            fn bind(&self, out: &mut Vec<Sql>) {
                match self {
                    None => out.push(Sql::Null),
                    Some(value) => value.bind(out),
                }
            }
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                match columns.take::<Option<String>>()? {
                    None => Ok(None),
                    Some(text) => <$type>::from_scalar(&Scalar::Str(text)).map(Some).ok_or_else(|| columns.bad()),
                }
            }
        }
    )*};
}

column_as_text!(
    crate::value::LocalDate,
    crate::value::Due,
    crate::value::TaskStatus,
    crate::value::Priority,
    crate::id::ContactId,
    crate::id::DealId,
    crate::id::UserId,
);

impl Column for Option<Instant> {
    fn bind(&self, out: &mut Vec<Sql>) {
        out.push(self.map_or(Sql::Null, |at| Sql::Integer(at.ms)));
        out.push(self.map_or(Sql::Null, |at| Sql::Integer(at.offset_minutes.into())));
    }

    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        let (ms, offset) = (columns.take::<Option<i64>>()?, columns.take::<Option<i32>>()?);
        Ok(ms.zip(offset).map(|(ms, offset_minutes)| Instant { ms, offset_minutes }))
    }
}

impl Column for Option<Money> {
    fn bind(&self, out: &mut Vec<Sql>) {
        out.push(self.as_ref().map_or(Sql::Null, |money| Sql::Integer(money.minor)));
        out.push(self.as_ref().map_or(Sql::Null, |money| Sql::Text(money.currency.clone())));
    }

    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        let (minor, currency) = (columns.take::<Option<i64>>()?, columns.take::<Option<String>>()?);
        Ok(minor.zip(currency).map(|(minor, currency)| Money { minor, currency }))
    }
}

impl Column for Position {
    fn bind(&self, out: &mut Vec<Sql>) {
        out.push(Sql::Text(self.stage.code().to_owned()));
        out.push(Sql::Text(self.outcome.code().to_owned()));
    }

    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        let (stage, outcome) = (columns.take::<String>()?, columns.take::<String>()?);
        format!("{stage}/{outcome}").parse().map_err(|_| columns.bad())
    }
}

/// `field: T = register`: one value.
pub mod register {
    use super::{Column, Columns, Field, FieldValue, Register, Scalar, SearchText, Shape, Sql, Type};

    fn scalar(value: &FieldValue) -> &Scalar {
        match value {
            FieldValue::Register(scalar) => scalar,
            _ => &Scalar::Null,
        }
    }

    const fn ty<T: Register>() -> Type {
        Type {
            canonical: |_, scalar| T::from_scalar(scalar).map(|value| value.to_scalar()),
            display: |_, scalar| T::from_scalar(scalar).map_or_else(|| scalar.to_string(), |value| value.display()),
            index: |_, scalar, out: &mut SearchText| {
                out.words(&T::from_scalar(scalar).map(|value| value.display()).unwrap_or_default())
            },
            bind: None,
        }
    }

    /// The field outside the row.
    pub const fn field<T: Register>(name: &'static str) -> Field {
        Field::new(name, Shape::Register, ty::<T>())
    }

    /// The field in the row.
    pub const fn row_field<T: Register + Column + Default>(name: &'static str) -> Field {
        let mut ty = ty::<T>();
        ty.bind = Some(|value, out: &mut Vec<Sql>| read::<T>(value).bind(out));
        Field::new(name, Shape::Register, ty)
    }

    /// The Rust value as a field value.
    pub fn write<T: Register>(value: &T) -> FieldValue {
        FieldValue::Register(value.to_scalar())
    }

    /// The field value as the Rust value.
    pub fn read<T: Register + Default>(value: &FieldValue) -> T {
        T::from_scalar(scalar(value)).unwrap_or_default()
    }

    /// Reads it from the columns of a row.
    ///
    /// # Errors
    /// When a column does not hold it.
    pub fn read_row<T: Column>(columns: &mut Columns<'_>) -> rusqlite::Result<T> {
        T::read(columns)
    }
}

/// A member of a set.
pub trait Member: Ord + Sized {
    /// The member's text, part of its key in the document.
    fn to_member(&self) -> String;
    /// The member; `None` where the text is not one.
    fn from_member(text: &str) -> Option<Self>;
}

macro_rules! member_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl Member for $type {
            fn to_member(&self) -> String {
                self.to_string()
            }
            fn from_member(text: &str) -> Option<Self> {
                <$type>::from_str(text).ok()
            }
        }
    )*};
}

member_as_text!(String, crate::id::ContactId, crate::id::DealId, crate::id::TaskId, crate::value::RecordLink);

/// `field: Vec<T> = set`: members, in the order of their texts.
pub mod set {
    use super::{BTreeSet, Columns, Field, FieldValue, Member, Scalar, SearchText, Shape, Sql, Type};

    const fn ty<T: Member>() -> Type {
        Type {
            canonical: |member, _| T::from_member(member).map(|_| Scalar::Bool(true)),
            display: |member, _| member.to_owned(),
            index: |member, _, out: &mut SearchText| out.words(member),
            bind: None,
        }
    }

    /// The field outside the row.
    pub const fn field<T: Elements>(name: &'static str) -> Field {
        Field::new(name, Shape::Set, ty::<T::Element>())
    }

    /// The field in the row: one column, a JSON array.
    pub const fn row_field<T: Elements>(name: &'static str) -> Field {
        let mut ty = ty::<T::Element>();
        ty.bind = Some(|value, out: &mut Vec<Sql>| {
            out.push(if value.is_empty() { Sql::Null } else { Sql::Text(value.to_json().to_string()) })
        });
        Field::new(name, Shape::Set, ty)
    }

    /// `Vec` of a member type; ties the field's Rust type to it.
    pub trait Elements {
        /// The member type.
        type Element: Member;
    }

    impl<T: Member> Elements for Vec<T> {
        type Element = T;
    }

    /// The Rust value as a field value.
    pub fn write<T: Elements>(value: &[T::Element]) -> FieldValue {
        FieldValue::Set(value.iter().map(Member::to_member).collect())
    }

    /// The field value as the Rust value.
    pub fn read<T: Elements + FromIterator<T::Element>>(value: &FieldValue) -> T {
        match value {
            FieldValue::Set(members) => members.iter().filter_map(|member| T::Element::from_member(member)).collect(),
            _ => std::iter::empty().collect(),
        }
    }

    /// Reads it from the columns of a row.
    ///
    /// # Errors
    /// When the column does not hold a JSON array of texts.
    pub fn read_row<T: Elements + FromIterator<T::Element>>(columns: &mut Columns<'_>) -> rusqlite::Result<T> {
        let text: Option<String> = columns.take()?;
        let members: BTreeSet<String> = match text {
            None => BTreeSet::new(),
            Some(text) => serde_json::from_str(&text).map_err(|_| columns.bad())?,
        };
        Ok(read::<T>(&FieldValue::Set(members)))
    }
}

/// An entry of a keyed field: one composite value with an id of its own.
pub trait Entry: Sized {
    /// The entry's id.
    fn id(&self) -> &EntryId;
    /// The canonical encoding without the id.
    fn to_scalar(&self) -> Scalar;
    /// The entry; `None` where the scalar is not one (a newer release may have written it).
    fn from_scalar(id: EntryId, scalar: &Scalar) -> Option<Self>;
    /// What people read.
    fn display(&self) -> String;
    /// Adds the entry to the search text.
    fn index(&self, out: &mut SearchText) {
        out.words(&self.display());
    }
}

/// `field: Vec<T> = keyed`: entries by id.
pub mod keyed {
    use super::{BTreeMap, Columns, Entry, EntryId, Field, FieldValue, FromStr, Scalar, SearchText, Shape, Sql, Type};

    fn entry<T: Entry>(id: &str, scalar: &Scalar) -> Option<T> {
        T::from_scalar(EntryId::from_str(id).ok()?, scalar)
    }

    const fn ty<T: Entry>() -> Type {
        Type {
            canonical: |id, scalar| entry::<T>(id, scalar).map(|entry| entry.to_scalar()),
            display: |id, scalar| entry::<T>(id, scalar).map_or_else(|| scalar.to_string(), |entry| entry.display()),
            index: |id, scalar, out: &mut SearchText| {
                if let Some(entry) = entry::<T>(id, scalar) {
                    entry.index(out);
                }
            },
            bind: None,
        }
    }

    /// `Vec` of an entry type; ties the field's Rust type to it.
    pub trait Entries {
        /// The entry type.
        type Element: Entry;
    }

    impl<T: Entry> Entries for Vec<T> {
        type Element = T;
    }

    /// The field outside the row.
    pub const fn field<T: Entries>(name: &'static str) -> Field {
        Field::new(name, Shape::Keyed, ty::<T::Element>())
    }

    /// The field in the row: one column, a JSON object of the entries' scalars.
    pub const fn row_field<T: Entries>(name: &'static str) -> Field {
        let mut ty = ty::<T::Element>();
        ty.bind = Some(|value, out: &mut Vec<Sql>| {
            out.push(if value.is_empty() { Sql::Null } else { Sql::Text(value.to_json().to_string()) })
        });
        Field::new(name, Shape::Keyed, ty)
    }

    /// The Rust value as a field value.
    pub fn write<T: Entries>(value: &[T::Element]) -> FieldValue {
        FieldValue::Keyed(value.iter().map(|entry| (entry.id().to_string(), entry.to_scalar())).collect())
    }

    /// The field value as the Rust value.
    pub fn read<T: Entries + FromIterator<T::Element>>(value: &FieldValue) -> T {
        match value {
            FieldValue::Keyed(entries) => entries.iter().filter_map(|(id, scalar)| entry::<T::Element>(id, scalar)).collect(),
            _ => std::iter::empty().collect(),
        }
    }

    /// Reads it from the columns of a row.
    ///
    /// # Errors
    /// When the column does not hold a JSON object.
    pub fn read_row<T: Entries + FromIterator<T::Element>>(columns: &mut Columns<'_>) -> rusqlite::Result<T> {
        let text: Option<String> = columns.take()?;
        let entries: BTreeMap<String, serde_json::Value> = match text {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_str(&text).map_err(|_| columns.bad())?,
        };
        let scalar = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => Scalar::Str(text),
            serde_json::Value::Bool(value) => Scalar::Bool(value),
            serde_json::Value::Number(number) => number.as_i64().map_or(Scalar::Null, Scalar::Int),
            _ => Scalar::Null,
        };
        Ok(read::<T>(&FieldValue::Keyed(entries.into_iter().map(|(id, value)| (id, scalar(value))).collect())))
    }
}

/// `field: String = text`: a text that merges character by character.
pub mod text {
    use super::{Field, FieldValue, Scalar, SearchText, Shape, Type};

    /// The field; a text is never in the row.
    pub const fn field<T: AsRef<str>>(name: &'static str) -> Field {
        let ty = Type {
            canonical: |_, scalar| scalar.as_str().map(|text| Scalar::Str(text.to_owned())),
            display: |_, scalar| scalar.to_string(),
            index: |_, scalar, out: &mut SearchText| out.words(scalar.as_str().unwrap_or_default()),
            bind: None,
        };
        Field::new(name, Shape::Text, ty)
    }

    /// The Rust value as a field value.
    pub fn write<T: AsRef<str>>(value: &T) -> FieldValue {
        FieldValue::Text(value.as_ref().to_owned())
    }

    /// The field value as the Rust value.
    pub fn read<T: From<String>>(value: &FieldValue) -> T {
        match value {
            FieldValue::Text(text) => text.clone().into(),
            _ => String::new().into(),
        }
    }
}
