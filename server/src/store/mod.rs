//! What the server keeps, behind a trait: embedded SQLite now; an engine for several server processes can be put
//! beside it. Every call is of one workspace, whose id leads every key; of another workspace's ids a call sees nothing.
//!
//! All calls block: they are made from threads that may.

mod audit;
mod ids;
mod sqlite;

use roadbook_core::document::{Actor, ChangeHash};
use roadbook_core::id::RecordId;
use roadbook_core::sync::wire::Outcome;

pub use audit::{Group, LooseEnd, StoredChange};
pub use ids::{DeviceId, PersonId, WorkspaceId};
pub use roadbook_core::access::Role;
pub use sqlite::{Contents, DATABASE, NewHistory, SqliteStore, Standing};
pub(crate) use sqlite::{FolderLock, begin_again, copy, fold_log, lacks, revoked_in};

use crate::error::Result;

/// A firm, or a part of one: people, devices and records that see each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The id.
    pub id: WorkspaceId,
    /// The name.
    pub name: String,
    /// Changes when the feed starts over.
    pub epoch: [u8; 16],
    /// The last number given to a group; 0 at first.
    pub seq: u64,
    /// Changes above this number are all kept.
    pub kept_from: u64,
    /// Changes up to this number have been dropped, where a snapshot stands for them.
    pub trimmed_to: u64,
    /// The version of the directory.
    pub directory: u64,
    /// The last restore from a backup; `None` where there was none.
    pub restored: Option<Restored>,
}

/// A restore from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When it was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The last number that the backup had given.
    pub seq: u64,
}

/// A person of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id.
    pub id: PersonId,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
}

/// A device of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The id.
    pub id: DeviceId,
    /// Whose it is.
    pub person: PersonId,
    /// What it calls itself.
    pub name: String,
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// When it last asked for a token or pushed, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// The epoch under which it last synced.
    pub epoch: Option<[u8; 16]>,
}

/// A device that takes an invitation.
#[derive(Debug, Clone)]
pub struct Joining {
    /// The hash of the code.
    pub code_hash: [u8; 32],
    /// The device's key.
    pub public_key: [u8; 32],
    /// What the device calls itself.
    pub device_name: String,
    /// The id that it gets if it is new.
    pub new_id: DeviceId,
    /// The present time, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What became of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The device belongs to the workspace, now or since an earlier call with the same code and key.
    Device(Box<(Device, Workspace)>),
    /// The code is unknown, used or has ended.
    Invalid,
    /// The code was used by this device, which was revoked since.
    Revoked,
}

/// An invitation that nobody has taken and that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenInvitation {
    /// Who is invited.
    pub person: PersonId,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// What a revocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Whether the device was good until now. Where it was not, nothing has changed.
    pub device: bool,
    /// Open invitations of its person, which would have let it in again.
    pub invitations: usize,
}

/// A token to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// Its hash.
    pub hash: [u8; 32],
    /// The nonce that it was asked for with.
    pub nonce: &'a [u8],
    /// When it ends, in milliseconds since 1970; after the nonce does.
    pub expires_ms: i64,
    /// The present time, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Who asks, by the token of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The device.
    pub device: DeviceId,
    /// When the token ends, in milliseconds since 1970.
    pub expires_ms: i64,
    /// Whether the device is revoked.
    pub revoked: bool,
}

/// A record as it stands in the feed. The bytes belong to the store.
#[derive(Debug, Clone, Copy)]
pub struct FeedDoc<'a> {
    /// The record's id.
    pub id: RecordId,
    /// Its generation.
    pub generation: u32,
    /// The code of its kind.
    pub kind: u16,
    /// The number of the group that made it.
    pub seq_first: u64,
    /// The number of the last group that changed it.
    pub seq_last: u64,
    /// The version of its row.
    pub row_version: (u16, u16),
    /// The wall clock of its newest change.
    pub changed_ms: i64,
    /// The query row.
    pub row: &'a [u8],
    /// The document in an envelope.
    pub bytes: &'a [u8],
}

/// What the gate needs of a stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDoc {
    /// The code of its kind.
    pub kind: u16,
    /// Its generation.
    pub generation: u32,
    /// The sorted heads, 32 bytes each.
    pub heads: Vec<u8>,
    /// The document in an envelope.
    pub bytes: Vec<u8>,
}

/// Where a stored record stands, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocHead {
    /// The code of its kind.
    pub kind: u16,
    /// Its generation.
    pub generation: u32,
    /// The sorted heads, 32 bytes each.
    pub heads: Vec<u8>,
}

/// A record to write.
#[derive(Debug, Clone)]
pub struct DocWrite {
    /// The record's id.
    pub id: RecordId,
    /// Its generation.
    pub generation: u32,
    /// The code of its kind.
    pub kind: u16,
    /// The number of the first group of this commit that changed it: its `seq_first` if it is new.
    pub seq_first: u64,
    /// The number of the last one.
    pub seq_last: u64,
    /// The sorted heads.
    pub heads: Vec<u8>,
    /// The version of the row.
    pub row_version: (u16, u16),
    /// The wall clock of the newest change.
    pub changed_ms: i64,
    /// The query row.
    pub row: Vec<u8>,
    /// The document in an envelope.
    pub bytes: Vec<u8>,
}

/// A change to write.
#[derive(Debug, Clone)]
pub struct ChangeWrite {
    /// The record.
    pub doc: RecordId,
    /// Its generation.
    pub generation: u32,
    /// The change's hash.
    pub hash: ChangeHash,
    /// Its author.
    pub actor: Actor,
    /// The raw chunk in an envelope.
    pub bytes: Vec<u8>,
}

/// An actor and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundActor {
    /// Who writes.
    pub actor: Actor,
    /// The device that writes as it.
    pub device: DeviceId,
    /// The version of the directory that it came with.
    pub version: u64,
}

/// What was answered to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVerdict {
    /// The hash of the group's content.
    pub hash: [u8; 32],
    /// What became of it.
    pub outcome: Outcome,
    /// The code of the reason.
    pub code: Option<String>,
}

/// What of other devices happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OthersChanges {
    /// How many changes.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One workspace at one moment: everything read through one view belongs together.
pub trait View {
    /// The workspace's own row.
    ///
    /// # Errors
    /// Those of the engine; so do all calls below.
    fn workspace(&self) -> Result<Workspace>;
    /// The device; `None` where the workspace has none with this id.
    fn device(&self, device: DeviceId) -> Result<Option<Device>>;
    /// The person; `None` where the workspace has none with this id.
    fn person(&self, person: PersonId) -> Result<Option<Person>>;
    /// The people, by id.
    fn people(&self) -> Result<Vec<Person>>;
    /// The devices, by person and id.
    fn devices(&self) -> Result<Vec<Device>>;
    /// The invitations that are open at a time, in milliseconds since 1970, by person and end.
    fn invitations(&self, now_ms: i64) -> Result<Vec<OpenInvitation>>;
    /// The oldest `limit` of the actors that the directory got after its version `since`, in that order.
    fn actors(&self, since: u64, limit: u32) -> Result<Vec<BoundActor>>;
    /// The device that the actor is bound to.
    fn bound(&self, actor: Actor) -> Result<Option<DeviceId>>;
    /// Whether any actor is bound to the device: whether it ever pushed anything.
    fn has_actors(&self, device: DeviceId) -> Result<bool>;
    /// What was answered to a group.
    fn verdict(&self, device: DeviceId, group: &[u8]) -> Result<Option<StoredVerdict>>;
    /// The running hash of the feed at a number; `None` where the number was never given.
    fn chain(&self, seq: u64) -> Result<Option<[u8; 8]>>;
    /// The number of records.
    fn count_docs(&self) -> Result<u64>;
    /// Id, generation and heads of all records in the order of ids.
    fn each_head(&self, visit: &mut dyn FnMut(RecordId, u32, &[u8])) -> Result<()>;
    /// A record, to be changed.
    fn doc(&self, id: RecordId) -> Result<Option<StoredDoc>>;
    /// Where a record stands.
    fn doc_head(&self, id: RecordId) -> Result<Option<DocHead>>;
    /// A record as the feed sends it. Gives `false` where there is none.
    fn feed_doc(&self, id: RecordId, take: &mut dyn FnMut(FeedDoc<'_>) -> Result<()>) -> Result<bool>;
    /// Walks through the records beyond (`seq`, `id`) in the order of (`seq_last`, `id`), until `take` gives `false`
    /// or there are no more.
    fn feed(&self, after: (u64, RecordId), take: &mut dyn FnMut(FeedDoc<'_>) -> Result<bool>) -> Result<()>;
    /// How much changed in a record after a number, but for what was written by `own`.
    fn others_changes(&self, doc: RecordId, after: u64, own: Own) -> Result<OthersChanges>;
    /// These changes in envelopes, each after those it depends on.
    fn changes(&self, doc: RecordId, after: u64, own: Own) -> Result<Vec<Vec<u8>>>;
    /// How many changes with later numbers each device wrote. Reads all changes of the workspace.
    fn written_since(&self, seq: u64) -> Result<Vec<(DeviceId, u64)>>;
    /// All kept changes of a record's present generation, each after those it depends on.
    fn stored_changes(&self, doc: RecordId) -> Result<Vec<StoredChange>>;
    /// The numbers above this one that have a running hash or changes, in their order. Reads all changes of the workspace.
    fn each_group(&self, after: u64, visit: &mut dyn FnMut(Group) -> Result<()>) -> Result<()>;
    /// The first number with a running hash; `None` before the first group.
    fn chain_begins(&self) -> Result<Option<u64>>;
    /// The number that the feed had come to at a time, in milliseconds since 1970; `None` before the first that is noted.
    fn marked(&self, at_ms: i64) -> Result<Option<u64>>;
    /// The records that have changes with numbers up to this one. Reads all changes of the workspace.
    fn records_changed_until(&self, seq: u64) -> Result<Vec<RecordId>>;
    /// Rows of the workspace that belong to nothing.
    fn loose_ends(&self) -> Result<Vec<LooseEnd>>;
}

/// What a device has just sent itself: its changes with later numbers. Its older ones beyond its cursor it has lost,
/// as after a restore of its store.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// The device.
    pub device: DeviceId,
    /// The workspace's number before this request.
    pub since: u64,
}

/// A transaction on one workspace; no other one runs on it at the same time.
pub trait Commit: View {
    /// Takes the next `count` numbers and gives the first.
    ///
    /// # Errors
    /// Those of the engine; so do all calls below. After an error nothing of the transaction is kept.
    fn take_seqs(&self, count: u64) -> Result<u64>;
    /// Notes the running hash of the feed at a number.
    fn put_chain(&self, seq: u64, chain: [u8; 8]) -> Result<()>;
    /// Binds a new actor to a device; the directory gets a new version.
    fn bind(&self, actor: Actor, device: DeviceId, now_ms: i64) -> Result<()>;
    /// Writes a change; `pos` is its place in the group.
    fn put_change(&self, seq: u64, pos: u32, device: DeviceId, change: &ChangeWrite) -> Result<()>;
    /// Writes a record. A generation beyond the stored one takes its place in the feed anew, and of the changes of the
    /// older one only the hashes stay.
    fn put_doc(&self, doc: &DocWrite) -> Result<()>;
    /// Notes what was answered to a group.
    fn put_verdict(&self, device: DeviceId, group: &[u8], verdict: &StoredVerdict, now_ms: i64) -> Result<()>;
    /// Says that changes up to a number may be missing: devices that lack them get whole records.
    fn keep_changes_from(&self, seq: u64) -> Result<()>;
    /// Drops the changes of a record up to a number. Gives how many.
    fn drop_changes(&self, doc: RecordId, until: u64) -> Result<usize>;
    /// Drops the chain and the marks below a number.
    fn keep_chain_from(&self, seq: u64) -> Result<()>;
    /// Notes that the changes up to a number have been dropped.
    fn trimmed_to(&self, seq: u64) -> Result<()>;
    /// Notes that a device synced under an epoch.
    fn synced_under(&self, device: DeviceId, epoch: [u8; 16]) -> Result<()>;
    /// Notes that a device was there.
    fn seen(&self, device: DeviceId, now_ms: i64) -> Result<()>;
}

/// The whole store.
pub trait Store: Send + Sync {
    /// Who this server is.
    fn server_id(&self) -> [u8; 16];
    /// Whether the store answers.
    ///
    /// # Errors
    /// Those of the engine; so do all calls below.
    fn check(&self) -> Result<()>;
    /// Makes a workspace.
    ///
    /// # Errors
    /// [`crate::Error::WorkspaceExists`].
    fn add_workspace(&self, id: WorkspaceId, name: &str, epoch: [u8; 16], now_ms: i64) -> Result<()>;
    /// The workspaces by name.
    fn workspaces(&self) -> Result<Vec<Workspace>>;
    /// Adds a person; the directory gets a new version.
    ///
    /// # Errors
    /// [`crate::Error::PersonExists`].
    fn add_person(&self, workspace: WorkspaceId, person: &Person, now_ms: i64) -> Result<()>;
    /// Adds an invitation for a person.
    fn add_invitation(&self, workspace: WorkspaceId, person: PersonId, code_hash: [u8; 32], expires_ms: i64) -> Result<()>;
    /// Ends the invitations of a person that nobody has taken. Gives how many of them were open.
    fn withdraw(&self, workspace: WorkspaceId, person: PersonId, now_ms: i64) -> Result<usize>;
    /// Takes an invitation, once; again with the same key it gives the same device. The directory gets a new version.
    fn join(&self, joining: &Joining) -> Result<Joined>;
    /// The device with this id, in whatever workspace.
    fn device(&self, id: DeviceId) -> Result<Option<Device>>;
    /// Revokes a device; its tokens end at once, and so do the open invitations of its person.
    fn revoke(&self, workspace: WorkspaceId, device: DeviceId, now_ms: i64) -> Result<Revocation>;
    /// Keeps a token of a device, and notes that the device was there. Gives `false`, and keeps nothing, where the nonce gave
    /// a token before.
    fn add_token(&self, device: &Device, token: &NewToken) -> Result<bool>;
    /// Who sends a token, expired or not.
    fn caller(&self, hash: [u8; 32]) -> Result<Option<Caller>>;
    /// Reads one workspace at one moment.
    fn view(&self, workspace: WorkspaceId, read: &mut dyn FnMut(&dyn View) -> Result<()>) -> Result<()>;
    /// Writes to one workspace: all of it, durably, or nothing. When it returns, the data is on the disk.
    fn commit(&self, workspace: WorkspaceId, write: &mut dyn FnMut(&dyn Commit) -> Result<()>) -> Result<()>;
    /// Forgets what has ended: tokens, invitations, and verdicts of 90 days ago. Notes once a day how far each feed is.
    fn tidy(&self, now_ms: i64) -> Result<()>;
    /// Closes the store; every later call gives [`crate::Error::Closed`].
    fn close(&self);
}
