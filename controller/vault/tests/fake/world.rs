//! A client of the fake Vault with a clock of its own, and what is needed to look at it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret as _, SecretString};
use svidgate_vault::{
    Client, Clock, Credential, Fixed, Login, Method, Metrics, RetrySettings, SecretSource, Settings, Spec,
    Timing, Vault,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Fake, settle};

/// A wall clock that goes with tokio's paused one, and jumps when told.
#[derive(Debug)]
pub struct TestClock {
    start: Instant,
    /// Seconds.
    ahead: Mutex<i64>,
}

impl TestClock {
    pub fn jump(&self, seconds: i64) {
        *self.ahead.lock().expect("whole") += seconds;
    }
}

impl Clock for TestClock {
    fn wall(&self) -> SystemTime {
        let ahead = *self.ahead.lock().expect("whole");
        let base = UNIX_EPOCH + Duration::from_secs(1_764_000_000) + self.start.elapsed();
        let by = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { base - by } else { base + by }
    }
}

pub struct World {
    pub fake: Fake,
    pub clock: Arc<TestClock>,
    pub client: Client,
    pub metrics: Metrics,
    registry: Registry,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let fake = Fake::new();
        let clock = Arc::new(TestClock { start: Instant::now(), ahead: Mutex::new(0) });
        let metrics = Metrics::default();
        let mut settings = Settings::new("http://127.0.0.1:8200").expect("an address");
        change(&mut settings);
        let client =
            Client::over(fake.exchange(), settings, metrics.clone(), clock.clone()).expect("a client");
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        Self { fake, clock, client, metrics, registry }
    }

    /// A client that has logged in.
    pub async fn logged_in(&self) -> Client {
        let logged_in = approle("secret-id-1").log_in(&self.client).await.expect("a login");
        self.fake.forget();
        logged_in.client
    }

    pub fn start(&self, timing: Timing) -> Vault {
        Vault::start(&self.client, approle("secret-id-1"), timing)
    }

    /// A line of `/metrics` without its value, and the value.
    pub fn metric(&self, line: &str) -> Option<f64> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("metrics");
        let found = out.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        found.map(|value| value.parse().expect("a number"))
    }
}

pub fn never() -> RetrySettings {
    RetrySettings::never()
}

pub fn fixed(text: &str) -> Arc<dyn SecretSource> {
    Arc::new(Fixed(SecretString::from(text)))
}

pub fn approle(secret_id: &str) -> Login {
    Login::new(Method::AppRole { role_id: fixed("role-id"), secret_id: Some(fixed(secret_id)) })
}

pub fn database() -> Spec {
    Spec::Database { mount: "database".to_owned(), role: "app".to_owned() }
}

pub fn kv(path: &str) -> Spec {
    Spec::Kv { mount: "secret".to_owned(), path: path.to_owned(), poll: None }
}

pub type Channel = watch::Receiver<Option<Arc<Credential>>>;

pub fn text(credential: &Arc<Credential>, name: &str) -> String {
    let secret = credential.secrets().expect("alive").text(name).expect("there");
    secret.expose_secret().to_owned()
}

/// What a consumer sees now.
pub fn sees(channel: &Channel, name: &str) -> Option<String> {
    let current = channel.borrow().clone()?;
    current.secrets()?.text(name).map(|secret| secret.expose_secret().to_owned())
}

/// The next credential that is published.
pub async fn next(channel: &mut Channel) -> Arc<Credential> {
    loop {
        channel.changed().await.expect("the keeper runs");
        if let Some(credential) = channel.borrow_and_update().clone() {
            settle().await;
            return credential;
        }
    }
}
