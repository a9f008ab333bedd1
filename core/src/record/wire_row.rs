//! The row on the wire: a CBOR map from field name to stored value, of the fields that rows, search and links are
//! made from. What the device derives (folds, sort keys, digits) never travels.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::{Definition, Field, FieldValue, Shape, Values};
use crate::value::Scalar;

/// Whether derived rows are made from the field.
fn travels(field: &Field) -> bool {
    field.ty.bind.is_some() || field.searched || field.links
}

/// Encodes the row of a record; empty fields are left out.
pub fn encode_row(values: &Values) -> Vec<u8> {
    let fields: Vec<_> = values.iter().filter(|(field, value)| travels(field) && !value.is_empty()).collect();
    let mut encoder = Encoder::new(Vec::new());
    // Writing to a vector cannot fail.
    let _ = encode_fields(&mut encoder, &fields);
    encoder.into_writer()
}

type EncodeResult = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn encode_fields(encoder: &mut Encoder<Vec<u8>>, fields: &[(&'static Field, &FieldValue)]) -> EncodeResult {
    encoder.map(fields.len() as u64)?;
    for (field, value) in fields {
        encoder.str(field.name)?;
        match value {
            FieldValue::Register(scalar) => encode_scalar(encoder, scalar)?,
            FieldValue::Text(text) => {
                encoder.str(text)?;
            }
            FieldValue::Set(members) => {
                encoder.array(members.len() as u64)?;
                for member in members {
                    encoder.str(member)?;
                }
            }
            FieldValue::Keyed(entries) => {
                encoder.map(entries.len() as u64)?;
                for (id, scalar) in entries {
                    encoder.str(id)?;
                    encode_scalar(encoder, scalar)?;
                }
            }
        }
    }
    Ok(())
}

fn encode_scalar(encoder: &mut Encoder<Vec<u8>>, scalar: &Scalar) -> EncodeResult {
    match scalar {
        Scalar::Null => encoder.null()?,
        Scalar::Bool(value) => encoder.bool(*value)?,
        Scalar::Int(value) => encoder.i64(*value)?,
        Scalar::Str(text) => encoder.str(text)?,
        Scalar::Bytes(bytes) => encoder.bytes(bytes)?,
    };
    Ok(())
}

/// Decodes a row; `None` where it is not one. Unknown fields are skipped.
pub fn decode_row(definition: &'static Definition, bytes: &[u8]) -> Option<Values> {
    let mut decoder = Decoder::new(bytes);
    let mut values = Values::empty(definition);
    for _ in 0..decoder.map().ok()?? {
        let name = decoder.str().ok()?;
        match definition.field(name) {
            Some(field) if travels(field) => values.set(name, decode_value(&mut decoder, field.shape)?),
            _ => decoder.skip().ok()?,
        }
    }
    (decoder.position() == bytes.len()).then_some(values)
}

fn decode_value(decoder: &mut Decoder<'_>, shape: Shape) -> Option<FieldValue> {
    match shape {
        Shape::Register => decode_scalar(decoder).map(FieldValue::Register),
        Shape::Text => decoder.str().ok().map(|text| FieldValue::Text(text.to_owned())),
        Shape::Set => {
            let mut members = BTreeSet::new();
            for _ in 0..decoder.array().ok()?? {
                members.insert(decoder.str().ok()?.to_owned());
            }
            Some(FieldValue::Set(members))
        }
        Shape::Keyed => {
            let mut entries = BTreeMap::new();
            for _ in 0..decoder.map().ok()?? {
                let id = decoder.str().ok()?.to_owned();
                entries.insert(id, decode_scalar(decoder)?);
            }
            Some(FieldValue::Keyed(entries))
        }
    }
}

fn decode_scalar(decoder: &mut Decoder<'_>) -> Option<Scalar> {
    match decoder.datatype().ok()? {
        Type::Null => decoder.null().ok().map(|()| Scalar::Null),
        Type::Bool => decoder.bool().ok().map(Scalar::Bool),
        Type::String => decoder.str().ok().map(Scalar::from),
        Type::Bytes => decoder.bytes().ok().map(|bytes| Scalar::Bytes(bytes.to_vec())),
        _ => decoder.i64().ok().map(Scalar::Int),
    }
}
