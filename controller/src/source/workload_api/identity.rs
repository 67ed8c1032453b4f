//! Which trust domain is our own. A message with JWT bundles does not say it.

use std::time::Duration;

use svidgate_jwt_svid::{SpiffeId, TrustDomain};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::with_header;
use crate::workload_api::pb::X509svidRequest;

/// The trust domain of the first identity that the agent gives us; `None` when it gives none in time.
///
/// Only an X.509-SVID tells it at no cost to the agent. Of that answer nothing but the names is read: the private key
/// in it is skipped on the wire and never decoded.
pub(super) async fn trust_domain(channel: Channel) -> Option<TrustDomain> {
    let first = tokio::time::timeout(TIMEOUT, first_id(channel)).await;
    let id = first.unwrap_or_else(|_| Err(Status::new(Code::Unavailable, format!("nothing in {TIMEOUT:?}"))));
    match id {
        Ok(id) => Some(id.trust_domain().clone()),
        Err(status) => {
            tracing::warn!(
                code = ?status.code(),
                "the Workload API does not tell our own trust domain, so it has no precedence over others"
            );
            None
        }
    }
}

async fn first_id(channel: Channel) -> Result<SpiffeId, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec: ProstCodec<X509svidRequest, Identities> = ProstCodec::default();
    let request = with_header(Request::new(X509svidRequest {}));
    let answer = grpc.server_streaming(request, PathAndQuery::from_static(METHOD), codec).await?;
    let identities = answer.into_inner().message().await?.unwrap_or_default();
    let first = identities.svids.first().ok_or_else(|| Status::not_found("no identity"))?;
    SpiffeId::parse(&first.spiffe_id).map_err(|error| Status::data_loss(error.to_string()))
}

/// `X509SVIDResponse` without what is no name.
#[derive(Clone, PartialEq, prost::Message)]
struct Identities {
    #[prost(message, repeated, tag = "1")]
    svids: Vec<Identity>,
}

/// `X509SVID` without certificate, key and bundle.
#[derive(Clone, PartialEq, prost::Message)]
struct Identity {
    #[prost(string, tag = "1")]
    spiffe_id: String,
}

const METHOD: &str = "/SpiffeWorkloadAPI/FetchX509SVID";
const TIMEOUT: Duration = Duration::from_secs(5);
