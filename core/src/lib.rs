//! The core of Roadbook, an offline-first CRM for field sales.
//!
//! A [`Book`] keeps contacts, deals and tasks as CRDT documents in an encrypted SQLite store. Everything works with
//! no network; [`sync`] says which requests bring devices together, and its caller sends them.
//!
//! - [`mod@record`]: what a record is; [`records`]: the record types, each one definition.
//! - [`value`]: the types of single values and their frozen encodings.
//! - [`document`]: records as Automerge documents; [`gate`]: what others wrote passes here first.
//! - [`access`]: what a role allows.
//! - [`book`]: the object that apps hold; [`search`], [`import`]: around it.

pub mod access;
pub mod book;
pub mod document;
pub mod env;
pub mod error;
pub mod fault;
pub mod gate;
pub mod id;
pub mod import;
pub mod record;
pub mod records;
pub mod search;
mod store;
pub mod sync;
pub mod value;

pub use book::Book;
pub use error::{Error, Problem, ProblemCode, Result};
pub use store::Key;
