//! One worker's view of whom to trust: the last good snapshot, parsed once.

use std::time::Duration;

use svidgate_jwt_svid::{Bundle, BundleLimits, BundleSet, TrustDomain};
use svidgate_snapshot::{Limits, Snapshot, SnapshotError};

use crate::shared_data::SharedData;
use crate::subscription::{Board, Epoch, Loaded};

/// Trust bundles in force in this VM. A bad update never replaces a good state.
#[derive(Debug, Default)]
pub struct Trust {
    snapshot: Option<Snapshot>,
    bundles: BundleSet,
    epoch: Option<Epoch>,
}

/// Why a snapshot was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It did not decode; the label of the [`SnapshotError`].
    Snapshot(&'static str),
    /// The JWK set of a trust domain is no JWK set, or over a limit.
    Bundle,
    /// It claims to have been observed in the future, by more than [`MAX_CLOCK_AHEAD`]: it could never be replaced.
    Future,
}

/// What taking a snapshot did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Other keys or domains are in force now.
    Changed,
    /// The same content was confirmed at a later time.
    Confirmed,
    /// At least one trust domain kept its state, because the snapshot's was older.
    PartlyOlder,
}

impl Trust {
    /// Takes `received` into the state in force, never backwards in time. `now` is Unix time in milliseconds.
    ///
    /// # Errors
    /// A [`Refusal`]; then nothing has changed.
    pub fn adopt(&mut self, received: Snapshot, now: u64) -> Result<Adopted, Refusal> {
        if received.latest_observation() > now.saturating_add(MAX_CLOCK_AHEAD) {
            return Err(Refusal::Future);
        }
        let (next, kept) = match self.snapshot.clone() {
            None => (received, 0),
            Some(held) => {
                let merged = held.merge(received).map_err(|error| Refusal::Snapshot(error.label()))?;
                (merged.snapshot, merged.kept.len())
            }
        };
        let same = self.snapshot.as_ref().is_some_and(|held| held.revision() == next.revision());
        if !same {
            self.bundles = parse_bundles(&next)?;
        }
        self.snapshot = Some(next);
        Ok(match (same, kept) {
            (_, 1..) => Adopted::PartlyOlder,
            (true, _) => Adopted::Confirmed,
            (false, _) => Adopted::Changed,
        })
    }

    /// Reads the board if it has moved since the last look. `Ok(None)` when there was nothing new.
    ///
    /// # Errors
    /// A [`Refusal`] when what hangs there is bad. The last good state stays in force, and the bad posting is taken
    /// down, upon which the holder of the lease posts again.
    pub fn refresh(
        &mut self,
        shared: &impl SharedData,
        board: &Board,
        now: u64,
    ) -> Result<Option<Adopted>, Refusal> {
        let epoch = board.epoch(shared);
        if epoch.is_some() && epoch == self.epoch {
            return Ok(None);
        }
        let taken = match board.load(shared) {
            Loaded::Nothing => return Ok(None),
            Loaded::Garbage => Err(Refusal::Snapshot("malformed")),
            Loaded::Bytes(epoch, bytes) => {
                self.epoch = Some(epoch);
                Self::decode(&bytes).and_then(|snapshot| self.adopt(snapshot, now)).map(Some)
            }
        };
        if taken.is_err() {
            board.retract(shared, board.epoch(shared));
        }
        taken
    }

    /// Decodes a snapshot within the plugin's limits.
    ///
    /// # Errors
    /// A [`Refusal`] with the label of what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, Refusal> {
        Snapshot::decode(bytes, &LIMITS).map_err(|error| Refusal::Snapshot(error.label()))
    }

    /// Makes the state in force that of the board, for all VMs to read, as `writer`. `false` when the board's state
    /// could not be brought together with ours; ours stays in force here.
    pub fn post(&mut self, shared: &impl SharedData, board: &Board, writer: u64, now: u64) -> bool {
        for _ in 0..POST_ATTEMPTS {
            let Some(Ok(bytes)) = self.snapshot.as_ref().map(|snapshot| snapshot.encode(&LIMITS)) else {
                return false;
            };
            if let Some(epoch) = board.post(shared, writer, self.epoch, &bytes) {
                self.epoch = Some(epoch);
                return true;
            }
            // Somebody else posted: bring both together. A posting that is bad is overwritten.
            let _ = self.refresh(shared, board, now);
        }
        false
    }

    /// The bundles to verify against, or `None` while there are none at all.
    #[must_use]
    pub fn bundles(&self) -> Option<&BundleSet> {
        (!self.bundles.is_empty()).then_some(&self.bundles)
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Whether the bundle of `domain` was last confirmed more than `max` before `now` (Unix milliseconds; P12).
    #[must_use]
    pub fn is_stale(&self, domain: &TrustDomain, max: Duration, now: u64) -> bool {
        let observed = self.snapshot.as_ref().and_then(|snapshot| snapshot.observed().domains.get(domain));
        let age = observed.map_or(u64::MAX, |observed| now.saturating_sub(*observed));
        u128::from(age) > max.as_millis()
    }
}

impl Refusal {
    /// Name in metrics: one of [`Self::LABELS`].
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Snapshot(label) => label,
            Self::Bundle => "bundle",
            Self::Future => "future",
        }
    }

    /// Every label.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        SnapshotError::LABELS.into_iter().chain([Self::Bundle.label(), Self::Future.label()])
    }
}

fn parse_bundles(snapshot: &Snapshot) -> Result<BundleSet, Refusal> {
    let limits = BundleLimits::default();
    let mut bundles = BundleSet::default();
    for (domain, bundle) in snapshot.trust() {
        let parsed = Bundle::from_jwks(bundle.jwks().as_bytes(), &limits).map_err(|_| Refusal::Bundle)?;
        bundles.insert(domain.clone(), parsed);
    }
    Ok(bundles)
}

/// How far a controller's clock may run ahead of Envoy's, in milliseconds.
pub const MAX_CLOCK_AHEAD: u64 = 60_000;
/// Also the most that is read of a controller's answer.
pub const LIMITS: Limits = Limits { max_bytes: 1024 * 1024, max_trust_domains: 1000 };
const POST_ATTEMPTS: usize = 8;

#[cfg(test)]
pub(crate) mod tests;
