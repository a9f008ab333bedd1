//! Who is who in a workspace, for devices.

use std::collections::HashMap;

use roadbook_core::sync::wire::{Directory, DirectoryActor, DirectoryPerson};

use crate::error::Result;
use crate::store::{View, Workspace};

/// The most actors of one answer.
const ACTORS: u32 = if cfg!(feature = "planted") { 5 } else { 5_000 };

/// What is newer than `known`: all people, and the actors that came since. Where those are many, the rest comes with later
/// answers. `None` where nothing is newer.
///
/// # Errors
/// Those of the store.
pub(super) fn beyond(view: &dyn View, workspace: &Workspace, known: u64) -> Result<Option<Directory>> {
    if workspace.directory <= known {
        return Ok(None);
    }
    let people = view.people()?;
    let index: HashMap<_, u32> = people.iter().map(|person| person.id).zip(0..).collect();
    let devices: HashMap<_, _> = view.devices()?.into_iter().map(|device| (device.id, device)).collect();
    let bound = view.actors(known, ACTORS)?;
    let version = match bound.last() {
        Some(last) if bound.len() as u64 >= u64::from(ACTORS) => last.version,
        _ => workspace.directory,
    };
    let actors = bound.into_iter().filter_map(|bound| {
        let device = devices.get(&bound.device)?;
        Some(DirectoryActor { actor: bound.actor.0.to_vec(), person: *index.get(&device.person)?, device: device.name.clone() })
    });
    Ok(Some(Directory {
        version,
        actors: actors.collect(),
        people: people
            .into_iter()
            .map(|person| DirectoryPerson { id: person.id.0.to_vec(), name: person.name, role: person.role.to_string() })
            .collect(),
    }))
}
