//! A workload: takes tokens and bundles from a SPIFFE Workload API, by the `spiffe` crate alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spiffe::{JwtBundleSet, SpiffeId, WorkloadApiClient};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;

use crate::poll::{Stopwatch, within};

/// A client of the Workload API on a socket.
#[derive(Debug)]
pub struct Workload {
    endpoint: String,
    client: Mutex<Option<WorkloadApiClient>>,
    runtime: Runtime,
    serial: AtomicU64,
}

impl Workload {
    /// A client of the API on `socket`. It connects when it is first used.
    pub fn new(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("workload")
            .enable_all()
            .build()
            .expect("a runtime");
        let endpoint = format!("unix:{}", socket.display());
        Self { endpoint, client: Mutex::new(None), runtime, serial: AtomicU64::new(0) }
    }

    /// A JWT-SVID for one audience.
    pub fn token(&self, audience: &str, spiffe_id: &str) -> String {
        self.try_token(&[audience], spiffe_id).unwrap_or_else(|e| panic!("no JWT-SVID for {spiffe_id}: {e}"))
    }

    /// A JWT-SVID that nobody has seen before: a second audience makes it one that the agent has not cached.
    pub fn fresh_token(&self, audience: &str, spiffe_id: &str) -> String {
        let serial = format!("serial-{}", self.serial.fetch_add(1, Ordering::SeqCst));
        self.try_token(&[audience, &serial], spiffe_id)
            .unwrap_or_else(|e| panic!("no JWT-SVID for {spiffe_id}: {e}"))
    }

    /// A JWT-SVID, or why there is none.
    pub fn try_token(&self, audiences: &[&str], spiffe_id: &str) -> Result<String, String> {
        let id: SpiffeId = spiffe_id.parse().map_err(|e| format!("{e}"))?;
        self.runtime.block_on(async {
            let client = self.client().await?;
            let fetched = client.fetch_jwt_svid(audiences, Some(&id)).await;
            fetched.map(|svid| svid.token().to_owned()).map_err(|e| e.to_string())
        })
    }

    /// As [`Workload::token`], but waits for the agent to learn of a new entry.
    pub fn await_token(&self, audience: &str, spiffe_id: &str) -> String {
        let mut last = String::new();
        let token = within(AGENT_SYNC, || self.try_token(&[audience], spiffe_id).map_err(|e| last = e).ok());
        token.unwrap_or_else(|| panic!("the agent never gave a JWT-SVID for {spiffe_id}: {last}"))
    }

    /// Follows the bundles as the controller does, on a stream of its own.
    pub fn watch_bundles(&self) -> BundleWatch {
        let latest = Arc::new(Mutex::new(None));
        let (shared, endpoint) = (Arc::clone(&latest), self.endpoint.clone());
        let task = self.runtime.spawn(async move {
            loop {
                if let Ok(client) = WorkloadApiClient::connect_to(&endpoint).await
                    && let Ok(mut stream) = client.stream_jwt_bundles().await
                {
                    while let Some(Ok(bundles)) = stream.next().await {
                        let seen = Some((key_ids(&bundles), Stopwatch::start()));
                        *shared.lock().expect("no panic while it is held") = seen;
                    }
                }
                tokio::time::sleep(RECONNECT).await;
            }
        });
        BundleWatch { latest, task }
    }

    async fn client(&self) -> Result<WorkloadApiClient, String> {
        if let Some(client) = self.client.lock().expect("no panic while it is held").clone() {
            return Ok(client);
        }
        let client = WorkloadApiClient::connect_to(&self.endpoint).await.map_err(|e| e.to_string())?;
        *self.client.lock().expect("no panic while it is held") = Some(client.clone());
        Ok(client)
    }
}

/// Key ids by trust domain.
type KeyIds = BTreeMap<String, Vec<String>>;

/// The last message of a bundle stream, and when it came.
#[derive(Debug)]
pub struct BundleWatch {
    latest: Arc<Mutex<Option<(KeyIds, Stopwatch)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl BundleWatch {
    /// Key ids of a trust domain in the last message.
    pub fn key_ids(&self, trust_domain: &str) -> Vec<String> {
        let latest = self.latest.lock().expect("no panic while it is held");
        latest.as_ref().and_then(|(ids, _)| ids.get(trust_domain)).cloned().unwrap_or_default()
    }

    /// Waits until the last message's key ids of `trust_domain` satisfy `condition`, and returns when it came.
    pub fn await_keys(
        &self,
        what: &str,
        trust_domain: &str,
        condition: impl Fn(&[String]) -> bool,
    ) -> Stopwatch {
        crate::poll(what, AGENT_SYNC, || {
            let latest = self.latest.lock().expect("no panic while it is held");
            let (ids, at) = latest.as_ref()?;
            condition(ids.get(trust_domain)?).then_some(*at)
        })
    }
}

impl Drop for BundleWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key_ids(bundles: &JwtBundleSet) -> KeyIds {
    let ids = |(domain, bundle): (&spiffe::TrustDomain, &Arc<spiffe::JwtBundle>)| {
        let mut ids: Vec<String> = bundle.jwt_authorities().map(|a| a.key_id().to_owned()).collect();
        ids.sort();
        (domain.to_string(), ids)
    };
    bundles.iter().map(ids).collect()
}

/// Between attempts to reach an agent that is away.
const RECONNECT: Duration = Duration::from_millis(50);
/// SPIRE's agent asks its server every five seconds, more rarely after errors.
const AGENT_SYNC: Duration = Duration::from_secs(60);
