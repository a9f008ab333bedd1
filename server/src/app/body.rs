//! Reading bodies: never more than a request may have, and not for ever.

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use roadbook_core::sync::wire::{ErrorCode, MAX_REQUEST};

use super::BODY;
use crate::rejection::Rejection;

/// The most bytes of a request of somebody who is not known yet.
const SMALL: usize = 16 * 1024;

/// Reads the body of a request whose sender is not known yet.
pub(super) async fn small(request: Request, bytes: &mut usize) -> Result<Bytes, Rejection> {
    limited(request, SMALL, bytes).await
}

/// Reads the body of a known device's request.
pub(super) async fn read(request: Request, bytes: &mut usize) -> Result<Bytes, Rejection> {
    limited(request, MAX_REQUEST, bytes).await
}

async fn limited(request: Request, max: usize, bytes: &mut usize) -> Result<Bytes, Rejection> {
    let too_large = || Rejection::new(ErrorCode::TooLarge, "the body is larger than it may be");
    let stated = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|stated| stated > max) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY, to_bytes(request.into_body(), max)).await {
        Ok(Ok(body)) => {
            *bytes = body.len();
            Ok(body)
        }
        // The limit is the only thing that this reader adds; else the connection broke, and nobody reads the answer.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Rejection::unavailable("the body did not arrive in time")),
    }
}
