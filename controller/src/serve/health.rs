//! Health in three forms: `/livez` (the process answers), `/readyz` (there is a state to give), `/health` (how each
//! part is).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use serde_json::{Value, json};

use super::App;
use crate::clock;
use crate::credentials::{CredentialState, CredentialStatus};
use crate::store::{self, Phase};

pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.store.revision().is_none() && app.store.state().phase != Phase::Off {
        return (StatusCode::SERVICE_UNAVAILABLE, "no bundles were received yet\n");
    }
    if app.shown.secrets.as_ref().is_some_and(|secrets| !secrets.status().is_ready()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "Vault does not give every secret\n");
    }
    (StatusCode::OK, "ok\n")
}

/// `200` while filters get a state that is good or was good lately, else `503`.
pub(super) async fn health(State(app): State<App>) -> Response {
    let state = app.store.state();
    let credentials = app.credentials.statuses();
    let vault = app.shown.secrets.as_ref().map(|secrets| secrets.status());
    let health = of(&state).max(revocations(&state)).max(of_credentials(&credentials));
    let health = health.max(others(&app, vault.as_ref()));
    let code = if health == Health::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut more = vec![("vault", vault.map_or_else(no_vault, |vault| vault.to_json()))];
    more.extend(app.shown.files.as_ref().map(|files| ("files", files.to_json())));
    (code, Json(body(&state, &credentials, health, more, clock::unix_millis()))).into_response()
}

fn no_vault() -> Value {
    json!({"status": "disabled", "enabled": false, "circuit_breaker_state": null})
}

/// Vault counts unless the settings say that it does not; a file that is not up to date is never worse than degraded.
fn others(app: &App, vault: Option<&crate::secrets::Status>) -> Health {
    use crate::secrets::Health as OfVault;
    let of_vault = match vault.filter(|vault| vault.counts()).map(crate::secrets::Status::health) {
        None | Some(OfVault::Healthy) => Health::Healthy,
        Some(OfVault::Degraded) => Health::Degraded,
        Some(OfVault::Unhealthy) => Health::Unhealthy,
    };
    let behind = app.shown.files.as_ref().is_some_and(|files| !files.is_current());
    of_vault.max(if behind { Health::Degraded } else { Health::Healthy })
}

fn body(
    state: &store::State,
    credentials: &[CredentialStatus],
    health: Health,
    more: Vec<(&str, Value)>,
    now: u64,
) -> Value {
    let mut body = json!({
        "status": health.as_str(),
        "timestamp": clock::rfc3339(now),
        "checks": {
            "workload_api": {
                "status": if state.phase == Phase::Off { "disabled" } else { of(state).as_str() },
                "phase": state.phase.as_str(),
                "since": (state.since > 0).then(|| clock::rfc3339(state.since)),
                "detail": state.detail,
                "trust_domains": state.trust.len(),
                "refused_bundles": state.refused.len(),
                "left_out_bundles": state.left_out.len(),
            },
            "revocations": {
                "status": revocations(state).as_str(),
                "detail": state.revoked.as_ref().and_then(|revoked| revoked.file_error.as_deref()),
                "entries": state.revoked.as_ref().map_or(0, |revoked| revoked.list.len()),
            },
            "credentials": {
                "status": of_credentials(credentials).as_str(),
                "held": credentials.iter().filter(|one| one.state == CredentialState::Held).count(),
                "not_held": credentials
                    .iter()
                    .filter(|one| one.state != CredentialState::Held)
                    .map(|one| one.name.as_str())
                    .collect::<Vec<_>>(),
            }
        }
    });
    if let Some(checks) = body.get_mut("checks").and_then(Value::as_object_mut) {
        checks.extend(more.into_iter().map(|(name, check)| (name.to_owned(), check)));
    }
    body
}

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Healthy,
    /// An older state is in force and still good, or a part of the state is not in force.
    Degraded,
    Unhealthy,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

fn of(state: &store::State) -> Health {
    match state.phase {
        Phase::Off => Health::Healthy,
        Phase::Up if state.refused.is_empty() && state.left_out.is_empty() => Health::Healthy,
        Phase::Up => Health::Degraded,
        Phase::Unreadable | Phase::Down if !state.trust.is_empty() => Health::Degraded,
        Phase::Unreadable | Phase::Down | Phase::Connecting | Phase::NoIdentity | Phase::Stopped => {
            Health::Unhealthy
        }
    }
}

/// An older list is in force while the file is bad.
fn revocations(state: &store::State) -> Health {
    match &state.revoked {
        Some(revoked) if revoked.file_error.is_some() => Health::Degraded,
        _ => Health::Healthy,
    }
}

/// Requests that need one that is not held are refused, and others are served.
fn of_credentials(credentials: &[CredentialStatus]) -> Health {
    let all_held = credentials.iter().all(|one| one.state == CredentialState::Held && one.error.is_none());
    if all_held { Health::Healthy } else { Health::Degraded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Event, Message};

    #[test]
    fn b6_a_source_that_is_not_asked_again_is_unhealthy() {
        let fresh = store::State::default();
        assert_eq!(of(&fresh), Health::Unhealthy);
        let up = fresh.next(Event::Message(Message::default()), 1);
        assert_eq!(of(&up), Health::Healthy);
        assert_eq!(of(&up.next(Event::Stopped("why".to_owned()), 2)), Health::Unhealthy);
        assert_eq!(of(&up.next(Event::NoIdentity("why".to_owned()), 2)), Health::Unhealthy);
    }

    #[test]
    fn the_body_gives_the_status_of_each_check_and_a_time() {
        let state =
            store::State::default().next(Event::Down("Unavailable: gone".to_owned()), 1_764_072_000_000);
        let more = vec![("vault", no_vault())];
        let body = body(&state, &[], of(&state), more, 1_764_072_001_000);
        assert_eq!(body["checks"]["vault"]["enabled"], false);
        assert_eq!(body["status"], "unhealthy");
        assert_eq!(body["timestamp"], "2025-11-25T12:00:01Z");
        assert_eq!(body["checks"]["workload_api"]["phase"], "down");
        assert_eq!(body["checks"]["workload_api"]["since"], "2025-11-25T12:00:00Z");
        assert_eq!(body["checks"]["workload_api"]["detail"], "Unavailable: gone");
    }
}
