//! Workspaces, people, invitations, devices and tokens.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::error::{Error, Result};
use crate::store::{
    Caller, Device, DeviceId, Joined, Joining, NewToken, OpenInvitation, Person, PersonId, Restored, Revocation, Workspace,
    WorkspaceId,
};

/// How long verdicts are kept, in milliseconds: 90 days.
const VERDICTS_MS: i64 = 90 * 24 * 3_600_000;
/// How long invitations are kept after their end, for a device that repeats its join.
const INVITATIONS_MS: i64 = 90 * 24 * 3_600_000;

/// The least time between two marks of one feed, in milliseconds: a day.
const MARKS_MS: i64 = 24 * 3_600_000;

const WORKSPACE: &str = "SELECT id, name, epoch, seq, kept_from, directory, restored_ms, restored_seq, trimmed_to FROM workspace";
pub(super) const DEVICE: &str = "SELECT ws, id, person, name, public_key, last_seen_ms, revoked_ms, epoch FROM device";

fn read_workspace(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    Ok(Workspace {
        id: row.get(0)?,
        name: row.get(1)?,
        epoch: row.get(2)?,
        seq: row.get::<_, i64>(3)?.unsigned_abs(),
        kept_from: row.get::<_, i64>(4)?.unsigned_abs(),
        directory: row.get::<_, i64>(5)?.unsigned_abs(),
        trimmed_to: row.get::<_, i64>(8)?.unsigned_abs(),
        restored: match (row.get(6)?, row.get::<_, Option<i64>>(7)?) {
            (Some(at_ms), Some(seq)) => Some(Restored { at_ms, seq: seq.unsigned_abs() }),
            _ => None,
        },
    })
}

pub(super) fn read_device(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        workspace: row.get(0)?,
        id: row.get(1)?,
        person: row.get(2)?,
        name: row.get(3)?,
        public_key: row.get(4)?,
        last_seen_ms: row.get(5)?,
        revoked_ms: row.get(6)?,
        epoch: row.get(7)?,
    })
}

pub(super) fn workspace(conn: &Connection, id: WorkspaceId) -> Result<Workspace> {
    let found = conn.prepare_cached(&format!("{WORKSPACE} WHERE id = ?1"))?.query_row([id], read_workspace).optional()?;
    found.ok_or_else(|| Error::Internal(format!("the workspace {id} is gone")))
}

pub(super) fn workspaces(conn: &Connection) -> Result<Vec<Workspace>> {
    let mut statement = conn.prepare(&format!("{WORKSPACE} ORDER BY name_key"))?;
    Ok(statement.query_map([], read_workspace)?.collect::<Result<_, _>>()?)
}

pub(super) fn add_workspace(tx: &Connection, id: WorkspaceId, name: &str, epoch: [u8; 16], now_ms: i64) -> Result<()> {
    let added = tx.execute(
        "INSERT INTO workspace(id, name, name_key, epoch, seq, kept_from, directory, created_ms)
         VALUES (?1, ?2, ?3, ?4, 0, 0, 1, ?5) ON CONFLICT (name_key) DO NOTHING",
        params![id, name, name.to_lowercase(), epoch, now_ms],
    )?;
    if added == 0 { Err(Error::WorkspaceExists(name.to_owned())) } else { Ok(()) }
}

/// Gives the directory a new version: devices fetch it with their next sync.
pub(super) fn touch_directory(tx: &Connection, ws: WorkspaceId) -> Result<()> {
    tx.prepare_cached("UPDATE workspace SET directory = directory + 1 WHERE id = ?1")?.execute([ws])?;
    Ok(())
}

pub(super) fn add_person(tx: &Connection, ws: WorkspaceId, person: &Person, now_ms: i64) -> Result<()> {
    let added = tx.execute(
        "INSERT INTO person(ws, id, name, name_key, role, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (ws, name_key) DO NOTHING",
        params![ws, person.id, person.name, person.name.to_lowercase(), person.role.as_str(), now_ms],
    )?;
    if added == 0 {
        return Err(Error::PersonExists(person.name.clone()));
    }
    touch_directory(tx, ws)
}

pub(super) fn add_invitation(tx: &Connection, ws: WorkspaceId, person: PersonId, hash: [u8; 32], expires_ms: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO invitation(ws, code_hash, person, expires_ms) VALUES (?1, ?2, ?3, ?4)",
        params![ws, hash, person, expires_ms],
    )?;
    Ok(())
}

pub(super) fn invitations(conn: &Connection, ws: WorkspaceId, now_ms: i64) -> Result<Vec<OpenInvitation>> {
    let sql = "SELECT person, expires_ms FROM invitation WHERE ws = ?1 AND used_key IS NULL AND expires_ms > ?2
               ORDER BY person, expires_ms";
    let mut statement = conn.prepare(sql)?;
    let open =
        statement.query_map(params![ws, now_ms], |row| Ok(OpenInvitation { person: row.get(0)?, expires_ms: row.get(1)? }))?;
    Ok(open.collect::<Result<_, _>>()?)
}

pub(super) fn withdraw(tx: &Connection, ws: WorkspaceId, person: PersonId, now_ms: i64) -> Result<usize> {
    // Those that have ended go too: a clock that is set back would open them again.
    let sql = "DELETE FROM invitation WHERE ws = ?1 AND person = ?2 AND used_key IS NULL RETURNING expires_ms";
    let mut statement = tx.prepare(sql)?;
    let mut open = 0;
    for expires_ms in statement.query_map(params![ws, person], |row| row.get::<_, i64>(0))? {
        open += usize::from(expires_ms? > now_ms);
    }
    Ok(open)
}

pub(super) fn join(tx: &Connection, joining: &Joining) -> Result<Joined> {
    let invitation = tx
        .query_row(
            "SELECT ws, person, expires_ms, used_key, device FROM invitation WHERE code_hash = ?1",
            [joining.code_hash],
            |row| {
                let used: Option<[u8; 32]> = row.get(3)?;
                let device: Option<DeviceId> = row.get(4)?;
                Ok((row.get::<_, WorkspaceId>(0)?, row.get::<_, PersonId>(1)?, row.get::<_, i64>(2)?, used, device))
            },
        )
        .optional()?;
    let Some((ws, person, expires_ms, used, used_device)) = invitation else { return Ok(Joined::Invalid) };
    if let (Some(used), Some(id)) = (used, used_device) {
        if used != joining.public_key {
            return Ok(Joined::Invalid);
        }
        // The answer to an earlier join was lost on its way.
        return Ok(match device(tx, id)? {
            Some(device) if device.revoked_ms.is_some() => Joined::Revoked,
            Some(device) => Joined::Device(Box::new((device, workspace(tx, ws)?))),
            None => Joined::Invalid,
        });
    }
    if expires_ms <= joining.now_ms {
        return Ok(Joined::Invalid);
    }
    // A device that its person invites again keeps its id, and so the authorship of what it wrote.
    tx.execute(
        "INSERT INTO device(ws, id, person, name, public_key, joined_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
         ON CONFLICT (ws, public_key, person) DO UPDATE SET name = excluded.name, last_seen_ms = excluded.last_seen_ms, revoked_ms = NULL",
        params![ws, joining.new_id, person, joining.device_name, joining.public_key, joining.now_ms],
    )?;
    let device = tx.query_row(
        &format!("{DEVICE} WHERE ws = ?1 AND public_key = ?2 AND person = ?3"),
        params![ws, joining.public_key, person],
        read_device,
    )?;
    tx.execute(
        "UPDATE invitation SET used_key = ?2, device = ?3 WHERE code_hash = ?1",
        params![joining.code_hash, joining.public_key, device.id],
    )?;
    touch_directory(tx, ws)?;
    Ok(Joined::Device(Box::new((device, workspace(tx, ws)?))))
}

pub(super) fn device(conn: &Connection, id: DeviceId) -> Result<Option<Device>> {
    Ok(conn.prepare_cached(&format!("{DEVICE} WHERE id = ?1"))?.query_row([id], read_device).optional()?)
}

pub(super) fn revoke(tx: &Connection, ws: WorkspaceId, device: DeviceId, now_ms: i64) -> Result<Revocation> {
    let sql = "UPDATE device SET revoked_ms = ?3 WHERE ws = ?1 AND id = ?2 AND revoked_ms IS NULL RETURNING person";
    let person = tx.query_row(sql, params![ws, device, now_ms], |row| row.get::<_, PersonId>(0)).optional()?;
    let Some(person) = person else { return Ok(Revocation { device: false, invitations: 0 }) };
    touch_directory(tx, ws)?;
    Ok(Revocation { device: true, invitations: withdraw(tx, ws, person, now_ms)? })
}

pub(super) fn add_token(tx: &Connection, device: &Device, token: &NewToken<'_>) -> Result<bool> {
    tx.prepare_cached("DELETE FROM token WHERE expires_ms <= ?1")?.execute([token.now_ms])?;
    let added = tx
        .prepare_cached(
            "INSERT INTO token(ws, hash, device, expires_ms, nonce) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (nonce) DO NOTHING",
        )?
        .execute(params![device.workspace, token.hash, device.id, token.expires_ms, token.nonce])?;
    if added == 0 {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE device SET last_seen_ms = ?3 WHERE ws = ?1 AND id = ?2")?.execute(params![
        device.workspace,
        device.id,
        token.now_ms
    ])?;
    Ok(true)
}

pub(super) fn caller(conn: &Connection, hash: [u8; 32]) -> Result<Option<Caller>> {
    let sql = "SELECT token.ws, token.device, token.expires_ms, device.revoked_ms IS NOT NULL
               FROM token JOIN device ON device.ws = token.ws AND device.id = token.device WHERE token.hash = ?1";
    let found = conn.prepare_cached(sql)?.query_row([hash], |row| {
        Ok(Caller { workspace: row.get(0)?, device: row.get(1)?, expires_ms: row.get(2)?, revoked: row.get(3)? })
    });
    Ok(found.optional()?)
}

pub(super) fn tidy(tx: &Connection, now_ms: i64) -> Result<()> {
    tx.execute("DELETE FROM token WHERE expires_ms <= ?1", [now_ms])?;
    tx.execute("DELETE FROM invitation WHERE expires_ms <= ?1", [now_ms.saturating_sub(INVITATIONS_MS)])?;
    tx.execute("DELETE FROM verdict WHERE at_ms <= ?1", [now_ms.saturating_sub(VERDICTS_MS)])?;
    tx.execute(
        "INSERT INTO mark(ws, seq, at_ms) SELECT id, seq, ?1 FROM workspace WHERE seq > 0
            AND NOT EXISTS (SELECT 1 FROM mark WHERE ws = workspace.id AND (seq >= workspace.seq OR at_ms > ?2))",
        [now_ms, now_ms.saturating_sub(MARKS_MS)],
    )?;
    Ok(())
}
