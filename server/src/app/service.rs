//! The server without sockets: one request in, one answer out, on the calling thread. The HTTP handlers stand on it, and
//! so do tests that bring their own network.

use std::sync::Arc;

use roadbook_core::env::Env;
use roadbook_core::sync::wire::ErrorCode;

use super::Source;
use super::account;
use super::guesses::Guesses;
use crate::data::Data;
use crate::rejection::Rejection;
use crate::store::Caller;
use crate::sync::{self, Done};

/// What a request is answered with: the body of status 200, or why there is none.
pub type Answer = Result<Vec<u8>, Rejection>;

/// The server over a data folder. All calls block.
pub struct Service {
    pub(super) data: Data,
    env: Arc<dyn Env>,
    guesses: Guesses,
}

impl Service {
    /// The service over an opened data folder.
    pub fn new(data: Data, env: Arc<dyn Env>) -> Self {
        Self { data, env, guesses: Guesses::default() }
    }

    /// Answers `POST /v1/hello`.
    ///
    /// # Errors
    /// [`Rejection`], as for all calls below.
    pub fn hello(&self, body: &[u8]) -> Answer {
        account::hello(&self.data, self.env.as_ref(), body)
    }

    /// Answers `POST /v1/join`; wrong codes are counted by source.
    ///
    /// # Errors
    /// As above.
    pub fn join(&self, source: Source, body: &[u8]) -> Answer {
        account::join(&self.data, self.env.as_ref(), &self.guesses, source, body)
    }

    /// Answers `POST /v1/token`.
    ///
    /// # Errors
    /// As above.
    pub fn token(&self, body: &[u8]) -> Answer {
        account::token(&self.data, self.env.as_ref(), body)
    }

    /// Who sends a request with this `authorization` header.
    ///
    /// # Errors
    /// As above.
    pub fn caller(&self, authorization: Option<&str>) -> Result<Caller, Rejection> {
        account::caller(self.data.store.as_ref(), account::token_hash(authorization)?, self.env.now().ms)
    }

    /// Answers `POST /v1/sync` of a known device.
    ///
    /// # Errors
    /// As above.
    pub fn sync(&self, caller: &Caller, body: &[u8]) -> Result<(Vec<u8>, Done), Rejection> {
        sync::answer(self.data.store.as_ref(), caller, body, self.env.now().ms)
    }

    /// Answers a `POST` to any of the paths.
    ///
    /// # Errors
    /// As above.
    pub fn answer(&self, path: &str, source: Source, authorization: Option<&str>, body: &[u8]) -> Answer {
        match path {
            "/v1/hello" => self.hello(body),
            "/v1/join" => self.join(source, body),
            "/v1/token" => self.token(body),
            "/v1/sync" => self.sync(&self.caller(authorization)?, body).map(|(body, _)| body),
            _ => Err(nowhere()),
        }
    }
}

/// The rejection of a path that there is not.
pub(super) fn nowhere() -> Rejection {
    Rejection::new(ErrorCode::Malformed, "there is nothing here; the paths are those of docs/protocol.md")
}
