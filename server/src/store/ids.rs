//! Ids of workspaces, people and devices, and roles.

use std::fmt;
use std::str::FromStr;

use roadbook_core::env::Env;
use roadbook_core::id::RecordId;
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

use crate::error::Error;

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A new id.
            pub fn generate(env: &dyn Env) -> Self {
                Self(*RecordId::generate(env).as_bytes())
            }

            /// The id in a slice; `None` unless it has 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                RecordId::from_bytes(self.0).fmt(f)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                FromSql::column_result(value).map(Self)
            }
        }
    )*};
}

id_types! {
    /// The id of a workspace.
    WorkspaceId,
    /// The id of a person.
    PersonId,
    /// The id of a device.
    DeviceId,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, people and devices included.
    Administrator,
    /// Everything with records.
    Manager,
    /// The work with records.
    Rep,
}

impl Role {
    /// The word for it in the directory and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Manager => "manager",
            Self::Rep => "rep",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Administrator, Self::Manager, Self::Rep]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::Role(text.chars().take(60).collect()))
    }
}
