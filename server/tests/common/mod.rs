//! A real server on 127.0.0.1, a tiny HTTP client, and devices that sync through them.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

pub mod stranger;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use roadbook_core::env::Env as _;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::{self, SyncRequest, SyncResponse};
use roadbook_core::sync::{End, Event, Request, Response, Session, Step};
use roadbook_server::data::Data;
use roadbook_server::serve::Door;
use roadbook_server::store::{Role, Store, Workspace};
use roadbook_server::{admin, serve};
use roadbook_tests::{Device, World};

pub const FIRM: &str = "Meyer & Söhne";

/// A running server over a folder.
pub struct Server {
    pub dir: PathBuf,
    pub address: SocketAddr,
    pub world: Arc<World>,
    pub data: Data,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _kept: Option<tempfile::TempDir>,
}

impl Server {
    /// A server with a workspace, and Anna and Boris in it.
    pub fn new(world: &Arc<World>) -> Self {
        let kept = tempfile::tempdir().unwrap();
        let dir = kept.path().join("data");
        let data = Data::open_or_create(&dir, world.as_ref()).unwrap();
        let id = admin::create_workspace(data.store.as_ref(), world.as_ref(), FIRM).unwrap();
        for (person, role) in [("Anna Berg", Role::Rep), ("Boris Król", Role::Manager)] {
            admin::add_person(data.store.as_ref(), world.as_ref(), id, person, role).unwrap();
        }
        drop(data);
        let mut server = Self::start(&dir, world);
        server._kept = Some(kept);
        server
    }

    /// A server over a folder that is there.
    pub fn start(dir: &Path, world: &Arc<World>) -> Self {
        Self::start_with(dir, world, Door::default())
    }

    /// As `start`, behind a door.
    pub fn start_with(dir: &Path, world: &Arc<World>, door: Door) -> Self {
        let data = Data::open(dir, world.as_ref()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(serve::listen("127.0.0.1:0".parse().unwrap(), false)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (served, env) = (data.clone(), world.clone());
        let thread = std::thread::spawn(move || {
            runtime
                .block_on(serve::serve(listener, door, served, env, async {
                    let _ = stopped.await;
                }))
                .unwrap();
        });
        Self { dir: dir.to_owned(), address, world: world.clone(), data, stop: Some(stop), thread: Some(thread), _kept: None }
    }

    /// Stops the server and closes its database.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Stops the server and starts it again, perhaps at another address.
    pub fn restart(&mut self) {
        self.stop();
        let kept = self._kept.take();
        *self = Self::start(&self.dir.clone(), &self.world.clone());
        self._kept = kept;
    }

    pub fn store(&self) -> &dyn Store {
        self.data.store.as_ref()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn workspace(&self) -> Workspace {
        admin::workspace(self.store(), FIRM).unwrap()
    }

    pub fn summary(&self) -> admin::Summary {
        admin::summary(self.store(), self.workspace().id).unwrap()
    }

    pub fn invite(&self, person: &str) -> String {
        self.invite_to(FIRM, person)
    }

    pub fn invite_to(&self, workspace: &str, person: &str) -> String {
        let workspace = admin::workspace(self.store(), workspace).unwrap();
        admin::invite(self.store(), self.world.as_ref(), workspace.id, person, 24).unwrap()
    }

    /// A new device of a person, joined and in sync.
    pub fn device(&self, person: &str) -> Device {
        let device = Device::new(&self.world);
        done(self.join(&device, &self.invite(person)));
        device
    }

    pub fn join(&self, device: &Device, code: &str) -> End {
        self.drive(Session::join(&device.book, &self.url(), code, "Phone").unwrap())
    }

    pub fn sync(&self, device: &Device) -> End {
        self.drive(Session::sync(&device.book, None).unwrap())
    }

    /// Runs a session to its end. Requests go to this server, wherever it listens now.
    pub fn drive(&self, session: Session) -> End {
        self.drive_with(session, |_| {})
    }

    /// As `drive`, with a look at each request first.
    pub fn drive_with(&self, mut session: Session, mut look: impl FnMut(&mut Request)) -> End {
        let mut step = session.start().unwrap();
        loop {
            match step {
                Step::Send(mut request) => {
                    look(&mut request);
                    step = session.next(Event::Answered(self.send(&request))).unwrap();
                }
                Step::End(end) => return end,
            }
        }
    }

    /// A sync whose pages have at most so many bytes; gives how many requests it took.
    pub fn sync_in_pages(&self, device: &Device, max_bytes: u32, mut between: impl FnMut(u32)) -> u32 {
        let mut pages = 0;
        done(self.sync_changed(device, |message| {
            message.max_bytes = max_bytes;
            between(pages);
            pages += 1;
        }));
        pages
    }

    /// A sync whose requests become others on the way.
    pub fn sync_changed(&self, device: &Device, mut change: impl FnMut(&mut SyncRequest)) -> End {
        self.drive_with(Session::sync(&device.book, None).unwrap(), |request| {
            if path_of(request) == "/v1/sync" {
                let mut message: SyncRequest = wire::decode(&request.body).unwrap();
                change(&mut message);
                request.body = wire::encode(&message).unwrap();
            }
        })
    }

    /// Sends a session's request.
    pub fn send(&self, request: &Request) -> Response {
        self.post(path_of(request), request.authorization.as_deref(), &request.body)
    }

    pub fn post(&self, path: &str, authorization: Option<&str>, body: &[u8]) -> Response {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if let Some(authorization) = authorization {
            head.push_str(&format!("authorization: {authorization}\r\n"));
        }
        head.push_str("content-type: application/cbor\r\n\r\n");
        self.exchange(head.as_bytes(), body)
    }

    /// Sends bytes and reads the answer until the server closes.
    pub fn exchange(&self, head: &[u8], body: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(head).unwrap();
        // A server that has seen enough closes before the body was sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let mut piece = [0; 16384];
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..read]);
        }
        parse(&answer)
    }

    /// A connection that stays open.
    pub fn line(&self) -> Line {
        Line(TcpStream::connect(self.address).unwrap())
    }

    /// What a device would send next, signed and with a good token, as a message.
    pub fn next_request(&self, device: &Device) -> (String, SyncRequest) {
        let mut session = Session::sync(&device.book, None).unwrap();
        let mut step = session.start().unwrap();
        loop {
            let Step::Send(request) = step else { panic!("the session ended: {step:?}") };
            if path_of(&request) == "/v1/sync" {
                return (request.authorization.unwrap(), wire::decode(&request.body).unwrap());
            }
            step = session.next(Event::Answered(self.send(&request))).unwrap();
        }
    }

    /// Sends a sync message; an error is its code.
    pub fn sync_raw(&self, authorization: &str, request: &SyncRequest) -> Result<SyncResponse, String> {
        let answer = self.post("/v1/sync", Some(authorization), &wire::encode(request).unwrap());
        if answer.status == 200 { Ok(wire::decode(&answer.body).unwrap()) } else { Err(code(&answer)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub fn path_of(request: &Request) -> &str {
    &request.url[request.url.find("/v1/").unwrap()..]
}

/// The value of a header in the head of an answer.
fn header(head: &str, wanted: &str) -> Option<String> {
    let header = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    header.map(|(_, value)| value.trim().to_owned())
}

/// Where the head of an answer ends.
fn end_of_head(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|window| window == b"\r\n\r\n")
}

fn parse(answer: &[u8]) -> Response {
    let end = end_of_head(answer).expect("an HTTP answer");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, content_type: header(head, "content-type"), body: answer[end + 4..].to_vec() }
}

/// A connection that stays open from one request to the next.
pub struct Line(TcpStream);

impl Line {
    /// Sends a request and reads its answer.
    pub fn post(&mut self, path: &str, authorization: &str, body: &[u8]) -> Response {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/cbor\r\nauthorization: {authorization}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.0.write_all(head.as_bytes()).unwrap();
        self.0.write_all(body).unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 16384];
        loop {
            if let Some(end) = end_of_head(&answer) {
                let length: usize =
                    header(std::str::from_utf8(&answer[..end]).unwrap(), "content-length").unwrap().parse().unwrap();
                if answer.len() >= end + 4 + length {
                    return parse(&answer);
                }
            }
            let read = self.0.read(&mut piece).unwrap();
            assert!(read > 0, "the server closed the connection");
            answer.extend_from_slice(&piece[..read]);
        }
    }
}

/// The code of an error answer.
pub fn code(answer: &Response) -> String {
    assert_eq!(answer.content_type.as_deref(), Some("application/cbor"));
    let error: wire::ErrorResponse = wire::decode(&answer.body).unwrap();
    error.code
}

/// Asks again and again and reads no answer, until the connection breaks. Gives how it broke.
pub fn ask_without_reading(stream: &mut impl std::io::Write) -> std::io::ErrorKind {
    let requests = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    loop {
        if let Err(error) = stream.write_all(requests.as_bytes()) {
            return error.kind();
        }
    }
}

pub fn done(end: End) -> roadbook_core::sync::Report {
    match end {
        End::Done(report) => report,
        other => panic!("the sync did not come to its end: {other:?}"),
    }
}

pub fn contact(device: &Device, family_name: &str) -> Contact {
    let contact = Contact { id: device.book.new_id().into(), family_name: family_name.into(), ..Contact::default() };
    device.book.save(&contact).unwrap()
}

pub fn names(device: &Device) -> Vec<String> {
    let page = device.book.contacts(&Default::default(), roadbook_core::book::ContactSort::Name, None, 1000).unwrap();
    page.items.into_iter().map(|row| row.family_name).collect()
}

pub fn now(world: &World) -> i64 {
    world.now().ms
}
