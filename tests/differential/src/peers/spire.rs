//! SPIRE's agent: `ValidateJWTSVID` of the Workload API.

use std::path::Path;

use svidgate_controller::workload_api::pb::ValidateJwtsvidRequest;
use svidgate_controller::workload_api::pb::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use svidgate_controller::workload_api::{SECURITY_HEADER, pb::JwtBundlesRequest};
use svidgate_forge::AUDIENCE;
use tokio::runtime::Runtime;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::{Peer, Verdict};
use crate::corpus::Case;

/// The agent on a socket.
#[derive(Debug)]
pub struct SpireAgent {
    runtime: Runtime,
    client: SpiffeWorkloadApiClient<Channel>,
    /// The trust domains that it knows keys of, with the `kid`s that each has there.
    trust: Vec<(String, Vec<u8>)>,
}

impl SpireAgent {
    /// Connects, and asks for the bundles.
    ///
    /// # Errors
    /// What the agent or the connection says.
    pub fn connect(socket: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = format!("unix://{}", socket.display());
        let (client, trust) = runtime.block_on(async {
            let mut client = SpiffeWorkloadApiClient::connect(address).await?;
            let mut stream =
                client.fetch_jwt_bundles(with_metadata(JwtBundlesRequest {})).await?.into_inner();
            let bundles = stream.message().await?.map(|message| message.bundles).unwrap_or_default();
            let trust = bundles
                .into_iter()
                .map(|(name, jwks)| (name.trim_start_matches("spiffe://").to_owned(), jwks))
                .collect();
            anyhow::Ok((client, trust))
        })?;
        Ok(Self { runtime, client, trust })
    }

    /// The bundles that the agent trusts when it validates, in the form in which it gives them out.
    #[must_use]
    pub fn trust(&self) -> &[(String, Vec<u8>)] {
        &self.trust
    }
}

impl Peer for SpireAgent {
    fn name(&self) -> &'static str {
        "SPIRE"
    }

    fn judge(&self, case: &Case, _: u64) -> Verdict {
        if case.to_the_second {
            return Verdict::NotAsked("its clock cannot be set");
        }
        let Ok(svid) = String::from_utf8(case.token.clone()) else {
            return Verdict::NotAsked("protobuf takes UTF-8 only");
        };
        let request = with_metadata(ValidateJwtsvidRequest { audience: AUDIENCE.to_owned(), svid });
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.validate_jwtsvid(request));
        match answer {
            Ok(answer) => Verdict::Accepted(answer.into_inner().spiffe_id),
            Err(status) if status.code() == Code::InvalidArgument => {
                Verdict::Refused(status.message().to_owned())
            }
            // Anything else is no verdict, and must not pass for one.
            Err(status) => panic!("SPIRE's agent: {status}"),
        }
    }
}

fn with_metadata<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SECURITY_HEADER, MetadataValue::from_static("true"));
    request
}
