//! A record without its Rust type: one value for each field of a definition, in its order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Definition, Field, Shape};
use crate::value::Scalar;

/// The value of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// Of a register.
    Register(Scalar),
    /// Members of a set.
    Set(BTreeSet<String>),
    /// Entries by id.
    Keyed(BTreeMap<String, Scalar>),
    /// A text.
    Text(String),
}

impl FieldValue {
    /// The empty value of a shape.
    pub fn empty(shape: Shape) -> Self {
        match shape {
            Shape::Register => Self::Register(Scalar::Null),
            Shape::Set => Self::Set(BTreeSet::new()),
            Shape::Keyed => Self::Keyed(BTreeMap::new()),
            Shape::Text => Self::Text(String::new()),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Register(scalar) => scalar.is_null(),
            Self::Set(members) => members.is_empty(),
            Self::Keyed(entries) => entries.is_empty(),
            Self::Text(text) => text.is_empty(),
        }
    }

    /// The parts, each with its entry or member (empty for a register or text).
    pub fn parts(&self) -> Vec<(&str, Scalar)> {
        match self {
            Self::Register(Scalar::Null) => Vec::new(),
            Self::Register(scalar) => vec![("", scalar.clone())],
            Self::Set(members) => members.iter().map(|member| (member.as_str(), Scalar::Bool(true))).collect(),
            Self::Keyed(entries) => entries.iter().map(|(id, scalar)| (id.as_str(), scalar.clone())).collect(),
            Self::Text(text) if text.is_empty() => Vec::new(),
            Self::Text(text) => vec![("", Scalar::Str(text.clone()))],
        }
    }

    /// The value as JSON: a scalar, an array of members, an object of entries, a string.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Register(scalar) => scalar.to_json(),
            Self::Set(members) => members.iter().cloned().collect(),
            Self::Keyed(entries) => entries.iter().map(|(id, scalar)| (id.clone(), scalar.to_json())).collect(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

/// The values of a record, parallel to the fields of its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    definition: &'static Definition,
    fields: Vec<FieldValue>,
}

impl Values {
    /// A record in which nothing is set.
    pub fn empty(definition: &'static Definition) -> Self {
        Self { definition, fields: definition.fields.iter().map(|field| FieldValue::empty(field.shape)).collect() }
    }

    /// The record's definition.
    pub fn definition(&self) -> &'static Definition {
        self.definition
    }

    /// Fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Field, &FieldValue)> {
        self.definition.fields.iter().zip(&self.fields)
    }

    /// The value of a field by name.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.iter().find(|(field, _)| field.name == name).map(|(_, value)| value)
    }

    /// The value of a field by name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut FieldValue> {
        let at = self.definition.fields.iter().position(|field| field.name == name)?;
        self.fields.get_mut(at)
    }

    /// Sets a field; a value of another shape or an unknown name is left out.
    pub fn set(&mut self, name: &str, value: FieldValue) {
        if let Some(slot) = self.get_mut(name)
            && std::mem::discriminant(slot) == std::mem::discriminant(&value)
        {
            *slot = value;
        }
    }

    /// Values in the order of the definition's fields, for the code that [`crate::record!`] makes.
    pub fn from_fields(definition: &'static Definition, fields: Vec<FieldValue>) -> Self {
        Self { definition, fields }
    }

    /// The record as one JSON object: every field by its name.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.iter().map(|(field, value)| (field.name.to_owned(), value.to_json())).collect()
    }
}
