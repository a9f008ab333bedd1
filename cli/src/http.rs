//! Sends what a sync session asks for: a small blocking HTTP client, without an async runtime.

use std::time::Duration;

use roadbook_core::Result;
use roadbook_core::sync::wire::MAX_RESPONSE;
use roadbook_core::sync::{End, Event, Request, Response, Session, Step};
use ureq::Agent;

/// No single wait for the other side is longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No request takes longer, however steadily a slow line drips.
const LONGEST: Duration = Duration::from_secs(600);

/// An HTTP client that keeps its connections between requests.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// How a session went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// How it ended.
    pub end: End,
    /// Why the last request was not answered, in words for people.
    pub trouble: Option<String>,
}

impl Client {
    /// A client. Redirects are not followed and every status is an answer: the session judges both.
    pub fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .timeout_per_write(Some(PATIENCE))
            .timeout_global(Some(LONGEST))
            .user_agent(concat!("roadbook/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into() }
    }

    /// Sends one request; the error is in words for people.
    ///
    /// # Errors
    /// The text says why no answer came.
    pub fn send(&self, request: &Request) -> std::result::Result<Response, String> {
        if is_https(&request.url) {
            return Err("this build has no TLS yet and cannot use an https address".into());
        }
        let mut post =
            self.agent.post(&request.url).header("content-type", request.content_type).header("accept", request.content_type);
        if let Some(authorization) = &request.authorization {
            post = post.header("authorization", authorization);
        }
        let mut answer = post.send(&request.body).map_err(|error| reason(&error))?;
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        // One byte more than an answer may have shows the session that it is too long.
        let mut body = Vec::new();
        let reader = answer.body_mut().as_reader();
        std::io::Read::read_to_end(&mut std::io::Read::take(reader, MAX_RESPONSE as u64 + 1), &mut body)
            .map_err(|error| format!("the answer broke off ({error})"))?;
        Ok(Response { status, content_type, body })
    }
}

/// Whether the address needs TLS, which this build does not have.
pub fn is_https(url: &str) -> bool {
    url.trim().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// Runs a session to its end.
///
/// # Errors
/// Those of the store; the session may be dropped then, and another one started.
pub fn drive(session: &mut Session, client: &Client) -> Result<Trip> {
    let mut trouble = None;
    let mut step = session.start()?;
    loop {
        let request = match step {
            Step::End(end) => return Ok(Trip { end, trouble }),
            Step::Send(request) => request,
        };
        let event = match client.send(&request) {
            Ok(response) => Event::Answered(response),
            Err(why) => {
                trouble = Some(why);
                Event::Unreachable
            }
        };
        step = session.next(event)?;
    }
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the name of the server is unknown".into(),
        ureq::Error::Timeout(_) => "the server did not answer in time".into(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address of the server is not one".into(),
        ureq::Error::Io(error) => crate::failure::plain(error).to_lowercase(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_needs_tls_is_known_before_anything_is_sent() {
        assert!(is_https("https://crm.example") && is_https(" HTTPS://crm.example"));
        assert!(!is_https("http://crm.example") && !is_https("https:/") && !is_https("é"));
    }
}
