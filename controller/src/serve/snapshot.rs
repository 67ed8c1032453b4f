//! The held GET (see [`svidgate_snapshot::http`]).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use hyper::body::Bytes;
use serde::Deserialize;
use svidgate_snapshot::http::WAIT_SECONDS;
use svidgate_snapshot::{ETag, SealedCredentials, with_credentials};

use super::App;
use super::caller::Caller;
use crate::clock;
use crate::credentials::Asked;
use crate::serve::subscribers::Introduction;
use crate::store::{Encoded, Phase};

#[derive(Deserialize)]
pub(super) struct Parameters {
    #[serde(default)]
    wait: u64,
    credentials: Option<String>,
    key: Option<String>,
}

pub(super) async fn get(
    State(app): State<App>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let parameters = match parameters {
        Ok(Query(parameters)) if WAIT_SECONDS.contains(&parameters.wait) => parameters,
        _ => {
            let (min, max) = (WAIT_SECONDS.start(), WAIT_SECONDS.end());
            return refusal(StatusCode::BAD_REQUEST, &format!("`wait` must be seconds from {min} to {max}"));
        }
    };
    let asked = match Asked::read(parameters.credentials.as_deref(), parameters.key.as_deref()) {
        Ok(asked) => asked,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error),
    };
    if let Some(asked) = &asked {
        app.credentials.note_refusals(asked, caller.uid, clock::unix_millis());
    }
    // A tag that is not ours names nothing that we know: answer as to a caller that has nothing.
    let known = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).and_then(ETag::parse);
    let _held = app.subscribers.enter(Introduction::of(&headers), clock::unix_millis());
    // Their values lie in the connection's read buffer, which would be held for the whole wait beside a second one.
    drop(headers);

    let state = || Answer::of(asked.as_ref(), caller, &app);
    changed(&app, known.as_ref(), Duration::from_secs(parameters.wait), &state, asked.is_some()).await;
    match state() {
        None if app.store.state().phase == Phase::Off => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "there are no bundles: no workload_api.socket is configured",
        ),
        None => refusal(StatusCode::SERVICE_UNAVAILABLE, "no bundles were received yet"),
        Some(answer) if Some(&answer.etag) == known.as_ref() => {
            (StatusCode::NOT_MODIFIED, [(ETAG, tag(&answer.etag))]).into_response()
        }
        Some(answer) => {
            let headers =
                [(ETAG, tag(&answer.etag)), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (headers, answer.bytes()).into_response()
        }
    }
}

/// What a caller is given: what everybody gets, and the credentials that it may have of those it asks for.
struct Answer {
    snapshot: Arc<Encoded>,
    credentials: Option<Arc<SealedCredentials>>,
    etag: ETag,
}

impl Answer {
    /// `None` while there is nothing to give.
    fn of(asked: Option<&Asked>, caller: Caller, app: &App) -> Option<Self> {
        let credentials = asked.and_then(|asked| app.credentials.given(asked, caller.uid));
        let snapshot = match app.store.snapshot() {
            Some(snapshot) => snapshot,
            // Secrets need no agent. What goes with them trusts nobody, and is older than any state that is held.
            None if credentials.is_some() => Arc::new(Encoded::nothing()?),
            None => return None,
        };
        let revision = credentials.as_ref().map(|sealed| sealed.revision().clone());
        let etag = ETag { credentials: revision, ..snapshot.etag.clone() };
        Some(Self { snapshot, credentials, etag })
    }

    fn bytes(&self) -> Bytes {
        match &self.credentials {
            Some(sealed) => with_credentials(&self.snapshot.bytes, sealed).into(),
            None => self.snapshot.bytes.clone(),
        }
    }

    fn is_news_to(&self, known: Option<&ETag>) -> bool {
        known.is_none_or(|known| {
            (&known.revision, &known.credentials) != (&self.etag.revision, &self.etag.credentials)
        })
    }
}

/// Returns when another state than the known one is in force, at the end of the wait, or when the server stops.
async fn changed(
    app: &App,
    known: Option<&ETag>,
    wait: Duration,
    state: &impl Fn() -> Option<Answer>,
    asks_for_credentials: bool,
) {
    let (mut snapshots, mut credentials) = (app.store.changes(), app.credentials.changes());
    let another = async {
        while !state().is_some_and(|answer| answer.is_news_to(known)) {
            tokio::select! {
                _ = snapshots.changed() => {}
                _ = credentials.changed(), if asks_for_credentials => {}
            }
        }
    };
    tokio::select! {
        () = another => {}
        () = tokio::time::sleep(wait) => {}
        () = app.stop.cancelled() => {}
    }
}

fn tag(etag: &ETag) -> HeaderValue {
    // Hex digits, dots and decimal digits: always a valid value.
    HeaderValue::try_from(etag.to_string()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}
