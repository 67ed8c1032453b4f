//! The held GET (see [`svidgate_snapshot::http`]).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use serde::Deserialize;
use svidgate_snapshot::ETag;
use svidgate_snapshot::http::WAIT_SECONDS;

use super::App;
use crate::clock;
use crate::serve::subscribers::Introduction;
use crate::store::Encoded;

#[derive(Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    wait: u64,
}

pub(super) async fn get(
    State(app): State<App>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let wait = match parameters {
        Ok(Query(Parameters { wait })) if WAIT_SECONDS.contains(&wait) => Duration::from_secs(wait),
        _ => {
            let (min, max) = (WAIT_SECONDS.start(), WAIT_SECONDS.end());
            return refusal(StatusCode::BAD_REQUEST, &format!("`wait` must be seconds from {min} to {max}"));
        }
    };
    // A tag that is not ours names nothing that we know: answer as to a caller that has nothing.
    let known = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).and_then(ETag::parse);
    let _held = app.subscribers.enter(Introduction::of(&headers), clock::unix_millis());
    // Their values lie in the connection's read buffer, which would be held for the whole wait beside a second one.
    drop(headers);

    changed(&app, known.as_ref(), wait).await;
    match app.store.snapshot() {
        None => refusal(StatusCode::SERVICE_UNAVAILABLE, "no bundles were received yet"),
        Some(snapshot) if Some(&snapshot.etag) == known.as_ref() => {
            (StatusCode::NOT_MODIFIED, [(ETAG, tag(&snapshot))]).into_response()
        }
        Some(snapshot) => {
            let headers =
                [(ETAG, tag(&snapshot)), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (headers, snapshot.bytes.clone()).into_response()
        }
    }
}

/// Returns when another revision than the known one is in force, at the end of the wait, or when the server stops.
async fn changed(app: &App, known: Option<&ETag>, wait: Duration) {
    let mut changes = app.store.changes();
    let another = changes.wait_for(|snapshot| match snapshot {
        Some(snapshot) => known.is_none_or(|known| known.revision != snapshot.etag.revision),
        None => false,
    });
    tokio::select! {
        _ = another => {}
        () = tokio::time::sleep(wait) => {}
        () = app.stop.cancelled() => {}
    }
}

fn tag(snapshot: &Arc<Encoded>) -> HeaderValue {
    // Hex digits, a dot and decimal digits: always a valid value.
    HeaderValue::try_from(snapshot.etag.to_string()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}
