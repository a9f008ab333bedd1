//! TLS for those who need no proxy in front: a certificate and a key from files, read again when asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::error::{Error, Result};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most handshakes at once: each costs a signature before anything is known of the client.
const MAX_HANDSHAKES: usize = 256;

/// A certificate with its key, and what is needed to answer with them.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    turns: Semaphore,
}

/// The certificate of the next handshake.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the certificate with its chain, and the key, from PEM files.
    ///
    /// # Errors
    /// [`Error::Tls`] names the file: missing, no PEM, expired, encrypted, or a key of another certificate.
    pub fn open(certificate: &Path, key: &Path, now_ms: i64) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(RwLock::new(Arc::new(read(&provider, certificate, key, now_ms)?))));
        let versions = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| Error::Internal(error.to_string()))?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            current,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            turns: Semaphore::new(MAX_HANDSHAKES),
        })
    }

    /// Reads the files again. Connections that are open go on as they are.
    ///
    /// # Errors
    /// As for [`Tls::open`]; then the certificate of before stays.
    pub fn reload(&self, now_ms: i64) -> Result<()> {
        let read = read(&self.provider, &self.certificate, &self.key, now_ms)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// The handshake with a client of which nothing is known; `None` where it came to nothing in time.
    pub(crate) async fn shake<S>(&self, stream: S) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Whoever has a turn gives it back in time, so that those who wait get theirs.
        let _turn = self.turns.acquire().await.ok()?;
        match tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await.ok()? {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(%error, "a handshake failed");
                None
            }
        }
    }
}

/// Reads a certificate and its key, and looks whether clients could accept them.
fn read(provider: &CryptoProvider, certificate: &Path, key: &Path, now_ms: i64) -> Result<CertifiedKey> {
    let chain = read_chain(certificate)?;
    check_time(certificate, &chain, now_ms)?;
    let private = read_key(key)?;
    let signing =
        provider.key_provider.load_private_key(private).map_err(|error| bad(key, format!("it cannot be used ({error})")))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // A key that cannot say what its public half is may still be the right one.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(bad(key, format!("it is not the key of the certificate in {}", certificate.display()))),
    }
}

fn bad(path: &Path, why: impl Into<String>) -> Error {
    Error::Tls { path: path.to_owned(), why: why.into() }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| bad(path, format!("it cannot be read ({error})")))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read_file(path)?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(bad(path, "it holds no certificate in PEM form")),
        Err(error) => Err(bad(path, format!("it is no whole PEM file ({error})"))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read_file(path)?;
    // Both forms say so in their first lines, as text.
    if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(bad(path, "the key is encrypted, and the server can ask nobody for its passphrase: give it a decrypted one"));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| bad(path, "it holds no private key in PEM form"))
}

/// Whether the first certificate of a chain is good now. What its issuers are is the clients' business.
fn check_time(path: &Path, chain: &[CertificateDer<'static>], now_ms: i64) -> Result<()> {
    let Some(first) = chain.first() else { return Ok(()) };
    let parsed = webpki::EndEntityCert::try_from(first).map_err(|error| bad(path, format!("it is no certificate ({error})")))?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now_ms).unwrap_or(0)));
    let day = |time: UnixTime| roadbook_core::value::Instant {
        ms: i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000),
        offset_minutes: 0,
    };
    // No issuer is given, so this never succeeds; the times are looked at before the issuer is.
    match parsed.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &[], now, webpki::KeyUsage::server_auth(), None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            Err(bad(path, format!("the certificate expired at {}", day(not_after).to_rfc3339())))
        }
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
            Err(bad(path, format!("the certificate is not good before {}", day(not_before).to_rfc3339())))
        }
        _ => Ok(()),
    }
}
