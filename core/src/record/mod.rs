//! What a record is: a definition (data) and the generic code that every record runs through.
//!
//! A record type is written once, by [`record!`](crate::record!), in `records/`. The macro makes data: the
//! struct, its row, and a [`Definition`] whose [`Field`]s say how each field is stored. Reading, writing, rows,
//! search, history and JSON are ordinary functions over that definition, the same for all records.

mod definition;
mod field;
mod macros;
mod shape;
mod values;
mod wire_row;

pub use definition::{Definition, Kind, Record, RecordRow};
pub use field::{Check, Field, FieldId, Rank, Shape};
pub use shape::{Column, Columns, Entry, Member, keyed, register, set, text};
pub use values::{FieldValue, Values};
pub use wire_row::{decode_row, encode_row};
