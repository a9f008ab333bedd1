//! Why a request is not answered.

use roadbook_core::sync::wire::{ErrorCode, ErrorResponse, encode};

use crate::error::Error;

/// Why a request is not answered: a code for the client, a text for the log of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The code.
    pub code: ErrorCode,
    /// The text; no data of records or people.
    pub message: &'static str,
    /// When to try again, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Rejection {
    /// A rejection that says nothing about when to try again.
    pub fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message, retry_after_s: None }
    }

    /// The server failed; the client tries again after a while.
    pub fn unavailable(message: &'static str) -> Self {
        Self { code: ErrorCode::Unavailable, message, retry_after_s: Some(30) }
    }

    /// The body that says so.
    pub fn body(&self) -> Vec<u8> {
        let response = ErrorResponse {
            code: self.code.code().to_owned(),
            message: self.message.to_owned(),
            retry_after_s: self.retry_after_s,
        };
        // Encoding to memory fails for no message of this type.
        encode(&response).unwrap_or_default()
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        match error {
            Error::Revoked => Self::new(ErrorCode::DeviceRevoked, "the device is revoked"),
            Error::Closed => Self::unavailable("the server is stopping"),
            error => {
                tracing::error!(%error, "a request failed");
                Self::unavailable("the server failed")
            }
        }
    }
}
