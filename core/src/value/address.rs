//! Postal addresses, each one value: half of two addresses is the address of nobody.

use serde::{Deserialize, Serialize};

use crate::id::EntryId;

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostalAddress {
    /// The entry's id, made by the app.
    pub id: EntryId,
    /// `work`, `home` or a word of the user's.
    pub label: Option<String>,
    /// Street, house, flat, box; lines are kept.
    pub street: String,
    /// Town.
    pub city: String,
    /// State, province, oblast.
    pub region: String,
    /// Postal code.
    pub postcode: String,
    /// Country, as written.
    pub country: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    street: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    city: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    region: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    postcode: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    country: String,
}

impl crate::record::Entry for PostalAddress {
    fn id(&self) -> &EntryId {
        &self.id
    }

    fn to_scalar(&self) -> super::Scalar {
        let Self { id: _, label, street, city, region, postcode, country } = self.clone();
        super::scalar::json(&Stored { label, street, city, region, postcode, country })
    }

    fn from_scalar(id: EntryId, scalar: &super::Scalar) -> Option<Self> {
        let Stored { label, street, city, region, postcode, country } = serde_json::from_str(scalar.as_str()?).ok()?;
        Some(Self { id, label, street, city, region, postcode, country })
    }

    fn display(&self) -> String {
        let parts = [&self.street, &self.postcode, &self.city, &self.region, &self.country];
        parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", ")
    }
}
