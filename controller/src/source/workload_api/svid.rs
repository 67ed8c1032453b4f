//! A JWT-SVID of our own.

use std::time::Duration;

use spiffe::transport::Endpoint;
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::{channel, with_header};
use crate::workload_api::pb::JwtsvidRequest;
use crate::workload_api::pb::spiffe_workload_api_client::SpiffeWorkloadApiClient;

/// The first JWT-SVID that the agent gives for `audience`: of the identity `spiffe_id`, or of the default one where that
/// is empty.
///
/// # Errors
/// When the Workload API cannot be reached, refuses the call, does not answer in 10 s, or has no such SVID.
pub async fn jwt_svid(
    endpoint: &Endpoint,
    audience: &str,
    spiffe_id: &str,
) -> Result<Zeroizing<String>, Status> {
    let request = JwtsvidRequest { audience: vec![audience.to_owned()], spiffe_id: spiffe_id.to_owned() };
    let answer = tokio::time::timeout(TIMEOUT, async {
        let mut client = SpiffeWorkloadApiClient::new(channel::connect(endpoint).await?)
            .max_decoding_message_size(MAX_BYTES);
        client.fetch_jwtsvid(with_header(tonic::Request::new(request))).await
    });
    let answer =
        answer.await.map_err(|_| Status::new(Code::Unavailable, format!("no answer within {TIMEOUT:?}")))?;
    let mut svids =
        answer?.into_inner().svids.into_iter().map(|svid| (svid.spiffe_id, Zeroizing::new(svid.svid)));
    let (id, svid) = svids.next().ok_or_else(|| Status::not_found("no JWT-SVID"))?;
    if !spiffe_id.is_empty() && id != spiffe_id {
        return Err(Status::not_found("the JWT-SVID is of another identity"));
    }
    Ok(svid)
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 1024 * 1024;
