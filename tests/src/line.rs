//! The way from a client to its server, which can be bad in many ways. The client keeps one address for all of them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How the way is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To the server with this address, host and port.
    To(String),
    /// As [`Way::To`], one byte of the answer each so many milliseconds.
    Slow(String, u64),
    /// As [`Way::To`], and cut in the middle of the answer.
    Cut(String),
    /// Nothing comes back, not even that somebody is there: a black hole.
    Hole,
    /// Connections are accepted; nothing is read and nothing said.
    Silent,
    /// The request is read to its end; nothing is said.
    Deaf,
    /// Connections are closed at once.
    Closed,
    /// Each request gets this answer: head and body.
    Answer(Vec<u8>),
}

/// How the way is, and whom each new connection is told to.
struct State {
    way: Way,
    came: Sender<()>,
    /// The connections that a black hole is filled with.
    waiting: Vec<TcpStream>,
}

/// An address that leads somewhere.
pub struct Line {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    /// What clients know: `http://127.0.0.1:…`.
    pub url: String,
}

impl Line {
    /// A line that leads this way.
    pub fn new(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}");
        let state = Arc::new(Mutex::new(State { way, came: channel().0, waiting: Vec::new() }));
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = || shared.lock().unwrap_or_else(PoisonError::into_inner);
                while state().way == Way::Hole {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let state = state();
                let way = state.way.clone();
                // Not every test listens.
                let _ = state.came.send(());
                std::thread::spawn(move || walk(stream, way));
            }
        });
        Self { state, address, url }
    }

    /// From now on new connections go this way; each is told to the receiver.
    pub fn turn(&self, way: Way) -> Receiver<()> {
        let (came, receiver) = channel();
        let is_hole = way == Way::Hole;
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state() = State { way, came, waiting: Vec::new() };
        if is_hole {
            // The system answers no further connection while as many wait as may.
            let connect = || TcpStream::connect_timeout(&self.address, Duration::from_millis(300)).ok();
            let waiting = std::iter::from_fn(connect).collect();
            state().waiting = waiting;
        }
        receiver
    }
}

/// Carries one connection. A line has nobody to tell about an end.
fn walk(mut client: TcpStream, way: Way) {
    match way {
        Way::To(server) => carry(client, &server, |piece, client| client.write_all(piece).is_ok()),
        Way::Slow(server, ms) => carry(client, &server, |piece, client| {
            piece.iter().all(|byte| {
                std::thread::sleep(Duration::from_millis(ms));
                client.write_all(&[*byte]).is_ok()
            })
        }),
        Way::Cut(server) => carry(client, &server, |piece, client| {
            let _ = client.write_all(piece.split_at(piece.len() / 2).0);
            false
        }),
        Way::Silent => std::thread::sleep(Duration::from_secs(120)),
        Way::Deaf => while client.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {},
        Way::Closed | Way::Hole => {}
        Way::Answer(answer) => {
            let mut piece = [0; 65536];
            // One read is enough: requests of tests are small.
            let _ = client.read(&mut piece);
            let _ = client.write_all(&answer);
            let _ = client.shutdown(Shutdown::Write);
            while client.read(&mut piece).is_ok_and(|read| read > 0) {}
        }
    }
}

/// Brings the client's bytes to the server; of the server's, `back` brings what it wants until it says no.
fn carry(client: TcpStream, server: &str, mut back: impl FnMut(&[u8], &mut TcpStream) -> bool) {
    let Ok(mut server) = TcpStream::connect(server) else { return };
    let (Ok(mut up), Ok(mut to_server), mut down) = (client.try_clone(), server.try_clone(), client) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut piece = [0; 65536];
    while let Ok(read @ 1..) = server.read(&mut piece) {
        if !back(piece.split_at(read).0, &mut down) {
            break;
        }
    }
    let _ = down.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
