//! Ways to reach a person.

use serde::{Deserialize, Serialize};

use super::{PhoneNumber, Region, code::codes};
use crate::id::EntryId;

codes! {
    /// What kind of way to reach somebody.
    ChannelKind, default Phone, mirror channel_kind_mirror {
        /// A phone number.
        Phone = "phone",
        /// An e-mail address.
        Email = "email",
        /// A page.
        Url = "url",
        /// A messenger or social network; the value is `scheme:name`.
        Messenger = "messenger",
    }
}

/// One way to reach a person. The whole channel is one value: two people who change it both keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel {
    /// The entry's id, made by the app.
    pub id: EntryId,
    /// What kind it is.
    pub kind: ChannelKind,
    /// As typed.
    pub value: String,
    /// For a phone: E.164, where the number was understood.
    pub e164: Option<String>,
    /// For a phone: the extension.
    pub extension: Option<String>,
    /// `work`, `home`, `mobile` or a word of the user's.
    pub label: Option<String>,
    /// Whether this is the one to try first.
    pub preferred: bool,
}

impl Channel {
    /// A channel as a person typed it; a phone number is read as dialled in `region`.
    pub fn typed(id: EntryId, kind: ChannelKind, value: &str, region: &Region) -> Self {
        let value = value.trim().to_owned();
        let number = if kind == ChannelKind::Phone { PhoneNumber::read(&value, region) } else { PhoneNumber::default() };
        Self { id, kind, value, e164: number.e164, extension: number.extension, label: None, preferred: false }
    }
}

/// The stored form. Keys are added, never renamed; unknown ones are carried through a save.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e164: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ext: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    preferred: bool,
}

impl crate::record::Entry for Channel {
    fn id(&self) -> &EntryId {
        &self.id
    }

    fn to_scalar(&self) -> super::Scalar {
        super::scalar::json(&Stored {
            kind: self.kind.code().to_owned(),
            value: self.value.clone(),
            e164: self.e164.clone(),
            ext: self.extension.clone(),
            label: self.label.clone(),
            preferred: self.preferred,
        })
    }

    fn from_scalar(id: EntryId, scalar: &super::Scalar) -> Option<Self> {
        let stored: Stored = serde_json::from_str(scalar.as_str()?).ok()?;
        let kind = stored.kind.parse().ok()?;
        Some(Self {
            id,
            kind,
            value: stored.value,
            e164: stored.e164,
            extension: stored.ext,
            label: stored.label,
            preferred: stored.preferred,
        })
    }

    fn index(&self, out: &mut crate::search::SearchText) {
        if self.kind == ChannelKind::Phone {
            out.number(&self.value);
            out.number(self.e164.as_deref().unwrap_or_default());
        } else {
            out.words(&self.value);
        }
    }

    fn display(&self) -> String {
        match &self.label {
            Some(label) => format!("{} ({label})", self.value),
            None => self.value.clone(),
        }
    }
}
