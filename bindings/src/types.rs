//! The core's types, repeated so that UniFFI carries them: no conversion code, and a field that differs does not compile.

use chrono::NaiveDateTime;
use roadbook_core::book::{
    Author, Conflict, ConflictValue, ContactFilter, ContactSort, DealFilter, DealSort, ExportReport, FieldChange, Finding, Found,
    ImportProblem, ImportReport, LeftOut, Owner, Person, RebuildReport, Refusal, RescueReport, Status, TaskFilter, TaskSort,
};
use roadbook_core::document::ActionId;
use roadbook_core::id::{ContactId, DealId, EntryId, RecordId, TaskId, UserId};
use roadbook_core::record::{FieldId, Kind};
use roadbook_core::records::{Contact, ContactRow, Deal, DealRow, TaskItem, TaskItemRow};
use roadbook_core::sync::{RejoinReason, Report, WaitReason};
use roadbook_core::value::{
    Channel, ChannelKind, CustomField, CustomValue, Due, Instant, LocalDate, Money, Outcome, Position, PostalAddress, Priority,
    RecordLink, Stage, TaskStatus, ZonedPlan,
};
use roadbook_core::{Problem, ProblemCode};

use crate::error::BookError;

/// Types that cross as their text; a text that is none is the app's error, told as a problem of `$field`.
macro_rules! as_text {
    ($($name:ident: $field:literal),* $(,)?) => {$(
        uniffi::custom_type!($name, String, {
            remote,
            lower: |value| value.to_string(),
            try_lift: |text| Ok(text.parse().map_err(|_| malformed($field))?),
        });
    )*};
}

fn malformed(field: &str) -> BookError {
    BookError::Invalid { problems: vec![Problem::new(field, ProblemCode::Format)] }
}

as_text! {
    RecordId: "id", ContactId: "id", DealId: "id", TaskId: "id", UserId: "id", EntryId: "id", FieldId: "field", LocalDate: "date",
    ActionId: "action",
}

uniffi::custom_type!(NaiveDateTime, String, {
    remote,
    lower: |value| value.format("%Y-%m-%dT%H:%M").to_string(),
    try_lift: |text| Ok(NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M").map_err(|_| malformed("time"))?),
});

roadbook_core::contact_mirror!();
roadbook_core::deal_mirror!();
roadbook_core::task_mirror!();
roadbook_core::channel_kind_mirror!();
roadbook_core::stage_mirror!();
roadbook_core::outcome_mirror!();
roadbook_core::task_status_mirror!();
roadbook_core::priority_mirror!();

/// The stored codes of enumerations, for apps that keep or show them.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident, $code:ident, $named:ident, $known:ident;)*) => {$(
        $(#[$doc])*
        #[uniffi::export]
        pub fn $code(value: $name) -> String {
            value.code().to_owned()
        }

        /// The value with this code; `Unknown` for one that this release does not know.
        #[uniffi::export]
        pub fn $named(code: String) -> $name {
            let Ok(value) = code.parse();
            value
        }

        /// The values that this release knows, in their natural order, for pickers.
        #[uniffi::export]
        pub fn $known() -> Vec<$name> {
            $name::CODES.iter().map(|code| $named((*code).to_owned())).collect()
        }
    )*};
}

codes! {
    /// The code of a kind of channel: `phone`, `email`, …
    ChannelKind, channel_kind_code, channel_kind_named, known_channel_kinds;
    /// The code of a stage: `new`, `proposal`, …
    Stage, stage_code, stage_named, known_stages;
    /// The code of an outcome: `open`, `won`, `lost`.
    Outcome, outcome_code, outcome_named, known_outcomes;
    /// The code of a task's status: `open`, `done`, …
    TaskStatus, task_status_code, task_status_named, known_task_statuses;
    /// The code of a priority: `low`, `normal`, …
    Priority, priority_code, priority_named, known_priorities;
}

/// The kinds of record.
#[uniffi::remote(Enum)]
pub enum Kind {
    /// A person.
    Contact,
    /// A sale in progress.
    Deal,
    /// Something to do.
    Task,
    /// Every kind of a newer release; no call of this one gives such a record.
    Unknown,
}

/// An amount in the currency's smallest unit.
#[uniffi::remote(Record)]
pub struct Money {
    /// The amount in minor units: 100050 for 1000.50 EUR.
    pub minor: i64,
    /// ISO 4217 code, three capital letters.
    pub currency: String,
}

/// When something happened.
#[uniffi::remote(Record)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: i64,
    /// Minutes that local time was ahead of UTC.
    pub offset_minutes: i32,
}

/// A local date and time in a named IANA zone.
#[uniffi::remote(Record)]
pub struct ZonedPlan {
    /// The wall clock's date and time.
    pub local: NaiveDateTime,
    /// The IANA name of the zone.
    pub zone: String,
}

/// When a task is due.
#[uniffi::remote(Enum)]
pub enum Due {
    /// By the end of a day, wherever the reader is.
    Date {
        /// The day.
        date: LocalDate,
    },
    /// At a local time in a zone.
    Plan {
        /// The time and its zone.
        plan: ZonedPlan,
    },
}

/// Stage and outcome of a deal, one value.
#[uniffi::remote(Record)]
pub struct Position {
    /// The stage it has reached.
    pub stage: Stage,
    /// Whether it is closed, and how.
    pub outcome: Outcome,
}

/// One way to reach a person.
#[uniffi::remote(Record)]
pub struct Channel {
    /// The entry's id, made by `newEntryId`.
    pub id: EntryId,
    /// What kind it is.
    pub kind: ChannelKind,
    /// As typed.
    pub value: String,
    /// For a phone: E.164, where the number was understood.
    pub e164: Option<String>,
    /// For a phone: the extension.
    pub extension: Option<String>,
    /// `work`, `home`, `mobile` or a word of the user's.
    pub label: Option<String>,
    /// Whether this is the one to try first.
    pub preferred: bool,
}

/// A postal address, one value.
#[uniffi::remote(Record)]
pub struct PostalAddress {
    /// The entry's id.
    pub id: EntryId,
    /// `work`, `home` or a word of the user's.
    pub label: Option<String>,
    /// Street, house, flat, box; lines are kept.
    pub street: String,
    /// Town.
    pub city: String,
    /// State, province, oblast.
    pub region: String,
    /// Postal code.
    pub postcode: String,
    /// Country, as written.
    pub country: String,
}

/// The value of a custom field.
#[uniffi::remote(Enum)]
pub enum CustomValue {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// A whole number.
    Number {
        /// The number.
        number: i64,
    },
    /// Yes or no.
    Flag {
        /// The answer.
        flag: bool,
    },
}

/// A custom field of a record.
#[uniffi::remote(Record)]
pub struct CustomField {
    /// The field's id in the workspace.
    pub id: EntryId,
    /// Its value in this record.
    pub value: CustomValue,
}

/// Points to a record of any kind; the record may not (yet) be on this device.
#[uniffi::remote(Record)]
pub struct RecordLink {
    /// The kind of the record.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

/// What is wrong with a field.
#[uniffi::remote(Enum)]
pub enum ProblemCode {
    /// It may not be empty.
    Required,
    /// It has more characters than allowed.
    TooLong {
        /// The most it may have.
        max: u32,
    },
    /// It has more members or entries than allowed.
    TooMany {
        /// The most it may have.
        max: u32,
    },
    /// It does not have the form of its type.
    Format,
    /// The currency is not in ISO 4217.
    UnknownCurrency,
    /// A contact needs a name, a firm, or a way to reach it.
    NameOrChannel,
    /// With it the record, or the change, would hold more than one may: less at once, or a new record.
    NoRoom,
    /// It was decided, or changed, since it was shown.
    Gone,
}

/// One thing that is wrong with one field.
#[uniffi::remote(Record)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What is wrong.
    pub code: ProblemCode,
}

/// A person who uses the workspace.
#[uniffi::remote(Record)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// `administrator`, `manager` or `rep`.
    pub role: String,
}

/// Who wrote a value.
#[uniffi::remote(Record)]
pub struct Author {
    /// The person, where this device knows it.
    pub person: Option<UserId>,
    /// The person's name; empty where it is not known.
    pub name: String,
    /// The device's name.
    pub device: String,
    /// Whether it was written on this device.
    pub own: bool,
}

/// A field whose concurrent values differ.
#[uniffi::remote(Record)]
pub struct Conflict {
    /// Names the conflict for `settle`.
    pub id: String,
    /// The record.
    pub record: RecordLink,
    /// The field, or one entry of it.
    pub field: FieldId,
    /// The values; the first is the one shown.
    pub values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[uniffi::remote(Record)]
pub struct ConflictValue {
    /// Names the value for `settle`.
    pub id: String,
    /// What people read.
    pub text: String,
    /// Who wrote it.
    pub author: Author,
    /// When, by the author's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether that clock was more than a day ahead of this device's.
    pub suspect_clock: bool,
    /// Whether it is the one that the record shows.
    pub shown: bool,
}

/// One field of a change.
#[uniffi::remote(Record)]
pub struct FieldChange {
    /// The field, or one entry of it.
    pub field: FieldId,
    /// What people read before.
    pub before: Option<String>,
    /// What people read after.
    pub after: Option<String>,
}

/// An edit that the server refused; its bytes are kept until its user decides.
#[uniffi::remote(Record)]
pub struct Refusal {
    /// Names it for `retry` and `discard`.
    pub id: String,
    /// The record.
    pub record: RecordLink,
    /// The server's reason, a code.
    pub reason: String,
    /// What the edit wanted.
    pub changes: Vec<FieldChange>,
    /// Whether `retry` can make it again.
    pub can_retry: bool,
}

/// How this device stands.
#[uniffi::remote(Record)]
pub struct Status {
    /// The workspace's name; none before joining one.
    pub workspace: Option<String>,
    /// The server; none before joining one.
    pub server: Option<String>,
    /// Actions of this device that are on no other device yet.
    pub pending_actions: u64,
    /// The changes of these actions.
    pub pending_changes: u64,
    /// Changes that the server refused and that wait for their user.
    pub refused: u64,
    /// Records with conflicts, of those that were opened here: a record that came whole from the server counts only when it was
    /// opened or checked, which the Kotlin and Swift packages do after each sync. Complete where `verifySome` leaves none.
    pub disputed: u64,
    /// Records that this device cannot open and will fetch again.
    pub unreadable: u64,
    /// Living and deleted records.
    pub records: u64,
    /// When a sync last came to its end, in milliseconds since 1970.
    pub synced_at_ms: Option<i64>,
    /// When this store was last found to be a copy or a restored backup, in milliseconds since 1970: it writes under a new
    /// name since then. A restored store must join again; what was written after the copy and never sent is not in it.
    pub copied_at_ms: Option<i64>,
    /// Equal on two stores exactly when they hold the same records at the same heads.
    pub state_hash: String,
}

/// A record that search found.
#[uniffi::remote(Record)]
pub struct Found {
    /// The record.
    pub record: RecordLink,
    /// What it is called.
    pub headline: String,
}

/// Whose records.
#[uniffi::remote(Enum)]
pub enum Owner {
    /// Those of this device's user.
    Me,
    /// Those without an owner.
    Nobody,
    /// Those of a person.
    Person {
        /// The person's id.
        id: UserId,
    },
}

/// Which contacts.
#[uniffi::remote(Record)]
pub struct ContactFilter {
    /// Words or digits to find; empty for all.
    #[uniffi(default = "")]
    pub text: String,
    /// Whose; none for anybody's.
    #[uniffi(default = None)]
    pub owner: Option<Owner>,
    /// With this tag.
    #[uniffi(default = None)]
    pub tag: Option<String>,
    /// Deleted ones instead of living ones.
    #[uniffi(default = false)]
    pub deleted: bool,
}

/// Which deals.
#[uniffi::remote(Record)]
pub struct DealFilter {
    /// Words to find; empty for all.
    #[uniffi(default = "")]
    pub text: String,
    /// Whose; none for anybody's.
    #[uniffi(default = None)]
    pub owner: Option<Owner>,
    /// At this stage.
    #[uniffi(default = None)]
    pub stage: Option<Stage>,
    /// With this outcome.
    #[uniffi(default = None)]
    pub outcome: Option<Outcome>,
    /// About this record.
    #[uniffi(default = None)]
    pub about: Option<RecordId>,
    /// Deleted ones instead of living ones.
    #[uniffi(default = false)]
    pub deleted: bool,
    /// With this tag.
    #[uniffi(default = None)]
    pub tag: Option<String>,
}

/// Which tasks.
#[uniffi::remote(Record)]
pub struct TaskFilter {
    /// Words to find; empty for all.
    #[uniffi(default = "")]
    pub text: String,
    /// Whose; none for anybody's.
    #[uniffi(default = None)]
    pub owner: Option<Owner>,
    /// With this status.
    #[uniffi(default = None)]
    pub status: Option<TaskStatus>,
    /// Due on this day or before.
    #[uniffi(default = None)]
    pub due_by: Option<LocalDate>,
    /// About this record.
    #[uniffi(default = None)]
    pub about: Option<RecordId>,
    /// Deleted ones instead of living ones.
    #[uniffi(default = false)]
    pub deleted: bool,
}

/// The order of contacts.
#[uniffi::remote(Enum)]
pub enum ContactSort {
    /// By name.
    Name,
    /// The last changed first.
    Recent,
}

/// The order of deals.
#[uniffi::remote(Enum)]
pub enum DealSort {
    /// By title.
    Title,
    /// The first to close first.
    CloseDate,
    /// The last changed first.
    Recent,
}

/// The order of tasks.
#[uniffi::remote(Enum)]
pub enum TaskSort {
    /// The first due first.
    Due,
    /// By title.
    Title,
    /// The last changed first.
    Recent,
}

/// What an import did.
#[uniffi::remote(Record)]
pub struct ImportReport {
    /// Cards read.
    pub cards: u64,
    /// Contacts that are new.
    pub added: u64,
    /// Contacts that the file changed.
    pub updated: u64,
    /// Cards that changed nothing.
    pub unchanged: u64,
    /// Cards that could not be taken; the first thousand of them.
    pub problems: Vec<ImportProblem>,
    /// How many could not be taken.
    pub broken: u64,
    /// Whether it was stopped before the end.
    pub cancelled: bool,
}

/// A card that could not be taken.
#[uniffi::remote(Record)]
pub struct ImportProblem {
    /// The file.
    pub file: String,
    /// The line at which the card begins, from 1.
    pub line: u64,
    /// The line at fault, where it is known.
    pub fault_line: Option<u64>,
    /// Why, in words for a person.
    pub reason: String,
}

/// What an export did.
#[uniffi::remote(Record)]
pub struct ExportReport {
    /// Records written.
    pub written: u64,
    /// Living records that are not in the file, in its order.
    pub left_out: Vec<LeftOut>,
}

/// A record that an export left out.
#[uniffi::remote(Record)]
pub struct LeftOut {
    /// The record.
    pub record: RecordLink,
    /// What lists call it.
    pub headline: String,
    /// Why, in words for a person.
    pub reason: String,
}

/// What a rebuild did.
#[uniffi::remote(Record)]
pub struct RebuildReport {
    /// Records whose rows were made again.
    pub records: u64,
    /// Records that cannot be opened.
    pub unreadable: Vec<RecordId>,
}

/// What a rescue did.
#[uniffi::remote(Record)]
pub struct RescueReport {
    /// Records that are in the new book.
    pub records: u64,
    /// Records that could not be read; the next sync fetches what the server has of them.
    pub unreadable: Vec<RecordId>,
    /// The other tables of which something could not be read.
    pub incomplete: Vec<String>,
}

/// What a check found.
#[uniffi::remote(Enum)]
pub enum Finding {
    /// The file is damaged.
    File {
        /// What was found.
        fault: String,
    },
    /// The record's document cannot be opened.
    Unreadable {
        /// The record's id.
        id: RecordId,
    },
    /// A row does not show what the document holds: a rebuild repairs it.
    RowDiffers {
        /// The record's id.
        id: RecordId,
    },
}

/// What a sync did.
#[uniffi::remote(Record)]
pub struct Report {
    /// Requests sent.
    pub requests: u32,
    /// Bytes of bodies sent.
    pub bytes_up: u64,
    /// Bytes of bodies received.
    pub bytes_down: u64,
    /// Changes that the server took.
    pub pushed: u64,
    /// Records that came.
    pub pulled: u64,
    /// Changes that the server refused.
    pub refused: u64,
    /// Changes that wait for others'.
    pub held: u64,
    /// Records that were set aside and are asked for again.
    pub set_aside: u64,
}

/// Why a sync must wait.
#[uniffi::remote(Enum)]
pub enum WaitReason {
    /// No connection.
    Offline,
    /// Something else answered: a captive portal, a proxy, another server.
    NotTheServer,
    /// The server is busy or failed.
    Server,
    /// Edits wait for others' edits.
    Held,
}

/// Why a device must join.
#[uniffi::remote(Enum)]
pub enum RejoinReason {
    /// It never joined.
    NotJoined,
    /// An administrator revoked it.
    Revoked,
    /// The server does not know it, for instance since its store is a copy of another device's.
    Unknown,
    /// The invitation is unknown, used or has ended.
    Invitation,
}
