//! The SPIFFE Workload API over the issuer (SPIFFE Workload API sections 5 and 6).

use std::collections::HashMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use svidgate_jwt_svid::SpiffeId;
use tokio::time::{Instant, interval_at};
use tokio_stream::wrappers::{IntervalStream, WatchStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::entry::Entry;
use super::issuer::{Domains, Issuer, IssuerError};
use super::validate::validate;
use crate::workload_api::SECURITY_HEADER;
use crate::workload_api::pb;
use crate::workload_api::pb::spiffe_workload_api_server::SpiffeWorkloadApi;

/// Answers the calls of workloads.
pub(super) struct WorkloadApi {
    issuer: Arc<Issuer>,
    /// Ends the streams, so that the server can stop.
    stop: CancellationToken,
}

/// How long an X.509-SVID is valid. A stream gets the next one at half of it.
const X509_LIFETIME: Duration = Duration::from_secs(60 * 60);
const X509_REFRESH: Duration = Duration::from_secs(30 * 60);

/// What SPIRE says to a caller without a registration entry; clients know it by this text.
const NO_IDENTITY: &str = "no identity issued";

type Updates<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl WorkloadApi {
    pub(super) fn new(issuer: Arc<Issuer>, stop: CancellationToken) -> Self {
        Self { issuer, stop }
    }

    /// What `view` makes of the state: now, and whenever it makes something else of it.
    fn changes<T>(
        &self,
        view: impl Fn(&Domains) -> T + Send + 'static,
    ) -> impl Stream<Item = T> + Send + 'static
    where
        T: Clone + PartialEq + Send + 'static,
    {
        let mut last = None;
        WatchStream::new(self.issuer.subscribe())
            .filter_map(move |domains| {
                let seen = view(&domains);
                let is_new = last.as_ref() != Some(&seen);
                if is_new {
                    last = Some(seen.clone());
                }
                ready(is_new.then_some(seen))
            })
            .take_until(self.stop.clone().cancelled_owned())
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Updates<pb::X509svidResponse>;
    type FetchX509BundlesStream = Updates<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Updates<pb::JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        _request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let refresh = IntervalStream::new(interval_at(Instant::now() + X509_REFRESH, X509_REFRESH))
            .map(|_| ())
            .take_until(self.stop.clone().cancelled_owned());
        let issuer = Arc::clone(&self.issuer);
        let svids = futures::stream::select(self.changes(x509_bundles).map(|_| ()), refresh)
            .map(move |()| x509_svids(&issuer));
        Ok(Response::new(Box::pin(svids)))
    }

    async fn fetch_x509_bundles(
        &self,
        _request: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let bundles = self.changes(x509_bundles);
        let messages = bundles.map(|bundles| Ok(pb::X509BundlesResponse { crl: Vec::new(), bundles }));
        Ok(Response::new(Box::pin(messages)))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        let request = request.into_inner();
        let entries = entries(&self.issuer, &request.spiffe_id)?;
        let svids = entries.into_iter().map(|entry| {
            Ok(pb::Jwtsvid {
                spiffe_id: entry.spiffe_id.as_str().to_owned(),
                svid: self.issuer.issue(&entry.spiffe_id, &request.audience)?,
                hint: entry.hint.clone(),
            })
        });
        Ok(Response::new(pb::JwtsvidResponse { svids: svids.collect::<Result<_, Status>>()? }))
    }

    async fn fetch_jwt_bundles(
        &self,
        _request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let bundles = self.changes(jwt_bundles);
        let messages = bundles.map(|bundles| Ok(pb::JwtBundlesResponse { bundles }));
        Ok(Response::new(Box::pin(messages)))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        validate(&self.issuer, &request.into_inner()).map(Response::new)
    }
}

/// Refuses a call without the metadata that every Workload API client sends (checklist B7).
pub(super) fn require_security_header(request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().get(SECURITY_HEADER) {
        Some(value) if value == "true" => Ok(request),
        _ => Err(Status::invalid_argument("security header missing from request")),
    }
}

/// The entries that a request for `spiffe_id` is about: all of them when it is empty.
fn entries<'a>(issuer: &'a Issuer, spiffe_id: &str) -> Result<Vec<&'a Entry>, Status> {
    let entries = &issuer.settings().entries;
    if spiffe_id.is_empty() {
        return Ok(entries.iter().collect());
    }
    let id = SpiffeId::parse(spiffe_id)
        .map_err(|error| Status::invalid_argument(format!("spiffe_id: {error}")))?;
    let found: Vec<_> = entries.iter().filter(|entry| entry.spiffe_id == id).collect();
    if found.is_empty() { Err(Status::permission_denied(NO_IDENTITY)) } else { Ok(found) }
}

fn x509_svids(issuer: &Issuer) -> Result<pb::X509svidResponse, Status> {
    let settings = issuer.settings();
    let domains = issuer.domains();
    let own = domains.get(&settings.trust_domain);
    let own = own.ok_or_else(|| Status::internal("the own trust domain is gone"))?;
    let svids = settings.entries.iter().map(|entry| {
        let issued = own.x509.issue(&entry.spiffe_id, issuer.now(), X509_LIFETIME);
        let issued = issued.map_err(|error| Status::from(IssuerError::from(error)))?;
        Ok(pb::X509svid {
            spiffe_id: entry.spiffe_id.as_str().to_owned(),
            x509_svid: issued.certificate,
            x509_svid_key: issued.private_key,
            bundle: own.x509.bundle().to_vec(),
            hint: entry.hint.clone(),
        })
    });
    let svids = svids.collect::<Result<_, Status>>()?;
    let mut federated_bundles = x509_bundles(&domains);
    federated_bundles.remove(&format!("spiffe://{}", settings.trust_domain));
    Ok(pb::X509svidResponse { svids, crl: Vec::new(), federated_bundles })
}

fn x509_bundles(domains: &Domains) -> HashMap<String, Vec<u8>> {
    let bundles =
        domains.iter().map(|(name, domain)| (format!("spiffe://{name}"), domain.x509.bundle().to_vec()));
    bundles.collect()
}

pub(super) fn jwt_bundles(domains: &Domains) -> HashMap<String, Vec<u8>> {
    domains.iter().map(|(name, domain)| (format!("spiffe://{name}"), domain.jwt.jwks())).collect()
}

impl From<IssuerError> for Status {
    fn from(error: IssuerError) -> Self {
        match error {
            IssuerError::Audience => Self::invalid_argument("audience must be specified"),
            other => Self::internal(other.to_string()),
        }
    }
}
