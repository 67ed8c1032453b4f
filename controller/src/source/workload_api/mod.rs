//! The JWT bundles of the SPIFFE Workload API.
//!
//! One stream is held open; each message is the full state. [`Probe`]s tell whether the agent still stands behind it. The raw JWK sets are read by `svidgate_jwt_svid`: a
//! client library that parses them into a map by `kid` first would hide two keys under one `kid` (checklist B2).

mod channel;
mod identity;
mod message;
mod outcome;
mod pause;
mod probe;
mod svid;

use std::sync::Arc;
use std::time::Duration;

use spiffe::transport::Endpoint;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use crate::clock;
use crate::source::Limits;
use crate::store::{Event, Message, Refused, Store};
use crate::workload_api::SECURITY_HEADER;
use crate::workload_api::pb::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use crate::workload_api::pb::{JwtBundlesRequest, JwtBundlesResponse};
use outcome::{Outcome, Retry};
pub(crate) use pause::Pauses;
pub use probe::Probe;
pub use svid::jwt_svid;

/// Keeps the store up to date until `stop`, or until the Workload API refuses the call for good (checklist B6).
pub async fn run(
    endpoint: Endpoint,
    probe: Probe,
    limits: Limits,
    store: Arc<Store>,
    stop: CancellationToken,
) {
    let mut pauses = Pauses::new();
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = stream(&endpoint, probe, &limits, &store) => outcome,
        };
        store.apply(outcome.event(), clock::unix_millis());
        let pause = match outcome.retry() {
            Retry::Never => {
                tracing::error!(
                    reason = %outcome,
                    "the Workload API refuses the call and is not asked again: what was received stays in force \
                     until it is too old; correct the cause and restart"
                );
                return;
            }
            Retry::AtOnce => pauses.after_clean_end(tokio::time::Instant::now()),
            Retry::Later => pauses.after_failure(outcome.was_good()),
        };
        tracing::warn!(reason = %outcome, retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the Workload API stream ended");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One stream from its opening to its end.
async fn stream(endpoint: &Endpoint, probe: Probe, limits: &Limits, store: &Store) -> Outcome {
    let mut good = false;
    let status = match messages(endpoint, probe, limits, store, &mut good).await {
        Ok(()) => return Outcome::Ended { good },
        Err(status) => status,
    };
    Outcome::Failed { status, good }
}

async fn messages(
    endpoint: &Endpoint,
    probe: Probe,
    limits: &Limits,
    store: &Store,
    good: &mut bool,
) -> Result<(), Status> {
    let channel = channel::connect(endpoint).await?;
    let (mut stream, mut next) = open(channel.clone(), limits).await?;
    let mut failure = std::pin::pin!(probe::failure(&channel, probe, limits, store));
    let mut own = None;
    while let Some(response) = next {
        let ask = own.is_none() && message::may_not_fit(&response);
        let mut message = message::read(response, limits);
        complain(&message.refused);
        if ask {
            own = identity::trust_domain(channel.clone()).await;
        }
        message.own.clone_from(&own);
        *good = true;
        store.apply(Event::Message(message), clock::unix_millis());
        next = tokio::select! {
            biased;
            message = stream.message() => message?,
            status = &mut failure => return Err(status),
        };
    }
    Ok(())
}

/// One line for each bundle, but a message may have very many.
fn complain(refused: &[Refused]) {
    for refused in refused.iter().take(MAX_COMPLAINTS) {
        tracing::warn!(name = refused.name, reason = refused.reason, "a bundle was refused");
    }
    let others = refused.len().saturating_sub(MAX_COMPLAINTS);
    if others > 0 {
        tracing::warn!(others, "more bundles were refused");
    }
}

/// The bundles of this moment: the first message of a stream that is then closed.
///
/// # Errors
/// When the Workload API cannot be reached, refuses the call, or sends a message beyond the limit on its size.
pub async fn fetch(endpoint: &Endpoint, limits: &Limits) -> Result<Message, Status> {
    let (_, first) = open(channel::connect(endpoint).await?, limits).await?;
    let response = first.ok_or_else(|| Status::unavailable("the stream ended before its first message"))?;
    Ok(message::read(response, limits))
}

type Messages = (Streaming<JwtBundlesResponse>, Option<JwtBundlesResponse>);

/// A stream and its first message, which is due at once; an agent that hangs before it would otherwise never be tried
/// again. Later ones come when something changes, which may be never.
async fn open(channel: Channel, limits: &Limits) -> Result<Messages, Status> {
    let mut client =
        SpiffeWorkloadApiClient::new(channel).max_decoding_message_size(limits.max_message_bytes);
    let request = with_header(Request::new(JwtBundlesRequest {}));
    tokio::time::timeout(FIRST_MESSAGE, async {
        let mut stream = client.fetch_jwt_bundles(request).await?.into_inner();
        let first = stream.message().await?;
        Ok((stream, first))
    })
    .await
    .map_err(|_| Status::new(Code::Unavailable, format!("no message within {FIRST_MESSAGE:?}")))?
}

fn with_header<T>(mut request: Request<T>) -> Request<T> {
    request.metadata_mut().insert(SECURITY_HEADER, MetadataValue::from_static("true"));
    request
}

const MAX_COMPLAINTS: usize = 20;
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
