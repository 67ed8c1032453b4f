//! An external verifier for `ext_authz`, as SPIRE's helper for Envoy is one: it verifies each token, and keeps none.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, Verifier, VerifierConfig,
    bearer,
};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

/// Generated from `proto/ext_authz.proto`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, reason = "generated")]
mod proto {
    tonic::include_proto!("envoy.service.auth.v3");
}

use proto::authorization_server::{Authorization, AuthorizationServer};
use proto::check_response::{HttpResponse, Status as RpcStatus};
use proto::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpStatus,
    OkHttpResponse,
};

/// Serves on `socket` until it is killed; `keys` is a file with the JWKS of the one trust domain.
///
/// # Errors
/// When a file or the socket is not as it should be.
pub fn serve(socket: &Path, keys: &Path) -> anyhow::Result<()> {
    let keys = std::fs::read(keys).with_context(|| keys.display().to_string())?;
    let bundle = Bundle::from_jwks(&keys, &BundleLimits::default())?;
    let bundles = BundleSet::from_iter([(TrustDomain::parse(svidgate_forge::TRUST_DOMAIN)?, bundle)]);
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new([svidgate_forge::AUDIENCE])?))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let service = AuthorizationServer::new(Service { bundles, verifier });
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming(UnixListenerStream::new(listener)).await.context("the verifier")
    })
}

struct Service {
    bundles: BundleSet,
    verifier: Verifier,
}

#[tonic::async_trait]
impl Authorization for Service {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let attributes = request.into_inner().attributes;
        let http = attributes.and_then(|attributes| attributes.request).and_then(|request| request.http);
        let headers = http.map(|http| http.headers).unwrap_or_default();
        Ok(Response::new(match self.caller(&headers.into_iter().collect()) {
            Some(spiffe_id) => admitted(spiffe_id),
            None => refused(),
        }))
    }
}

impl Service {
    fn caller(&self, headers: &BTreeMap<String, String>) -> Option<String> {
        let token = bearer::extract(headers.get("authorization")?.as_bytes()).ok()?;
        let now = svidgate_tests::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        let svid = self.verifier.verify(token, &self.bundles, &RustCrypto, UnixTime(now.as_secs())).ok()?;
        Some(svid.spiffe_id().as_str().to_owned())
    }
}

fn admitted(spiffe_id: String) -> CheckResponse {
    let header = HeaderValue { key: "x-spiffe-id".to_owned(), value: spiffe_id };
    let ok = OkHttpResponse { headers: vec![HeaderValueOption { header: Some(header) }] };
    CheckResponse { status: Some(RpcStatus { code: OK }), http_response: Some(HttpResponse::OkResponse(ok)) }
}

fn refused() -> CheckResponse {
    let denied = DeniedHttpResponse { status: Some(HttpStatus { code: 401 }) };
    CheckResponse {
        status: Some(RpcStatus { code: UNAUTHENTICATED }),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

// google.rpc.Code
const OK: i32 = 0;
const UNAUTHENTICATED: i32 = 16;
