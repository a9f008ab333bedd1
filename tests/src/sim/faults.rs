//! What goes wrong with processes, disks, clocks and rights.

use std::collections::BTreeSet;

use roadbook_core::fault::{self, Fault, Site};
use roadbook_core::sync::wire::ErrorCode;

use super::coverage::{Coverage, Section};
use super::device::PhoneBackup;
use super::model::{Documents, Fate};
use super::steps::What;
use super::world::{SERVER_CLOCK, Sim, unexpected};
use super::{Check, Dice};

/// A clock that is wrong, in milliseconds.
const TEN_YEARS_MS: i64 = 315_576_000_000;
/// The most devices, copies included.
const MAX_DEVICES: usize = 7;

/// What a client may be struck in by a fault: all that commits.
pub(super) const STRUCK: &[What] = &[
    What::Create,
    What::Edit,
    What::SetFields,
    What::Delete,
    What::Erase,
    What::Apply,
    What::Undo,
    What::Settle,
    What::Retry,
    What::Discard,
    What::Draft,
    What::Import,
    What::Verify,
    What::Rebuild,
    What::Sync,
    What::Page,
];

impl Sim<'_> {
    pub(super) fn with_fault(&mut self, i: usize, site: Site, dice: &mut Dice, faults: &[Fault]) -> Check<bool> {
        let fault = faults[dice.below(faults.len())];
        let struck = match site {
            Site::Client => STRUCK,
            Site::Server => &[What::Sync, What::Page, What::Rejoin],
        };
        let inner = struck[dice.below(struck.len())];
        if site == Site::Server && (self.devices[i].joins || inner == What::Rejoin) {
            // The administrator's invitation is made while all is well.
            let device = &mut self.devices[i];
            let server = &self.server;
            device.invitation.get_or_insert_with(|| server.invite(device.ws, device.person));
        }
        // A full disk takes effect when somebody needs a page more and is told.
        let met = |coverage: &Coverage| match (site, fault) {
            (Site::Client, Fault::DiskFull) => coverage.of(Section::Error, "no space"),
            (Site::Server, Fault::DiskFull) => coverage.of(Section::Answer, ErrorCode::Unavailable.code()),
            _ => fault::met(),
        };
        let before = met(self.coverage);
        // A sync commits once or more for each page; most calls commit once.
        let commits = if matches!(inner, What::Sync | What::Rejoin) { 12 } else { 2 };
        let at_most = 1 + dice.below(commits);
        fault::arm(site, dice.below(at_most) as u32, fault);
        let done = self.act(inner, i, dice);
        let happened = met(self.coverage) > before;
        if fault::disarm() == Some(Site::Client) {
            self.devices[i].restart();
        }
        if happened {
            let name = match (site, fault) {
                (Site::Client, Fault::DieBefore) => "client died before a commit",
                (Site::Client, Fault::DieAfter) => "client died after a commit",
                (Site::Client, Fault::DiskFull) => "client disk was full",
                (Site::Server, Fault::DieBefore) => "server died before a commit",
                (Site::Server, Fault::DieAfter) => "server died after a commit",
                (Site::Server, Fault::DiskFull) => "server disk was full",
            };
            self.coverage.count(Section::Store, name);
            if site == Site::Client {
                self.coverage.count(Section::Struck, inner.name());
            }
        }
        done?;
        if fault == Fault::DiskFull {
            // The next transaction finds room again.
            match site {
                Site::Client => self.devices[i].book.drop_draft("").map_err(unexpected)?,
                Site::Server => _ = self.server.tidy(),
            }
            fault::unlimit();
        }
        Ok(happened)
    }

    pub(super) fn set_clock(&mut self, machine: usize, dice: &mut Dice) {
        let by = match self.skews.remove(&machine) {
            Some(skew) => -skew,
            None => {
                let skew = if dice.chance(50) { TEN_YEARS_MS } else { -TEN_YEARS_MS };
                self.skews.insert(machine, skew);
                skew
            }
        };
        let world = if machine == SERVER_CLOCK { &self.server.world } else { &self.devices[machine].world };
        world.set_clock(by);
    }

    /// The server is put back, by its verb or by copying the file.
    pub(super) fn put_back(&mut self, by_verb: bool) -> bool {
        let had = [0, 1].map(|ws| self.server.heads(ws));
        if !self.server.put_back(by_verb) {
            return false;
        }
        if had != [0, 1].map(|ws| self.server.heads(ws)) {
            self.coverage.count(Section::Seen, "server lost edits");
        }
        self.network.copied_back |= !by_verb;
        self.model.unknown.clear();
        for (ws, had) in had.iter().enumerate() {
            let documents = self.server.documents(ws);
            let erased = self.server.erased(ws);
            let devices = self.devices.iter().filter(|device| device.ws == ws);
            let held: Vec<(usize, Documents)> = devices.map(|device| (device.index, device.documents())).collect();
            let mut stranded = BTreeSet::new();
            for token in self.model.tokens.iter_mut().filter(|token| token.ws == ws && token.fate == Fate::Kept) {
                // What was erased before the copy was made is not there for good.
                let went = self.model.erased.get(&token.record).is_some_and(|words| words.contains_key(&token.text));
                let there = token.is_in(&documents) || (went && erased.contains_key(&token.record));
                let author = self.devices.get(token.store);
                // Whoever erased a record has nothing of it any more, whatever the server says to that.
                let pushes_again = !self.model.erased.contains_key(&token.record)
                    && author.is_some_and(|author| author.life == token.life && !self.model.forked.contains(&author.lineage));
                if there {
                    continue;
                }
                if !pushes_again {
                    token.fate = Fate::MayBeLost;
                    stranded.insert(token.record);
                }
                // A group that was taken, and refused when it came again damaged, is on other devices and never sent again.
                let is_in = |(_, documents): &&(usize, Documents)| token.is_in(documents);
                let of_author = held.iter().find(|(index, _)| *index == token.store).filter(is_in);
                if of_author.is_none() && held.iter().any(|held| is_in(&held)) {
                    stranded.insert(token.record);
                }
            }
            // Edits without a word of their own (a tag taken away) may be gone too.
            if self.devices.iter().any(|device| device.ws == ws && self.model.forked.contains(&device.lineage)) {
                stranded.extend(held.iter().flat_map(|(_, documents)| documents.keys()));
                stranded.extend(had.keys());
            }
            self.model.stranded[ws].extend(stranded);
        }
        let revoked: Vec<bool> =
            self.devices.iter().map(|device| device.id().is_some_and(|id| self.server.is_revoked(device.ws, &id))).collect();
        for (device, revoked) in self.devices.iter_mut().zip(revoked) {
            device.revoked = revoked;
            device.behind = true;
        }
        true
    }

    pub(super) fn restore_phone(&mut self, i: usize, noticed: bool) -> Check<bool> {
        let Some(PhoneBackup { book, tokens }) = self.devices[i].backup.take() else { return Ok(false) };
        // With what it has now, which is lost.
        self.fork(i);
        let device = &mut self.devices[i];
        device.close();
        device.put_back(&book);
        device.drafts.clear();
        device.seen = None;
        // The copy may be from before it joined: the device finds out when it syncs.
        if noticed {
            device.reincarnate();
        }
        device.open().map_err(unexpected)?;
        device.joins = false;
        let (store, ws) = (device.index, device.ws);
        let documents = self.server.documents(ws);
        let (device, stranded) = (&self.devices[i], &self.model.stranded[ws]);
        for (at, token) in self.model.tokens.iter_mut().enumerate().filter(|(_, token)| token.store == store) {
            // What it sent before the copy was made, and a server that was put back has lost, it sends as its former self only.
            let was_sent = || noticed && stranded.contains(&token.record) && !device.keeps_edit(token.record, 0, &token.text);
            if token.fate == Fate::Kept && !token.is_in(&documents) && (at >= tokens || was_sent()) {
                token.fate = Fate::MayBeLost;
            }
        }
        Ok(true)
    }

    pub(super) fn copy_phone(&mut self, i: usize, noticed: bool) -> Check<bool> {
        if self.devices.len() >= MAX_DEVICES {
            return Ok(false);
        }
        self.devices[i].close();
        let book = self.devices[i].bytes();
        let (ws, person, vault, lineage) = {
            let device = &self.devices[i];
            (device.ws, device.person, device.vault.clone(), device.lineage)
        };
        let mut copy = self.new_device(ws, person, Some(&book));
        if !noticed {
            // It was opened as another store just now; that was not the copy that is meant.
            copy.close();
            copy.put_back(&book);
            copy.vault = vault;
            copy.open().map_err(unexpected)?;
        }
        copy.lineage = lineage;
        copy.life = self.devices[i].life + u32::from(noticed);
        copy.joins = self.devices[i].joins;
        copy.revoked = self.devices[i].revoked;
        copy.behind = self.devices[i].behind;
        self.fork(i);
        self.devices[i].open().map_err(unexpected)?;
        self.devices.push(copy);
        Ok(true)
    }

    /// There are two stores of the device's lineage now, or one that forgot something: what a server that was put back needs
    /// again, they may not send.
    fn fork(&mut self, i: usize) {
        let device = &self.devices[i];
        self.model.forked.insert(device.lineage);
        if device.behind {
            self.model.stranded[device.ws].extend(device.heads().into_keys());
        }
    }

    pub(super) fn revoke(&mut self, i: usize) -> bool {
        let Some(id) = self.devices[i].id() else { return false };
        let revoked = self.server.revoke(self.devices[i].ws, &id);
        if revoked {
            if self.devices[i].live.is_some() {
                self.coverage.count(Section::Seen, "revoked between two pages");
            }
            self.devices.iter_mut().filter(|device| device.id().as_deref() == Some(&id)).for_each(|device| device.revoked = true);
        }
        revoked
    }
}
