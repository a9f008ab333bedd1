//! Sync sessions: the app sends the requests, the core says which.

use std::sync::{Arc, Mutex, PoisonError};

use roadbook_core::sync::{self as core, Event, RejoinReason, Report, Response, WaitReason};

use crate::error::BookError;

/// A request to send: `POST` to `url` with `content-type` and `accept` as given, no redirects followed.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct HttpRequest {
    /// The whole address.
    pub url: String,
    /// `content-type` and `accept`.
    pub content_type: String,
    /// `authorization`, where the request needs it.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum SyncStep {
    /// Send this and report what happened.
    Send {
        /// The request.
        request: HttpRequest,
    },
    /// The session is over.
    Finished {
        /// How.
        end: SyncEnd,
    },
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum SyncEnd {
    /// This device and the server hold the same.
    Done {
        /// What was done.
        report: Report,
    },
    /// The deadline came at a page's end: start another session when there is time.
    More {
        /// What was done.
        report: Report,
    },
    /// Try again later; nothing is lost.
    Wait {
        /// What was done.
        report: Report,
        /// When, in milliseconds.
        after_ms: u32,
        /// Why.
        reason: WaitReason,
    },
    /// The device must join (again).
    Rejoin {
        /// What was done.
        report: Report,
        /// Why.
        reason: RejoinReason,
    },
    /// The server speaks no protocol of this app: update it.
    Upgrade {
        /// What was done.
        report: Report,
    },
    /// The app asked to stop.
    Stopped {
        /// What was done.
        report: Report,
    },
}

impl From<core::Step> for SyncStep {
    fn from(step: core::Step) -> Self {
        match step {
            core::Step::Send(request) => Self::Send {
                request: HttpRequest {
                    url: request.url,
                    content_type: request.content_type.to_owned(),
                    authorization: request.authorization,
                    body: request.body,
                },
            },
            core::Step::End(end) => Self::Finished {
                end: match end {
                    core::End::Done(report) => SyncEnd::Done { report },
                    core::End::More(report) => SyncEnd::More { report },
                    core::End::Wait { report, after_ms, reason } => SyncEnd::Wait { report, after_ms, reason },
                    core::End::Rejoin { report, reason } => SyncEnd::Rejoin { report, reason },
                    core::End::Upgrade(report) => SyncEnd::Upgrade { report },
                    core::End::Cancelled(report) => SyncEnd::Stopped { report },
                },
            },
        }
    }
}

/// One sync, driven by the app. Dropping it is safe at any point.
#[derive(uniffi::Object)]
pub struct SyncSession(Mutex<core::Session>);

impl SyncSession {
    pub(crate) fn new(session: core::Session) -> Arc<Self> {
        Arc::new(Self(Mutex::new(session)))
    }

    fn step(&self, event: Event) -> Result<SyncStep, BookError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).next(event)?.into())
    }
}

#[uniffi::export]
impl SyncSession {
    /// The first request.
    pub fn start(&self) -> Result<SyncStep, BookError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).start()?.into())
    }

    /// Takes an answer and says what is next.
    pub fn answered(&self, status: u16, content_type: Option<String>, body: Vec<u8>) -> Result<SyncStep, BookError> {
        self.step(Event::Answered(Response { status, content_type, body }))
    }

    /// No answer came.
    pub fn unreachable(&self) -> Result<SyncStep, BookError> {
        self.step(Event::Unreachable)
    }

    /// Stops; what was committed stays.
    pub fn stop(&self) -> Result<SyncStep, BookError> {
        self.step(Event::Cancel)
    }
}
