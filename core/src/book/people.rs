//! People of the workspace, and who wrote what.

use rusqlite::{Connection, OptionalExtension as _};

use super::{Account, Book};
use crate::access::{Member, Role};
use crate::document::Actor;
use crate::error::Result;
use crate::id::{RecordId, UserId};
use crate::store::Tx;

/// A person who uses the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The name that the administrator gave.
    pub name: String,
    /// `administrator`, `manager` or `rep`.
    pub role: String,
}

/// Who wrote a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// The person; `None` before the device joined a workspace, or where this device does not know the actor yet.
    pub person: Option<UserId>,
    /// The person's name; empty where it is not known.
    pub name: String,
    /// The device's name.
    pub device: String,
    /// Whether it was written on this device.
    pub own: bool,
}

impl Author {
    pub(super) fn of(conn: &Connection, actor: Option<Actor>) -> Result<Self> {
        let Some(actor) = actor else { return Ok(Self::default()) };
        let sql = "SELECT actor.person, coalesce(person.name, ''), actor.device, actor.own
                   FROM actor LEFT JOIN person ON person.id = actor.person WHERE actor.id = ?1";
        let found = conn.prepare_cached(sql)?.query_row([actor.0], |row| {
            let person: Option<Vec<u8>> = row.get(0)?;
            Ok(Self {
                person: person.as_deref().and_then(RecordId::from_slice).map(UserId),
                name: row.get(1)?,
                device: row.get(2)?,
                own: row.get(3)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }
}

impl Book {
    /// The people of the workspace by name; none before the device joined one.
    ///
    /// # Errors
    /// Those of the store.
    pub fn people(&self) -> Result<Vec<Person>> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached("SELECT id, name, role FROM person ORDER BY name, id")?;
            let people = statement.query_map([], |row| {
                let id: Vec<u8> = row.get(0)?;
                Ok(Person { id: UserId(RecordId::from_slice(&id).unwrap_or_default()), name: row.get(1)?, role: row.get(2)? })
            })?;
            Ok(people.collect::<Result<_, _>>()?)
        })
    }
}

impl Tx<'_> {
    /// Who uses this device, by what the server last said of them; `None` before the device joined a workspace, and until
    /// the first answer. A role of a newer release may what a rep may.
    pub(crate) fn member(&self) -> Result<Option<Member>> {
        let Some(account) = Account::load(self.sql)? else { return Ok(None) };
        let role: Option<String> = self
            .sql
            .prepare_cached("SELECT role FROM person WHERE id = ?1")?
            .query_row([account.person.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(role.map(|role| Member { person: UserId(account.person), role: role.parse().unwrap_or(Role::Rep) }))
    }
}
