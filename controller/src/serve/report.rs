//! `GET /status`: what is in force here, and which subscriber enforces what. `svidgate status` reads it.

mod keys;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::subscribers::{Subscriber, Subscribers};
use crate::clock;
use crate::credentials::{self, CredentialStatus};
use crate::store::{self, Held, Known, State, Store};
pub use keys::{KeyHolders, RevisionHolders};

/// The whole answer. Times are RFC 3339, ages are seconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of the controller.
    pub version: String,
    /// When this was written.
    pub timestamp: String,
    /// Revision in force; none before the first message of the source.
    pub revision: Option<String>,
    /// How things stand with the SPIFFE Workload API.
    pub workload_api: Source,
    /// Bundles in force, by trust domain.
    pub trust_domains: Vec<TrustDomain>,
    /// Bundles of the last message that were refused, and good ones for which the snapshot has no room; the first
    /// hundred of each.
    pub refused_bundles: Vec<Refused>,
    /// How many there are of both.
    pub refused_bundles_total: usize,
    /// What is revoked.
    #[serde(default)]
    pub revocations: Revocations,
    /// What outgoing requests are given; never a value.
    #[serde(default)]
    pub credentials: Vec<CredentialStatus>,
    /// Sums over the subscribers.
    pub summary: Summary,
    /// The keys in force and those that a subscriber still has, each with how many have it.
    #[serde(default)]
    pub keys: Vec<KeyHolders>,
    /// The revisions that are enforced somewhere, each with what it holds: look up a subscriber's keys by its revision.
    #[serde(default)]
    pub revisions: Vec<RevisionHolders>,
    /// Who asked for snapshots lately.
    pub subscribers: Vec<SubscriberStatus>,
}

/// State of a source.
#[derive(Debug, Serialize, Deserialize)]
pub struct Source {
    /// `connecting`, `up`, `unreadable`, `down`, `no_identity`, `stopped`, or `off` where none is configured.
    pub phase: String,
    /// Since when.
    pub since: Option<String>,
    /// The last error, while there is one.
    pub detail: Option<String>,
}

/// A bundle in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrustDomain {
    /// Its name.
    pub trust_domain: String,
    /// Ids of the keys that verify.
    pub kids: Vec<String>,
    /// Seconds since the source was last known to stand behind it.
    pub observed_age_seconds: f64,
    /// Whether the last message carried it; otherwise it is the last good one.
    pub current: bool,
    /// `spiffe_sequence`, where the bundle has one.
    pub sequence: Option<u64>,
    /// Entries of the bundle that are not used.
    pub ignored_keys: Vec<IgnoredKey>,
}

/// An entry of a bundle that is not used.
#[derive(Debug, Serialize, Deserialize)]
pub struct IgnoredKey {
    /// Its id, where it has one.
    pub kid: Option<String>,
    /// Why.
    pub reason: String,
}

/// A bundle that was refused or left out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The name under which it came.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Whether it is good and only had no room.
    pub left_out: bool,
}

/// The list of revocations.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Keys on it.
    pub kids: usize,
    /// Tokens on it.
    pub jtis: usize,
    /// Subjects on it.
    pub subjects: usize,
    /// When it last changed; none while no list is configured.
    pub changed_at: Option<String>,
    /// What is wrong with the file, while something is.
    pub file_error: Option<String>,
}

/// Sums over the subscribers.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// All of them.
    pub subscribers: usize,
    /// Those that enforce the revision in force.
    pub current: usize,
    /// Those that enforce another one.
    pub behind: usize,
    /// Those that enforce none yet.
    pub without: usize,
    /// Requests for a snapshot that are open now, those of callers that are no subscribers included.
    pub held: usize,
}

/// A subscriber.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubscriberStatus {
    /// Envoy's node id; empty where it has none.
    pub node: String,
    /// Which subscription of that Envoy.
    pub instance: String,
    /// Version of its plugin.
    pub plugin_version: String,
    /// Revision that it enforces, by its own last word.
    pub revision: Option<String>,
    /// Whether that is the revision in force.
    pub current: bool,
    /// Seconds since the sources were last known to stand behind it; none where the subscriber does not say.
    #[serde(default)]
    pub observed_age_seconds: Option<f64>,
    /// Entries of its list of revocations; none where the controller does not know its revision.
    #[serde(default)]
    pub revocations: Option<usize>,
    /// Seconds since it was last heard; 0 while a request is open.
    pub last_seen_seconds: f64,
    /// Requests that are open now.
    pub held: usize,
}

impl Report {
    pub(super) fn of(
        store: &Store,
        credentials: &credentials::Store,
        subscribers: &Subscribers,
        now: u64,
    ) -> Self {
        let state = store.state();
        let revision = store.revision().map(|revision| revision.as_str().to_owned());
        let held = subscribers.held();
        let known = store.known();
        let known: BTreeMap<&str, &Known> =
            known.iter().map(|known| (known.revision.as_str(), known.as_ref())).collect();
        let subscribers: Vec<SubscriberStatus> = subscribers
            .list(now)
            .into_iter()
            .map(|subscriber| subscriber_status(subscriber, &revision, &known, now))
            .collect();
        let revisions = keys::revisions(&subscribers, &known, revision.as_deref());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            timestamp: clock::rfc3339(now),
            workload_api: Source {
                phase: state.phase.as_str().to_owned(),
                since: (state.since > 0).then(|| clock::rfc3339(state.since)),
                detail: state.detail.clone(),
            },
            trust_domains: trust_domains(&state, now),
            refused_bundles: refused(&state.refused, false).chain(refused(&state.left_out, true)).collect(),
            refused_bundles_total: state.refused.len().saturating_add(state.left_out.len()),
            revocations: revocations(&state),
            credentials: credentials.statuses(),
            summary: Summary::of(&subscribers, held),
            keys: keys::keys(&state, &revisions),
            revisions,
            revision,
            subscribers,
        }
    }
}

impl Summary {
    /// The sums alone, for who needs no more.
    pub(super) fn now(store: &Store, subscribers: &Subscribers, now: u64) -> Self {
        let revision = store.revision().map(|revision| revision.as_str().to_owned());
        let held = subscribers.held();
        let rows = subscribers.list(now).into_iter();
        let rows: Vec<_> =
            rows.map(|subscriber| subscriber_status(subscriber, &revision, &BTreeMap::new(), now)).collect();
        Self::of(&rows, held)
    }

    fn of(subscribers: &[SubscriberStatus], held: usize) -> Self {
        let count = |wanted: fn(&SubscriberStatus) -> bool| {
            subscribers.iter().filter(|subscriber| wanted(subscriber)).count()
        };
        Self {
            subscribers: subscribers.len(),
            current: count(|s| s.current),
            behind: count(|s| !s.current && s.revision.is_some()),
            without: count(|s| s.revision.is_none()),
            held,
        }
    }
}

fn refused(bundles: &[store::Refused], left_out: bool) -> impl Iterator<Item = Refused> {
    bundles.iter().take(MAX_REFUSED).map(move |bundle| Refused {
        name: bundle.name.clone(),
        reason: bundle.reason.clone(),
        left_out,
    })
}

fn trust_domains(state: &State, now: u64) -> Vec<TrustDomain> {
    let observed = state.observed().unwrap_or_default();
    state
        .trust
        .iter()
        .map(|(domain, held)| {
            let seen = observed.domains.get(domain).copied().unwrap_or(now);
            trust_domain(domain.as_str(), held, seconds(now.saturating_sub(seen)))
        })
        .collect()
}

fn trust_domain(name: &str, held: &Held, observed_age_seconds: f64) -> TrustDomain {
    let bundle = &held.bundle;
    TrustDomain {
        trust_domain: name.to_owned(),
        kids: bundle.kids().map(|kid| kid.to_string()).collect(),
        observed_age_seconds,
        current: held.current,
        sequence: bundle.sequence(),
        ignored_keys: bundle
            .ignored()
            .iter()
            .map(|ignored| IgnoredKey { kid: ignored.kid.clone(), reason: ignored.reason.to_string() })
            .collect(),
    }
}

fn revocations(state: &State) -> Revocations {
    let Some(revoked) = &state.revoked else { return Revocations::default() };
    let counts = revoked.list.counts();
    Revocations {
        kids: counts.kids,
        jtis: counts.jtis,
        subjects: counts.subjects,
        changed_at: (revoked.changed_at > 0).then(|| clock::rfc3339(revoked.changed_at)),
        file_error: revoked.file_error.clone(),
    }
}

fn subscriber_status(
    subscriber: Subscriber,
    in_force: &Option<String>,
    known: &BTreeMap<&str, &Known>,
    now: u64,
) -> SubscriberStatus {
    let revision = subscriber.revision.map(|revision| revision.as_str().to_owned());
    let known = revision.as_deref().and_then(|revision| known.get(revision));
    SubscriberStatus {
        current: revision.is_some() && revision == *in_force,
        observed_age_seconds: subscriber.observed_at.map(|at| seconds(now.saturating_sub(at))),
        revocations: known.map(|known| known.revocations),
        node: subscriber.node,
        instance: subscriber.instance,
        plugin_version: subscriber.plugin_version,
        revision,
        last_seen_seconds: seconds(now.saturating_sub(subscriber.last_seen)),
        held: subscriber.held,
    }
}

pub(super) fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

/// A message may have very many.
const MAX_REFUSED: usize = 100;
