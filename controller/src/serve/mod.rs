//! What the controller gives away, over one Unix socket: snapshots for filters, and health, status and metrics for
//! operators. Nothing here changes state.

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
use crate::store::Store;
pub use socket::{Socket, SocketError};
use subscribers::Subscribers;

/// Serves on `socket` until `stop`. Held requests are then answered, and clients that do not take their answers
/// are left behind after 5 s.
///
/// # Errors
/// When the socket stops accepting.
pub async fn run(socket: Socket, store: Arc<Store>, stop: CancellationToken) -> std::io::Result<()> {
    let app = router(store, stop.clone());
    let server = axum::serve(socket, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server.into_future() => served,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(store: Arc<Store>, stop: CancellationToken) -> Router {
    let subscribers = Arc::new(Subscribers::default());
    let metrics = Arc::new(metrics::registry(Arc::clone(&store), Arc::clone(&subscribers)));
    let app = App { store, subscribers, metrics, stop };
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
    subscribers: Arc<Subscribers>,
    metrics: Arc<prometheus_client::registry::Registry>,
    stop: CancellationToken,
}

async fn status(State(app): State<App>) -> Json<report::Report> {
    let now = clock::unix_millis();
    Json(report::Report::of(&app.store, &app.subscribers, now))
}

async fn scrape(State(app): State<App>) -> Response {
    match metrics::text(&app.metrics) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

const GRACE: Duration = Duration::from_secs(5);
