//! The world of a seed, and what each step does in it.

use std::collections::BTreeMap;

use roadbook_core::Error;
use roadbook_core::fault::{Fault, Site};

use super::coverage::{Coverage, Section};
use super::device::{Device, PhoneBackup};
use super::disk::{Disk, PEOPLE, machine};
use super::model::Model;
use super::network::Network;
use super::peer::Peer;
use super::server::Server;
use super::steps::{Step, What};
use super::{Check, Dice, Failure};

/// Where the server stands among the clocks.
pub(super) const SERVER_CLOCK: usize = usize::MAX;

/// The world of one seed.
pub struct Sim<'a> {
    pub(super) disk: &'a Disk,
    pub(super) coverage: &'a mut Coverage,
    pub(super) devices: Vec<Device>,
    pub(super) server: Server,
    pub(super) network: Network,
    pub(super) model: Model,
    pub(super) peer: Peer,
    pub(super) seed: u64,
    pub(super) skews: BTreeMap<usize, i64>,
    /// The stores; they go when the world goes, after those who use them.
    folder: tempfile::TempDir,
}

impl<'a> Sim<'a> {
    /// The world that a seed begins with.
    pub fn new(disk: &'a Disk, seed: u64, coverage: &'a mut Coverage) -> Self {
        let folder = disk.folder();
        let mut dice = Dice::new(seed ^ 0x00c0_ffee);
        let server = Server::new(disk, folder.path().join("server"), machine(seed, 2000));
        let mut sim = Self {
            disk,
            coverage,
            devices: Vec::new(),
            server,
            network: Network::default(),
            model: Model::default(),
            peer: Peer::new(seed),
            seed,
            skews: BTreeMap::new(),
            folder,
        };
        let count = 2 + dice.below(4);
        for index in 0..count {
            let ws = usize::from(index >= 2 && index + 1 == count && dice.chance(60));
            let person = PEOPLE[if dice.chance(20) { 0 } else { index % 2 }];
            let device = sim.new_device(ws, person, None);
            sim.devices.push(device);
        }
        sim
    }

    pub(super) fn new_device(&self, ws: usize, person: &'static str, copy: Option<&[u8]>) -> Device {
        let index = self.devices.len();
        let world = machine(self.seed, index as u64);
        // No two machines ever read the same moment: a time names who wrote it.
        world.pass(index as i64);
        let dir = self.folder.path().join(format!("book-{index}"));
        match copy {
            Some(book) => self.disk.place_copy(&dir, book),
            None => self.disk.place_book(&dir),
        }
        Device::new(index, ws, person, dir, world)
    }

    /// Takes a step.
    pub fn step(&mut self, step: &Step) -> Check {
        for device in &self.devices {
            device.world.pass(16);
        }
        self.server.world.pass(16);
        let mut dice = Dice::new(step.dice);
        if self.act(step.what, step.who % self.devices.len(), &mut dice)? {
            self.coverage.count(Section::Step, step.what.name());
        }
        Ok(())
    }

    /// Does what a step says. Gives whether there was anything to do, and it was done.
    pub(super) fn act(&mut self, what: What, i: usize, dice: &mut Dice) -> Check<bool> {
        match what {
            What::Create => return self.create(i, dice),
            What::Edit => return self.edit(i, dice),
            What::Stale => return self.stale(i, dice),
            What::Double => return self.double(i, dice),
            What::SetFields => return self.set_fields(i, dice),
            What::Delete => return self.delete(i, dice),
            What::Erase => return self.erase(i, dice),
            What::Apply => return self.apply(i, dice),
            What::Undo => return self.undo(i, dice),
            What::Settle => return self.settle_conflict(i, dice),
            What::Retry => return self.retry(i, dice),
            What::Discard => return self.discard(i, dice),
            What::Draft => return self.draft(i, dice),
            What::Import => return self.import(i, dice),
            What::List => self.lists(i)?,
            What::Export => return self.export(i),
            What::Search => return self.search(i, dice),
            What::Read => return self.read(i, dice),
            What::Verify => {
                let verified = self.devices[i].book.verify_some(5);
                return self.done(i, verified).map(|done| done.is_some());
            }
            What::CheckStore => return self.check_store(i),
            What::Rebuild => {
                let rebuilt = self.devices[i].book.rebuild();
                return self.done(i, rebuilt).map(|done| done.is_some());
            }
            What::Restart => self.devices[i].restart(),
            What::Sync => {
                self.sync(i, dice, true)?;
            }
            What::Page => {
                self.page(i, dice, true)?;
            }
            What::Drop => return self.drop_sync(i, dice),
            What::Deliver => return self.network.deliver(&mut self.server, dice, self.coverage),
            What::Die => return self.with_fault(i, Site::Client, dice, &[Fault::DieBefore, Fault::DieAfter]),
            What::Full => return self.with_fault(i, Site::Client, dice, &[Fault::DiskFull]),
            What::ServerDie => return self.with_fault(i, Site::Server, dice, &[Fault::DieBefore, Fault::DieAfter]),
            What::ServerFull => return self.with_fault(i, Site::Server, dice, &[Fault::DiskFull]),
            What::ServerRestart => {
                self.server.restart();
                if self.server.tidy() {
                    self.coverage.count(Section::Seen, "old changes dropped");
                }
            }
            What::Clock => self.set_clock(if dice.chance(20) { SERVER_CLOCK } else { i }, dice),
            What::Rot => return Ok(self.server.rot(0, dice.below(1000))),
            What::Mend => return Ok(self.server.mend()),
            What::Backup => self.server.back_up(),
            What::PutBack => return Ok(self.put_back(false)),
            What::Restore => return Ok(self.put_back(true)),
            What::PhoneBackup => {
                let tokens = self.model.tokens.len();
                let device = &mut self.devices[i];
                device.close();
                device.backup = Some(PhoneBackup { book: device.bytes(), tokens });
                device.open().map_err(unexpected)?;
            }
            What::PhoneRestore => return self.restore_phone(i, true),
            What::PhoneRollback => return self.restore_phone(i, false),
            What::Clone => return self.copy_phone(i, true),
            What::Twin => return self.copy_phone(i, false),
            What::Revoke => return Ok(self.revoke(i)),
            What::Rejoin => {
                if !self.devices[i].revoked {
                    return Ok(false);
                }
                self.devices[i].joins = true;
                self.devices[i].live = None;
                self.sync(i, dice, true)?;
            }
            What::Newer => self.peer.newer(&mut self.server, &mut self.model, dice, self.coverage)?,
            What::Hostile => self.peer.hostile(&mut self.server, &mut self.model, self.coverage)?,
            What::Stranger => self.peer.stranger(&mut self.server, self.coverage)?,
        }
        Ok(true)
    }
}

/// An error that no caller of the book should see.
pub fn unexpected(error: Error) -> Failure {
    Failure::new("error", format!("{error:?}"))
}
