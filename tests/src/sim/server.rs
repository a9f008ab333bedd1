//! The real server without its sockets, and what happens to its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use roadbook_core::fault::{self, Site};
use roadbook_core::id::RecordId;
use roadbook_core::sync::Response;
use roadbook_core::sync::wire::CONTENT_TYPE;
use roadbook_server::admin;
use roadbook_server::app::{Service, Source};
use roadbook_server::data::Data;
use roadbook_server::doctor::doctor;
use roadbook_server::restore::restore;
use roadbook_server::store::{DATABASE, SqliteStore, Store as _, WorkspaceId};

use super::disk::{self, Disk, WORKSPACES};
use super::model::{Documents, Heads, erased};
use crate::World;

/// A damaged record, with the bytes that it had.
struct Rot {
    ws: Vec<u8>,
    id: Vec<u8>,
    bytes: Vec<u8>,
    generation: u32,
}

/// The server.
pub struct Server {
    dir: PathBuf,
    /// Its clock and randomness.
    pub world: Arc<World>,
    running: Option<(Data, Service)>,
    backup: Option<Vec<u8>>,
    /// Whether it was ever put back.
    pub put_back: bool,
    rot: Vec<Rot>,
    workspaces: Vec<WorkspaceId>,
}

impl Server {
    /// A new server that runs.
    pub fn new(disk: &Disk, dir: PathBuf, world: Arc<World>) -> Self {
        disk.place_server(&dir);
        let mut server =
            Self { dir, world, running: None, backup: None, put_back: false, rot: Vec::new(), workspaces: Vec::new() };
        server.start();
        let named = |name: &&str| admin::workspace(server.data().store.as_ref(), name).expect("a workspace").id;
        server.workspaces = WORKSPACES.iter().map(named).collect();
        server
    }

    fn start(&mut self) {
        let data = Data::open(&self.dir, self.world.as_ref()).expect("the server's data");
        self.running = Some((data.clone(), Service::new(data, self.world.clone())));
    }

    fn stop(&mut self) {
        if let Some((data, _)) = self.running.take() {
            data.store.close();
        }
    }

    /// Its process ends and begins again.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    fn data(&self) -> &Data {
        &self.running.as_ref().expect("a running server").0
    }

    /// Answers a request; `None` where it died over it. It runs again afterwards.
    pub fn answer(&mut self, path: &str, authorization: Option<&str>, body: &[u8]) -> Option<Response> {
        let (_, service) = self.running.as_ref().expect("a running server");
        let answer = service.answer(path, Source::of(std::net::Ipv4Addr::LOCALHOST.into()), authorization, body);
        if fault::dead(Site::Server) {
            fault::disarm();
            self.restart();
            return None;
        }
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(rejection) => (rejection.code.status(), rejection.body()),
        };
        Some(Response { status, content_type: Some(CONTENT_TYPE.to_owned()), body })
    }

    /// The code of a new invitation.
    pub fn invite(&self, ws: usize, person: &str) -> String {
        admin::invite(self.data().store.as_ref(), self.world.as_ref(), self.workspaces[ws], person, 24).expect("an invitation")
    }

    /// Revokes a device.
    pub fn revoke(&self, ws: usize, device: &str) -> bool {
        admin::revoke(self.data().store.as_ref(), self.world.as_ref(), self.workspaces[ws], device).is_ok()
    }

    /// Whether a device is revoked now.
    pub fn is_revoked(&self, ws: usize, device: &str) -> bool {
        let devices = admin::devices(self.data().store.as_ref(), self.workspaces[ws]).expect("devices");
        devices.iter().any(|(found, _)| found.id.to_string() == device && found.revoked_ms.is_some())
    }

    /// The hash of what a workspace holds.
    pub fn state_hash(&self, ws: usize) -> String {
        admin::summary(self.data().store.as_ref(), self.workspaces[ws]).expect("a summary").state_hash
    }

    /// Forgets what has ended; gives whether old changes were dropped.
    pub fn tidy(&self) -> bool {
        use roadbook_core::env::Env as _;
        let changes = || -> i64 { self.raw().query_row("SELECT count(*) FROM change", [], |row| row.get(0)).expect("changes") };
        let before = changes();
        roadbook_server::tidy::tidy(self.data().store.as_ref(), self.world.now().ms).expect("tidying");
        changes() < before
    }

    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.join(DATABASE)).expect("the server's database")
    }

    /// The documents of a workspace: kind and bytes, in the order of ids.
    pub fn documents(&self, ws: usize) -> Documents {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT id, kind, bytes FROM doc WHERE ws = ?1").expect("a query");
        let rows = statement
            .query_map([self.workspaces[ws]], |row| Ok((RecordId::from_bytes(row.get(0)?), (row.get(1)?, row.get(2)?))))
            .expect("documents");
        rows.collect::<Result<_, _>>().expect("documents")
    }

    /// The generation and the heads of each record of a workspace.
    pub fn heads(&self, ws: usize) -> Heads {
        let conn = self.raw();
        let mut statement = conn.prepare("SELECT id, gen, heads FROM doc WHERE ws = ?1").expect("a query");
        let rows = statement
            .query_map([self.workspaces[ws]], |row| Ok((RecordId::from_bytes(row.get(0)?), (row.get(1)?, row.get(2)?))))
            .expect("heads");
        rows.collect::<Result<_, _>>().expect("heads")
    }

    /// The first thing in its database that does not fit, by its own doctor.
    pub fn ill(&self) -> Option<String> {
        let store = SqliteStore::open(&self.dir).expect("the server's database");
        let report = doctor(&store, false).expect("a report");
        store.close();
        report.findings.first().map(|finding| format!("{finding:?}"))
    }

    /// The records that are damaged on the disk now.
    pub fn rotten(&self, ws: usize) -> BTreeSet<RecordId> {
        let here = self.rot.iter().filter(|rot| rot.ws == self.workspaces[ws].0);
        here.filter_map(|rot| RecordId::from_slice(&rot.id)).collect()
    }

    /// The generations of the records that were erased.
    pub fn erased(&self, ws: usize) -> BTreeMap<RecordId, u32> {
        erased(self.heads(ws))
    }

    /// Copies the database.
    pub fn back_up(&mut self) {
        self.mend();
        self.stop();
        self.backup = Some(std::fs::read(self.dir.join(DATABASE)).expect("the database"));
        self.start();
    }

    /// Puts the copy back, by the server's verb or by copying the file; `false` where there is none.
    pub fn put_back(&mut self, by_verb: bool) -> bool {
        let Some(backup) = self.backup.clone() else { return false };
        self.put_back = true;
        self.mend();
        self.stop();
        if by_verb {
            let file = self.dir.join("backup.db");
            disk::write(&file, &backup);
            let restored = restore(&self.dir, &file, self.world.as_ref(), true).expect("a restored server");
            for file in std::iter::once(file).chain(restored.kept) {
                std::fs::remove_file(file).expect("an old file");
            }
        } else {
            disk::write(&self.dir.join(DATABASE), &backup);
        }
        self.start();
        true
    }

    /// Damages a record on the disk.
    pub fn rot(&mut self, ws: usize, choose: usize) -> bool {
        let mut ids: Vec<RecordId> = self.documents(ws).into_keys().collect();
        ids.retain(|id| self.rot.iter().all(|rot| rot.id != id.as_bytes()));
        let Some(id) = ids.get(choose % ids.len().max(1)) else { return false };
        let conn = self.raw();
        let key = rusqlite::params![self.workspaces[ws], id.as_bytes()];
        let (bytes, generation): (Vec<u8>, u32) = conn
            .query_row("SELECT bytes, gen FROM doc WHERE ws = ?1 AND id = ?2", key, |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("a record");
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        let set = rusqlite::params![self.workspaces[ws], id.as_bytes(), damaged];
        conn.execute("UPDATE doc SET bytes = ?3 WHERE ws = ?1 AND id = ?2", set).expect("a damaged record");
        self.rot.push(Rot { ws: self.workspaces[ws].0.to_vec(), id: id.as_bytes().to_vec(), bytes, generation });
        true
    }

    /// Mends what was damaged; says whether there was anything.
    pub fn mend(&mut self) -> bool {
        let rotten = std::mem::take(&mut self.rot);
        if rotten.is_empty() {
            return false;
        }
        let conn = self.raw();
        for rot in &rotten {
            // One that was erased meanwhile has nothing to be mended.
            let set = rusqlite::params![rot.ws, rot.id, rot.bytes, rot.generation];
            conn.execute("UPDATE doc SET bytes = ?3 WHERE ws = ?1 AND id = ?2 AND gen = ?4", set).expect("a mended record");
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
