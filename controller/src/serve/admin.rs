//! The operator's socket: changes the list of revocations, and tells who enforces it.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /v1/revocations` | gives the list, by source |
//! | `PUT /v1/revocations` | replaces what came over this socket by the list in the body |
//! | `POST /v1/revocations` | adds the entries of the body |
//! | `DELETE /v1/revocations` | takes the entries of the body off; their times may be left out |
//! | `GET /status` | as on the other socket |
//!
//! A list is `{"kids": [{"trust_domain", "kid"}], "jtis": [{"trust_domain", "jti", "expires_at"}], "subjects":
//! [{"spiffe_id", "issued_before"}]}`; moments are seconds since 1970 or RFC 3339. What is refused changes nothing.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use svidgate_snapshot::{Limits, RevocationCounts, Revocations};

use super::{App, clock};
use crate::source::revocations::{Change, RevokeError, Revoker, document};

/// Path of the list.
pub const REVOCATIONS_PATH: &str = "/v1/revocations";

/// Answer to a change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// Whether another list is in force now.
    pub changed: bool,
    /// Entries that were not taken because their token has expired, and is refused without them.
    pub expired: usize,
    /// Entries in force, those of the file included.
    pub entries: usize,
    /// Revision in force; none before the first answer of the Workload API.
    pub revision: Option<String>,
    /// Trust domains for which the snapshot has no room; their tokens are refused.
    pub left_out_bundles: usize,
}

/// Answer to a question for the list.
#[derive(Debug, Serialize)]
struct List {
    /// What came over this socket, as `PUT` takes it.
    state: Revocations,
    /// What stands in the file; null without one.
    file: Option<Revocations>,
    /// How many are in force.
    in_force: Counts,
    /// How many there may be.
    limit: usize,
    /// Revision in force.
    revision: Option<String>,
}

#[derive(Debug, Serialize)]
struct Counts {
    kids: usize,
    jtis: usize,
    subjects: usize,
}

pub(super) fn router(app: App, revoker: Arc<Revoker>) -> Router {
    Router::new()
        .route(REVOCATIONS_PATH, get(list).put(replace).post(add).delete(remove))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(revoker))
        .route("/status", get(super::status))
        .with_state(app)
}

async fn list(State(app): State<App>, Extension(revoker): Extension<Arc<Revoker>>) -> Response {
    let listed = revoker.listed();
    let state = app.store.state();
    let RevocationCounts { kids, jtis, subjects } =
        state.revoked.map(|revoked| revoked.list.counts()).unwrap_or_default();
    let answer = List {
        state: listed.own,
        file: listed.file,
        in_force: Counts { kids, jtis, subjects },
        limit: LIMITS.max_revocations,
        revision: revision(&app),
    };
    Json(answer).into_response()
}

async fn replace(
    State(app): State<App>,
    Extension(revoker): Extension<Arc<Revoker>>,
    body: String,
) -> Response {
    changed(app, move || {
        let list = document::list(BODY, &body, &LIMITS).map_err(|error| bad(&error))?;
        revoker.replace(list, clock::unix_millis()).map_err(|error| refused(&error))
    })
    .await
}

async fn add(State(app): State<App>, Extension(revoker): Extension<Arc<Revoker>>, body: String) -> Response {
    changed(app, move || {
        let list = document::list(BODY, &body, &LIMITS).map_err(|error| bad(&error))?;
        revoker.add(&list, clock::unix_millis()).map_err(|error| refused(&error))
    })
    .await
}

async fn remove(
    State(app): State<App>,
    Extension(revoker): Extension<Arc<Revoker>>,
    body: String,
) -> Response {
    changed(app, move || {
        let entries = document::removals(BODY, &body, &LIMITS).map_err(|error| bad(&error))?;
        revoker.remove(&entries, clock::unix_millis()).map_err(|error| refused(&error))
    })
    .await
}

/// Does `change`, which writes to a disk, and tells what is in force then.
async fn changed(app: App, change: impl FnOnce() -> Result<Change, Refusal> + Send + 'static) -> Response {
    let change = match tokio::task::spawn_blocking(change).await {
        Ok(Ok(change)) => change,
        Ok(Err((status, error))) => return refusal(status, &error),
        Err(error) => return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let state = app.store.state();
    let answer = Changed {
        changed: change.changed,
        expired: change.expired,
        entries: state.revoked.map_or(0, |revoked| revoked.list.len()),
        revision: revision(&app),
        left_out_bundles: state.left_out.len(),
    };
    Json(answer).into_response()
}

type Refusal = (StatusCode, String);

fn bad(error: &crate::config::ConfigError) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_string())
}

fn refused(error: &RevokeError) -> Refusal {
    let status = match error {
        RevokeError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        RevokeError::InFile { .. } => StatusCode::CONFLICT,
        RevokeError::NotThere => StatusCode::NOT_FOUND,
        RevokeError::NotWritten { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

fn revision(app: &App) -> Option<String> {
    app.store.revision().map(|revision| revision.as_str().to_owned())
}

const LIMITS: Limits = Limits::AGREED;

/// How errors name the body, in front of the path in it.
const BODY: &str = "body";

/// More than a list may have, which then says so.
const MAX_BODY: usize = 2 * 1024 * 1024;
