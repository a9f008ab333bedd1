//! The server of Roadbook: brings the devices of a workspace together.
//!
//! - [`app`]: the HTTP interface; `docs/protocol.md` says what travels. [`serve`] and [`tls`]: what is below it.
//! - [`sync`]: a push through the gate, and a pull from the feed.
//! - [`store`]: what is kept, behind a trait; embedded SQLite implements it. The database is not encrypted: the folder
//!   belongs on an encrypted disk.
//! - [`tidy`]: what is forgotten, and when.
//! - [`admin`], [`command`]: what the administrator does; [`backup`] and [`restore`]: a copy of
//!   everything, and its return; [`doctor`]: whether what is stored fits together.

pub mod admin;
pub mod app;
pub mod backup;
pub mod command;
mod crowd;
pub mod data;
pub mod doctor;
pub mod draft;
pub mod error;
pub mod invitation;
pub mod nonce;
mod patience;
pub mod rejection;
pub mod restore;
pub mod serve;
pub mod store;
pub mod sync;
pub mod tidy;
pub mod tls;

pub use error::{Error, Result};
