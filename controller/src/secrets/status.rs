//! How Vault and the secrets are, for health and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::{Value, json};
use svidgate_vault::BreakerState;

use super::Secrets;

/// The state of everything that comes from Vault.
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) vault: svidgate_vault::Status,
    pub(super) fail_open: bool,
    /// Secrets whose static values are used.
    pub(super) fixed: BTreeSet<String>,
    /// Secrets that nobody has: what Vault gave may have been rejected.
    pub(super) missing: BTreeSet<String>,
    /// Secrets whose last content was not taken.
    pub(super) rejected: BTreeMap<String, String>,
}

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A token and every secret are in force.
    Healthy,
    /// They are, but something has failed since.
    Degraded,
    /// There is no token, or not every secret.
    Unhealthy,
}

impl Status {
    /// How Vault is, whatever the settings make of it.
    #[must_use]
    pub fn health(&self) -> Health {
        let failing = |error: &Option<String>| error.is_some();
        if !self.vault.is_healthy() || !self.fixed.is_empty() || !self.missing.is_empty() {
            return Health::Unhealthy;
        }
        let errors = failing(&self.vault.token.error)
            || self.vault.credentials.iter().any(|credential| failing(&credential.error));
        if errors || !self.rejected.is_empty() || self.vault.breaker != BreakerState::Closed {
            Health::Degraded
        } else {
            Health::Healthy
        }
    }

    /// Whether the state of Vault is one of the whole controller: not with `vault.fail_open`.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.fail_open
    }

    /// Whether everything can be had that was asked for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.fail_open || self.health() < Health::Unhealthy
    }

    /// For `/health`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let seconds = |left: Option<std::time::Duration>| left.map(|left| left.as_secs());
        let secrets = self.vault.credentials.iter().map(|credential| {
            let error = self.rejected.get(&credential.name).or(credential.error.as_ref());
            let value = json!({
                "available": credential.available && !self.missing.contains(&credential.name),
                "type": credential.kind,
                "revision": credential.revision,
                "expires_in_seconds": seconds(credential.remaining),
                "static": self.fixed.contains(&credential.name),
                "error": error,
            });
            (credential.name.clone(), value)
        });
        json!({
            "status": match self.health() {
                Health::Healthy => "healthy",
                Health::Degraded => "degraded",
                Health::Unhealthy => "unhealthy",
            },
            "enabled": true,
            "circuit_breaker_state": self.vault.breaker.as_str(),
            "fail_open": self.fail_open,
            "logged_in": self.vault.token.valid,
            "token_expires_in_seconds": seconds(self.vault.token.remaining),
            "error": self.vault.token.error,
            "secrets": secrets.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// What is missing and why, a line each.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.vault.token.valid {
            let why = self.vault.token.error.as_deref().unwrap_or("no answer yet");
            lines.push(format!("not logged in to Vault at {}: {why}", self.vault.address));
        }
        for credential in &self.vault.credentials {
            if let Some(error) = self.rejected.get(&credential.name).or(credential.error.as_ref()) {
                lines.push(format!("secret {}: {error}", credential.name));
            }
        }
        lines
    }
}

/// 1 for each secret whose static value is used: an alert belongs on it.
pub(super) struct FailOpen(pub(super) Arc<Secrets>);

impl fmt::Debug for FailOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailOpen")
    }
}

impl Collector for FailOpen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.status();
        let mut family = encoder.encode_descriptor(
            "svidgate_fail_open",
            "1 while the static value of the secret is used because Vault gives none; only with vault.fail_open",
            None,
            MetricType::Gauge,
        )?;
        for credential in &status.vault.credentials {
            let value = if status.fixed.contains(&credential.name) { 1.0 } else { 0.0 };
            let labels = [("secret", credential.name.as_str())];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
