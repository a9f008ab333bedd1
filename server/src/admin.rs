//! What the administrator does: workspaces, people, invitations, devices. Works beside a running server.

use std::collections::HashMap;

use roadbook_core::book::StateHash;
use roadbook_core::env::Env;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::invitation;
use crate::store::{Device, DeviceId, OpenInvitation, Person, PersonId, Restored, Role, Store, View, Workspace, WorkspaceId};

/// Checks a name and takes the blanks around it away.
///
/// # Errors
/// [`Error::Name`] unless it has 1 to 100 characters, none of them a control character.
pub fn name(what: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(Error::Name(what));
    }
    Ok(text.to_owned())
}

/// Makes a workspace.
///
/// # Errors
/// [`Error::Name`]; [`Error::WorkspaceExists`].
pub fn create_workspace(store: &dyn Store, env: &dyn Env, text: &str) -> Result<WorkspaceId> {
    let name = name("workspace name", text)?;
    let id = WorkspaceId::generate(env);
    let mut epoch = [0; 16];
    env.fill(&mut epoch);
    store.add_workspace(id, &name, epoch, env.now().ms)?;
    Ok(id)
}

/// The workspace with this name; upper and lower case make no difference.
///
/// # Errors
/// [`Error::NoWorkspace`] names the ones that there are.
pub fn workspace(store: &dyn Store, text: &str) -> Result<Workspace> {
    let key = text.trim().to_lowercase();
    let all = store.workspaces()?;
    all.iter().find(|workspace| workspace.name.to_lowercase() == key).cloned().ok_or_else(|| Error::NoWorkspace {
        name: text.trim().to_owned(),
        known: all.into_iter().map(|workspace| workspace.name).collect(),
    })
}

/// Adds a person.
///
/// # Errors
/// [`Error::Name`]; [`Error::PersonExists`].
pub fn add_person(store: &dyn Store, env: &dyn Env, workspace: WorkspaceId, text: &str, role: Role) -> Result<PersonId> {
    let person = Person { id: PersonId::generate(env), name: name("person's name", text)?, role };
    store.add_person(workspace, &person, env.now().ms)?;
    Ok(person.id)
}

/// The people of a workspace, by name.
///
/// # Errors
/// Those of the store.
pub fn people(store: &dyn Store, workspace: WorkspaceId) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    store.view(workspace, &mut |view| {
        people = view.people()?;
        Ok(())
    })?;
    people.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(people)
}

/// The person with this name; upper and lower case make no difference.
fn person(store: &dyn Store, workspace: WorkspaceId, text: &str) -> Result<Person> {
    let key = text.trim().to_lowercase();
    let all = people(store, workspace)?;
    all.iter().find(|person| person.name.to_lowercase() == key).cloned().ok_or_else(|| Error::NoPerson {
        name: text.trim().to_owned(),
        known: all.into_iter().map(|person| person.name).collect(),
    })
}

/// Makes an invitation for a person and gives its code, which is kept nowhere.
///
/// # Errors
/// [`Error::NoPerson`] names the ones that there are; [`Error::InvitationHours`].
pub fn invite(store: &dyn Store, env: &dyn Env, workspace: WorkspaceId, text: &str, hours: u32) -> Result<String> {
    if !(1..=8760).contains(&hours) {
        return Err(Error::InvitationHours);
    }
    let person = person(store, workspace, text)?.id;
    let code = invitation::generate(env);
    let expires_ms = env.now().ms.saturating_add(i64::from(hours) * 3_600_000);
    store.add_invitation(workspace, person, invitation::hash(&code), expires_ms)?;
    Ok(code)
}

/// The invitations of a workspace that somebody could take now, each with whom it would let in, by name and end.
///
/// # Errors
/// Those of the store.
pub fn invitations(store: &dyn Store, env: &dyn Env, workspace: WorkspaceId) -> Result<Vec<(OpenInvitation, Person)>> {
    let now_ms = env.now().ms;
    let mut found = Vec::new();
    store.view(workspace, &mut |view| {
        let people = view.people()?;
        for invitation in view.invitations(now_ms)? {
            let person = people.iter().find(|person| person.id == invitation.person);
            found.extend(person.map(|person| (invitation, person.clone())));
        }
        Ok(())
    })?;
    found.sort_by(|a, b| (&a.1.name, a.0.expires_ms).cmp(&(&b.1.name, b.0.expires_ms)));
    Ok(found)
}

/// Ends all invitations of a person that nobody has taken. Gives the person, and how many could have been taken until now.
///
/// # Errors
/// [`Error::NoPerson`] names the ones that there are.
pub fn withdraw(store: &dyn Store, env: &dyn Env, workspace: WorkspaceId, text: &str) -> Result<(Person, usize)> {
    let person = person(store, workspace, text)?;
    let ended = store.withdraw(workspace, person.id, env.now().ms)?;
    Ok((person, ended))
}

/// The devices of a workspace with the names of their people, by person.
///
/// # Errors
/// Those of the store.
pub fn devices(store: &dyn Store, workspace: WorkspaceId) -> Result<Vec<(Device, String)>> {
    let mut found = Vec::new();
    store.view(workspace, &mut |view| {
        found = with_people(view)?;
        Ok(())
    })?;
    Ok(found)
}

fn with_people(view: &dyn View) -> Result<Vec<(Device, String)>> {
    let people = view.people()?;
    let name = |id: PersonId| people.iter().find(|person| person.id == id).map(|person| person.name.clone());
    let mut found: Vec<_> = view.devices()?.into_iter().map(|device| (name(device.person).unwrap_or_default(), device)).collect();
    found.sort_by(|a, b| (&a.0, a.1.id).cmp(&(&b.0, b.1.id)));
    Ok(found.into_iter().map(|(name, device)| (device, name)).collect())
}

fn returns(view: &dyn View, workspace: &Workspace, restored: Restored) -> Result<Return> {
    let changes: HashMap<DeviceId, u64> = view.written_since(restored.seq)?.into_iter().collect();
    let good = with_people(view)?.into_iter().filter(|(device, _)| device.revoked_ms.is_none());
    let (back, missing): (Vec<_>, Vec<_>) = good.partition(|(device, _)| device.epoch == Some(workspace.epoch));
    let told = |devices: Vec<(Device, String)>| {
        let told = devices.into_iter().map(|(device, person)| Returning {
            device: device.id.to_string(),
            changes: changes.get(&device.id).copied().unwrap_or(0),
            name: device.name,
            person,
        });
        told.collect()
    };
    Ok(Return { at_ms: restored.at_ms, sequence: restored.seq, back: told(back), missing: told(missing) })
}

/// The device whose id is or begins with `prefix`, with the name of its person.
///
/// # Errors
/// [`Error::NoDevice`]; [`Error::AmbiguousDevice`].
pub fn device(store: &dyn Store, workspace: WorkspaceId, prefix: &str) -> Result<(Device, String)> {
    let prefix = prefix.trim().to_lowercase();
    let mut found = devices(store, workspace)?;
    found.retain(|(device, _)| !prefix.is_empty() && device.id.to_string().starts_with(&prefix));
    let count = found.len();
    match found.pop() {
        None => Err(Error::NoDevice(prefix)),
        Some(_) if count > 1 => Err(Error::AmbiguousDevice { prefix, count }),
        Some(device) => Ok(device),
    }
}

/// Revokes the device whose id is or begins with `prefix`, as [`Store::revoke`] does: its next request is refused, and the open
/// invitations of its person end. Gives the device and whether it was good until now.
///
/// # Errors
/// As for [`device`].
pub fn revoke(store: &dyn Store, env: &dyn Env, workspace: WorkspaceId, prefix: &str) -> Result<(Device, bool)> {
    let (device, _) = device(store, workspace, prefix)?;
    let was_good = store.revoke(workspace, device.id, env.now().ms)?.device;
    Ok((device, was_good))
}

/// How a workspace stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The name.
    pub name: String,
    /// The id.
    pub id: String,
    /// People.
    pub people: u64,
    /// Devices that are not revoked.
    pub devices: u64,
    /// Devices that are.
    pub revoked_devices: u64,
    /// Records, deleted ones included.
    pub records: u64,
    /// The last number given to a group.
    pub sequence: u64,
    /// Equal to a device's `state_hash` exactly when both hold the same records at the same heads.
    pub state_hash: String,
    /// Tells histories apart: another one after each restore.
    pub epoch: String,
    /// How far the devices are since the last restore; `None` where there was none.
    pub restored: Option<Return>,
}

/// How far the devices are since a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Return {
    /// When the backup was put back, in milliseconds since 1970.
    pub at_ms: i64,
    /// The last number that the backup had given.
    pub sequence: u64,
    /// Devices that have synced since.
    pub back: Vec<Returning>,
    /// Devices that have not: what only they had is not here yet. Revoked ones are left out.
    pub missing: Vec<Returning>,
}

/// A device after a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Returning {
    /// The device's id.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// Whose it is.
    pub person: String,
    /// Changes of it that the server has taken since: those that came back, and new ones.
    pub changes: u64,
}

/// How a workspace stands. Reads the heads of all records: some milliseconds for ten thousand.
///
/// # Errors
/// Those of the store.
pub fn summary(store: &dyn Store, workspace: WorkspaceId) -> Result<Summary> {
    let mut found = None;
    store.view(workspace, &mut |view| {
        let (workspace, devices) = (view.workspace()?, view.devices()?);
        let mut hash = StateHash::default();
        view.each_head(&mut |id, generation, heads| hash.add(id, generation, heads))?;
        let revoked = devices.iter().filter(|device| device.revoked_ms.is_some()).count() as u64;
        let restored = workspace.restored.map(|restored| returns(view, &workspace, restored)).transpose()?;
        found = Some(Summary {
            restored,
            epoch: data_encoding::HEXLOWER.encode(&workspace.epoch),
            name: workspace.name,
            id: workspace.id.to_string(),
            people: view.people()?.len() as u64,
            devices: devices.len() as u64 - revoked,
            revoked_devices: revoked,
            records: view.count_docs()?,
            sequence: workspace.seq,
            state_hash: hash.finish(),
        });
        Ok(())
    })?;
    found.ok_or_else(|| Error::Internal("the store gave no view".into()))
}
