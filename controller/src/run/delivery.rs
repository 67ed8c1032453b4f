//! Secrets on their way to files: Vault's side, and the sink's.

use std::sync::Arc;

use svidgate_vault::AtShutdown;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{AuthMethod, Config, Identity};
use crate::secrets::Secrets;
use crate::serve::Shown;
use crate::sink::{Board, Hooks, Sink, Sources};
use crate::source::x509;
use crate::store::Store;

/// What runs.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) secrets: Option<Arc<Secrets>>,
    pub(super) board: Arc<Board>,
    has_files: bool,
    sink: JoinHandle<()>,
}

impl Delivery {
    /// Starts what the settings ask for, in the background.
    pub(super) async fn start(
        config: &Config,
        sink: Sink,
        store: Arc<Store>,
        hooks: Hooks,
        at_shutdown: Option<AtShutdown>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let for_login = config.vault.as_ref().is_some_and(|vault| {
            matches!(vault.auth.method, AuthMethod::Cert { identity: Identity::Svid, .. })
        });
        let needed = config.workload_api.as_ref().filter(|_| for_login || sink.needs_workload_api());
        let svid = needed.map(|workload_api| x509::watch(workload_api.address(), stop.clone()));
        let secrets = match &config.vault {
            Some(vault) => Some(Arc::new(Secrets::start(config, vault, svid.as_ref(), at_shutdown).await?)),
            None => None,
        };
        let board = sink.board();
        let store = sink.needs_workload_api().then_some(store);
        let sources = Sources { secrets: secrets.clone(), svid, store };
        let sink = tokio::spawn(sink.run(sources, hooks, stop.clone()));
        Ok(Self { secrets, board, has_files: !config.files.is_empty(), sink })
    }

    /// For health and metrics.
    pub(super) fn shown(&self) -> Shown {
        Shown { secrets: self.secrets.clone(), files: self.has_files.then(|| Arc::clone(&self.board)) }
    }

    /// Files first: no hook may run for what is revoked then.
    pub(super) async fn end(self) {
        if self.sink.await.is_err() {
            tracing::error!("the writer of files failed");
        }
        if let Some(secrets) = self.secrets {
            secrets.shutdown().await;
        }
    }
}
