//! Sends what a sync session asks for: a small blocking HTTP client, without an async runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use roadbook_core::Result;
use roadbook_core::sync::wire::MAX_RESPONSE;
use roadbook_core::sync::{End, Event, Request, Response, Session, Step};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider};

/// How long a client waits for the other side's next sign of life.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// No request takes so many times longer, however steadily a slow line drips.
const LONGEST: u32 = 20;

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

/// A file with authorities that cannot be used; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", .path.display())]
pub struct BadAuthority {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
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
    /// A client that believes the authorities of the system. Redirects are not followed and every status is an answer:
    /// the session judges both.
    pub fn new() -> Self {
        Self::believing(RootCerts::PlatformVerifier, PATIENCE)
    }

    /// A client that waits at most `patience` for each sign of life, and twenty times as long for a whole answer. It
    /// believes the authorities in a PEM file alone (a firm's own, or a server's own certificate); the system's where
    /// there is none.
    ///
    /// # Errors
    /// [`BadAuthority`] for a file that cannot be read or holds no certificate.
    pub fn with(authorities: Option<&Path>, patience: Duration) -> std::result::Result<Self, BadAuthority> {
        let roots = authorities.map_or(Ok(RootCerts::PlatformVerifier), read_authorities)?;
        Ok(Self::believing(roots, patience))
    }

    fn believing(roots: RootCerts, patience: Duration) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .timeout_global(Some(patience.saturating_mul(LONGEST)))
            .user_agent(concat!("roadbook/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into() }
    }

    /// Sends one request; the error is in words for people.
    ///
    /// # Errors
    /// The text says why no answer came.
    pub fn send(&self, request: &Request) -> std::result::Result<Response, String> {
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

fn read_authorities(path: &Path) -> std::result::Result<RootCerts, BadAuthority> {
    let bad = |why: String| BadAuthority { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|error| bad(crate::failure::plain(&error)))?;
    let mut roots = Vec::new();
    for item in ureq::tls::parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(bad(error.to_string())),
        }
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate in PEM form".into()));
    }
    Ok(RootCerts::new_with_certs(&roots))
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
        ureq::Error::Rustls(error) => tls_reason(error),
        // The handshake reports through the stream that it runs on.
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => tls_reason(error),
            None => crate::failure::plain(error).to_lowercase(),
        },
        other => other.to_string(),
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired".into(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "the server's certificate is not good yet".into(),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "the server's certificate is for another name".into(),
            Bad::UnknownIssuer => {
                "no known authority issued the server's certificate; a firm's own is given with --ca FILE".into()
            }
            other => format!("the server's certificate is not accepted ({other})"),
        },
        other => format!("no protected connection ({other})"),
    }
}
