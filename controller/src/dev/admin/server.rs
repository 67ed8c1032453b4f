//! The operator's side of a running `svidgate dev`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use svidgate_jwt_svid::{SpiffeId, TrustDomain};

use super::{
    ChangeResponse, DomainStatus, EntryStatus, ErrorResponse, MINT, MintRequest, MintResponse, REVOKE,
    ROTATE, RevokeRequest, RotateRequest, STATUS, StatusResponse,
};
use crate::dev::issuer::{Issuer, IssuerError, Mint, Phase, Revoke};

/// Routes of the admin socket.
pub(in crate::dev) fn router(issuer: Arc<Issuer>, socket: PathBuf) -> Router {
    Router::new()
        .route(STATUS, get(status))
        .route(ROTATE, post(rotate))
        .route(REVOKE, post(revoke))
        .route(MINT, post(mint))
        .with_state(Admin { issuer, socket: socket.into() })
}

#[derive(Clone)]
struct Admin {
    issuer: Arc<Issuer>,
    /// Where the Workload API is served.
    socket: Arc<std::path::Path>,
}

type Body<T> = Result<Json<T>, JsonRejection>;

async fn status(State(admin): State<Admin>) -> Result<Json<StatusResponse>, Refused> {
    let settings = admin.issuer.settings();
    let domains = admin.issuer.domains();
    let federated = domains.keys().filter(|name| **name != settings.trust_domain);
    let trust_domains = std::iter::once(&settings.trust_domain)
        .chain(federated)
        .map(|name| Ok(DomainStatus { trust_domain: name.to_string(), keys: admin.issuer.keys(name)? }));
    let entries = settings
        .entries
        .iter()
        .map(|entry| EntryStatus { spiffe_id: entry.spiffe_id.to_string(), hint: entry.hint.clone() });
    Ok(Json(StatusResponse {
        socket: admin.socket.display().to_string(),
        ttl_seconds: settings.ttl.as_secs(),
        entries: entries.collect(),
        trust_domains: trust_domains.collect::<Result<_, IssuerError>>()?,
    }))
}

async fn rotate(
    State(admin): State<Admin>,
    body: Body<RotateRequest>,
) -> Result<Json<ChangeResponse>, Refused> {
    let Json(request) = body?;
    let domain = admin.domain(request.trust_domain.as_deref())?;
    let kid = match request.phase {
        Some(Phase::Prepare) => admin.issuer.prepare(&domain, request.key_type).await?,
        Some(Phase::Activate) => admin.issuer.activate(&domain).await?,
        None => admin.issuer.rotate(&domain, request.key_type).await?,
    };
    admin.changed(&domain, vec![kid])
}

async fn revoke(
    State(admin): State<Admin>,
    body: Body<RevokeRequest>,
) -> Result<Json<ChangeResponse>, Refused> {
    let Json(request) = body?;
    let domain = admin.domain(request.trust_domain.as_deref())?;
    let which = request.kid.map_or(Revoke::AllOld, Revoke::Kid);
    let revoked = admin.issuer.revoke(&domain, which).await?;
    admin.changed(&domain, revoked)
}

async fn mint(State(admin): State<Admin>, body: Body<MintRequest>) -> Result<Json<MintResponse>, Refused> {
    let Json(request) = body?;
    let spiffe_id = SpiffeId::parse(&request.spiffe_id)
        .map_err(|error| Refused::bad_request(format!("spiffe_id: {error}")))?;
    let token = admin.issuer.mint(&Mint {
        spiffe_id,
        audience: request.audience,
        ttl: request.ttl_seconds.map(Duration::from_secs),
        issued_ago: Duration::from_secs(request.issued_ago_seconds),
    })?;
    Ok(Json(MintResponse { token }))
}

impl Admin {
    fn domain(&self, name: Option<&str>) -> Result<TrustDomain, Refused> {
        match name {
            None => Ok(self.issuer.settings().trust_domain.clone()),
            Some(name) => TrustDomain::parse(name)
                .map_err(|error| Refused::bad_request(format!("trust_domain: {error}"))),
        }
    }

    fn changed(&self, domain: &TrustDomain, changed: Vec<String>) -> Result<Json<ChangeResponse>, Refused> {
        let keys = self.issuer.keys(domain)?;
        Ok(Json(ChangeResponse { trust_domain: domain.to_string(), changed, keys }))
    }
}

struct Refused {
    status: StatusCode,
    error: String,
}

impl Refused {
    fn bad_request(error: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error }
    }
}

impl From<IssuerError> for Refused {
    fn from(error: IssuerError) -> Self {
        let status = match error {
            IssuerError::Authority(_) => StatusCode::CONFLICT,
            IssuerError::UnknownTrustDomain(_) => StatusCode::NOT_FOUND,
            IssuerError::Audience | IssuerError::Lifetime | IssuerError::Time => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, error: error.to_string() }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), error: rejection.body_text() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorResponse { error: self.error })).into_response()
    }
}
