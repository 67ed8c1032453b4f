//! What outgoing requests are given: JWT-SVIDs and secrets, kept fresh, and handed to the subscribers that may have them.
//!
//! Sources publish into the [`Store`], each under the name of the configuration, by a [`Publisher`]; whatever else comes
//! to fetch secrets does the same. The store seals what a subscriber may have with that subscriber's key
//! ([`svidgate_snapshot::SealedCredentials`]); the server adds it to the snapshot that everybody gets.
//!
//! Whether a subscriber may have a credential is decided by two things that it cannot choose: the user of its process, by
//! the kernel's word on the socket's peer, and the key, without which what it gets is of no use. The node id that it
//! tells is shown and decides nothing.

mod asked;
mod file;
mod jwt_svid;
mod keys;
mod secret;
mod store;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, CredentialSource};
use crate::secrets::Secrets;

pub use asked::Asked;
pub use keys::{Keys, KeysError};
pub use store::{CredentialState, CredentialStatus, Publisher, Store};

/// Runs every source of the configuration until `stop`.
///
/// `secrets` has what the settings take from Vault.
pub async fn run(config: Config, store: Arc<Store>, secrets: Option<Arc<Secrets>>, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut audiences = std::collections::BTreeMap::<_, Vec<Publisher>>::new();
    for (name, entry) in &config.credentials.entries {
        let Some(publisher) = store.publisher(name) else { continue };
        match &entry.source {
            // One fetch for all that want the same.
            CredentialSource::JwtSvid(wanted) => audiences.entry(wanted.clone()).or_default().push(publisher),
            CredentialSource::File(file) => {
                tasks.spawn(file::watch(file.clone(), publisher, stop.clone()));
            }
            CredentialSource::Secret(wanted) => {
                if let Some(from) = secrets.as_ref().and_then(|secrets| secrets.watch(&wanted.name)) {
                    tasks.spawn(secret::follow(wanted.clone(), from, publisher, stop.clone()));
                }
            }
        }
    }
    if let Some(workload_api) = &config.workload_api {
        for (wanted, publishers) in audiences {
            tasks.spawn(jwt_svid::keep(workload_api.endpoint.clone(), wanted, publishers, stop.clone()));
        }
    }
    tasks.spawn(store::expire(store, stop));
    while let Some(ended) = tasks.join_next().await {
        if ended.is_err() {
            tracing::error!("a source of credentials failed");
        }
    }
}
