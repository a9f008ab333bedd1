//! The root object: every method is one call into the core.

use std::path::Path;
use std::sync::Arc;

use roadbook_core::book as core;
use roadbook_core::book::{
    Conflict, ContactFilter, ContactSort, DealFilter, DealSort, ExportReport, FieldChange, Finding, Found, ImportReport, Person,
    RebuildReport, Refusal, RescueReport, Status, TaskFilter, TaskSort,
};
use roadbook_core::document::ActionId;
use roadbook_core::env::SystemEnv;
use roadbook_core::id::{ContactId, DealId, EntryId, RecordId, TaskId};
use roadbook_core::record::{FieldId, Kind};
use roadbook_core::records::{Contact, ContactRow, Deal, DealRow, TaskItem, TaskItemRow};
use roadbook_core::sync::Session;
use roadbook_core::value::{Channel, ChannelKind, RecordLink, Region};
use roadbook_core::{Error, Key, Problem};

use crate::error::BookError;
use crate::observe::{Adapter, ChangeObserver, ProgressObserver, Watch};
use crate::session::SyncSession;

type Result<T> = std::result::Result<T, BookError>;

/// What opens a book; kept by the platform's key store.
#[derive(Clone, uniffi::Record)]
pub struct Vault {
    /// The store's key: 32 random bytes.
    pub key: Vec<u8>,
    /// The id of this installation: 16 random bytes, kept where backups do not copy them.
    pub incarnation: Vec<u8>,
}

impl Vault {
    fn open(self) -> Result<core::Vault> {
        let incarnation = self.incarnation.try_into().map_err(|_| BookError::WrongKey)?;
        Ok(core::Vault { key: Key::from_slice(&self.key)?, incarnation })
    }
}

macro_rules! pages_and_sheets {
    ($($record:ident, $row:ident, $page:ident, $sheet:ident;)*) => {$(
        /// A part of a list.
        #[derive(Debug, Clone, uniffi::Record)]
        pub struct $page {
            /// The rows.
            pub items: Vec<$row>,
            /// Where the next part begins; none at the end.
            pub next: Option<String>,
        }

        impl From<core::Page<$row>> for $page {
            fn from(page: core::Page<$row>) -> Self {
                Self { items: page.items, next: page.next }
            }
        }

        /// A record with what its page shows beside it.
        #[derive(Debug, Clone, uniffi::Record)]
        pub struct $sheet {
            /// The record.
            pub record: $record,
            /// When it was last changed, by the clock of the device that did it, in milliseconds since 1970.
            pub changed_ms: i64,
            /// Disagreements that wait for a decision.
            pub conflicts: Vec<Conflict>,
            /// Rules that the merged record breaks.
            pub violations: Vec<Problem>,
        }

        impl From<core::Sheet<$record>> for $sheet {
            fn from(sheet: core::Sheet<$record>) -> Self {
                let core::Sheet { record, changed_ms, conflicts, violations } = sheet;
                Self { record, changed_ms, conflicts, violations }
            }
        }
    )*};
}

pages_and_sheets! {
    Contact, ContactRow, ContactPage, ContactSheet;
    Deal, DealRow, DealPage, DealSheet;
    TaskItem, TaskItemRow, TaskPage, TaskSheet;
}

/// One part of [`BlockingBook::apply`], or a kept form.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum Edit {
    /// Saves a contact.
    SaveContact {
        /// The form.
        record: Contact,
    },
    /// Saves a deal.
    SaveDeal {
        /// The form.
        record: Deal,
    },
    /// Saves a task.
    SaveTask {
        /// The form.
        record: TaskItem,
    },
    /// Deletes a record.
    Delete {
        /// The record.
        record: RecordLink,
    },
}

impl From<Edit> for core::Change {
    fn from(edit: Edit) -> Self {
        match edit {
            Edit::SaveContact { record } => Self::Contact(record),
            Edit::SaveDeal { record } => Self::Deal(record),
            Edit::SaveTask { record } => Self::Task(record),
            Edit::Delete { record } => Self::Delete(record.kind, record.id),
        }
    }
}

impl From<core::Change> for Edit {
    fn from(change: core::Change) -> Self {
        match change {
            core::Change::Contact(record) => Self::SaveContact { record },
            core::Change::Deal(record) => Self::SaveDeal { record },
            core::Change::Task(record) => Self::SaveTask { record },
            core::Change::Delete(kind, id) => Self::Delete { record: RecordLink { kind, id } },
        }
    }
}

/// What [`BlockingBook::apply`] did.
#[derive(Debug, Clone, uniffi::Record)]
pub struct EditsApplied {
    /// The action, for undo; none where nothing was written.
    pub action: Option<ActionId>,
    /// The saved records as they are now, merged, in the order of the edits.
    pub records: Vec<Edit>,
}

/// One change of a record.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HistoryEntry {
    /// The action that it belongs to.
    pub action: Option<ActionId>,
    /// What the user did.
    pub kind: String,
    /// Where the values came from.
    pub source: String,
    /// When, by the author's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who did it.
    pub author: core::Author,
    /// What changed.
    pub changes: Vec<FieldChange>,
}

/// What an undo did.
#[derive(Debug, Clone, uniffi::Record)]
pub struct UndoReport {
    /// The action that was undone.
    pub undone: ActionId,
    /// The action that undid it; undo that one to redo.
    pub action: ActionId,
    /// The records that went back.
    pub records: Vec<RecordLink>,
    /// What was left alone, since somebody changed it meanwhile.
    pub skipped: Vec<SkippedField>,
}

/// What an undo left alone: a field, or a whole record that is somebody else's now, where the role does not allow to delete it or
/// to bring it back.
#[derive(Debug, Clone, uniffi::Record)]
pub struct SkippedField {
    /// The record.
    pub record: RecordLink,
    /// The field; the owner where it is the whole record.
    pub field: FieldId,
    /// Whether the record was left as it is with all its fields.
    pub whole: bool,
    /// Who changed it since.
    pub author: core::Author,
    /// When, by that clock, in milliseconds since 1970.
    pub at_ms: i64,
}

/// An encrypted book of records in a folder. Any number of threads may use it. All calls block: apps use the `Book` of
/// the Kotlin or Swift package, which calls this one on threads of its own.
#[derive(uniffi::Object)]
pub struct BlockingBook(Arc<core::Book>);

#[uniffi::export]
impl BlockingBook {
    /// Makes a new book; fails where there is one.
    #[uniffi::constructor]
    pub fn create(dir: String, vault: Vault) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Arc::new(core::Book::create(Path::new(&dir), vault.open()?, Arc::new(SystemEnv))?))))
    }

    /// Opens a book; never creates one.
    #[uniffi::constructor]
    pub fn open(dir: String, vault: Vault) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Arc::new(core::Book::open(Path::new(&dir), vault.open()?, Arc::new(SystemEnv))?))))
    }

    /// Ends long work and closes the store; returns when SQLite is closed. Every later call gives `Closed`.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// A contact with a new id, to be filled in and saved.
    pub fn new_contact(&self) -> Contact {
        Contact { id: self.0.new_id().into(), ..Contact::default() }
    }

    /// A deal with a new id, to be filled in and saved.
    pub fn new_deal(&self) -> Deal {
        Deal { id: self.0.new_id().into(), ..Deal::default() }
    }

    /// A task with a new id, to be filled in and saved.
    pub fn new_task(&self) -> TaskItem {
        TaskItem { id: self.0.new_id().into(), ..TaskItem::default() }
    }

    /// A new id for an entry of a record.
    pub fn new_entry_id(&self) -> EntryId {
        self.0.new_entry_id()
    }

    /// A channel as a person typed it, with a new id; a phone number is read as dialled in the book's region.
    pub fn new_channel(&self, kind: ChannelKind, value: String) -> Result<Channel> {
        Ok(Channel::typed(self.0.new_entry_id(), kind, &value, &self.0.region()?))
    }

    /// The region whose national phone numbers are understood (ISO 3166-1, two letters); empty where none is set.
    pub fn region(&self) -> Result<String> {
        Ok(self.0.region()?.code().to_owned())
    }

    /// Sets the region.
    pub fn set_region(&self, region: String) -> Result<()> {
        Ok(self.0.set_region(&region.parse::<Region>()?)?)
    }

    /// The contact with this id, deleted or not.
    pub fn contact(&self, id: ContactId) -> Result<Contact> {
        Ok(self.0.get(id.0)?)
    }

    /// The deal with this id, deleted or not.
    pub fn deal(&self, id: DealId) -> Result<Deal> {
        Ok(self.0.get(id.0)?)
    }

    /// The task with this id, deleted or not.
    pub fn task(&self, id: TaskId) -> Result<TaskItem> {
        Ok(self.0.get(id.0)?)
    }

    /// The contact with conflicts and violations.
    pub fn contact_sheet(&self, id: ContactId) -> Result<ContactSheet> {
        Ok(self.0.sheet::<Contact>(id.0)?.into())
    }

    /// The deal with conflicts and violations.
    pub fn deal_sheet(&self, id: DealId) -> Result<DealSheet> {
        Ok(self.0.sheet::<Deal>(id.0)?.into())
    }

    /// The task with conflicts and violations.
    pub fn task_sheet(&self, id: TaskId) -> Result<TaskSheet> {
        Ok(self.0.sheet::<TaskItem>(id.0)?.into())
    }

    /// Saves a form: what the user changed since the form's version is written, nothing else. Returns the merged
    /// record, from which the form goes on.
    pub fn save_contact(&self, record: Contact) -> Result<Contact> {
        Ok(self.0.save(&record)?)
    }

    /// Saves a form, as `saveContact`.
    pub fn save_deal(&self, record: Deal) -> Result<Deal> {
        Ok(self.0.save(&record)?)
    }

    /// Saves a form, as `saveContact`.
    pub fn save_task(&self, record: TaskItem) -> Result<TaskItem> {
        Ok(self.0.save(&record)?)
    }

    /// Saves and deletes several records as one action: one transaction, one push group, one undo. `why` is a short
    /// word such as `call`, no free text.
    pub fn apply(&self, edits: Vec<Edit>, why: String) -> Result<EditsApplied> {
        let edits: Vec<core::Change> = edits.into_iter().map(Into::into).collect();
        let core::Applied { action, records } = self.0.apply(&edits, &why)?;
        Ok(EditsApplied { action, records: records.into_iter().map(Into::into).collect() })
    }

    /// Deletes a record: it leaves the lists, and its history stays.
    pub fn delete(&self, record: RecordLink) -> Result<()> {
        Ok(self.0.delete(record.kind, record.id)?)
    }

    /// Erases a record for good, here at once and everywhere after sync: its values, its history, what waits to be sent.
    /// It cannot be undone. Reps may not.
    pub fn erase(&self, record: RecordLink) -> Result<()> {
        Ok(self.0.erase(record.kind, record.id)?)
    }

    /// Contacts, a page at a time; `after` is the `next` of the page before.
    #[uniffi::method(default(after = None, limit = 50))]
    pub fn contacts(&self, filter: ContactFilter, sort: ContactSort, after: Option<String>, limit: u32) -> Result<ContactPage> {
        Ok(self.0.contacts(&filter, sort, after.as_deref(), limit)?.into())
    }

    /// Deals, a page at a time.
    #[uniffi::method(default(after = None, limit = 50))]
    pub fn deals(&self, filter: DealFilter, sort: DealSort, after: Option<String>, limit: u32) -> Result<DealPage> {
        Ok(self.0.deals(&filter, sort, after.as_deref(), limit)?.into())
    }

    /// Tasks, a page at a time.
    #[uniffi::method(default(after = None, limit = 50))]
    pub fn tasks(&self, filter: TaskFilter, sort: TaskSort, after: Option<String>, limit: u32) -> Result<TaskPage> {
        Ok(self.0.tasks(&filter, sort, after.as_deref(), limit)?.into())
    }

    /// Records of any kind that a text finds.
    #[uniffi::method(default(limit = 50))]
    pub fn search(&self, text: String, limit: u32) -> Result<Vec<Found>> {
        Ok(self.0.search(&text, limit)?)
    }

    /// The kind of the record with this id.
    pub fn kind_of(&self, id: RecordId) -> Result<Kind> {
        Ok(self.0.kind_of(id)?)
    }

    /// The changes of a record, oldest first.
    pub fn history(&self, id: RecordId) -> Result<Vec<HistoryEntry>> {
        let entry = |entry: core::HistoryEntry| {
            let core::HistoryEntry { action, kind, source, at_ms, author, changes } = entry;
            HistoryEntry { action, kind, source, at_ms, author, changes }
        };
        Ok(self.0.history(id)?.into_iter().map(entry).collect())
    }

    /// The conflicts of one record.
    pub fn conflicts(&self, id: RecordId) -> Result<Vec<Conflict>> {
        Ok(self.0.conflicts(id)?)
    }

    /// The records that have conflicts, of those that were opened here: as `Status.disputed`.
    #[uniffi::method(default(limit = 100))]
    pub fn disputed(&self, limit: u32) -> Result<Vec<RecordLink>> {
        Ok(self.0.disputed(limit)?)
    }

    /// Settles a conflict: the chosen value becomes the only one, on every device after sync.
    pub fn settle(&self, conflict: String, value: String) -> Result<()> {
        Ok(self.0.settle(&conflict, &value)?)
    }

    /// Undoes an own action; none for the last one that was not undone yet. Fields that somebody changed since are left alone,
    /// and so is a whole record that is somebody else's now, where the role does not allow to delete it or to bring it back; the
    /// report names both.
    #[uniffi::method(default(action = None))]
    pub fn undo(&self, action: Option<ActionId>) -> Result<UndoReport> {
        let core::UndoReport { undone, action, records, skipped } = self.0.undo(action)?;
        let skipped = skipped.into_iter().map(|core::Skipped { record, field, whole, author, at_ms }| SkippedField {
            record,
            field,
            whole,
            author,
            at_ms,
        });
        Ok(UndoReport { undone, action, records, skipped: skipped.collect() })
    }

    /// The edits that the server refused.
    pub fn refusals(&self) -> Result<Vec<Refusal>> {
        Ok(self.0.refusals()?)
    }

    /// Makes a refused edit again, on the record as it is now. `Invalid` where there is no such refusal any more, and where
    /// nothing of the edit can be made again, for instance since the record was erased: such a refusal can only be discarded.
    pub fn retry(&self, refusal: String) -> Result<()> {
        Ok(self.0.retry(&refusal)?)
    }

    /// Forgets a refused edit. `Invalid` where there is no such refusal any more.
    pub fn discard(&self, refusal: String) -> Result<()> {
        Ok(self.0.discard(&refusal)?)
    }

    /// Keeps a form under a name, across the death of the app.
    pub fn keep_draft(&self, name: String, form: Edit) -> Result<()> {
        Ok(self.0.keep_draft(&name, &form.into())?)
    }

    /// The form kept under a name.
    pub fn draft(&self, name: String) -> Result<Option<Edit>> {
        Ok(self.0.draft(&name)?.map(|draft| draft.record.into()))
    }

    /// Forgets the form kept under a name.
    pub fn drop_draft(&self, name: String) -> Result<()> {
        Ok(self.0.drop_draft(&name)?)
    }

    /// How this device stands.
    pub fn status(&self) -> Result<Status> {
        Ok(self.0.status()?)
    }

    /// The people of the workspace.
    pub fn people(&self) -> Result<Vec<Person>> {
        Ok(self.0.people()?)
    }

    /// Takes the contacts of a vCard file. What is left out is reported, and the rest is taken: a broken card, a card of a person
    /// who was erased, of a record of another kind, and of a contact that the role does not allow to bring back. National
    /// phone numbers are read as dialled in `region`; none for the book's.
    #[uniffi::method(default(region = None, progress = None))]
    pub fn import_vcard(
        &self,
        file: String,
        region: Option<String>,
        progress: Option<Arc<dyn ProgressObserver>>,
    ) -> Result<ImportReport> {
        let region = region.map(|region| region.parse::<Region>()).transpose()?;
        let opened = std::fs::File::open(&file).map_err(|source| Error::io(format!("cannot open {file}"), source))?;
        let asked = |now: core::Progress| progress.as_ref().is_none_or(|progress| progress.progressed(now.bytes, now.cards));
        Ok(self.0.import_vcard(&file, std::io::BufReader::new(opened), region.as_ref(), &asked)?)
    }

    /// Writes living contacts as vCard 4.0 into a file. The file is there whole or not at all; a record that cannot be
    /// opened is left out and reported.
    pub fn export_vcard(&self, file: String) -> Result<ExportReport> {
        Ok(self.0.export_file(Path::new(&file), &|out| self.0.export_vcard(out))?)
    }

    /// Writes all living records as JSON into a file, as `exportVcard`; the file names the records that were left out, too.
    pub fn export_json(&self, file: String) -> Result<ExportReport> {
        Ok(self.0.export_file(Path::new(&file), &|out| self.0.export_json(out))?)
    }

    /// Makes every derived row again from the documents.
    pub fn rebuild(&self) -> Result<RebuildReport> {
        Ok(self.0.rebuild()?)
    }

    /// Copies all that can be read of this book into `to`, a new one, unsent edits included: for a file that is damaged where
    /// `rebuild` cannot help. This book stays as it is, and should not be used any more. Fails with `BookExists` where `to` holds
    /// anything or has joined a workspace, and with `Busy` while this book is synced.
    pub fn rescue(&self, to: Arc<Self>) -> Result<RescueReport> {
        Ok(self.0.rescue(&to.0)?)
    }

    /// Checks the file and every document against its row, and changes nothing.
    pub fn check(&self) -> Result<Vec<Finding>> {
        Ok(self.0.check()?)
    }

    /// Opens some documents that came from the server and were never opened, or that an older release derived rows from, and
    /// makes their rows from them; returns how many are left. With none left, every conflict is known to `disputed` and `status`.
    pub fn verify_some(&self, limit: u32) -> Result<u64> {
        Ok(self.0.verify_some(limit)?)
    }

    /// Tells an observer about every change from now on, until the watch is cancelled or dropped.
    pub fn watch(&self, observer: Arc<dyn ChangeObserver>) -> Arc<Watch> {
        Arc::new(Watch(self.0.watch(Arc::new(Adapter(observer)))))
    }

    /// Reports commits of other processes to the observers.
    pub fn notice_other_processes(&self) -> Result<()> {
        Ok(self.0.notice_other_processes()?)
    }

    /// A session that joins a workspace with an invitation, then syncs.
    pub fn join_session(&self, url: String, invite: String, device_name: String) -> Result<Arc<SyncSession>> {
        Ok(SyncSession::new(Session::join(&self.0, &url, &invite, &device_name)?))
    }

    /// A session that pushes and pulls; after the deadline it ends at the next page.
    #[uniffi::method(default(deadline_ms = None))]
    pub fn sync_session(&self, deadline_ms: Option<u32>) -> Result<Arc<SyncSession>> {
        Ok(SyncSession::new(Session::sync(&self.0, deadline_ms)?))
    }
}
