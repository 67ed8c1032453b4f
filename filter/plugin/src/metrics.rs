//! Names of the plugin's metrics. All of their labels are known when the plugin is configured: Envoy's stats never
//! expire, so nothing that a caller can choose becomes a name or a label (checklist V16).
//!
//! Labels are written into the name as `label=.=value;.;` before it; Envoy's `stats_tags` turn them into tags, as
//! the shipped bootstraps show.

use crate::config::Config;
use crate::crypto::Checked;
use svidgate_jwt_svid::CacheUse;
use svidgate_policy::{Outcome, Passage, Policy, Reason, Verdict};

/// A counter of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// A request was decided by this rule.
    Attempt(Option<usize>, Status),
    /// A request was refused for this reason, or would have been.
    Failure(Option<usize>, Reason),
    /// A call of a gRPC method that a rule names.
    GrpcAttempt(GrpcLabel, Status),
    /// A refused one.
    GrpcFailure(GrpcLabel, Reason),
    /// A request passed because `fail_open` is set.
    FailedOpen,
    /// A header or trailer that an upstream could take for the verified identity was removed.
    HeaderStripped,
    /// A token was found in the cache, with what is needed to let it in.
    CacheHit,
    /// A token was not in the cache.
    CacheMiss,
    /// A signature was checked, or was to be.
    SignatureCheck(Checked),
    /// A snapshot with other content came into force in a VM.
    SnapshotApplied,
    /// A snapshot was not taken, or only in part.
    SnapshotRefused(&'static str),
    /// What an outgoing rule did to a request: `set`, `kept`, or why it was refused.
    Outgoing(usize, &'static str),
}

/// A gauge of the plugin: the last writer of all VMs wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gauge {
    /// Seconds since the bundle that was confirmed longest ago was confirmed.
    BundleAge,
    /// The first 32 bits of the revision in force, as a number.
    Revision,
    /// Tokens that a worker keeps.
    CacheEntries,
    /// Bytes that they take.
    CacheBytes,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It was let in.
    Allowed,
    /// It was let in although it would have been refused.
    Audited,
    /// It was let in although it could not be judged.
    FailedOpen,
    /// It was refused.
    Refused(Outcome),
}

/// Which declared gRPC method: rule, service in it, method in that; no method where the rule takes the whole service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcLabel {
    rule: usize,
    service: usize,
    method: Option<usize>,
}

impl Status {
    /// What a verdict comes to.
    #[must_use]
    pub fn of(verdict: &Verdict<'_>) -> Self {
        match &verdict.outcome {
            Ok(Passage::Open | Passage::Preflight | Passage::Admitted(_)) => Self::Allowed,
            Ok(Passage::Audited(_)) => Self::Audited,
            Ok(Passage::FailedOpen(_)) => Self::FailedOpen,
            Err(denial) => Self::Refused(denial.outcome()),
        }
    }

    /// The label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Audited => "audited",
            Self::FailedOpen => "failed_open",
            Self::Refused(outcome) => outcome.as_str(),
        }
    }
}

impl GrpcLabel {
    /// The label for a request that a rule about gRPC methods has decided.
    #[must_use]
    pub fn of(verdict: &Verdict<'_>) -> Option<Self> {
        let (rule, grpc) = (verdict.position?, &verdict.rule?.matches.grpc);
        if grpc.is_empty() {
            return None;
        }
        let mut segments = verdict.path.as_ref()?.segments();
        let (service, method, None) = (segments.next()?, segments.next()?, segments.next()) else {
            return None;
        };
        grpc.iter().enumerate().filter(|(_, declared)| declared.service == service).find_map(
            |(at, declared)| {
                let label = |method| Self { rule, service: at, method };
                if declared.methods.is_empty() {
                    return Some(label(None));
                }
                declared.methods.iter().position(|name| name == method).map(|method| label(Some(method)))
            },
        )
    }

    fn name(self, policy: &Policy) -> Option<String> {
        let declared = policy.rules().get(self.rule)?.matches.grpc.get(self.service)?;
        let method = match self.method {
            Some(method) => declared.methods.get(method)?,
            None => "*",
        };
        Some(format!("{}/{method}", declared.service))
    }
}

impl Counter {
    /// What the cache was good for.
    #[must_use]
    pub fn of_cache(cache_use: CacheUse) -> Option<Self> {
        match cache_use {
            CacheUse::Hit => Some(Self::CacheHit),
            CacheUse::Miss => Some(Self::CacheMiss),
            CacheUse::Off => None,
        }
    }

    /// The name by which Envoy knows it; none for a rule that `config` has not.
    #[must_use]
    pub fn name(self, config: &Config) -> Option<String> {
        let policy = &config.settings.policy;
        let rule = |position: Option<usize>| match position {
            Some(position) => policy.rules().get(position).map(|rule| rule.name.as_str()),
            None => Some(NO_RULE),
        };
        Some(match self {
            Self::Attempt(position, status) => {
                format!(
                    "rule=.={};.;status=.={};.;svidgate_auth_attempts_total",
                    rule(position)?,
                    status.as_str()
                )
            }
            Self::Failure(position, reason) => {
                format!(
                    "rule=.={};.;reason=.={};.;svidgate_auth_failures_total",
                    rule(position)?,
                    reason.as_str()
                )
            }
            Self::GrpcAttempt(label, status) => {
                format!(
                    "method=.={};.;status=.={};.;grpc_auth_attempts_total",
                    label.name(policy)?,
                    status.as_str()
                )
            }
            Self::GrpcFailure(label, reason) => {
                format!(
                    "method=.={};.;reason=.={};.;grpc_auth_failures_total",
                    label.name(policy)?,
                    reason.as_str()
                )
            }
            Self::FailedOpen => "svidgate_fail_open_total".to_owned(),
            Self::HeaderStripped => "svidgate_identity_headers_stripped_total".to_owned(),
            Self::CacheHit => "svidgate_token_cache_hits_total".to_owned(),
            Self::CacheMiss => "svidgate_token_cache_misses_total".to_owned(),
            Self::SignatureCheck(Checked::By(backend)) => {
                format!("backend=.={};.;svidgate_signature_checks_total", backend.as_str())
            }
            Self::SignatureCheck(Checked::HostFailed) => "svidgate_host_crypto_failures_total".to_owned(),
            Self::SignatureCheck(Checked::HostMissing) => "svidgate_host_crypto_missing_total".to_owned(),
            Self::SnapshotApplied => "svidgate_snapshots_applied_total".to_owned(),
            Self::SnapshotRefused(reason) => format!("reason=.={reason};.;svidgate_snapshots_refused_total"),
            Self::Outgoing(rule, status) => {
                let credential = &config.outgoing.as_ref()?.rules().get(rule)?.credential;
                format!("credential=.={credential};.;status=.={status};.;svidgate_outgoing_total")
            }
        })
    }
}

impl Gauge {
    /// The name by which Envoy knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BundleAge => "svidgate_bundle_age_seconds",
            Self::Revision => "svidgate_snapshot_revision",
            Self::CacheEntries => "svidgate_token_cache_entries",
            Self::CacheBytes => "svidgate_token_cache_bytes",
        }
    }
}

/// Label for a snapshot of which some trust domains were older than what is held.
pub const ROLLBACK: &str = "rollback";
/// Label for credentials that do not open; the snapshot that they came with is in force.
pub const CREDENTIALS: &str = "credentials";
/// Label for requests that no rule is about; no rule can have it as its name.
const NO_RULE: &str = "none";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use svidgate_policy::{Outcome, Passage, Path, Reason, Verdict};

    use super::{Counter, GrpcLabel, Status};
    use crate::config::Config;

    fn config() -> Config {
        let text = r#"{"audiences": ["b.test"], "rules": [
            {"name": "grpc", "match": {"grpc": [{"service": "hive.Registry", "methods": ["Get", "Put"]}, {"service": "hive.Open"}]},
             "require": "jwt", "trust_domains": ["a.test"]},
            {"name": "rest", "match": {"paths": ["/**"]}, "require": "none"}]}"#;
        Config::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn v16_labels_come_from_the_configuration_and_closed_lists() {
        let config = config();
        let mut names = BTreeSet::new();
        let mut count = 0;
        let statuses = [Status::Allowed, Status::Audited, Status::FailedOpen]
            .into_iter()
            .chain(Outcome::ALL.map(Status::Refused));
        for rule in [None, Some(0), Some(1)] {
            let attempts = statuses.clone().map(|status| Counter::Attempt(rule, status));
            for counter in attempts.chain(Reason::all().map(|reason| Counter::Failure(rule, reason))) {
                count += 1;
                names.insert(counter.name(&config).unwrap());
            }
        }
        assert_eq!(names.len(), count);
        assert!(names.contains("rule=.=rest;.;status=.=allowed;.;svidgate_auth_attempts_total"));
        assert!(names.contains("rule=.=none;.;reason=.=no_rule;.;svidgate_auth_failures_total"));
        assert_eq!(Counter::Attempt(Some(2), Status::Allowed).name(&config), None);
    }

    #[test]
    fn v16_only_declared_grpc_methods_become_labels() {
        let config = config();
        let policy = &config.settings.policy;
        let name = |rule, path: &str| {
            let verdict = Verdict {
                rule: policy.rules().get(rule),
                position: Some(rule),
                path: Path::parse(path).ok(),
                outcome: Ok(Passage::Open),
            };
            let label = GrpcLabel::of(&verdict)?;
            Counter::GrpcAttempt(label, Status::Allowed).name(&config)
        };
        let expected =
            |method: &str| Some(format!("method=.={method};.;status=.=allowed;.;grpc_auth_attempts_total"));
        assert_eq!(name(0, "/hive.Registry/Put?x"), expected("hive.Registry/Put"));
        assert_eq!(name(0, "/hive.Registry/P%75t/"), expected("hive.Registry/Put"));
        assert_eq!(name(0, "/hive.Open/Anything"), expected("hive.Open/*"));
        assert_eq!(name(0, "/hive.Registry/Else"), None);
        assert_eq!(name(1, "/hive.Registry/Put"), None);
    }
}
