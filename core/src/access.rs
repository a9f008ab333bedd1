//! What a role allows: one set of rules for the device, which says so before anything is written, and for the server,
//! which looks at what a change does and not at what the device says.
//!
//! Everybody in a workspace sees and edits every record. Roles decide deletion, erasure, and administration, which
//! is done on the server.

use std::fmt;
use std::str::FromStr;

use crate::document::Document;
use crate::gate::{Passed, Refused};
use crate::id::UserId;
use crate::record::{FieldValue, Values};

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything with records, as a manager; people and devices are administered on the server, by whoever runs it.
    Administrator,
    /// Everything with records.
    Manager,
    /// The work with records; deletes those that are their own or nobody's.
    Rep,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is no role; roles are administrator, manager and rep")]
pub struct NotARole(pub String);

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::Manager, Self::Rep];

    /// The word for it in the directory and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Manager => "manager",
            Self::Rep => "rep",
        }
    }

    /// Whether a person may replace a record by an empty one, for good.
    pub fn may_erase(self) -> bool {
        self != Self::Rep
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| NotARole(text.chars().take(60).collect()))
    }
}

/// Somebody who works with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub person: UserId,
    /// What they may do.
    pub role: Role,
}

impl Member {
    /// Whether the person may delete a record with these values, or bring it back.
    pub fn may_delete(&self, values: &Values) -> bool {
        let owner = match values.get(OWNER) {
            Some(FieldValue::Register(owner)) => owner.as_str().and_then(|text| text.parse().ok()),
            _ => None,
        };
        self.role != Role::Rep || owner.is_none_or(|owner: UserId| owner == self.person)
    }

    /// Decides about changes that have passed the gate. `before` is the record without them; `None` where they make it.
    ///
    /// # Errors
    /// [`Refused::Forbidden`].
    pub fn authorise(&self, before: Option<&Document>, passed: &Passed) -> Result<(), Refused> {
        // Whoever may delete everything needs no look at what is deleted.
        let Some(before) = before.filter(|_| self.role == Role::Rep) else { return Ok(()) };
        let old = before.read(None).values;
        let writes = passed.document.writers(DELETED).iter().any(|hash| passed.new.iter().any(|new| new.hash == *hash));
        let deletes = writes || old.get(DELETED) != passed.document.read(None).values.get(DELETED);
        if deletes && !self.may_delete(&old) { Err(Refused::Forbidden) } else { Ok(()) }
    }
}

/// The field that says whose a record is.
pub(crate) const OWNER: &str = "owner";

/// The field whose value takes a record out of the lists.
pub(crate) const DELETED: &str = "deleted";

/// Whether a record with these values is out of the lists.
pub(crate) fn is_deleted(values: &Values) -> bool {
    values.get(DELETED).is_some_and(|deleted| !deleted.is_empty())
}
