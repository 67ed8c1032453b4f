use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use svidgate_vault::{BreakerSettings, Client, Credential, Metrics, Settings, Timing, Vault};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::observer::{Observer, Seen};
use crate::proxy::{Proxy, Trouble};
use crate::setup::Setup;
use crate::wait::{next, timing, until, within};

/// OpenBao behind a proxy, a credential of it in use.
pub struct Case {
    /// OpenBao and PostgreSQL.
    pub setup: Setup,
    /// Between the client and OpenBao.
    pub proxy: Proxy,
    /// The client.
    pub vault: Arc<Vault>,
    /// Where each new user comes.
    pub channel: watch::Receiver<Option<Arc<Credential>>>,
    /// Who uses them.
    pub observer: Observer,
    registry: Registry,
}

impl Case {
    /// Users live for `ttl`, without renewals. With `refresh` the consumer asks for another one when it was refused.
    pub async fn start(ttl: &str, refresh: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let setup = Setup::with_database();
        let upstream = setup.bao.plain_address();
        Self::on(setup, &upstream, ttl, refresh, change).await
    }

    /// The same, with the proxy before `upstream`.
    pub async fn on(
        setup: Setup,
        upstream: &str,
        ttl: &str,
        refresh: bool,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let spec = setup.dynamic_role(ttl, ttl);
        let login = setup.approle("1h", "2h");
        // A standby of OpenBao answers logins itself, and learns of a role a moment later than the active one.
        let knows = Client::new(Settings::new(upstream).expect("an address"), Metrics::default()).await;
        let knows = knows.expect("a client");
        within("it knows the role", 30, async {
            while login.log_in(&knows).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        let proxy = Proxy::start(upstream).await;
        let mut settings = Settings::new(&proxy.url()).expect("an address");
        settings.breaker.open_for = Duration::from_secs(2);
        settings.breaker = BreakerSettings { failures: 3, ..settings.breaker };
        change(&mut settings);
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let client = Client::new(settings, metrics).await.expect("a client");
        let timing = Timing { jitter: 0.0, ..timing() };
        let vault = Arc::new(Vault::start(&client, login, timing));
        let mut channel = vault.keep("db", spec).expect("a free name");
        let first = timeout(Duration::from_secs(30), channel.wait_for(Option::is_some)).await.is_ok();
        assert!(first, "there is no first user: {:?}", vault.status());
        let observer = Observer::start(&vault, "db", setup.postgres(), refresh);
        let case = Self { setup, proxy, vault, channel, observer, registry };
        until("it was used", 10, || case.observer.seen().good.contains(&1)).await;
        case
    }

    /// Waits until the user in force has ended, and there is none.
    pub async fn is_withdrawn(&mut self) {
        within("it is withdrawn at its end", 60, self.channel.wait_for(Option::is_none))
            .await
            .expect("it runs");
        assert!(self.vault.get("db").is_none());
        assert!(!self.vault.status().is_healthy());
    }

    /// The next user, by itself, and used.
    pub async fn comes_back(&mut self) {
        let revision = next("a user by itself", 90, &mut self.channel).await.revision();
        until("it is used", 10, || self.observer.seen().good.contains(&revision)).await;
        until("all is well", 30, || self.vault.status().is_healthy()).await;
    }

    /// Whether metrics have this line.
    pub fn metric(&self, line: &str) -> bool {
        let mut out = String::new();
        encode(&mut out, &self.registry).expect("metrics");
        out.lines().any(|l| l == line)
    }

    /// Why there is no next user.
    pub fn error(&self) -> String {
        let status = self.vault.status();
        let db = status.credentials.iter().find(|credential| credential.name == "db");
        db.and_then(|db| db.error.clone()).unwrap_or_default()
    }

    /// What was seen; afterwards nothing is left of the client in OpenBao.
    pub async fn end(self) -> Seen {
        let seen = self.observer.stop().await;
        self.proxy.make(Trouble::None);
        Arc::into_inner(self.vault).expect("the observer has ended").shutdown().await;
        let bao = &self.setup.bao;
        until("no lease is left", 20, || bao.leases("database/creds/app").is_empty()).await;
        seen
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("vault", &self.vault).finish_non_exhaustive()
    }
}
