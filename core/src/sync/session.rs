//! The client's side of a sync, without network I/O: it says which request to send, takes the answer, and says what is next.
//!
//! | state | event | next |
//! |---|---|---|
//! | `Start`, not joined | start | end `Rejoin` |
//! | `Start`, joining, or no good token | start | send hello → `Hello` |
//! | `Start`, good token | start | send sync → `Sync` |
//! | `Hello`, joining | answer | send join → `Join` |
//! | `Hello` | answer | send token → `Token` |
//! | `Hello` | answer with another protocol | end `Upgrade` |
//! | `Hello` | answer of another server than the account's | end `Wait` |
//! | `Join` | answer | keep the account, send sync → `Sync` |
//! | `Token` | answer | keep the token, send sync → `Sync` |
//! | `Sync` | answer, nothing left | end `Done` |
//! | `Sync` | answer, only held edits left | end `Wait` |
//! | `Sync` | answer, something left | send sync → `Sync`; end `More` after the deadline |
//! | `Sync` | `token_expired`, first time | send hello → `Hello` |
//! | `Sync` | `too_large`, up to six times | send less → `Sync` |
//! | `Join`, `Token` | `nonce_expired`, first time | send hello → `Hello` |
//! | `Sync` | `epoch_changed` | forget the cursor, queue own changes, send sync → `Sync` |
//! | any | `unknown_device`, `device_revoked`, `invitation_invalid` | end `Rejoin` |
//! | any | `upgrade_required` | end `Upgrade` |
//! | any | other error, no answer, an answer of another program | end `Wait` |
//! | any | cancel | end `Cancelled` |
//!
//! Every page is committed with its cursor before the next request is made, so that a session may be dropped anywhere.

use std::collections::HashSet;
use std::sync::Arc;

use super::wire::{
    self, CONTENT_TYPE, ErrorCode, ErrorResponse, HelloRequest, HelloResponse, JoinRequest, JoinResponse, MAX_RESPONSE, PROTOCOL,
    PROTOCOL_MIN, SyncRequest, SyncResponse, TokenRequest, TokenResponse,
};
use crate::book::Book;
use crate::error::{Error, ProblemCode, Result};

/// A request to send: `POST` to `url` with these headers and this body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The whole address.
    pub url: String,
    /// `content-type` and `accept`.
    pub content_type: &'static str,
    /// `authorization`, where the request needs it.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "POST {} ({} bytes)", self.url, self.body.len())
    }
}

/// What came back. Redirects are not followed: they are answers of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`, if there was one.
    pub content_type: Option<String>,
    /// The body; more than [`MAX_RESPONSE`] bytes need not be read.
    pub body: Vec<u8>,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The request was answered.
    Answered(Response),
    /// The request could not be sent, or no answer came.
    Unreachable,
    /// The app wants to stop.
    Cancel,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this and report what happened.
    Send(Request),
    /// The session is over.
    End(End),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This device and the server hold the same, but for held and refused edits.
    Done(Report),
    /// The deadline came at a page's end: start another session when there is time.
    More(Report),
    /// Try again later; nothing is lost.
    Wait {
        /// What was done until then.
        report: Report,
        /// When to try again, in milliseconds.
        after_ms: u32,
        /// Why.
        reason: WaitReason,
    },
    /// The device must join (again): it never did, was revoked, or the invitation is not good.
    Rejoin {
        /// What was done until then.
        report: Report,
        /// Why.
        reason: RejoinReason,
    },
    /// The server speaks no protocol of this release: update the app.
    Upgrade(Report),
    /// The app asked to stop.
    Cancelled(Report),
}

impl End {
    /// What the session did.
    pub fn report(&self) -> &Report {
        match self {
            Self::Done(report) | Self::More(report) | Self::Upgrade(report) | Self::Cancelled(report) => report,
            Self::Wait { report, .. } | Self::Rejoin { report, .. } => report,
        }
    }
}

/// Why a session must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// No connection.
    Offline,
    /// Something else answered: a captive portal, a proxy, another server.
    NotTheServer,
    /// The server is busy or failed.
    Server,
    /// Edits wait for others' edits that the server does not have yet.
    Held,
}

/// Why a device must join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejoinReason {
    /// It never joined.
    NotJoined,
    /// An administrator revoked it.
    Revoked,
    /// The server does not know it.
    Unknown,
    /// The invitation is unknown, used or has ended.
    Invitation,
}

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Records that came and did not pass the gate; they are set aside and asked for again.
    pub set_aside: u64,
}

/// How often a request is halved before the session waits.
const MAX_SHRINK: u32 = 6;
/// So many answers in a row may change nothing: the server walks past records that this device wrote, or asks it to write
/// edits again as another author. More are those of a server that is broken.
const MAX_IDLE: u32 = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Start,
    Hello,
    Join { server_id: Vec<u8> },
    Token,
    Sync,
    Over,
}

struct Joining {
    url: String,
    code: String,
    device_name: String,
}

/// One sync, from start to end. Dropping it is safe at any point.
pub struct Session {
    book: Arc<Book>,
    state: State,
    joining: Option<Joining>,
    /// In the ticks of the book's clock.
    deadline: Option<u64>,
    refreshed: bool,
    reset: bool,
    /// How often less was sent because the server found a request too large.
    shrink: u32,
    /// Groups that wait for changes of others: not sent again before something came or went.
    held: HashSet<Vec<u8>>,
    /// Answers in a row that changed nothing.
    idle: u32,
    report: Report,
}

impl Session {
    /// A session that pushes and pulls. After `deadline_ms` milliseconds it ends at the next page.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process or session syncs this book.
    pub fn sync(book: &Arc<Book>, deadline_ms: Option<u32>) -> Result<Self> {
        book.take_sync_lock()?;
        let deadline = deadline_ms.map(|ms| book.env().ticks_ms().saturating_add(ms.into()));
        Ok(Self {
            book: Arc::clone(book),
            state: State::Start,
            joining: None,
            deadline,
            refreshed: false,
            reset: false,
            shrink: 0,
            held: HashSet::new(),
            idle: 0,
            report: Report::default(),
        })
    }

    /// A session that joins a workspace with an invitation, then syncs. Edits made before come along.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL that is none; [`Error::Busy`] as for [`Session::sync`].
    pub fn join(book: &Arc<Book>, url: &str, code: &str, device_name: &str) -> Result<Self> {
        let url = address(url)?;
        let code = code.trim();
        if code.is_empty() || code.len() > 100 || !code.is_ascii() {
            return Err(Error::invalid("invite", ProblemCode::Format));
        }
        let mut session = Self::sync(book, None)?;
        let device_name = device_name.chars().take(60).collect();
        session.joining = Some(Joining { url: url.to_owned(), code: code.to_owned(), device_name });
        Ok(session)
    }

    /// The first request.
    ///
    /// # Errors
    /// Those of the store.
    pub fn start(&mut self) -> Result<Step> {
        if self.state != State::Start {
            return Err(Error::Internal("a session starts once".into()));
        }
        if self.joining.is_some() {
            return self.send_hello();
        }
        if self.book.account()?.is_none() {
            return Ok(self.end(|report| End::Rejoin { report, reason: RejoinReason::NotJoined }));
        }
        if self.book.good_token()?.is_some() { self.send_sync() } else { self.send_hello() }
    }

    /// Takes what happened and says what is next.
    ///
    /// # Errors
    /// Those of the store; the session may be dropped then and another one started.
    pub fn next(&mut self, event: Event) -> Result<Step> {
        let response = match event {
            Event::Cancel => return Ok(self.end(End::Cancelled)),
            Event::Unreachable => return Ok(self.wait(WaitReason::Offline, None)),
            Event::Answered(response) => response,
        };
        self.report.bytes_down += response.body.len() as u64;
        let ours = response
            .content_type
            .as_deref()
            .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == CONTENT_TYPE);
        if !ours || response.body.len() > MAX_RESPONSE {
            return Ok(self.wait(WaitReason::NotTheServer, None));
        }
        if response.status != 200 {
            return self.refused(&response);
        }
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::Hello => self.after_hello(&response.body),
            State::Join { server_id } => self.after_join(&server_id, &response.body),
            State::Token => self.after_token(&response.body),
            State::Sync => self.after_sync(&response.body),
            State::Start | State::Over => Err(Error::Internal("an answer without a request".into())),
        };
        match step {
            // What cannot be read as an answer of the protocol came from something else.
            Err(Error::Protocol(_)) => Ok(self.wait(WaitReason::NotTheServer, None)),
            other => other,
        }
    }

    fn after_hello(&mut self, body: &[u8]) -> Result<Step> {
        let hello: HelloResponse = wire::decode(body)?;
        if !(PROTOCOL_MIN..=PROTOCOL).contains(&hello.protocol) {
            return Ok(self.end(End::Upgrade));
        }
        let account = self.book.account()?;
        let is_other = account.as_ref().is_some_and(|account| account.server_id != hello.server_id);
        let key = self.book.device_key()?;
        if let Some(joining) = &self.joining {
            if is_other {
                // Not asked for its workspace: the invitation stays good for a book that has none.
                return Err(Error::OtherWorkspace);
            }
            let request = JoinRequest {
                code: joining.code.clone(),
                public_key: key.public(),
                device_name: joining.device_name.clone(),
                signature: key.sign(&wire::join_challenge(&hello.server_id, &hello.nonce, &joining.code)),
                nonce: hello.nonce,
            };
            self.state = State::Join { server_id: hello.server_id };
            return self.send("/v1/join", wire::encode(&request)?, None);
        }
        let account = account.ok_or_else(|| Error::Internal("no account".into()))?;
        if is_other {
            // Another server answers under this address: it gets no signature and no data.
            return Ok(self.wait(WaitReason::NotTheServer, None));
        }
        let device = account.device.as_bytes().to_vec();
        let signature = key.sign(&wire::token_challenge(&hello.server_id, &hello.nonce, &device));
        self.state = State::Token;
        self.send("/v1/token", wire::encode(&TokenRequest { device, nonce: hello.nonce, signature })?, None)
    }

    fn after_join(&mut self, server_id: &[u8], body: &[u8]) -> Result<Step> {
        let joined: JoinResponse = wire::decode(body)?;
        let joining = self.joining.take().ok_or_else(|| Error::Internal("not joining".into()))?;
        self.book.keep_account(&joining.url, server_id, &joined)?;
        self.send_sync()
    }

    fn after_token(&mut self, body: &[u8]) -> Result<Step> {
        let token: TokenResponse = wire::decode(body)?;
        self.book.keep_token(&token)?;
        self.send_sync()
    }

    fn after_sync(&mut self, body: &[u8]) -> Result<Step> {
        let answer: SyncResponse = wire::decode(body)?;
        let more_on_server = answer.more;
        let page = self.book.apply_page(answer)?;
        let held = self.held.len();
        if page.pushed > 0 || page.pulled > 0 || page.refused > 0 {
            // What held groups waited for may have come.
            self.held.clear();
            self.idle = 0;
        } else {
            self.held.extend(page.held_groups);
            self.idle = if self.held.len() > held { 0 } else { self.idle + 1 };
        }
        self.report.pushed += page.pushed;
        self.report.pulled += page.pulled;
        self.report.refused += page.refused;
        self.report.held = page.held;
        self.report.set_aside += page.set_aside;
        let request = self.book.next_page(self.shrink, &self.held)?;
        if !more_on_server && request.groups.is_empty() {
            if !self.held.is_empty() {
                return Ok(self.wait(WaitReason::Held, None));
            }
            self.book.note_synced()?;
            return Ok(self.end(End::Done));
        }
        if self.idle > MAX_IDLE {
            return Ok(self.wait(WaitReason::Server, None));
        }
        if self.deadline.is_some_and(|deadline| self.book.env().ticks_ms() >= deadline) {
            return Ok(self.end(End::More));
        }
        self.send_page(&request)
    }

    fn refused(&mut self, response: &Response) -> Result<Step> {
        let Ok(error) = wire::decode::<ErrorResponse>(&response.body) else {
            return Ok(self.wait(WaitReason::NotTheServer, None));
        };
        let rejoin = |reason| move |report| End::Rejoin { report, reason };
        match ErrorCode::named(&error.code) {
            Some(ErrorCode::TooLarge) if self.state == State::Sync && self.shrink < MAX_SHRINK => {
                self.shrink += 1;
                self.send_sync()
            }
            Some(ErrorCode::NonceExpired) if !self.refreshed => {
                self.refreshed = true;
                self.send_hello()
            }
            Some(ErrorCode::TokenExpired) if !self.refreshed && self.joining.is_none() => {
                self.refreshed = true;
                self.book.drop_token()?;
                self.send_hello()
            }
            Some(ErrorCode::EpochChanged) if self.state == State::Sync && !self.reset => {
                self.reset = true;
                self.book.begin_epoch()?;
                self.send_sync()
            }
            Some(ErrorCode::DeviceRevoked) => Ok(self.end(rejoin(RejoinReason::Revoked))),
            Some(ErrorCode::UnknownDevice) => Ok(self.end(rejoin(RejoinReason::Unknown))),
            Some(ErrorCode::InvitationInvalid) => Ok(self.end(rejoin(RejoinReason::Invitation))),
            Some(ErrorCode::UpgradeRequired) => Ok(self.end(End::Upgrade)),
            _ => Ok(self.wait(WaitReason::Server, error.retry_after_s)),
        }
    }

    fn send_hello(&mut self) -> Result<Step> {
        self.state = State::Hello;
        let hello = HelloRequest {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL,
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.send("/v1/hello", wire::encode(&hello)?, None)
    }

    fn send_sync(&mut self) -> Result<Step> {
        let request = self.book.next_page(self.shrink, &self.held)?;
        self.send_page(&request)
    }

    fn send_page(&mut self, request: &SyncRequest) -> Result<Step> {
        let Some(token) = self.book.good_token()? else { return self.send_hello() };
        self.state = State::Sync;
        if crate::fault::planted(crate::fault::Plant::LostAck) {
            self.book
                .write(|tx| Ok(tx.sql.execute("DELETE FROM outbox WHERE state = ?1", [crate::store::OutboxState::Waiting])?))?;
        }
        self.send("/v1/sync", wire::encode(request)?, Some(token))
    }

    fn send(&mut self, path: &str, body: Vec<u8>, authorization: Option<String>) -> Result<Step> {
        let base = match &self.joining {
            Some(joining) => joining.url.clone(),
            None => self.book.server_url()?.ok_or_else(|| Error::Internal("no server".into()))?,
        };
        self.report.requests += 1;
        self.report.bytes_up += body.len() as u64;
        Ok(Step::Send(Request { url: format!("{base}{path}"), content_type: CONTENT_TYPE, authorization, body }))
    }

    fn wait(&mut self, reason: WaitReason, after_s: Option<u32>) -> Step {
        // Spread over half a minute, so that a firm's phones do not all come back at once.
        let mut jitter = [0u8; 2];
        self.book.env().fill(&mut jitter);
        let spread = u32::from(u16::from_be_bytes(jitter)) % 30_000;
        let after_ms = after_s.map_or(30_000, |seconds| seconds.saturating_mul(1000)).saturating_add(spread);
        self.end(move |report| End::Wait { report, after_ms, reason })
    }

    fn end(&mut self, end: impl FnOnce(Report) -> End) -> Step {
        self.state = State::Over;
        Step::End(end(self.report))
    }
}

/// The address of a server in a text that somebody typed. For apps that want to say early that it is none.
///
/// # Errors
/// [`Error::Invalid`] of `url` where no server could be there.
pub fn address(url: &str) -> Result<&str> {
    let url = url.trim().trim_end_matches('/');
    if is_address(url) { Ok(url) } else { Err(Error::invalid("url", ProblemCode::Format)) }
}

/// Whether a text is where a server could be, as far as that can be told here: a scheme, a host, perhaps a port and a path.
fn is_address(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, (!after.is_empty()).then(|| after.strip_prefix(':').unwrap_or_default())),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_plain = |text: &str| !text.contains(|at: char| at.is_whitespace() || at.is_control() || "?#@\\".contains(at));
    url.len() <= 500 && !host.is_empty() && is_plain(url) && port.is_none_or(is_port)
}

impl Drop for Session {
    fn drop(&mut self) {
        self.book.give_back_sync_lock();
    }
}
