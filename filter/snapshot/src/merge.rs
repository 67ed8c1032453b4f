use std::collections::BTreeMap;

use svidgate_jwt_svid::TrustDomain;

use crate::credentials::SealedCredentials;
use crate::error::SnapshotError;
use crate::snapshot::{Observed, Snapshot};

/// What [`Snapshot::merge`] made of a held and a received snapshot.
#[derive(Debug)]
pub struct Merged {
    /// The state to enforce from now on.
    pub snapshot: Snapshot,
    /// Trust domains for which the received state was older than the held one and therefore not taken.
    pub kept: Vec<TrustDomain>,
    /// Whether the received list of revocations was older than the held one and therefore not taken.
    pub kept_revocations: bool,
    /// Whether the received credentials were older than the held ones and therefore not taken.
    pub kept_credentials: bool,
}

impl Snapshot {
    /// Takes `received` into the held state, part by part, and never backwards: behind a load balancer the next answer
    /// may come from a replica of the controller that lags, and must not bring a revoked key or a removed domain back.
    ///
    /// For each domain the state with the later observation wins, the received one on a tie. Absence counts as
    /// observed at `observed.at` of the snapshot that lacks the domain.
    ///
    /// The list of revocations is one part, taken whole, by `observed.revoked`. This is the moment at which the list
    /// last *changed*, and not that of its last confirmation as for trust: a controller always stands behind its
    /// own list, so a confirmation would say nothing, and a replica with an older list would win just by being asked
    /// later. The later change wins, an empty list as well as any other; the received one on a tie, by which
    /// expired tokens leave the list, for dropping them is no change that it tells.
    ///
    /// A received snapshot without `observed.revoked` comes from a controller that has no list, and so knows of no
    /// revocation *and* of no pardon: the held list stays. Were that read as an empty list, a controller
    /// replaced by one that lacks the setting would let every revoked token in again. The price is that a list
    /// ends only by a later list: an empty one, told by a controller that has the setting. To keep too much
    /// refuses a token, to keep too little admits one.
    ///
    /// The credentials are one part as well, by the time at which they last changed. A snapshot without that section comes
    /// from a controller that does not know what credentials are, and changes nothing. The caller opens both before:
    /// their times are believed here.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the merged content cannot be written as JSON.
    pub fn merge(self, received: Snapshot) -> Result<Merged, SnapshotError> {
        let (mut held, held_revoked, held_observed, held_credentials) = self.into_parts();
        let (received, received_revoked, received_observed, received_credentials) = received.into_parts();
        let mut trust = BTreeMap::new();
        let mut domains = BTreeMap::new();
        let mut kept = Vec::new();

        for (domain, bundle) in received {
            let received_at = received_observed.domains.get(&domain).copied().unwrap_or(received_observed.at);
            let held_at = held_observed.domains.get(&domain).copied().unwrap_or(held_observed.at);
            let held_bundle = held.remove(&domain);
            let (winner, at) = if received_at >= held_at {
                (Some(bundle), received_at)
            } else {
                kept.push(domain.clone());
                (held_bundle, held_at)
            };
            if let Some(winner) = winner {
                domains.insert(domain.clone(), at);
                trust.insert(domain, winner);
            }
        }
        for (domain, bundle) in held {
            let held_at = held_observed.domains.get(&domain).copied().unwrap_or(held_observed.at);
            if held_at > received_observed.at {
                kept.push(domain.clone());
                domains.insert(domain.clone(), held_at);
                trust.insert(domain, bundle);
            }
        }

        let at = held_observed.at.max(received_observed.at);
        // No time is older than any.
        let takes_list = received_observed.revoked >= held_observed.revoked;
        let (list, revoked) = if takes_list {
            (received_revoked, received_observed.revoked)
        } else {
            (held_revoked, held_observed.revoked)
        };
        let kept_revocations = !takes_list && received_observed.revoked.is_some();
        let was_received = received_credentials.is_some();
        let changed_at =
            |section: &Option<SealedCredentials>| section.as_ref().map(SealedCredentials::changed_at);
        // No section is older than any.
        let takes_credentials = changed_at(&received_credentials) >= changed_at(&held_credentials);
        let credentials = if takes_credentials { received_credentials } else { held_credentials };
        let snapshot = Self::assemble(trust, list, Observed { at, domains, revoked })?.carrying(credentials);
        Ok(Merged { snapshot, kept, kept_revocations, kept_credentials: was_received && !takes_credentials })
    }

    /// This snapshot, with the revocations of `held` as of `at` (Unix milliseconds) if it says nothing of its own: for
    /// a reader that must give up the held state's times, as they lie in the future, but not its revocations. Its
    /// credentials are given up with it: without them requests are refused, and the next answer brings them.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the content cannot be written as JSON.
    pub fn or_revocations_of(self, held: Snapshot, at: u64) -> Result<Snapshot, SnapshotError> {
        let (_, list, held_observed, _) = held.into_parts();
        if self.observed().revoked.is_some() || held_observed.revoked.is_none() {
            return Ok(self);
        }
        let (trust, _, observed, credentials) = self.into_parts();
        let observed = Observed { revoked: held_observed.revoked.map(|held| held.min(at)), ..observed };
        Ok(Self::assemble(trust, list, observed)?.carrying(credentials))
    }
}
