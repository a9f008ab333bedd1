//! The HTTP interface: routes, bodies, and what a request costs before it is known who sends it.

mod account;
mod body;
mod guesses;
mod lanes;
mod service;
mod source;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use roadbook_core::env::Env;
use roadbook_core::sync::wire::{CONTENT_TYPE, ErrorCode};
use tokio::sync::Semaphore;

use crate::data::Data;
use crate::rejection::Rejection;
use crate::store::DeviceId;
use crate::sync::Done;
use lanes::Lanes;
pub use service::{Answer, Service};
pub use source::{Peer, Source};

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(60);
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(30);

/// What all requests share.
struct Shared {
    service: Service,
    /// The proxies whose word about a request's source counts.
    trusted: Vec<IpAddr>,
    /// Turns of work that takes the processor: decoding, the gate, compression.
    turns: Arc<Semaphore>,
    /// One sync of each device at a time.
    lanes: Lanes,
}

type App = Arc<Shared>;

impl Shared {
    fn new(data: Data, env: Arc<dyn Env>, trusted: Vec<IpAddr>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            service: Service::new(data, env),
            trusted,
            turns: Arc::new(Semaphore::new(cores.saturating_mul(2))),
            lanes: Lanes::default(),
        }
    }
}

/// The routes over a data folder. A connection's address comes with each request as [`Peer`]; what `trusted` proxies say
/// about it counts more.
pub fn router(data: Data, env: Arc<dyn Env>, trusted: Vec<IpAddr>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/hello", post(hello))
        .route("/v1/join", post(join))
        .route("/v1/token", post(token))
        .route("/v1/sync", post(sync))
        .fallback(nowhere)
        .method_not_allowed_fallback(nowhere)
        .with_state(Arc::new(Shared::new(data, env, trusted)))
}

/// What was done, for the log: ids and numbers only.
#[derive(Default)]
struct Note {
    /// Whether a device asked, or somebody with an invitation. What strangers do must not fill the disk.
    known: bool,
    device: Option<DeviceId>,
    bytes_in: usize,
    done: Option<Done>,
}

/// Turns an answer into a response and notes it in the log.
fn finish(path: &'static str, started: Instant, note: &Note, answer: Answer) -> Response {
    let (status, body, code) = match answer {
        Ok(body) => (200, body, ""),
        Err(rejection) => (rejection.code.status(), rejection.body(), rejection.code.code()),
    };
    let done = note.done.unwrap_or_default();
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                path,
                status,
                code,
                device = note.device.map(|device| device.to_string()),
                ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                bytes_in = note.bytes_in,
                bytes_out = body.len(),
                groups = done.groups,
                changes = done.changes,
                entries = done.entries,
                "answered"
            )
        };
    }
    if note.known {
        tell!(info);
    } else {
        tell!(debug);
    }
    response(status, body)
}

fn response(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Runs work that blocks, away from the threads that serve connections. Work that stops does not stop the server.
async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Shared) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || work(&app)).await.unwrap_or_else(|_| {
        tracing::error!("a request stopped");
        Err(Rejection::unavailable("the server failed"))
    })
}

/// As [`blocking`], when it is the device's and the request's turn.
async fn working<T: Send + 'static>(
    app: &App,
    device: DeviceId,
    work: impl FnOnce(&Shared) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let busy = || Rejection { code: ErrorCode::TooMany, message: "the server is busy", retry_after_s: Some(10) };
    let turn = async {
        // A device that asks many times at once must not take the turns of others.
        let lane = app.lanes.of(device).await;
        // The turn goes back first: who gets the lane next finds it free.
        Arc::clone(&app.turns).acquire_owned().await.map(|turn| (turn, lane))
    };
    let turn = tokio::time::timeout(TURN, turn).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    // A client that hangs up ends this future, but not the work: the turn goes with the work.
    blocking(app, move |app| {
        let _turn = turn;
        work(app)
    })
    .await
}

/// 200 where the database answers; for load balancers and monitors.
async fn health(State(app): State<App>) -> Response {
    let checked = blocking(&app, |app| Ok(app.service.data.store.check()?)).await;
    let mut response = match checked {
        Ok(()) => Response::new(Body::from("ok\n")),
        Err(_) => response(503, b"the database does not answer\n".to_vec()),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn nowhere() -> Response {
    response(404, service::nowhere().body())
}

async fn hello(State(app): State<App>, request: Request) -> Response {
    let (started, mut note) = (Instant::now(), Note::default());
    let answer = match body::small(request, &mut note.bytes_in).await {
        Ok(body) => app.service.hello(&body),
        Err(rejection) => Err(rejection),
    };
    finish("/v1/hello", started, &note, answer)
}

async fn join(State(app): State<App>, request: Request) -> Response {
    let (started, mut note) = (Instant::now(), Note::default());
    let source = source::source(&request, &app.trusted);
    let answer = match body::small(request, &mut note.bytes_in).await {
        Ok(body) => blocking(&app, move |app| app.service.join(source, &body)).await,
        Err(rejection) => Err(rejection),
    };
    note.known = answer.is_ok();
    finish("/v1/join", started, &note, answer)
}

async fn token(State(app): State<App>, request: Request) -> Response {
    let (started, mut note) = (Instant::now(), Note::default());
    let answer = match body::small(request, &mut note.bytes_in).await {
        Ok(body) => blocking(&app, move |app| app.service.token(&body)).await,
        Err(rejection) => Err(rejection),
    };
    note.known = answer.is_ok();
    finish("/v1/token", started, &note, answer)
}

async fn sync(State(app): State<App>, request: Request) -> Response {
    let (started, mut note) = (Instant::now(), Note::default());
    let answer = run_sync(&app, request, &mut note).await;
    finish("/v1/sync", started, &note, answer)
}

async fn run_sync(app: &App, request: Request, note: &mut Note) -> Answer {
    // Who asks comes first: nobody else's body is read.
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let caller = blocking(app, move |app| app.service.caller(authorization.as_deref())).await?;
    (note.known, note.device) = (true, Some(caller.device));
    let body = body::read(request, &mut note.bytes_in).await?;
    let (body, done) = working(app, caller.device, move |app| app.service.sync(&caller, &body)).await?;
    note.done = Some(done);
    Ok(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use roadbook_core::env::SystemEnv;

    use super::*;

    #[tokio::test]
    async fn a_device_that_hangs_up_gets_no_second_turn_before_its_work_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let env = Arc::new(SystemEnv);
        let data = Data::open_or_create(&folder.path().join("data"), env.as_ref()).unwrap();
        let app: App = Arc::new(Shared::new(data, env, Vec::new()));
        let device = DeviceId([7; 16]);
        let ((begun, begins), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let first = tokio::spawn({
            let app = Arc::clone(&app);
            async move {
                working(&app, device, move |_| {
                    begun.send(()).unwrap();
                    Ok(ended.recv().is_ok())
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let free = app.turns.available_permits();
        let early = tokio::time::timeout(Duration::from_millis(50), app.lanes.of(device)).await;
        assert!(early.is_err());
        end.send(()).unwrap();
        app.lanes.of(device).await;
        assert!(app.turns.available_permits() > free);
    }
}
