//! What a device sends to the server. The first byte says how the rest is read: as a body, or as parts. Then the first part
//! is the cursor, and each other one a change ([`crate::changes`]) behind a byte that chooses its record. The same request
//! twice gives the same verdicts, and the server never fails.

use std::cell::RefCell;

use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::id::RecordId;
use roadbook_core::record::Kind;
use roadbook_core::sync::wire::{
    ErrorCode, Outcome, PushDoc, PushGroup, PushItem, RowVersion, SyncRequest, SyncResponse, decode, encode,
};
use roadbook_server::store::{Caller, Device, Joined, Joining, Role, SqliteStore, Store, Workspace};
use roadbook_server::sync::answer;
use roadbook_server::{admin, invitation};
use tempfile::TempDir;

use super::scratch;
use crate::changes::{NEXT_GROUP, WHOLE as WHOLE_CHANGE, Writer};
use crate::parts::{choice, split};
use crate::records::{BORIS, KINDS, in_use};
use crate::still::{NOW_MS, Still};

/// What the first byte says.
pub mod flag {
    /// The rest is a body.
    pub const BODY: u8 = 0x80;
    /// The epoch is the server's.
    pub const EPOCH: u8 = 1;
    /// The epoch is another one.
    pub const OTHER_EPOCH: u8 = 2;
    /// Number and chain of the cursor are made to fit the server's history.
    pub const FITS: u8 = 4;
    /// The device reads rows.
    pub const ROWS: u8 = 8;
    /// The device asks for every record whole.
    pub const WANT: u8 = 16;
}

/// A kind of a newer release.
const NEWER: u16 = 77;

pub fn run(input: &[u8]) {
    thread_local! {
        static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
    }
    SERVER.with_borrow_mut(|server| server.get_or_insert_with(Server::new).run(input));
}

struct Server {
    /// The folder as every run finds it.
    clean: TempDir,
    /// The folder in use.
    dir: TempDir,
    store: SqliteStore,
    workspace: Workspace,
    caller: Caller,
}

impl Server {
    fn new() -> Self {
        let (clean, dir) = (scratch::folder(), scratch::folder());
        let env = Still::default();
        let store = SqliteStore::create(clean.path(), [9; 16], NOW_MS).expect("a new store");
        let workspace = admin::create_workspace(&store, &env, "Firm").expect("a workspace");
        let [anna, boris] = [("Anna", Role::Manager), ("Boris", Role::Rep)].map(|(name, role)| {
            admin::add_person(&store, &env, workspace, name, role).expect("a person");
            let code = admin::invite(&store, &env, workspace, name, 24).expect("an invitation");
            caller(&join(&store, &env, &code))
        });
        for by_boris in [false, true] {
            let caller = if by_boris { &boris } else { &anna };
            let request = setting_up(by_boris);
            let groups = request.groups.len();
            let (body, done) = answer(&store, caller, &encode(&request).expect("a request"), NOW_MS).expect("an answer");
            let response: SyncResponse = decode(&body).expect("a response");
            assert_eq!((response.verdicts.len(), done.groups), (groups, groups));
            assert!(response.verdicts.iter().all(|verdict| verdict.outcome == Outcome::Accepted), "{:?}", response.verdicts);
        }
        let workspace = admin::workspace(&store, "Firm").expect("the workspace");
        store.close();
        drop(store);
        scratch::put_back(clean.path(), dir.path());
        let store = SqliteStore::open(dir.path()).expect("the copy");
        Self { clean, dir, store, workspace, caller: anna }
    }

    fn run(&mut self, input: &[u8]) {
        let (first, rest) = choice(input);
        let body = if first & flag::BODY == 0 { encode(&self.request(first, rest)).expect("a request") } else { rest.to_vec() };
        let once = self.verdicts(&body);
        let again = self.verdicts(&body);
        let settled = |verdicts: &[(Vec<u8>, Outcome)]| verdicts.iter().filter(|(_, outcome)| *outcome != Outcome::Held).count();
        for (one, other) in once.iter().zip(&again).filter(|(one, _)| one.1 != Outcome::Held) {
            assert_eq!(one, other, "a group sent again gets the same verdict");
        }
        assert!(settled(&again) >= settled(&once));
        if !once.is_empty() {
            self.store.close();
            scratch::put_back(self.clean.path(), self.dir.path());
            self.store = SqliteStore::open(self.dir.path()).expect("the copy");
        }
    }

    fn verdicts(&self, body: &[u8]) -> Vec<(Vec<u8>, Outcome)> {
        match answer(&self.store, &self.caller, body, NOW_MS) {
            Ok((body, _)) => {
                let response: SyncResponse = decode(&body).expect("the server's own answer can be decoded");
                for snapshot in response.entries.iter().filter_map(|entry| Some((entry.kind, entry.snapshot.as_ref()?))) {
                    Document::load(Kind::definition_of(snapshot.0), snapshot.1).expect("what the server sends can be loaded");
                }
                response.verdicts.into_iter().map(|verdict| (verdict.group, verdict.outcome)).collect()
            }
            Err(rejection) => {
                assert_ne!(rejection.code, ErrorCode::Unavailable, "{}", rejection.message);
                Vec::new()
            }
        }
    }

    fn request(&self, first: u8, rest: &[u8]) -> SyncRequest {
        let parts = split(rest);
        let (cursor, changes) = parts.split_first().expect("there is one part at least");
        let epoch = match first & (flag::EPOCH | flag::OTHER_EPOCH) {
            flag::EPOCH => self.workspace.epoch.to_vec(),
            flag::OTHER_EPOCH => vec![7; 16],
            _ => Vec::new(),
        };
        let docs: Vec<PushDoc> = records().into_iter().map(|(id, generation, kind, _)| doc(id, generation, kind)).collect();
        SyncRequest {
            epoch,
            cursor: if first & flag::FITS == 0 { cursor.to_vec() } else { self.fitting(cursor) },
            groups: groups(changes),
            want: if first & flag::WANT == 0 { Vec::new() } else { docs.iter().map(|doc| doc.id.clone().into()).collect() },
            docs,
            max_bytes: 4_000_000,
            rows: if first & flag::ROWS == 0 { Vec::new() } else { Kind::ALL.into_iter().map(row_version).collect() },
            directory: 0,
        }
    }

    /// A cursor whose number and chain are of this server's history, with the rest as it is.
    fn fitting(&self, cursor: &[u8]) -> Vec<u8> {
        let (number, rest) = choice(cursor);
        let number = u64::from(number) % (self.workspace.seq + 2);
        let mut chain = None;
        self.store
            .view(self.workspace.id, &mut |view| {
                chain = view.chain(number)?;
                Ok(())
            })
            .expect("the chain can be read");
        let mut cursor = number.to_be_bytes().to_vec();
        cursor.extend(chain.unwrap_or_default());
        cursor.extend_from_slice(rest);
        cursor
    }
}

fn row_version(kind: Kind) -> RowVersion {
    let (major, minor) = kind.definition().row_version;
    RowVersion { kind: kind.code(), major, minor }
}

fn doc(id: [u8; 16], generation: u32, kind: u16) -> PushDoc {
    PushDoc { id: id.to_vec(), generation, kind }
}

/// The records that changes may be of: those that the server has, a new one, a new one of a newer release, and the next
/// generation of one.
fn records() -> Vec<([u8; 16], u32, u16, Document)> {
    let code = |kind: Kind| if kind == Kind::Unknown { NEWER } else { kind.code() };
    let known = KINDS.into_iter().zip(1u8..).map(|(kind, at)| ([at; 16], 0, code(kind), in_use(kind).clone()));
    let empty = Document::new(Kind::Deal.definition()).expect("a document");
    let new = [
        ([5; 16], 0, Kind::Deal.code(), empty.clone()),
        ([6; 16], 0, NEWER, in_use(Kind::Unknown).clone()),
        ([2; 16], 1, Kind::Deal.code(), empty),
    ];
    known.chain(new).collect()
}

/// The groups that parts ask for.
fn groups(parts: &[&[u8]]) -> Vec<PushGroup> {
    let mut writers: Vec<Writer> = records().iter().map(|(.., document)| Writer::on(document)).collect();
    let mut groups: Vec<PushGroup> = Vec::new();
    for part in parts {
        let (at, change) = choice(part);
        let begins = change.first().is_some_and(|first| first & (NEXT_GROUP | WHOLE_CHANGE) == NEXT_GROUP);
        // One index more than there are records: an item of nothing.
        let at = usize::from(at) % (writers.len() + 1);
        let change = writers.get_mut(at).map(|writer| writer.change(change)).unwrap_or_default();
        let item = PushItem { doc: at as u32, change };
        match groups.last_mut().filter(|_| !begins) {
            Some(group) => group.items.push(item),
            None => groups.push(PushGroup { id: vec![groups.len() as u8; 8], items: vec![item] }),
        }
    }
    groups
}

/// The request that brings the records in use to the server: what one of two people wrote.
fn setting_up(by_boris: bool) -> SyncRequest {
    let mut request = SyncRequest { max_bytes: 4_000_000, ..SyncRequest::default() };
    for (at, (id, generation, kind, document)) in (0..).zip(records().into_iter().take(KINDS.len())) {
        request.docs.push(doc(id, generation, kind));
        let changes = document.changes();
        let boris: Vec<_> = changes
            .iter()
            .filter(|change| change.actor.is_some_and(|actor| actor.0 == BORIS))
            .map(|change| change.hash)
            .collect();
        let items = document
            .changes_since(&[])
            .into_iter()
            .filter(|(hash, _)| boris.contains(hash) == by_boris)
            .map(|(_, raw)| PushItem { doc: at, change: seal_envelope(&raw) });
        request.groups.push(PushGroup { id: vec![0xf0, at as u8, u8::from(by_boris)], items: items.collect() });
    }
    request
}

fn join(store: &SqliteStore, env: &Still, code: &str) -> Device {
    let mut key = [0; 32];
    roadbook_core::env::Env::fill(env, &mut key);
    let new_id = roadbook_server::store::DeviceId(RecordId::generate(env).as_bytes().to_owned());
    let joining =
        Joining { code_hash: invitation::hash(code), public_key: key, device_name: "Phone".into(), new_id, now_ms: NOW_MS };
    match store.join(&joining).expect("the store works") {
        Joined::Device(joined) => joined.0,
        other => panic!("{other:?}"),
    }
}

fn caller(device: &Device) -> Caller {
    Caller { workspace: device.workspace, device: device.id, expires_ms: i64::MAX, revoked: false }
}
