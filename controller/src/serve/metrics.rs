//! `GET /metrics`: everything is read at the scrape from the store and the subscriber table, so nothing can lag.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};
use prometheus_client::registry::Registry;

use super::Shown;
use super::report::{Summary, seconds};
use super::subscribers::Subscribers;
use crate::clock;
use crate::credentials::{self, CredentialState, CredentialStatus};
use crate::store::{Phase, Store};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Metrics of Vault have the names that dashboards for Vault expect, so the prefix is not everybody's.
pub(super) fn registry(
    store: Arc<Store>,
    credentials: Arc<credentials::Store>,
    subscribers: Arc<Subscribers>,
    shown: &Shown,
) -> Registry {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("svidgate");
    own.register_collector(Box::new(Metrics { store, credentials, subscribers }));
    if let Some(files) = &shown.files {
        files.register(own);
    }
    if let Some(secrets) = &shown.secrets {
        secrets.register(&mut registry);
    }
    registry
}

pub(super) fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    text::encode(&mut text, registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Metrics {
    store: Arc<Store>,
    credentials: Arc<credentials::Store>,
    subscribers: Arc<Subscribers>,
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = clock::unix_millis();
        let state = self.store.state();
        let counters = state.counters;
        let summary = Summary::now(&self.store, &self.subscribers, now);
        let out = &mut encoder;

        counter(out, "revisions", "Changes of the revision in force", self.store.revisions())?;
        gauge(out, "held_requests", "Requests for a snapshot that are open", count(summary.held))?;
        family(
            out,
            "subscribers",
            "Subscribers seen lately, by what they enforce",
            "state",
            &[
                ("current", count(summary.current)),
                ("behind", count(summary.behind)),
                ("without", count(summary.without)),
            ],
        )?;
        counter(
            out,
            "subscribers_not_recorded",
            "Requests of subscribers for which the table had no room",
            self.subscribers.not_recorded(),
        )?;
        gauge(
            out,
            "workload_api_up",
            "1 while the stream is open and its last message is in force",
            if state.phase == Phase::Up { 1.0 } else { 0.0 },
        )?;
        counter(out, "workload_api_messages", "Messages that were taken", counters.messages)?;
        counter(
            out,
            "workload_api_confirmations",
            "Answers by which the agent confirmed the state in force",
            counters.confirmations,
        )?;
        counter(
            out,
            "workload_api_disconnects",
            "Streams that ended or could not be opened",
            counters.disconnects,
        )?;
        counter(
            out,
            "workload_api_refused_messages",
            "Messages that were refused whole",
            counters.refused_messages,
        )?;
        counter(
            out,
            "workload_api_refused_bundles",
            "Bundles that were refused in messages that were taken",
            counters.refused_bundles,
        )?;
        gauge(
            out,
            "bundles_refused",
            "Bundles of the last message that were refused",
            count(state.refused.len()),
        )?;
        gauge(
            out,
            "bundles_left_out",
            "Bundles for which the snapshot has no room: their trust domains are not in force",
            count(state.left_out.len()),
        )?;
        let revoked = state.revoked.clone().unwrap_or_default();
        let counts = revoked.list.counts();
        family(
            out,
            "revocations",
            "Entries of the list of revocations in force",
            "kind",
            &[("kid", count(counts.kids)), ("jti", count(counts.jtis)), ("subject", count(counts.subjects))],
        )?;
        gauge(
            out,
            "revocations_file_bad",
            "1 while the file of revocations cannot be used and its last good content is in force",
            if revoked.file_error.is_some() { 1.0 } else { 0.0 },
        )?;
        counter(
            out,
            "revocations_file_errors",
            "Times that the file of revocations became bad in another way",
            revoked.file_errors,
        )?;
        // Their number is bounded by the limit on trust domains.
        let observed = state.observed().unwrap_or_default();
        let ages: Vec<(&str, f64)> = observed
            .domains
            .iter()
            .map(|(domain, seen)| (domain.as_str(), seconds(now.saturating_sub(*seen))))
            .collect();
        family(
            out,
            "bundle_age_seconds",
            "Time since the source was last known to stand behind the bundle",
            "trust_domain",
            &ages,
        )?;
        let ignored: Vec<(&str, f64)> = state
            .trust
            .iter()
            .map(|(domain, held)| (domain.as_str(), count(held.bundle.ignored().len())))
            .collect();
        family(
            out,
            "bundle_ignored_keys",
            "Entries of the bundle that are not used; /status says why",
            "trust_domain",
            &ignored,
        )?;
        credentials(out, &self.credentials, now)
    }
}

fn credentials(out: &mut DescriptorEncoder<'_>, store: &credentials::Store, now: u64) -> fmt::Result {
    let all = store.statuses();
    if all.is_empty() {
        return Ok(());
    }
    let sum = |source: &str, of: fn(&CredentialStatus) -> u64| {
        all.iter().filter(|one| one.source == source).map(of).fold(0, u64::saturating_add)
    };
    let sources: BTreeSet<&str> = all.iter().map(|one| one.source.as_str()).collect();
    let mut fetched = out.encode_descriptor(
        "credentials_fetched",
        "Credentials that were fetched, or could not be",
        None,
        MetricType::Counter,
    )?;
    for source in sources {
        for (status, number) in
            [("success", sum(source, |one| one.fetched)), ("failure", sum(source, |one| one.failed))]
        {
            let labels = [("credential_type", source), ("status", status)];
            ConstCounter::new(number).encode(fetched.encode_family(&labels)?)?;
        }
    }
    let states = [
        ("held", CredentialState::Held),
        ("pending", CredentialState::Pending),
        ("missing", CredentialState::Missing),
    ];
    let states =
        states.map(|(name, state)| (name, count(all.iter().filter(|one| one.state == state).count())));
    family(out, "credentials", "Credentials for outgoing requests", "state", &states)?;
    let ends: Vec<(&str, f64)> = all
        .iter()
        .filter_map(|one| Some((one.name.as_str(), one.not_after?.saturating_mul(1000))))
        .map(|(name, end)| (name, seconds(end.saturating_sub(now))))
        .collect();
    family(
        out,
        "credential_expiry_seconds",
        "Time until the credential may not be sent any more",
        "credential",
        &ends,
    )?;
    counter(
        out,
        "credential_requests_refused",
        "Requests for a snapshot that named a key or a credential that is not for the subscriber",
        store.refused(),
    )
}

fn counter(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(out.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(out.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?)
}

fn family(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, f64)],
) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value_of_label, value) in values {
        ConstGauge::new(*value).encode(metric.encode_family(&[(label, *value_of_label)])?)?;
    }
    Ok(())
}

/// Tables are bounded far below the cap.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
