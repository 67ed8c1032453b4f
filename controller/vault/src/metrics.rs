//! What is counted. The names are those that dashboards for Vault expect, so the registry must have no prefix.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::breaker::{Breaker, BreakerState};
use crate::operation::Operation;

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Durations = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// Counters of everything that has to do with Vault. Clones share them.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    requests: Counters<2>,
    durations: Durations,
    token_renewals: Counters<1>,
    fetched: Counters<2>,
    runs: Counters<1>,
    breakers: Mutex<BTreeMap<String, Breaker>>,
    expiries: Mutex<BTreeMap<String, Expiry>>,
}

/// Asked at the scrape, so that it cannot lag: what is left, `None` without an end.
type Expiry = Box<dyn Fn() -> Option<Duration> + Send + Sync>;

impl Default for Inner {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            token_renewals: Family::default(),
            fetched: Family::default(),
            runs: Family::default(),
            breakers: Mutex::default(),
            expiries: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Puts them into `registry`, which must have no prefix.
    pub fn register(&self, registry: &mut Registry) {
        let inner = &self.0;
        registry.register(
            "vault_requests",
            "Requests to Vault, by operation and HTTP status or kind of failure",
            inner.requests.clone(),
        );
        registry.register_with_unit(
            "vault_request_duration",
            "From the start of a request to the last byte of its answer",
            Unit::Seconds,
            inner.durations.clone(),
        );
        registry.register(
            "vault_token_renewals",
            "Renewals of the token: success, error, or exhausted when it no longer extends",
            inner.token_renewals.clone(),
        );
        registry.register(
            "svidgate_credentials_fetched",
            "Credentials fetched, by type",
            inner.fetched.clone(),
        );
        registry.register(
            "svidgate_renewal_task_runs",
            "Runs of the tasks that renew or fetch credentials",
            inner.runs.clone(),
        );
        registry.register_collector(Box::new(AtScrape(self.clone())));
    }

    pub(crate) fn requested(&self, operation: Operation, status: String, took: Duration) {
        let operation = operation.as_str().to_owned();
        self.0.durations.get_or_create(&[("operation", operation.clone())]).observe(took.as_secs_f64());
        self.0.requests.get_or_create(&[("operation", operation), ("status", status)]).inc();
    }

    pub(crate) fn token_renewed(&self, status: &'static str) {
        self.0.token_renewals.get_or_create(&[("status", status.to_owned())]).inc();
    }

    pub(crate) fn fetched(&self, kind: &'static str, ok: bool) {
        let labels = [("credential_type", kind.to_owned()), ("status", status(ok))];
        self.0.fetched.get_or_create(&labels).inc();
    }

    pub(crate) fn ran(&self, ok: bool) {
        self.0.runs.get_or_create(&[("status", status(ok))]).inc();
    }

    pub(crate) fn watch_breaker(&self, address: &str, breaker: Breaker) {
        self.0.breakers.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned(), breaker);
    }

    pub(crate) fn watch_expiry(
        &self,
        credential: &str,
        expiry: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) {
        let mut expiries = self.0.expiries.lock().unwrap_or_else(PoisonError::into_inner);
        expiries.insert(credential.to_owned(), Box::new(expiry));
    }

    pub(crate) fn forget_expiry(&self, credential: &str) {
        self.0.expiries.lock().unwrap_or_else(PoisonError::into_inner).remove(credential);
    }
}

fn status(ok: bool) -> String {
    if ok { "success" } else { "error" }.to_owned()
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[derive(Debug)]
struct AtScrape(Metrics);

impl Collector for AtScrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let inner = &self.0.0;
        let mut family = encoder.encode_descriptor(
            "vault_credential_expiry_seconds",
            "Time until the credential ends; 0 once it has, absent when it has no end",
            None,
            MetricType::Gauge,
        )?;
        for (credential, expiry) in &*inner.expiries.lock().unwrap_or_else(PoisonError::into_inner) {
            if let Some(left) = expiry() {
                let gauge = ConstGauge::new(left.as_secs_f64());
                gauge.encode(family.encode_family(&[("credential", credential.as_str())])?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "vault_circuit_breaker_state",
            "1 for the state that the circuit breaker of the address is in",
            None,
            MetricType::Gauge,
        )?;
        for (address, breaker) in &*inner.breakers.lock().unwrap_or_else(PoisonError::into_inner) {
            let current = breaker.state();
            for state in [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen] {
                let gauge = ConstGauge::new(if state == current { 1.0 } else { 0.0 });
                let labels = [("address", address.as_str()), ("state", state.as_str())];
                gauge.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Vault answers within milliseconds; a request ends at its timeout of seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
