//! Single values of the store.

use rusqlite::{Connection, OptionalExtension as _};

use crate::error::Result;

/// The names of the single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    /// The incarnation id that the store was last opened with.
    Incarnation,
    /// The actor that this store writes as.
    Actor,
    /// The region of phone numbers.
    Region,
    /// Where the server is.
    ServerUrl,
    /// The server's id and the workspace, from joining.
    Account,
    /// The device's private key.
    DeviceKey,
    /// The access token and the time it ends.
    Token,
    /// The server's epoch.
    Epoch,
    /// How far the feed was read.
    Cursor,
    /// The version of the directory of people.
    Directory,
    /// The wall clock of the last complete sync.
    SyncedAt,
    /// The wall clock at which the store was last found to be a copy.
    CopiedAt,
}

impl Meta {
    fn key(self) -> &'static str {
        match self {
            Self::Incarnation => "incarnation",
            Self::Actor => "actor",
            Self::Region => "region",
            Self::ServerUrl => "server_url",
            Self::Account => "account",
            Self::DeviceKey => "device_key",
            Self::Token => "token",
            Self::Epoch => "epoch",
            Self::Cursor => "cursor",
            Self::Directory => "directory",
            Self::SyncedAt => "synced_at",
            Self::CopiedAt => "copied_at",
        }
    }

    /// The value; `None` where it was never set.
    pub fn get(self, conn: &Connection) -> Result<Option<Vec<u8>>> {
        Ok(conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([self.key()], |row| row.get(0)).optional()?)
    }

    /// The value as text.
    pub fn text(self, conn: &Connection) -> Result<Option<String>> {
        Ok(self.get(conn)?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Sets the value.
    pub fn set(self, conn: &Connection, value: &[u8]) -> Result<()> {
        conn.prepare_cached(
            "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(rusqlite::params![self.key(), value])?;
        Ok(())
    }

    /// Forgets the value.
    pub fn clear(self, conn: &Connection) -> Result<()> {
        conn.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([self.key()])?;
        Ok(())
    }
}
