//! Who is who in a workspace, for devices.

use std::collections::HashMap;

use roadbook_core::sync::wire::{Directory, DirectoryActor, DirectoryPerson};

use crate::error::Result;
use crate::store::{View, Workspace};

/// The whole directory.
///
/// # Errors
/// Those of the store.
pub(super) fn directory(view: &dyn View, workspace: &Workspace) -> Result<Directory> {
    let people = view.people()?;
    let index: HashMap<_, u32> = people.iter().map(|person| person.id).zip(0..).collect();
    let devices: HashMap<_, _> = view.devices()?.into_iter().map(|device| (device.id, device)).collect();
    let actors = view.actors()?.into_iter().filter_map(|(actor, device)| {
        let device = devices.get(&device)?;
        Some(DirectoryActor { actor: actor.0.to_vec(), person: *index.get(&device.person)?, device: device.name.clone() })
    });
    Ok(Directory {
        version: workspace.directory,
        actors: actors.collect(),
        people: people
            .into_iter()
            .map(|person| DirectoryPerson { id: person.id.0.to_vec(), name: person.name, role: person.role.to_string() })
            .collect(),
    })
}
