//! What the controller gives away, over one Unix socket: snapshots for filters, and health, status and metrics for
//! operators. Nothing there changes state. A second socket, which only the operator may open, changes the list of
//! revocations.

pub mod admin;
mod caller;
mod folder;
mod health;
mod metrics;
pub mod report;
mod snapshot;
mod socket;
mod subscribers;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use svidgate_snapshot::http::SNAPSHOT_PATH;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::credentials;
use crate::secrets::Secrets;
use crate::sink::Board;
use crate::source::revocations::Revoker;
use crate::store::Store;
use caller::Caller;
pub(crate) use folder::prepare as prepare_folder;
pub use socket::{Socket, SocketError};
use subscribers::Subscribers;

/// The operator's side.
#[derive(Debug)]
pub struct Admin {
    /// A socket that nobody else may open.
    pub socket: Socket,
    /// What is changed over it.
    pub revoker: Arc<Revoker>,
}

/// Parts beside the store that health and metrics tell of.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// What comes from Vault, where there is one.
    pub secrets: Option<Arc<Secrets>>,
    /// Files that are rendered, where there are any.
    pub files: Option<Arc<Board>>,
}

/// Serves on `socket` and on that of `admin` until `stop`. Held requests are then answered, and clients that do not take
/// their answers are left behind after 5 s.
///
/// # Errors
/// When a socket stops accepting.
pub async fn run(
    socket: Socket,
    admin: Option<Admin>,
    store: Arc<Store>,
    credentials: Arc<credentials::Store>,
    shown: Shown,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = App::new(store, credentials, shown, stop.clone());
    let for_operator = async {
        match admin {
            Some(Admin { socket, revoker }) => {
                serve(socket, admin::router(app.clone(), revoker), stop.clone()).await
            }
            None => Ok(()),
        }
    };
    tokio::try_join!(serve(socket, router(app.clone()), stop.clone()), for_operator).map(|_| ())
}

async fn serve(socket: Socket, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let router = router.into_make_service_with_connect_info::<Caller>();
    let server = axum::serve(socket, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server.into_future() => served,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route(SNAPSHOT_PATH, get(snapshot::get))
        .route("/status", get(status))
        .route("/health", get(health::health))
        .route("/readyz", get(health::ready))
        .route("/livez", get(health::live))
        .route("/metrics", get(scrape))
        .with_state(app)
}

#[derive(Clone)]
struct App {
    store: Arc<Store>,
    credentials: Arc<credentials::Store>,
    subscribers: Arc<Subscribers>,
    shown: Shown,
    metrics: Arc<prometheus_client::registry::Registry>,
    stop: CancellationToken,
}

impl App {
    fn new(
        store: Arc<Store>,
        credentials: Arc<credentials::Store>,
        shown: Shown,
        stop: CancellationToken,
    ) -> Self {
        let subscribers = Arc::new(Subscribers::default());
        let metrics = Arc::new(metrics::registry(
            Arc::clone(&store),
            Arc::clone(&credentials),
            Arc::clone(&subscribers),
            &shown,
        ));
        Self { store, credentials, subscribers, shown, metrics, stop }
    }
}

async fn status(State(app): State<App>) -> Json<report::Report> {
    let now = clock::unix_millis();
    Json(report::Report::of(&app.store, &app.credentials, &app.subscribers, now))
}

async fn scrape(State(app): State<App>) -> Response {
    match metrics::text(&app.metrics) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

const GRACE: Duration = Duration::from_secs(5);
