//! What users do with their books, and what they may expect at once.

use std::collections::BTreeSet;

use roadbook_core::Error;
use roadbook_core::book::{Change, Finding};
use roadbook_core::env::Env as _;
use roadbook_core::fault::{self, Site};
use roadbook_core::id::RecordId;
use roadbook_core::record::{FieldValue, Kind};
use roadbook_core::value::{Register as _, Scalar};

use super::coverage::Section;
use super::device::{Device, told};
use super::disk::PEOPLE;
use super::edits::{self, Form, Wanted};
use super::model::{Documents, Fate, Token, holds, lineage, words};
use super::peer::{card_record, card_uid};
use super::world::{Sim, unexpected};
use super::{Check, Dice, Failure};

fn is_living(form: &Form) -> bool {
    edits::values(form).is_some_and(|values| values.get("deleted").is_some_and(FieldValue::is_empty))
}

impl Sim<'_> {
    pub(super) fn word(&mut self, i: usize) -> String {
        let device = &self.devices[i];
        self.model.word(device.ws, device.lineage)
    }

    /// Notes that a user was told that an edit is kept.
    pub(super) fn acknowledged(&mut self, i: usize, record: RecordId, text: String) {
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
    pub(super) fn done<T>(&mut self, i: usize, result: roadbook_core::Result<T>) -> Check<Option<T>> {
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

    pub(super) fn open_any(&mut self, i: usize, dice: &mut Dice) -> Check<Option<Form>> {
        let found = edits::any_record(&self.devices[i].book, dice);
        let Some(Some(record)) = self.done(i, found)? else { return Ok(None) };
        let form = edits::open(&self.devices[i].book, record);
        self.done(i, form)
    }

    pub(super) fn save(&mut self, i: usize, form: &Form, word: String) -> Check<Option<Form>> {
        self.devices[i].told.forget();
        let saved = edits::save(&self.devices[i].book, form);
        let saved = self.done(i, saved)?;
        if saved.is_some() {
            let record = edits::link(form).id;
            if !self.devices[i].told.knows(record) {
                return Err(Failure::new("notices", format!("nobody was told that {record} was saved on device {i}")));
            }
            self.acknowledged(i, record, word);
        }
        Ok(saved)
    }

    pub(super) fn create(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let word = self.word(i);
        let form = edits::new_form(&self.devices[i].book, Kind::ALL[dice.below(3)], word.clone());
        self.save(i, &form, word).map(|done| done.is_some())
    }

    pub(super) fn edit(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(mut form) = self.open_any(i, dice)? else { return self.create(i, dice) };
        if dice.chance(25) && self.devices[i].forms.len() < 6 {
            self.devices[i].forms.push(form.clone());
        }
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        let Some(mut form) = self.save(i, &form, word)? else { return Ok(false) };
        if dice.chance(30) {
            // The form stays open and goes on from what the save gave.
            let word = self.word(i);
            edits::touch(&self.devices[i].book, &mut form, &word, dice);
            self.save(i, &form, word)?;
        }
        Ok(true)
    }

    pub(super) fn stale(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let at = dice.below(self.devices[i].forms.len());
        let Some(mut form) = self.devices[i].forms.get(at).cloned() else { return self.edit(i, dice) };
        if dice.chance(50) {
            self.devices[i].forms.remove(at);
        }
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        self.save(i, &form, word).map(|done| done.is_some())
    }

    pub(super) fn double(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(mut form) = self.open_any(i, dice)? else { return Ok(false) };
        let word = self.word(i);
        edits::touch(&self.devices[i].book, &mut form, &word, dice);
        if self.save(i, &form, word.clone())?.is_none() {
            return Ok(false);
        }
        let pending = |sim: &Self| sim.devices[i].book.status().map(|status| status.pending_changes).map_err(unexpected);
        let before = pending(self)?;
        let again = edits::save(&self.devices[i].book, &form);
        let Some(again) = self.done(i, again)? else { return Ok(false) };
        if pending(self)? != before || edits::times(&again, &word) > 1 {
            return Err(Failure::new("double save", format!("device {i} wrote a form twice")));
        }
        Ok(true)
    }

    pub(super) fn set_fields(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let record = edits::link(&form);
        let word = self.word(i);
        let field = if record.kind == Kind::Contact { "organization" } else { "title" };
        let field = if dice.chance(30) { format!("tags/{word}") } else { field.to_owned() };
        let scalar = if field.starts_with("tags/") { Scalar::Bool(true) } else { Scalar::from(word.as_str()) };
        let set = self.devices[i].book.set_fields(record.id, &[(field, scalar)]);
        let done = self.done(i, set)?.is_some();
        if done {
            self.acknowledged(i, record.id, word);
        }
        Ok(done)
    }

    /// How the moment of a deletion stands in a record.
    pub(super) fn moment(&self, i: usize) -> String {
        Some(self.devices[i].world.now()).to_scalar().as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn delete(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let living = is_living(&form);
        let (record, moment) = (edits::link(&form), self.moment(i));
        let deleted = self.devices[i].book.delete(record.kind, record.id);
        let done = self.done(i, deleted)?.is_some() && living;
        if done {
            self.acknowledged(i, record.id, moment);
        }
        Ok(done)
    }

    /// Erases a record. Where the process died over it, it may have been done, and nobody heard.
    pub(super) fn erase(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let record = edits::link(&form);
        let ws = self.devices[i].ws;
        let generation = |device: &Device| device.erased().get(&record.id).copied();
        let before = generation(&self.devices[i]);
        let erased = self.devices[i].book.erase(record.kind, record.id);
        self.done(i, erased)?;
        let after = generation(&self.devices[i]);
        if let Some(made) = after
            && after > before
        {
            // What the server lost, and its author has no more, stays where it is if the erasure is refused.
            if self.server.put_back && !self.server.heads(ws).contains_key(&record.id) {
                self.model.stranded[ws].insert(record.id);
            }
            // Another erasure at the same time makes the same generation: what was written after it may stay.
            let others = self.devices.iter().filter(|other| generation(other) >= after).map(Device::documents);
            let server = self.server.erased(ws).get(&record.id).copied() >= after;
            let others: Vec<Documents> = others.chain(server.then(|| self.server.documents(ws))).collect();
            self.model.erase(ws, record.id, made, |word| {
                others.iter().any(|all| all.get(&record.id).is_some_and(|(_, bytes)| holds(bytes, word)))
                    || self.devices.iter().any(|device| device.keeps_edit(record.id, made, word))
            });
            if self
                .devices
                .iter()
                .any(|other| other.ws == ws && generation(other) < after && other.documents().contains_key(&record.id))
            {
                self.coverage.count(Section::Seen, "erased while others had it");
            }
        }
        Ok(after > before)
    }

    pub(super) fn apply(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let mut changes: Vec<Change> = Vec::new();
        let mut told = Vec::new();
        for _ in 0..2 + dice.below(3) {
            let mut word = self.word(i);
            let form = match self.open_any(i, dice)? {
                Some(form) if is_living(&form) && dice.chance(10) => {
                    word = self.moment(i);
                    Change::Delete(edits::link(&form).kind, edits::link(&form).id)
                }
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
        let done = self.done(i, applied)?.is_some();
        if done {
            for (record, word) in told {
                self.acknowledged(i, record, word);
            }
        }
        Ok(done)
    }

    pub(super) fn undo(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
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
        let Some(report) = self.done(i, undone)? else { return Ok(false) };
        let own = self.devices[i].lineage;
        if self.model.forked.contains(&own) {
            return Ok(true);
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
        Ok(true)
    }

    pub(super) fn settle_conflict(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let disputed = self.devices[i].book.disputed(10);
        let disputed = self.done(i, disputed)?.unwrap_or_default();
        let Some(record) = dice.pick(&disputed) else { return Ok(false) };
        let conflicts = self.devices[i].book.conflicts(record.id);
        let conflicts = self.done(i, conflicts)?.unwrap_or_default();
        let Some(conflict) = dice.pick(&conflicts) else { return Ok(false) };
        let Some(value) = dice.pick(&conflict.values) else { return Ok(false) };
        let settled = self.devices[i].book.settle(&conflict.id, &value.id);
        self.done(i, settled).map(|done| done.is_some())
    }

    pub(super) fn retry(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let refusals = self.devices[i].book.refusals().map_err(unexpected)?;
        let Some(refusal) = dice.pick(&refusals) else { return Ok(false) };
        let retried = self.devices[i].book.retry(&refusal.id);
        self.done(i, retried).map(|done| done.is_some())
    }

    pub(super) fn discard(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let refusals = self.devices[i].book.refusals().map_err(unexpected)?;
        let Some(refusal) = dice.pick(&refusals) else { return Ok(false) };
        let discarded = self.devices[i].book.discard(&refusal.id);
        self.done(i, discarded)?;
        // Where the process died over it, it may have been done, and nobody heard.
        let refusals = self.devices[i].book.refusals().map_err(unexpected)?;
        if refusals.iter().any(|still| still.id == refusal.id) {
            return Ok(false);
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
        Ok(true)
    }

    pub(super) fn draft(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let name = format!("form-{}", dice.below(2));
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let device = &mut self.devices[i];
        let found = device.book.draft(&name).map_err(unexpected)?.map(|draft| draft.record);
        if let Some(kept) = device.drafts.get(&name)
            && found.as_ref() != Some(kept)
            && !self.model.erased.contains_key(&edits::link(kept).id)
        {
            return Err(Failure::new("draft", format!("device {i} has another draft than was kept")));
        }
        let kept = device.book.keep_draft(&name, &form);
        let done = self.done(i, kept)?.is_some();
        if done {
            self.devices[i].drafts.insert(name, form);
        } else if self.devices[i].drafts.contains_key(&name) {
            // Where the process died over it, it may have been kept, and nobody heard.
            let kept = self.devices[i].book.draft(&name).map_err(unexpected)?.map(|draft| draft.record);
            match kept.filter(|kept| *kept == form) {
                Some(kept) => self.devices[i].drafts.insert(name, kept),
                None => None,
            };
        }
        Ok(done)
    }

    pub(super) fn import(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let mut file = String::new();
        let mut cards = Vec::new();
        for _ in 0..1 + dice.below(3) {
            let again = dice.chance(30).then(|| dice.pick(&self.devices[i].cards).cloned()).flatten();
            let (uid, word) = match again {
                Some(card) if self.was_brought_back(i, card_record(&card.0)) => continue,
                Some(card) => {
                    self.coverage.count(Section::Seen, "card imported again");
                    card
                }
                None => (card_uid(dice.below(6)), self.word(i)),
            };
            file.push_str(&format!(
                "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:{uid}\r\nFN:Card {word}\r\nN:{word};Card;;;\r\nEMAIL:{word}@example.com\r\nEND:VCARD\r\n"
            ));
            cards.push((uid, word));
        }
        if cards.is_empty() {
            return Ok(false);
        }
        let imported = self.devices[i].book.import_vcard("cards.vcf", file.as_bytes(), None, &|_| true);
        if self.done(i, imported)?.is_none() {
            return Ok(false);
        }
        for (uid, word) in cards {
            let record = card_record(&uid);
            self.devices[i].cards.push((uid, word.clone()));
            // What people changed in a record is not overwritten by a card.
            let shows = self.devices[i]
                .book
                .to_json(record)
                .is_ok_and(|json| json.values().any(|value| value.to_string().contains(&word)));
            if shows {
                self.acknowledged(i, record, word);
            }
        }
        Ok(true)
    }

    /// Whether a record that was erased is in the lists again: what is written into it then is wanted there.
    fn was_brought_back(&self, i: usize, record: RecordId) -> bool {
        let shown = || self.devices[i].book.to_json(record).is_ok_and(|json| json.get("deleted").is_none_or(|at| at.is_null()));
        self.model.erased.contains_key(&record) && shown()
    }

    pub(super) fn lists(&mut self, i: usize) -> Check {
        for kind in Kind::ALL {
            for deleted in [false, true] {
                let mut shown: Option<BTreeSet<RecordId>> = None;
                for order in 0..edits::ORDERS {
                    let wanted = Wanted { kind, deleted, order };
                    let whole = edits::pages(&self.devices[i].book, wanted, 1000);
                    let paged = edits::pages(&self.devices[i].book, wanted, 3);
                    let (whole, paged) = (self.done(i, whole)?, self.done(i, paged)?);
                    if whole != paged {
                        return Err(Failure::new("lists", format!("device {i} lists other {kind}s in small pages")));
                    }
                    let all = whole.map(BTreeSet::from_iter);
                    if shown.is_some() && all != shown {
                        return Err(Failure::new("lists", format!("device {i} lists other {kind}s in another order")));
                    }
                    shown = all;
                }
            }
        }
        let people = self.devices[i].book.people().map_err(unexpected)?;
        if people.len() > PEOPLE.len() {
            return Err(Failure::new("workspace", format!("device {i} knows {} people", people.len())));
        }
        Ok(())
    }

    /// A file of everything has what the lists show, but for what it says it left out.
    pub(super) fn export(&mut self, i: usize) -> Check<bool> {
        self.verify_all(i)?;
        let book = &self.devices[i].book;
        let mut file = Vec::new();
        let exported = book.export_json(&mut file);
        let listed: roadbook_core::Result<Vec<_>> =
            Kind::ALL.into_iter().map(|kind| edits::pages(book, Wanted::living(kind), 1000)).collect();
        let mut cards = Vec::new();
        let exported_cards = book.export_vcard(&mut cards);
        let (Some(report), Some(listed)) = (self.done(i, exported)?, self.done(i, listed)?) else { return Ok(false) };
        let text = String::from_utf8_lossy(&file);
        let is_there =
            |id: &RecordId| text.contains(&id.to_string()) || report.left_out.iter().any(|left_out| left_out.record.id == *id);
        if let Some(of_cards) = self.done(i, exported_cards)? {
            let written = String::from_utf8_lossy(&cards).matches("BEGIN:VCARD").count() as u64;
            let contacts = listed.first().map_or(0, Vec::len) as u64;
            if written != of_cards.written || written + of_cards.left_out.len() as u64 != contacts {
                return Err(Failure::new("lists", format!("device {i} exports {written} cards of {contacts} contacts")));
            }
        }
        match listed.concat().iter().find(|id| !is_there(id)) {
            Some(id) => Err(Failure::new("lists", format!("device {i} lists {id} and does not export it"))),
            None => Ok(true),
        }
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

    pub(super) fn search(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        self.verify_all(i)?;
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let (record, Some(values)) = (edits::link(&form), edits::values(&form)) else { return Ok(false) };
        let field = if record.kind == Kind::Contact { "family_name" } else { "title" };
        let (Some(FieldValue::Register(shown)), Some(FieldValue::Register(deleted))) = (values.get(field), values.get("deleted"))
        else {
            return Ok(false);
        };
        let Some(word) = words(shown.as_str().unwrap_or_default()).first().map(|word| (*word).to_owned()) else {
            return Ok(false);
        };
        if !deleted.is_null() {
            return Ok(false);
        }
        let found = self.devices[i].book.search(&word, 50);
        let found = self.done(i, found)?.unwrap_or_default();
        if found.iter().any(|found| found.record == record) {
            return Ok(true);
        }
        Err(Failure::new("search", format!("device {i} does not find {record} by {word}")))
    }

    pub(super) fn read(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(form) = self.open_any(i, dice)? else { return Ok(false) };
        let id = edits::link(&form).id;
        let history = self.devices[i].book.history(id);
        self.done(i, history)?;
        let json = self.devices[i].book.to_json(id);
        self.done(i, json)?;
        let conflicts = self.devices[i].book.conflicts(id);
        let conflicts = self.done(i, conflicts)?;
        let sheet = edits::sheet(&self.devices[i].book, edits::link(&form));
        let sheet = self.done(i, sheet)?;
        if let (Some(conflicts), Some(sheet)) = (&conflicts, sheet)
            && sheet != (form, conflicts.clone())
        {
            return Err(Failure::new("lists", format!("device {i} shows something else on the page of {id}")));
        }
        Ok(conflicts.is_some())
    }

    pub(super) fn check_store(&mut self, i: usize) -> Check<bool> {
        self.verify_all(i)?;
        let findings = self.devices[i].book.check();
        let findings = self.done(i, findings)?.unwrap_or_default();
        // A record that came damaged is fetched again; that is what the end looks at.
        match findings.into_iter().find(|finding| !matches!(finding, Finding::Unreadable { .. })) {
            Some(finding) => Err(Failure::new("rows", format!("device {i}: {finding:?}"))),
            None => Ok(true),
        }
    }
}
