use std::collections::BTreeMap;

use svidgate_jwt_svid::TrustDomain;

use crate::error::SnapshotError;
use crate::snapshot::{Observed, Snapshot};

/// What [`Snapshot::merge`] made of a held and a received snapshot.
#[derive(Debug)]
pub struct Merged {
    /// The state to enforce from now on.
    pub snapshot: Snapshot,
    /// Trust domains for which the received state was older than the held one and therefore not taken.
    pub kept: Vec<TrustDomain>,
}

impl Snapshot {
    /// Takes `received` into the held state, trust domain by trust domain, and never backwards: behind a load
    /// balancer the next answer may come from a replica of the controller that lags, and must not bring a revoked
    /// key or a removed domain back.
    ///
    /// For each domain the state with the later observation wins, the received one on a tie. Absence counts as
    /// observed at `observed.at` of the snapshot that lacks the domain.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the merged content cannot be written as JSON.
    pub fn merge(self, received: Snapshot) -> Result<Merged, SnapshotError> {
        let (mut held, held_observed) = self.into_parts();
        let (received, received_observed) = received.into_parts();
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
        Ok(Merged { snapshot: Self::new(trust, Observed { at, domains })?, kept })
    }
}
