//! Who this store is: its incarnation, and the actor that it writes as.
//!
//! The incarnation id lives outside the database, where backups do not copy it. A store that is opened with another
//! one than it was last opened with is a restored or copied store: it writes as a new actor from then on, since two
//! stores that write as one actor would make changes that Automerge refuses to merge.

use rusqlite::{Connection, params};

use crate::document::Actor;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::fault::{self, Site};
use crate::store::{Key, Meta};

/// What opens a book: kept by the platform, outside the database.
#[derive(Debug, Clone)]
pub struct Vault {
    /// The store's key.
    pub key: Key,
    /// The id of this installation, kept where backups do not copy it.
    pub incarnation: [u8; 16],
}

/// The actor that this store writes as.
pub(super) fn actor(conn: &Connection) -> Result<Actor> {
    let stored = Meta::Actor.get(conn)?.and_then(|bytes| bytes.try_into().ok());
    stored.map(Actor).ok_or_else(|| Error::Corrupt("the store has no author".into()))
}

/// Compares the incarnation with the stored one; a store that is another one's copy gets an actor of its own.
pub(super) fn settle_identity(conn: &mut Connection, vault: &Vault, env: &dyn Env) -> Result<()> {
    let stored = Meta::Incarnation.get(conn)?;
    if stored.as_ref().is_some_and(|incarnation| *incarnation == vault.incarnation) {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // The store that this one was copied from may still write as the old actor: its edits are not ours any more.
    tx.execute("UPDATE actor SET own = 0", [])?;
    if stored.is_some() {
        // The device key and the session belong to the store that this one was copied from.
        Meta::DeviceKey.clear(&tx)?;
        Meta::Token.clear(&tx)?;
        Meta::CopiedAt.set(&tx, &env.now().ms.to_be_bytes())?;
    }
    Meta::Incarnation.set(&tx, &vault.incarnation)?;
    new_actor(&tx, env)?;
    fault::commit(Site::Client, tx)?;
    Ok(())
}

/// Makes and stores a new actor.
pub(super) fn new_actor(conn: &Connection, env: &dyn Env) -> Result<Actor> {
    let actor = Actor::generate(env);
    Meta::Actor.set(conn, &actor.0)?;
    conn.execute("INSERT INTO actor(id, person, device, own) VALUES (?1, NULL, '', 1)", params![actor.0])?;
    Ok(actor)
}

/// Whether an actor is one of this store's.
pub(crate) fn is_own(conn: &Connection, actor: Actor) -> Result<bool> {
    use rusqlite::OptionalExtension as _;
    let own: Option<bool> =
        conn.prepare_cached("SELECT own FROM actor WHERE id = ?1")?.query_row([actor.0], |row| row.get(0)).optional()?;
    Ok(own.unwrap_or(false))
}
