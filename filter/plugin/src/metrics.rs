//! Names of the plugin's metrics. All of them are known when the plugin is configured: Envoy's stats never expire, so
//! nothing that a caller can choose becomes a name or a label (checklist V16).
//!
//! Labels are written into the name as `label=.=value;.;` before it; Envoy's `stats_tags` turn them into tags, as
//! the shipped bootstraps show.

use svidgate_policy::{Outcome, Reason};

use crate::trust::Refusal;

/// A counter of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// A request was decided: let in, or refused with this outcome.
    Attempt(Option<Outcome>),
    /// A request was refused for this reason.
    Failure(Reason),
    /// A header or trailer that an upstream could take for the verified identity was removed.
    HeaderStripped,
    /// A snapshot with other content came into force in a VM.
    SnapshotApplied,
    /// A snapshot was not taken, or only in part.
    SnapshotRefused(&'static str),
}

impl Counter {
    /// Every counter with its labels.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Attempt(None), Self::HeaderStripped, Self::SnapshotApplied]
            .into_iter()
            .chain(Outcome::ALL.map(Some).map(Self::Attempt))
            .chain(Reason::all().map(Self::Failure))
            .chain(Refusal::labels().chain([ROLLBACK]).map(Self::SnapshotRefused))
    }

    /// The name by which Envoy knows it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Attempt(outcome) => {
                let status = outcome.map_or("allowed", Outcome::as_str);
                format!("status=.={status};.;svidgate_auth_attempts_total")
            }
            Self::Failure(reason) => format!("reason=.={};.;svidgate_auth_failures_total", reason.as_str()),
            Self::HeaderStripped => "svidgate_identity_headers_stripped_total".to_owned(),
            Self::SnapshotApplied => "svidgate_snapshots_applied_total".to_owned(),
            Self::SnapshotRefused(reason) => format!("reason=.={reason};.;svidgate_snapshots_refused_total"),
        }
    }
}

/// Label for a snapshot of which some trust domains were older than what is held.
pub const ROLLBACK: &str = "rollback";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Counter;

    #[test]
    fn v16_metric_names_are_a_fixed_set_of_distinct_names() {
        let names: BTreeSet<_> = Counter::all().map(Counter::name).collect();
        assert_eq!(names.len(), Counter::all().count());
        assert!(names.len() < 100, "each is allocated once in every VM");
    }
}
