//! The world of a seed, and what each step does in it.

use std::collections::BTreeMap;

use roadbook_core::Error;
use roadbook_core::book::{Change, Finding};
use roadbook_core::env::Env as _;
use roadbook_core::fault::{self, Fault, Site};
use roadbook_core::id::RecordId;
use roadbook_core::record::{FieldValue, Kind};
use roadbook_core::sync::{End, Event, RejoinReason, Session, Step as Next, WaitReason};
use roadbook_core::value::{Register as _, Scalar};

use super::coverage::{Coverage, Section};
use super::device::{Device, Live, PhoneBackup, told};
use super::disk::{Disk, PEOPLE, machine};
use super::edits::{self, Form};
use super::model::{Fate, Model, Token, lineage, words};
use super::network::{Network, URL};
use super::peer::{Peer, card_uid};
use super::server::Server;
use super::steps::{Step, What};
use super::{Check, Dice, Failure};

/// A clock that is wrong, in milliseconds.
const TEN_YEARS_MS: i64 = 315_576_000_000;
/// The most devices, copies included.
const MAX_DEVICES: usize = 7;
/// So many round trips no session needs.
const MAX_TRIPS: u32 = 300;
/// Where the server stands among the clocks.
const SERVER_CLOCK: usize = usize::MAX;

/// The world of one seed.
pub struct Sim<'a> {
    pub(super) disk: &'a Disk,
    pub(super) coverage: &'a mut Coverage,
    pub(super) devices: Vec<Device>,
    pub(super) server: Server,
    pub(super) network: Network,
    pub(super) model: Model,
    peer: Peer,
    seed: u64,
    skews: BTreeMap<usize, i64>,
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

    fn new_device(&self, ws: usize, person: &'static str, copy: Option<&[u8]>) -> Device {
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

    fn act(&mut self, what: What, i: usize, dice: &mut Dice) -> Check {
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

    // What users do.

    fn word(&mut self, i: usize) -> String {
        let device = &self.devices[i];
        self.model.word(device.ws, device.lineage)
    }

    /// Notes that a user was told that an edit is kept.
    fn acknowledged(&mut self, i: usize, record: RecordId, text: String) {
        let device = &mut self.devices[i];
        if let Some(live) = &mut device.live
            && !std::mem::replace(&mut live.edited, true)
        {
            self.coverage.count(Section::Seen, "edit during a sync");
        }
        let (store, life, ws) = (device.index, device.life, device.ws);
        self.coverage.count(Section::Seen, "edit acknowledged");
        self.model.tokens.push(Token { text, store, life, ws, record, fate: Fate::Kept });
    }

    /// The value of a call; `None` where it failed as calls may fail. A dead process begins again.
    fn done<T>(&mut self, i: usize, result: roadbook_core::Result<T>) -> Check<Option<T>> {
        let error = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if fault::dead(Site::Client) {
            fault::disarm();
            self.devices[i].restart();
            return Ok(None);
        }
        if matches!(error, Error::NoSpace) && fault::limited() {
            self.coverage.count(Section::Error, "no space");
            return Ok(None);
        }
        let Some(name) = told(&error) else { return Err(unexpected(error)) };
        self.coverage.count(Section::Error, name);
        Ok(None)
    }

    fn open_any(&mut self, i: usize, dice: &mut Dice) -> Check<Option<Form>> {
        let found = edits::any_record(&self.devices[i].book, dice);
        let Some(Some(record)) = self.done(i, found)? else { return Ok(None) };
        let form = edits::open(&self.devices[i].book, record);
        self.done(i, form)
    }

    fn save(&mut self, i: usize, form: &Form, word: String) -> Check<Option<Form>> {
        let saved = edits::save(&self.devices[i].book, form);
        let saved = self.done(i, saved)?;
        if saved.is_some() {
            self.acknowledged(i, edits::link(form).id, word);
        }
        Ok(saved)
    }

    fn create(&mut self, i: usize, dice: &mut Dice) -> Check {
        let word = self.word(i);
        let form = edits::new_form(&self.devices[i].book, Kind::ALL[dice.below(3)], word.clone());
        self.save(i, &form, word).map(|_| ())
    }

    fn edit(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(mut form) = self.open_any(i, dice)? else { return self.create(i, dice) };
        if dice.chance(25) && self.devices[i].forms.len() < 6 {
            self.devices[i].forms.push(form.clone());
        }
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        let Some(mut form) = self.save(i, &form, word)? else { return Ok(()) };
        if dice.chance(30) {
            // The form stays open and goes on from what the save gave.
            let word = self.word(i);
            edits::touch(&self.devices[i].book, &mut form, &word, dice);
            self.save(i, &form, word)?;
        }
        Ok(())
    }

    fn stale(&mut self, i: usize, dice: &mut Dice) -> Check {
        let at = dice.below(self.devices[i].forms.len());
        let Some(mut form) = self.devices[i].forms.get(at).cloned() else { return self.edit(i, dice) };
        if dice.chance(50) {
            self.devices[i].forms.remove(at);
        }
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        self.save(i, &form, word).map(|_| ())
    }

    fn double(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(mut form) = self.open_any(i, dice)? else { return Ok(()) };
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        if self.save(i, &form, word.clone())?.is_none() {
            return Ok(());
        }
        let pending = |sim: &Self| sim.devices[i].book.status().map(|status| status.pending_changes).map_err(unexpected);
        let before = pending(self)?;
        let again = edits::save(&self.devices[i].book, &form);
        let Some(again) = self.done(i, again)? else { return Ok(()) };
        if pending(self)? != before || edits::times(&again, &word) > 1 {
            return Err(Failure::new("double save", format!("device {i} wrote a form twice")));
        }
        Ok(())
    }

    fn set_fields(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let record = edits::link(&form);
        let word = self.word(i);
        let field = if record.kind == Kind::Contact { "organization" } else { "title" };
        let field = if dice.chance(30) { format!("tags/{word}") } else { field.to_owned() };
        let scalar = if field.starts_with("tags/") { Scalar::Bool(true) } else { Scalar::from(word.as_str()) };
        let set = self.devices[i].book.set_fields(record.id, &[(field, scalar)]);
        if self.done(i, set)?.is_some() {
            self.acknowledged(i, record.id, word);
        }
        Ok(())
    }

    /// How the moment of a deletion stands in a record.
    fn moment(&self, i: usize) -> String {
        Some(self.devices[i].world.now()).to_scalar().as_str().unwrap_or_default().to_owned()
    }

    fn delete(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let living = edits::values(&form).is_some_and(|values| values.get("deleted").is_some_and(FieldValue::is_empty));
        let (record, moment) = (edits::link(&form), self.moment(i));
        let deleted = self.devices[i].book.delete(record.kind, record.id);
        if self.done(i, deleted)?.is_some() && living {
            self.acknowledged(i, record.id, moment);
        }
        Ok(())
    }

    fn erase(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let record = edits::link(&form);
        let may = self.devices[i].book.account().map_err(unexpected)?.is_none() || self.devices[i].person == PEOPLE[0];
        let erased = self.devices[i].book.erase(record.kind, record.id);
        if may || erased.is_ok() {
            // Also where the process died over it: it may have been done, and nobody heard.
            self.model.erase(self.devices[i].ws, record.id);
        }
        self.done(i, erased).map(|_| ())
    }

    fn apply(&mut self, i: usize, dice: &mut Dice) -> Check {
        let mut changes: Vec<Change> = Vec::new();
        let mut told = Vec::new();
        for _ in 0..2 + dice.below(3) {
            let word = self.word(i);
            let form = match self.open_any(i, dice)? {
                Some(mut form) if dice.chance(60) => {
                    edits::touch(&self.devices[i].book, &mut form, &word, dice);
                    form
                }
                _ => edits::new_form(&self.devices[i].book, Kind::ALL[dice.below(3)], word.clone()),
            };
            // Twice the same form in one action is the app's mistake.
            if changes.iter().all(|other| edits::link(other).id != edits::link(&form).id) {
                told.push((edits::link(&form).id, word));
                changes.push(form);
            }
        }
        let applied = self.devices[i].book.apply(&changes, "visit");
        if self.done(i, applied)?.is_some() {
            for (record, word) in told {
                self.acknowledged(i, record, word);
            }
        }
        Ok(())
    }

    fn undo(&mut self, i: usize, dice: &mut Dice) -> Check {
        let mut action = None;
        if dice.chance(30)
            && let Some(form) = self.open_any(i, dice)?
        {
            let history = self.devices[i].book.history(edits::link(&form).id);
            let history = self.done(i, history)?.unwrap_or_default();
            let own: Vec<_> = history.iter().filter(|entry| entry.author.own).filter_map(|entry| entry.action).collect();
            action = dice.pick(&own).copied();
        }
        let undone = self.devices[i].book.undo(action);
        let Some(report) = self.done(i, undone)? else { return Ok(()) };
        let own = self.devices[i].lineage;
        if self.model.forked.contains(&own) {
            return Ok(());
        }
        for record in &report.records {
            let history = self.devices[i].book.history(record.id);
            let Some(history) = self.done(i, history)? else { continue };
            // What settling or undoing wrote may be what somebody else had written before.
            let plain = |kind: &str| matches!(kind, "save" | "visit" | "import");
            if !history.iter().any(|entry| entry.action == Some(report.undone) && plain(&entry.kind)) {
                continue;
            }
            let entries = history.iter().filter(|entry| entry.action == Some(report.action));
            for change in entries.flat_map(|entry| &entry.changes).filter(|change| change.field.field() != "notes") {
                let before = change.before.as_deref().unwrap_or_default();
                if words(before).into_iter().filter_map(lineage).any(|author| author != own) {
                    return Err(Failure::new("undo", format!("device {i} took back {before} in {}", change.field.as_str())));
                }
            }
        }
        Ok(())
    }

    fn settle_conflict(&mut self, i: usize, dice: &mut Dice) -> Check {
        let disputed = self.devices[i].book.disputed(10);
        let disputed = self.done(i, disputed)?.unwrap_or_default();
        let Some(record) = dice.pick(&disputed) else { return Ok(()) };
        let conflicts = self.devices[i].book.conflicts(record.id);
        let conflicts = self.done(i, conflicts)?.unwrap_or_default();
        let Some(conflict) = dice.pick(&conflicts) else { return Ok(()) };
        let Some(value) = dice.pick(&conflict.values) else { return Ok(()) };
        let settled = self.devices[i].book.settle(&conflict.id, &value.id);
        self.done(i, settled).map(|_| ())
    }

    fn retry(&mut self, i: usize, dice: &mut Dice) -> Check {
        let refusals = self.devices[i].book.refusals().map_err(unexpected)?;
        let Some(refusal) = dice.pick(&refusals) else { return Ok(()) };
        let retried = self.devices[i].book.retry(&refusal.id);
        self.done(i, retried).map(|_| ())
    }

    fn discard(&mut self, i: usize, dice: &mut Dice) -> Check {
        let refusals = self.devices[i].book.refusals().map_err(unexpected)?;
        let Some(refusal) = dice.pick(&refusals) else { return Ok(()) };
        let discarded = self.devices[i].book.discard(&refusal.id);
        if self.done(i, discarded)?.is_none() {
            return Ok(());
        }
        for token in self.model.tokens.iter_mut().filter(|token| token.record == refusal.record.id) {
            let shows = |text: &str| text.contains(&token.text);
            let named = refusal.changes.iter().any(|change| {
                let moment = change.field.field() == "deleted" && !token.text.starts_with('w');
                moment || shows(change.field.as_str()) || change.after.as_deref().is_some_and(shows)
            });
            if named {
                token.fate = Fate::Discarded;
            }
        }
        Ok(())
    }

    fn draft(&mut self, i: usize, dice: &mut Dice) -> Check {
        let name = format!("form-{}", dice.below(2));
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let device = &mut self.devices[i];
        let found = device.book.draft(&name).map_err(unexpected)?.map(|draft| draft.record);
        if let Some(kept) = device.drafts.get(&name)
            && found.as_ref() != Some(kept)
            && !self.model.erased.contains_key(&edits::link(kept).id)
        {
            return Err(Failure::new("draft", format!("device {i} has another draft than was kept")));
        }
        let kept = device.book.keep_draft(&name, &form);
        if self.done(i, kept)?.is_some() {
            self.devices[i].drafts.insert(name, form);
        }
        Ok(())
    }

    fn import(&mut self, i: usize, dice: &mut Dice) -> Check {
        let mut file = String::new();
        let mut cards = Vec::new();
        for _ in 0..1 + dice.below(3) {
            let (uid, word) = (card_uid(dice.below(6)), self.word(i));
            file.push_str(&format!(
                "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{uid}\r\nFN:Card {word}\r\nN:{word};Card;;;\r\nEMAIL:{word}@example.com\r\nEND:VCARD\r\n"
            ));
            cards.push((RecordId::derived(&[b"vcard uid", uid.as_bytes()]), word));
        }
        let imported = self.devices[i].book.import_vcard("cards.vcf", file.as_bytes(), None, &|_| true);
        if self.done(i, imported)?.is_none() {
            return Ok(());
        }
        for (record, word) in cards {
            // What people changed in a record is not overwritten by a card.
            let shows = self.devices[i]
                .book
                .to_json(record)
                .is_ok_and(|json| json.values().any(|value| value.to_string().contains(&word)));
            if shows {
                self.acknowledged(i, record, word);
            }
        }
        Ok(())
    }

    fn lists(&mut self, i: usize) -> Check {
        for kind in Kind::ALL {
            for deleted in [false, true] {
                let listed = edits::list(&self.devices[i].book, kind, "", deleted, 1000);
                self.done(i, listed)?;
            }
        }
        let people = self.devices[i].book.people().map_err(unexpected)?;
        if people.len() > PEOPLE.len() {
            return Err(Failure::new("workspace", format!("device {i} knows {} people", people.len())));
        }
        Ok(())
    }

    /// Verifies all that came unopened.
    pub(super) fn verify_all(&mut self, i: usize) -> Check {
        for _ in 0..20 {
            let left = self.devices[i].book.verify_some(1000);
            match self.done(i, left)? {
                Some(0) | None => return Ok(()),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn search(&mut self, i: usize, dice: &mut Dice) -> Check {
        self.verify_all(i)?;
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let (record, Some(values)) = (edits::link(&form), edits::values(&form)) else { return Ok(()) };
        let field = if record.kind == Kind::Contact { "family_name" } else { "title" };
        let (Some(FieldValue::Register(shown)), Some(FieldValue::Register(deleted))) = (values.get(field), values.get("deleted"))
        else {
            return Ok(());
        };
        let Some(word) = words(shown.as_str().unwrap_or_default()).first().map(|word| (*word).to_owned()) else { return Ok(()) };
        if !deleted.is_null() {
            return Ok(());
        }
        let found = self.devices[i].book.search(&word, 50);
        let found = self.done(i, found)?.unwrap_or_default();
        if found.iter().any(|found| found.record == record) {
            return Ok(());
        }
        Err(Failure::new("search", format!("device {i} does not find {record} by {word}")))
    }

    fn read(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(form) = self.open_any(i, dice)? else { return Ok(()) };
        let id = edits::link(&form).id;
        let history = self.devices[i].book.history(id);
        self.done(i, history)?;
        let json = self.devices[i].book.to_json(id);
        self.done(i, json)?;
        let conflicts = self.devices[i].book.conflicts(id);
        self.done(i, conflicts).map(|_| ())
    }

    fn check_store(&mut self, i: usize) -> Check {
        self.verify_all(i)?;
        let findings = self.devices[i].book.check();
        let findings = self.done(i, findings)?.unwrap_or_default();
        // A record that came damaged is fetched again; that is what the end looks at.
        match findings.into_iter().find(|finding| !matches!(finding, Finding::Unreadable { .. })) {
            Some(finding) => Err(Failure::new("rows", format!("device {i}: {finding:?}"))),
            None => Ok(()),
        }
    }

    // How devices sync.

    /// One round trip; the end of the session if it came to one.
    pub(super) fn page(&mut self, i: usize, dice: &mut Dice, faulty: bool) -> Check<Option<End>> {
        let live = match self.devices[i].live.take() {
            Some(live) => live,
            None => {
                let started = self.begin(i);
                let Some((session, step)) = self.done(i, started)? else { return Ok(None) };
                match step {
                    Next::End(end) => return self.ended(i, end).map(Some),
                    Next::Send(request) => Live { session, request, edited: false },
                }
            }
        };
        let Live { mut session, request, .. } = live;
        let device = &mut self.devices[i];
        let event = self.network.carry(&mut self.server, device, &request, dice, faulty, self.coverage)?;
        let next = session.next(event);
        match self.done(i, next)? {
            None => Ok(None),
            Some(Next::End(end)) => {
                drop(session);
                self.ended(i, end).map(Some)
            }
            Some(Next::Send(request)) => {
                self.devices[i].live = Some(Live { session, request, edited: false });
                Ok(None)
            }
        }
    }

    fn begin(&mut self, i: usize) -> roadbook_core::Result<(Session, Next)> {
        let device = &mut self.devices[i];
        let mut session = if device.joins {
            let server = &self.server;
            let code = device.invitation.get_or_insert_with(|| server.invite(device.ws, device.person));
            let session = Session::join(&device.book, URL, code, &format!("Phone {i}"))?;
            // From here on the server may know it again.
            let id = device.id();
            self.devices
                .iter_mut()
                .filter(|other| other.index == i || (id.is_some() && other.id() == id))
                .for_each(|other| other.revoked = false);
            session
        } else {
            Session::sync(&device.book, None)?
        };
        let step = session.start()?;
        Ok((session, step))
    }

    /// A sync from where it stands to its end; `None` where the process died over it.
    pub(super) fn sync(&mut self, i: usize, dice: &mut Dice, faulty: bool) -> Check<Option<End>> {
        for _ in 0..MAX_TRIPS {
            if let Some(end) = self.page(i, dice, faulty)? {
                return Ok(Some(end));
            }
            if self.devices[i].live.is_none() {
                return Ok(None);
            }
        }
        Err(Failure::new("progress", format!("a sync of device {i} does not end")))
    }

    fn ended(&mut self, i: usize, end: End) -> Check<End> {
        let device = &mut self.devices[i];
        let name = match &end {
            End::Done(_) => "done",
            End::More(_) => "more",
            End::Upgrade(_) => "upgrade",
            End::Cancelled(_) => "cancelled",
            End::Wait { reason: WaitReason::Offline, .. } => "wait offline",
            End::Wait { reason: WaitReason::NotTheServer, .. } => "wait not the server",
            End::Wait { reason: WaitReason::Server, .. } => "wait server",
            End::Wait { reason: WaitReason::Held, .. } => "wait held",
            End::Rejoin { reason: RejoinReason::NotJoined, .. } => "rejoin not joined",
            End::Rejoin { reason: RejoinReason::Revoked, .. } => "rejoin revoked",
            End::Rejoin { reason: RejoinReason::Unknown, .. } => "rejoin unknown",
            End::Rejoin { reason: RejoinReason::Invitation, .. } => "rejoin invitation",
        };
        self.coverage.count(Section::End, name);
        match end {
            End::Rejoin { reason: RejoinReason::Revoked, .. } => device.invitation = None,
            End::Rejoin { .. } => {
                device.joins = true;
                device.invitation = None;
            }
            End::Done(_) | End::Wait { reason: WaitReason::Held, .. } => {
                device.joins = false;
                device.invitation = None;
            }
            // A device that joins goes on joining until a session comes to its end: the same code gives the same device.
            _ => {}
        }
        Ok(end)
    }

    fn drop_sync(&mut self, i: usize, dice: &mut Dice) -> Check {
        let Some(mut live) = self.devices[i].live.take() else { return Ok(()) };
        if dice.chance(50) {
            let next = live.session.next(Event::Cancel);
            if let Some(Next::End(end)) = self.done(i, next)? {
                self.ended(i, end)?;
            }
        }
        Ok(())
    }

    // What goes wrong.

    fn with_fault(&mut self, i: usize, site: Site, dice: &mut Dice, faults: &[Fault]) -> Check {
        let fault = faults[dice.below(faults.len())];
        let inner = match site {
            Site::Client => [What::Edit, What::Sync, What::Apply, What::Sync, What::Import][dice.below(5)],
            Site::Server => What::Sync,
        };
        if site == Site::Server && self.devices[i].joins {
            // The administrator's invitation is made while all is well.
            let device = &mut self.devices[i];
            let server = &self.server;
            device.invitation.get_or_insert_with(|| server.invite(device.ws, device.person));
        }
        let met = fault::met();
        fault::arm(site, dice.below(3) as u32, fault);
        let done = self.act(inner, i, dice);
        let happened = fault::met() > met;
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
        }
        done?;
        if fault == Fault::DiskFull {
            // The next transaction finds room again.
            match site {
                Site::Client => self.devices[i].book.drop_draft("").map_err(unexpected)?,
                Site::Server => self.server.tidy(),
            }
            fault::unlimit();
        }
        Ok(())
    }

    fn set_clock(&mut self, machine: usize, dice: &mut Dice) {
        let by = match self.skews.remove(&machine) {
            Some(skew) => -skew,
            None => {
                let skew = if dice.chance(50) { TEN_YEARS_MS } else { -TEN_YEARS_MS };
                self.skews.insert(machine, skew);
                skew
            }
        };
        if machine == SERVER_CLOCK { self.server.world.pass(by) } else { self.devices[machine].world.pass(by) }
    }

    fn put_back(&mut self) {
        if !self.server.put_back() {
            return;
        }
        self.network.put_back = true;
        self.model.unknown.clear();
        for ws in 0..2 {
            let documents = self.server.documents(ws);
            let mut stranded = false;
            for token in self.model.tokens.iter_mut().filter(|token| token.ws == ws && token.fate == Fate::Kept) {
                let there = token.is_in(&documents);
                let author = self.devices.get(token.store);
                let pushes_again =
                    author.is_some_and(|author| author.life == token.life && !self.model.forked.contains(&author.lineage));
                if !there && !pushes_again {
                    token.fate = Fate::MayBeLost;
                    stranded = true;
                }
            }
            // Edits without a word of their own (a tag taken away) may be gone too.
            let copies = self.devices.iter().any(|device| device.ws == ws && self.model.forked.contains(&device.lineage));
            self.model.stranded[ws] |= stranded || copies;
        }
        let revoked: Vec<bool> =
            self.devices.iter().map(|device| device.id().is_some_and(|id| self.server.is_revoked(device.ws, &id))).collect();
        for (device, revoked) in self.devices.iter_mut().zip(revoked) {
            device.revoked = revoked;
        }
    }

    fn restore_phone(&mut self, i: usize, noticed: bool) -> Check {
        let device = &mut self.devices[i];
        let Some(backup) = &device.backup else { return Ok(()) };
        let (book, tokens) = (backup.book.clone(), backup.tokens);
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
        device.backup = None;
        let (store, ws, lineage) = (device.index, device.ws, device.lineage);
        self.model.forked.insert(lineage);
        let documents = self.server.documents(ws);
        for token in self.model.tokens.iter_mut().skip(tokens).filter(|token| token.store == store) {
            let there = token.is_in(&documents);
            if !there && token.fate == Fate::Kept {
                token.fate = Fate::MayBeLost;
            }
        }
        Ok(())
    }

    fn copy_phone(&mut self, i: usize, noticed: bool) -> Check {
        if self.devices.len() >= MAX_DEVICES {
            return Ok(());
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
        self.model.forked.insert(lineage);
        self.devices[i].open().map_err(unexpected)?;
        self.devices.push(copy);
        Ok(())
    }

    fn revoke(&mut self, i: usize) {
        let Some(id) = self.devices[i].id() else { return };
        if self.server.revoke(self.devices[i].ws, &id) {
            self.devices.iter_mut().filter(|device| device.id().as_deref() == Some(&id)).for_each(|device| device.revoked = true);
        }
    }
}

/// An error that no caller of the book should see.
pub fn unexpected(error: Error) -> Failure {
    Failure::new("error", format!("{error:?}"))
}
