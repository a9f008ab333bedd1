//! Listening, and stopping: running requests are answered, then the database is closed.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use roadbook_core::env::Env;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{self, Peer};
use crate::crowd::Crowd;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::patience::Patient;
use crate::store::Store;
use crate::tidy::tidy;
use crate::tls::Tls;

/// How long running requests may take when the server stops.
const GRACE: Duration = Duration::from_secs(20);
/// How long the head of a request may take to arrive, and a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long an answer may wait for a client that takes nothing more of it.
const UNREAD: Duration = Duration::from_secs(60);
/// The most bytes of the head of a request; a client sends some hundred.
const MAX_HEAD: usize = 16 * 1024;
/// The most header lines of a request; a client sends five.
const MAX_HEADERS: usize = 64;
/// The most connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1000;
/// How often what has ended is forgotten.
const TIDY: Duration = Duration::from_secs(3600);

/// Opens the address; `safe` says that what passes there is protected, or that its administrator answers for it.
///
/// # Errors
/// [`Error::PublicAddress`] for an address that other machines can reach, unless it is `safe`; [`Error::Listen`].
pub async fn listen(address: SocketAddr, safe: bool) -> Result<TcpListener> {
    if !safe && !address.ip().is_loopback() {
        return Err(Error::PublicAddress(address));
    }
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// What stands between the network and the requests.
#[derive(Clone)]
pub struct Door {
    /// TLS; `None` where something else protects what passes.
    pub tls: Option<Arc<Tls>>,
    /// Proxies whose word about where a request comes from counts: the last hop of `X-Forwarded-For`.
    pub trusted: Vec<IpAddr>,
    /// How long an answer may wait for a client that takes nothing more of it; then the connection ends.
    pub unread: Duration,
}

impl Default for Door {
    fn default() -> Self {
        Self { tls: None, trusted: Vec::new(), unread: UNREAD }
    }
}

/// Serves until `stop` completes, then finishes running requests and closes the store.
///
/// # Errors
/// None so far: a connection that fails ends alone.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    data: Data,
    env: Arc<dyn Env>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let router = app::router(data.clone(), Arc::clone(&env), door.trusted.clone());
    let tidying = tokio::spawn(keep_tidy(Arc::clone(&data.store), Arc::clone(&env)));
    let reload = door.tls.clone().map(|tls| tokio::spawn(reload(tls, env)));
    let running = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let crowd = Arc::new(Crowd::default());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        let Some((stream, address, slot)) = accepted else { continue };
        let Some(place) = crowd.admit(address, &door.trusted) else { continue };
        let router = router.clone().layer(Extension(Peer(address)));
        let (tls, watcher) = (door.tls.clone(), running.watcher());
        // Below TLS, so that every byte that is taken counts.
        let stream = Patient::new(stream, door.unread);
        tokio::spawn(async move {
            match tls {
                None => converse(stream, router, watcher).await,
                Some(tls) => {
                    if let Some(stream) = tls.shake(stream).await {
                        converse(stream, router, watcher).await;
                    }
                }
            }
            drop((slot, place));
        });
    }
    // Nobody can connect any more; those who wait for an answer get it.
    drop(listener);
    let _ = tokio::time::timeout(GRACE, running.shutdown()).await;
    tidying.abort();
    if let Some(reload) = reload {
        reload.abort();
    }
    let store = data.store;
    let _ = tokio::task::spawn_blocking(move || store.close()).await;
    Ok(())
}

/// Answers the requests of one connection.
async fn converse<S>(stream: S, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    // The buffer is what bounds a head; a body passes through it piece by piece.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The next connection, when there is room for one.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            // Answers are one piece: waiting for more to send only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, address.ip(), slot))
        }
        Err(error) => {
            // Out of file handles, most likely: others must end first.
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

/// Forgets what has ended, now and then.
async fn keep_tidy(store: Arc<dyn Store>, env: Arc<dyn Env>) {
    loop {
        let (store, now_ms) = (Arc::clone(&store), env.now().ms);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || tidy(store.as_ref(), now_ms)).await {
            tracing::warn!(%error, "tidying failed");
        }
        tokio::time::sleep(TIDY).await;
    }
}

/// Reads the certificate again at every SIGHUP; a bad one changes nothing.
async fn reload(tls: Arc<Tls>, env: Arc<dyn Env>) {
    #[cfg(unix)]
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(mut signal) => {
            while signal.recv().await.is_some() {
                match tls.reload(env.now().ms) {
                    Ok(()) => tracing::info!("the certificate was read again"),
                    Err(error) => tracing::error!(%error, "the certificate of before stays"),
                }
            }
        }
        Err(error) => tracing::error!(%error, "a new certificate needs a restart"),
    }
    #[cfg(not(unix))]
    let _ = (tls, env);
}

/// Completes at SIGINT or SIGTERM.
pub async fn signalled() {
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
    tracing::info!("stopping");
}
