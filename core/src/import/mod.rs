//! Files from elsewhere.

pub mod vcard;
