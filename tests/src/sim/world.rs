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
        self.coverage.count(Section::Step, step.what.name());
        self.act(step.what, step.who % self.devices.len(), &mut dice)
    }

    pub(super) fn act(&mut self, what: What, i: usize, dice: &mut Dice) -> Check {
        match what {
            What::Create => self.create(i, dice),
            What::Edit => self.edit(i, dice),
            What::Stale => self.stale(i, dice),
            What::Double => self.double(i, dice),
            What::SetFields => self.set_fields(i, dice),
            What::Delete => self.delete(i, dice),
            What::Erase => self.erase(i, dice),
            What::Apply => self.apply(i, dice),
            What::Undo => self.undo(i, dice),
            What::Settle => self.settle_conflict(i, dice),
            What::Retry => self.retry(i, dice),
            What::Discard => self.discard(i, dice),
            What::Draft => self.draft(i, dice),
            What::Import => self.import(i, dice),
            What::List => self.lists(i),
            What::Search => self.search(i, dice),
            What::Read => self.read(i, dice),
            What::Verify => {
                let verified = self.devices[i].book.verify_some(5);
                self.done(i, verified).map(|_| ())
            }
            What::CheckStore => self.check_store(i),
            What::Rebuild => {
                let rebuilt = self.devices[i].book.rebuild();
                self.done(i, rebuilt).map(|_| ())
            }
            What::Restart => {
                self.devices[i].restart();
                Ok(())
            }
            What::Sync => self.sync(i, dice, true).map(|_| ()),
            What::Page => self.page(i, dice, true).map(|_| ()),
            What::Drop => self.drop_sync(i, dice),
            What::Deliver => {
                self.network.deliver(&mut self.server, dice, self.coverage);
                Ok(())
            }
            What::Die => self.with_fault(i, Site::Client, dice, &[Fault::DieBefore, Fault::DieAfter]),
            What::Full => self.with_fault(i, Site::Client, dice, &[Fault::DiskFull]),
            What::ServerDie => self.with_fault(i, Site::Server, dice, &[Fault::DieBefore, Fault::DieAfter]),
            What::ServerFull => self.with_fault(i, Site::Server, dice, &[Fault::DiskFull]),
            What::ServerRestart => {
                self.server.restart();
                self.server.tidy();
                Ok(())
            }
            What::Clock => {
                self.set_clock(if dice.chance(20) { SERVER_CLOCK } else { i }, dice);
                Ok(())
            }
            What::Rot => {
                self.server.rot(0, dice.below(1000));
                Ok(())
            }
            What::Mend => {
                self.server.mend();
                Ok(())
            }
            What::Backup => {
                self.server.back_up();
                Ok(())
            }
            What::PutBack => {
                self.put_back();
                Ok(())
            }
            What::PhoneBackup => {
                let tokens = self.model.tokens.len();
                let device = &mut self.devices[i];
                device.close();
                device.backup = Some(PhoneBackup { book: device.bytes(), tokens });
                device.open().map_err(unexpected)
            }
            What::PhoneRestore => self.restore_phone(i, true),
            What::PhoneRollback => self.restore_phone(i, false),
            What::Clone => self.copy_phone(i, true),
            What::Twin => self.copy_phone(i, false),
            What::Revoke => {
                self.revoke(i);
                Ok(())
            }
            What::Rejoin => {
                if self.devices[i].revoked {
                    self.devices[i].joins = true;
                    self.devices[i].live = None;
                    self.sync(i, dice, true)?;
                }
                Ok(())
            }
            What::Newer => self.peer.newer(&mut self.server, &mut self.model, dice, self.coverage),
            What::Hostile => self.peer.hostile(&mut self.server, &mut self.model, self.coverage),
            What::Stranger => self.peer.stranger(&mut self.server, self.coverage),
        }
    }
}

/// An error that no caller of the book should see.
pub fn unexpected(error: Error) -> Failure {
    Failure::new("error", format!("{error:?}"))
}
