//! What the corpus begins with: good inputs of every kind, made by the product itself, and crafted ones.

mod changes;
mod files;
mod messages;

pub use changes::{document, gate};
pub use files::{envelope, lists, text, vcard};
pub use messages::{device, sync, wire};

/// Inputs with their names.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Inputs whose names are fixed.
fn named<const N: usize>(seeds: [(&str, Vec<u8>); N]) -> Seeds {
    seeds.into_iter().map(|(name, input)| (name.to_owned(), input)).collect()
}
