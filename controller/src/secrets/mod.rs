//! The secrets of the settings, fetched from Vault and kept fresh, for whoever needs them: files, and credentials for
//! filters. What nobody may see after its end is withdrawn here.

mod fallback;
mod login;
mod secret;
mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use svidgate_vault::{AtShutdown, Client, Metrics, Vault};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Vault as VaultConfig, WorkloadApi};
use crate::source::x509::X509;
use secret::Forward;
pub use secret::Secret;
pub use status::{Health, Status};

/// What changes hands: the secret in force, or none.
pub type Published = watch::Receiver<Option<Arc<Secret>>>;

/// Every secret of the settings.
pub struct Secrets {
    vault: Vault,
    metrics: Metrics,
    fail_open: bool,
    published: BTreeMap<String, Published>,
    changes: watch::Sender<u64>,
    rejected: secret::Rejected,
    tasks: Vec<JoinHandle<()>>,
}

impl Secrets {
    /// Logs in and fetches, in the background. `svid` is needed where the login takes the X.509-SVID.
    ///
    /// # Errors
    /// When a file that the connection depends on cannot be used.
    pub async fn start(
        config: &Config,
        vault: &VaultConfig,
        svid: Option<&watch::Receiver<Option<Arc<X509>>>>,
        at_shutdown: Option<AtShutdown>,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::default();
        let client = Client::new(vault.settings.clone(), metrics.clone()).await.context("vault.tls")?;
        let workload_api = config.workload_api.as_ref().map(WorkloadApi::address);
        let login = login::of(&vault.auth, workload_api.as_deref(), svid);
        let mut timing = vault.timing;
        timing.at_shutdown = at_shutdown.unwrap_or(timing.at_shutdown);
        tracing::info!(
            vault = vault.settings.address(),
            ?login,
            secrets = config.secrets.len(),
            "Vault is used"
        );
        if vault.fail_open {
            tracing::warn!(
                "vault.fail_open is on: static secrets are used while Vault gives none. This is for development only"
            );
        }
        let vault_life = Vault::start(&client, login, timing);
        let (changes, rejected) = (watch::Sender::new(0), secret::Rejected::default());
        let (mut published, mut tasks) = (BTreeMap::new(), Vec::new());
        for (name, secret) in &config.secrets {
            let from = vault_life.keep(name, secret.spec.clone())?;
            let (to, receiver) = watch::channel(None);
            let forward = Forward {
                name: name.clone(),
                fields: secret.fields.clone(),
                fallback: secret.fallback.clone().filter(|_| vault.fail_open),
                from,
                extensions: vault_life.extensions(name),
                to,
                changes: changes.clone(),
                rejected: rejected.clone(),
            };
            tasks.push(tokio::spawn(forward.run()));
            published.insert(name.clone(), receiver);
        }
        Ok(Self {
            vault: vault_life,
            metrics,
            fail_open: vault.fail_open,
            published,
            changes,
            rejected,
            tasks,
        })
    }

    /// A secret from now on; `None` when the settings have none of that name. It changes with the content and when its
    /// end moves.
    #[must_use]
    pub fn watch(&self, name: &str) -> Option<Published> {
        self.published.get(name).cloned()
    }

    /// All of them as of now.
    #[must_use]
    pub fn current(&self) -> BTreeMap<String, Option<Arc<Secret>>> {
        let now = |(name, published): (&String, &Published)| {
            let secret = published.borrow().clone().filter(|secret| secret.lives());
            (name.clone(), secret)
        };
        self.published.iter().map(now).collect()
    }

    /// Wakes when any of them changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How Vault and each secret are.
    #[must_use]
    pub fn status(&self) -> Status {
        let current = self.current();
        let names = |is: fn(&Option<Arc<Secret>>) -> bool| {
            current.iter().filter(|(_, secret)| is(secret)).map(|(name, _)| name.clone()).collect()
        };
        Status {
            vault: self.vault.status(),
            fail_open: self.fail_open,
            fixed: names(|secret| secret.as_ref().is_some_and(|secret| secret.is_static())),
            missing: names(Option::is_none),
            rejected: self.rejected.list(),
        }
    }

    /// Puts the metrics into a registry without a prefix.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        self.metrics.register(registry);
        registry.register_collector(Box::new(status::FailOpen(Arc::clone(self))));
    }

    /// Ends everything, and revokes what the settings say.
    pub async fn shutdown(&self) {
        self.vault.shutdown().await;
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("names", &self.published.keys()).finish_non_exhaustive()
    }
}
