//! The quiet end of a seed, and what must hold then.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{AutoCommit, ROOT, ReadDoc as _};
use roadbook_core::book::{Author, HistoryEntry};
use roadbook_core::id::RecordId;
use roadbook_core::sync::{End, WaitReason};

use super::coverage::Section;
use super::device::Device;
use super::disk::PEOPLE;
use super::model::{Documents, Fate, Token, holds};
use super::peer::NEWER_FIELD;
use super::world::{Sim, unexpected};
use super::{Check, Dice, Failure};

/// So many rounds of everybody syncing are enough for any history of a seed.
const MAX_ROUNDS: usize = 40;
/// Longer than the server looks at no codes after wrong ones, and than devices wait before they ask for a bad record again.
const DAY_MS: i64 = 86_400_000;

impl Sim<'_> {
    /// Stops all faults, lets everybody sync until nothing moves, and looks at what is left.
    pub fn settle(&mut self) -> Check {
        self.network.forget();
        for device in &mut self.devices {
            device.live = None;
            device.joins |= device.revoked;
        }
        let rotten = [0, 1].map(|ws| self.server.rotten(ws));
        if rotten.iter().any(|rotten| !rotten.is_empty()) {
            // A record that the server cannot read stands in nobody's way but its own.
            self.a_day_later();
            self.rest()?;
            for (ws, rotten) in rotten.iter().enumerate() {
                let apart = self.apart(ws, &self.model.stranded[ws] | rotten);
                for i in self.of_workspace(ws) {
                    self.stands(i, &apart)?;
                }
            }
            self.coverage.count(Section::Seen, "rest beside a damaged record");
            self.server.mend();
        }
        self.a_day_later();
        let before = self.rows();
        self.rest()?;
        self.told_of_changes(&before)?;
        if let Some(finding) = self.server.ill() {
            return Err(Failure::new("doctor", finding));
        }
        for ws in 0..2 {
            let documents = self.server.documents(ws);
            let apart = self.apart(ws, self.model.stranded[ws].clone());
            if !apart.is_empty() {
                self.coverage.count(Section::Seen, "promises narrowed by losses");
            }
            let mut shown: Option<BTreeMap<RecordId, Vec<String>>> = None;
            for i in self.of_workspace(ws) {
                self.stands(i, &apart)?;
                self.rows_equal(i)?;
                self.knows_everybody(i, &apart)?;
                self.no_conflict_with_oneself(i)?;
                let mut rows = self.devices[i].rows();
                rows.retain(|record, _| !apart.contains(record));
                if shown.as_ref().is_some_and(|shown| *shown != rows) {
                    return Err(Failure::new("dumps", format!("device {i} shows something else than another one")));
                }
                shown = Some(rows);
            }
            self.nothing_lost(ws, &documents, &apart)?;
            self.erased_is_gone(ws, &documents, &apart)?;
            self.unknown_fields_kept(ws, &documents)?;
        }
        Ok(())
    }

    fn a_day_later(&mut self) {
        self.server.world.pass(DAY_MS);
        for device in &self.devices {
            device.world.pass(DAY_MS);
        }
    }

    fn of_workspace(&self, ws: usize) -> Vec<usize> {
        (0..self.devices.len()).filter(|i| self.devices[*i].ws == ws).collect()
    }

    /// Records of a workspace for which less is promised: those that are given, and those that were edited together with them in
    /// what still waits.
    fn apart(&self, ws: usize, mut apart: BTreeSet<RecordId>) -> BTreeSet<RecordId> {
        if apart.is_empty() {
            return apart;
        }
        let waiting: Vec<_> = self.of_workspace(ws).into_iter().flat_map(|i| self.devices[i].waiting()).collect();
        loop {
            let known = apart.len();
            let together = waiting.iter().filter(|records| !records.is_disjoint(&apart)).flatten();
            apart = together.chain(&apart).copied().collect();
            if apart.len() == known {
                return apart;
            }
        }
    }

    /// What each device shows.
    fn rows(&self) -> Vec<BTreeMap<RecordId, Vec<String>>> {
        self.devices
            .iter()
            .map(|device| {
                device.told.forget();
                device.rows()
            })
            .collect()
    }

    /// Whoever observes a book has heard of everything that is shown otherwise now.
    fn told_of_changes(&self, before: &[BTreeMap<RecordId, Vec<String>>]) -> Check {
        for (device, before) in self.devices.iter().zip(before) {
            let now = device.rows();
            let changed = |record: &&RecordId| before.get(record) != now.get(record);
            if let Some(record) = before.keys().chain(now.keys()).filter(changed).find(|record| !device.told.knows(**record)) {
                return Err(Failure::new("notices", format!("nobody was told of {record} on device {}", device.index)));
            }
        }
        Ok(())
    }

    /// Everybody syncs until nothing moves.
    fn rest(&mut self) -> Check {
        let mut dice = Dice::new(1);
        for _ in 0..MAX_ROUNDS {
            let mut moved = false;
            for i in 0..self.devices.len() {
                let end = self.sync(i, &mut dice, false)?;
                let still = match &end {
                    Some(End::Done(_) | End::Wait { reason: WaitReason::Held, .. }) => true,
                    Some(End::Rejoin { .. }) => {
                        self.devices[i].joins = true;
                        false
                    }
                    _ => false,
                };
                let report = end.as_ref().map(|end| *end.report()).unwrap_or_default();
                moved |= !still || report.pushed + report.pulled + report.refused > 0;
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Failure::new("rest", "devices that only sync do not come to rest"))
    }

    /// The device holds what the server holds, and nothing waits, but for some records.
    fn stands(&mut self, i: usize, apart: &BTreeSet<RecordId>) -> Check {
        let device = &self.devices[i];
        let status = device.book.status().map_err(unexpected)?;
        if status.refused > 0 {
            self.coverage.count(Section::Seen, "refusal at the end");
        }
        let set_aside = device.set_aside();
        if set_aside.len() as u64 != status.unreadable {
            return Err(Failure::new("feed", format!("device {i} tells of {} records set aside", status.unreadable)));
        }
        if let Some(record) = set_aside.difference(apart).next() {
            return Err(Failure::new("feed", format!("device {i} has {record} set aside")));
        }
        let waiting = device.waiting();
        if let Some(group) = waiting.iter().find(|records| records.is_disjoint(apart)) {
            return Err(Failure::new("limbo", format!("device {i} keeps changes of {group:?} that go nowhere")));
        }
        if waiting.is_empty() != (status.pending_changes == 0) {
            return Err(Failure::new("limbo", format!("device {i} tells of {} changes that wait", status.pending_changes)));
        }
        let (mut here, mut there) = (device.heads(), self.server.heads(device.ws));
        if apart.is_empty() && (here == there) != (status.state_hash == self.server.state_hash(device.ws)) {
            return Err(Failure::new("convergence", format!("device {i} has a hash that says nothing")));
        }
        for all in [&mut here, &mut there] {
            all.retain(|record, _| !apart.contains(record));
        }
        if here != there {
            return Err(Failure::new(
                "convergence",
                format!("device {i} holds something else than the server{}", self.difference(i)),
            ));
        }
        self.coverage.count(Section::Seen, "records converged");
        Ok(())
    }

    /// Where a device and the server differ, for the report of a failure.
    fn difference(&self, i: usize) -> String {
        let device = &self.devices[i];
        let mine = device.documents();
        let theirs: BTreeSet<RecordId> = self.server.documents(device.ws).into_keys().collect();
        let only =
            |name: &str, ids: Vec<RecordId>| if ids.is_empty() { String::new() } else { format!("; only {name}: {ids:?}") };
        let here = mine.keys().filter(|id| !theirs.contains(id)).copied().collect();
        let there = theirs.iter().filter(|id| !mine.contains_key(id)).copied().collect();
        let erased = self.server.erased(device.ws);
        let mine: BTreeMap<RecordId, u32> = device.erased();
        let differs = if mine == erased { String::new() } else { format!("; generations here {mine:?}, there {erased:?}") };
        only("here", here) + &only("there", there) + &differs
    }

    /// Every row shows its document, also one that the server made and nobody opened yet.
    fn rows_equal(&mut self, i: usize) -> Check {
        if self.network.lied {
            self.verify_all(i)?;
        }
        self.is_sound(i)?;
        self.verify_all(i)?;
        self.is_sound(i)
    }

    fn is_sound(&self, i: usize) -> Check {
        let findings = self.devices[i].book.check().map_err(unexpected)?;
        findings.first().map_or(Ok(()), |finding| Err(Failure::new("rows", format!("device {i}: {finding:?}"))))
    }

    /// The device has the names of its workspace's people, and of whoever wrote what it shows, once it has synced as often as
    /// the directory has parts.
    fn knows_everybody(&mut self, i: usize, apart: &BTreeSet<RecordId>) -> Check {
        const MAX_PARTS: usize = 20;
        let mut unknown = self.unknown_author(i, apart)?;
        for _ in 0..MAX_PARTS {
            if unknown.is_none() || self.network.copied_back {
                return Ok(());
            }
            self.sync(i, &mut Dice::new(1), false)?;
            unknown = self.unknown_author(i, apart)?;
        }
        unknown.map_or(Ok(()), |what| Err(Failure::new("people", format!("device {i} {what}"))))
    }

    fn unknown_author(&self, i: usize, apart: &BTreeSet<RecordId>) -> Check<Option<String>> {
        let book = &self.devices[i].book;
        let mut people: Vec<String> = book.people().map_err(unexpected)?.into_iter().map(|person| person.name).collect();
        people.sort();
        if people != PEOPLE {
            return Ok(Some(format!("knows {people:?}")));
        }
        for record in self.devices[i].heads().into_keys().filter(|record| !apart.contains(record)) {
            let Ok(history) = book.history(record) else { continue };
            if let Some(entry) = history.iter().find(|entry| !entry.author.own && entry.author.person.is_none()) {
                return Ok(Some(format!("does not know who wrote {:?} in {record}", entry.changes)));
            }
        }
        Ok(None)
    }

    /// Nobody disagrees with himself.
    fn no_conflict_with_oneself(&mut self, i: usize) -> Check {
        let disputed = self.devices[i].book.disputed(1000).map_err(unexpected)?;
        for record in disputed.into_iter().filter(|record| !self.network.damaged.contains(&record.id)) {
            for conflict in self.devices[i].book.conflicts(record.id).map_err(unexpected)? {
                self.coverage.count(Section::Seen, "conflict at the end");
                let Some(author) = conflict.values.first().map(|value| &value.author) else { continue };
                let same = |other: &Author| other.person == author.person && other.device == author.device;
                // Devices are named by their numbers; of a store that there was twice, each may disagree with the other.
                let number = author.device.rsplit(' ').next().and_then(|number| number.parse::<usize>().ok());
                let lineage = number.and_then(|number| self.devices.get(number)).map(|device| device.lineage);
                if lineage.is_none_or(|lineage| self.model.forked.contains(&lineage))
                    || !conflict.values.iter().all(|value| same(&value.author))
                {
                    continue;
                }
                let history = self.devices[i].book.history(record.id).map_err(unexpected)?;
                let wrote = |entry: &&HistoryEntry| entry.changes.iter().any(|change| change.field == conflict.field);
                if history.iter().filter(wrote).all(|entry| same(&entry.author)) {
                    let shown: Vec<_> = conflict.values.iter().map(|value| &value.text).collect();
                    let what = format!("{} with itself in {}: {shown:?}", author.device, conflict.id);
                    return Err(Failure::new("self-conflict", what));
                }
            }
        }
        Ok(())
    }

    /// Every edit that a user was told is kept is on the server, or visibly refused with its bytes.
    fn nothing_lost(&mut self, ws: usize, documents: &Documents, apart: &BTreeSet<RecordId>) -> Check {
        let missing: Vec<Token> = self
            .model
            .tokens
            .iter()
            .filter(|token| token.ws == ws && token.fate == Fate::Kept && !self.model.erased.contains_key(&token.record))
            .filter(|token| !token.is_in(documents))
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut refused = Vec::new();
        let mut stuck = Vec::new();
        for device in self.devices.iter().filter(|device| device.ws == ws) {
            for refusal in device.book.refusals().map_err(unexpected)? {
                let shown =
                    refusal.changes.iter().flat_map(|change| [Some(change.field.as_str().to_owned()), change.after.clone()]);
                refused.push((refusal.record.id, shown.flatten().collect::<Vec<_>>()));
            }
            // An edit that builds on what was lost with its author waits on the device that made it.
            if !apart.is_empty() {
                stuck.push(device.documents());
            }
        }
        for token in missing {
            // The moment of a deletion is shown in another form than it is stored in.
            let moment = !token.text.starts_with('w');
            let visible = refused.iter().any(|(record, shown)| {
                *record == token.record && shown.iter().any(|text| text.contains(&token.text) || (moment && text == "deleted"))
            });
            let stuck = apart.contains(&token.record) && stuck.iter().any(|documents| token.is_in(documents));
            if !visible && !stuck {
                let here = self.devices.get(token.store).and_then(|device| device.book.to_json(token.record).ok());
                let what = format!("{} of device {} in {} is nowhere; there: {here:?}", token.text, token.store, token.record);
                return Err(Failure::new("lost", what));
            }
        }
        Ok(())
    }

    /// Of a record that was erased nothing is left on any device or the server.
    fn erased_is_gone(&mut self, ws: usize, documents: &Documents, apart: &BTreeSet<RecordId>) -> Check {
        let devices: Vec<&Device> = self.devices.iter().filter(|device| device.ws == ws).collect();
        let held: Vec<Documents> = devices.iter().map(|device| device.documents()).collect();
        for (record, generation) in self.server.erased(ws).iter().filter(|(record, _)| !apart.contains(record)) {
            // An erasure that was refused erased nothing.
            let words = self.model.erased.get(record).into_iter().flatten().filter(|(_, gone)| *gone <= generation);
            for (word, _) in words {
                if let Some(device) = devices.iter().find(|device| device.keeps_edit(*record, 0, word)) {
                    let what = format!("{word} of the erased {record} is still in an edit on device {}", device.index);
                    return Err(Failure::new("erased", what));
                }
                let holder =
                    held.iter().chain([documents]).position(|all| all.get(record).is_some_and(|(_, bytes)| holds(bytes, word)));
                if let Some(holder) = holder {
                    return Err(Failure::new("erased", format!("{word} of the erased {record} is still on device {holder}")));
                }
            }
            self.coverage.count(Section::Seen, "erased record is gone");
        }
        Ok(())
    }

    /// What a newer release wrote is still there, as it wrote it.
    fn unknown_fields_kept(&mut self, ws: usize, documents: &Documents) -> Check {
        if ws != 0 {
            return Ok(());
        }
        for (record, word) in self.model.unknown.iter().filter(|(record, _)| !self.model.erased.contains_key(*record)) {
            let Some((_, bytes)) = documents.get(record) else { continue };
            let document =
                AutoCommit::load(bytes.get(1..).unwrap_or_default()).map_err(|why| Failure::new("unknown", why.to_string()))?;
            let value =
                document.get(ROOT, NEWER_FIELD).ok().flatten().map(|(value, _)| value.as_str().unwrap_or_default().to_owned());
            if value.as_ref() != Some(word) {
                return Err(Failure::new("unknown", format!("{record} holds {value:?} instead of {word}")));
            }
            self.coverage.count(Section::Seen, "edit of a newer release kept");
        }
        Ok(())
    }
}
