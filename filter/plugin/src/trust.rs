//! One worker's view of whom to trust: the last good snapshot, parsed once.

use std::time::Duration;

use svidgate_jwt_svid::{Bundle, BundleLimits, BundleSet, TrustDomain};
use svidgate_snapshot::{Limits, MAX_BUNDLE_BYTES, MAX_BUNDLE_KEYS, Revocations, Snapshot, SnapshotError};

use crate::outgoing::{HeldCredentials, Section, Wanted};
use crate::shared_data::SharedData;
use crate::subscription::{Board, Epoch, Loaded};

/// Trust bundles and revocations in force in this VM. A bad update never replaces a good state.
#[derive(Debug, Default)]
pub struct Trust {
    snapshot: Option<Snapshot>,
    bundles: BundleSet,
    revocations: Revocations,
    epoch: Option<Epoch>,
    credentials: HeldCredentials,
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
    /// It is in force in this VM, but could not be posted for the others.
    NotPosted,
}

/// What taking a snapshot did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// Other keys, domains or revocations are in force now.
    Changed,
    /// The same content was confirmed at a later time.
    Confirmed,
    /// At least one trust domain or the list of revocations kept its state, because the snapshot's was older.
    PartlyOlder,
    /// Its credentials did not open with our key, and those of before stay; all else of it is in force.
    CredentialsRefused,
}

impl Trust {
    /// Trust that asks for credentials as well.
    #[must_use]
    pub fn wanting(credentials: Option<Wanted>) -> Self {
        Self { credentials: HeldCredentials::new(credentials), ..Self::default() }
    }

    /// Takes `received` into the state in force, never backwards in time. `now` is Unix time in milliseconds.
    ///
    /// # Errors
    /// A [`Refusal`]; then nothing has changed.
    pub fn adopt(&mut self, received: Snapshot, now: u64) -> Result<Adopted, Refusal> {
        let (received, section) = self.credentials.open(received);
        if is_from_the_future(&received, now) {
            return Err(Refusal::Future);
        }
        let are_refused = matches!(section, Section::Refused);
        // A held state from the future was observed by a clock that has stepped back since. Its times say nothing; were
        // they believed, a key revoked since then would stay until the clock comes there again. What was revoked by then
        // stays revoked, unless the received state says otherwise.
        let (next, kept) = match self.snapshot.clone() {
            None => (received, false),
            Some(held) if is_from_the_future(&held, now) => {
                (received.or_revocations_of(held, now).map_err(refused)?, false)
            }
            Some(held) => {
                let merged = held.merge(received).map_err(refused)?;
                (merged.snapshot, !merged.kept.is_empty() || merged.kept_revocations)
            }
        };
        let same = self.snapshot.as_ref().is_some_and(|held| held.revision() == next.revision());
        if !same {
            let (bundles, revocations) = (self.parse_bundles(&next)?, self.parse_revocations(&next)?);
            self.bundles = bundles;
            if let Some(revocations) = revocations {
                self.revocations = revocations;
            }
        }
        let same = !self.credentials.take(&next, section) && same;
        self.snapshot = Some(next);
        Ok(match (same, kept) {
            _ if are_refused => Adopted::CredentialsRefused,
            (_, true) => Adopted::PartlyOlder,
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
        let (epoch, taken) = match board.load(shared) {
            Loaded::Nothing => return Ok(None),
            Loaded::Garbage(epoch) => (epoch, Err(Refusal::Snapshot("malformed"))),
            Loaded::Bytes(epoch, bytes) => {
                self.epoch = Some(epoch);
                (Some(epoch), Self::decode(&bytes).and_then(|snapshot| self.adopt(snapshot, now)))
            }
        };
        if matches!(taken, Err(_) | Ok(Adopted::CredentialsRefused)) {
            board.retract(shared, epoch);
        }
        taken.map(Some)
    }

    /// Decodes a snapshot within the plugin's limits.
    ///
    /// # Errors
    /// A [`Refusal`] with the label of what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, Refusal> {
        Snapshot::decode(bytes, &LIMITS).map_err(refused)
    }

    /// Makes the state in force that of the board, for all VMs to read, as `writer`. `false` when the board's state
    /// could not be brought together with ours; ours stays in force here.
    pub fn post(&mut self, shared: &impl SharedData, board: &Board, writer: u64, now: u64) -> bool {
        for _ in 0..POST_ATTEMPTS {
            let snapshot = self.snapshot.as_ref().filter(|snapshot| !is_from_the_future(snapshot, now));
            let Some(Ok(bytes)) = snapshot.map(|snapshot| snapshot.encode(&LIMITS)) else { return false };
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

    /// What is refused although it verifies; to be asked for each request, cached tokens too (checklist P2).
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The credentials in force.
    #[must_use]
    pub fn credentials(&self) -> &HeldCredentials {
        &self.credentials
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
        let age = match observed {
            Some(observed) if *observed <= now.saturating_add(MAX_CLOCK_AHEAD) => {
                now.saturating_sub(*observed)
            }
            _ => return true,
        };
        u128::from(age) > max.as_millis()
    }

    /// The bundles of `next`. Only those whose text changed are parsed: this runs in the request path of each worker,
    /// and one trust domain must not make it pay for all of them at each of its changes.
    fn parse_bundles(&self, next: &Snapshot) -> Result<BundleSet, Refusal> {
        let mut bundles = BundleSet::default();
        for (domain, bundle) in next.trust() {
            let held = self.snapshot.as_ref().and_then(|held| held.trust().get(domain));
            let parsed = match (held, self.bundles.get(domain)) {
                (Some(held), Some(parsed)) if held.jwks() == bundle.jwks() => parsed.clone(),
                _ => Bundle::from_jwks(bundle.jwks().as_bytes(), &BUNDLE_LIMITS)
                    .map_err(|_| Refusal::Bundle)?,
            };
            bundles.insert(domain.clone(), parsed);
        }
        Ok(bundles)
    }

    /// The revocations of `next`, or `None` if they are those in force: a list is long, and a rotation does not change it.
    fn parse_revocations(&self, next: &Snapshot) -> Result<Option<Revocations>, Refusal> {
        if self.snapshot.as_ref().is_some_and(|held| held.revokes_the_same_as(next)) {
            return Ok(None);
        }
        next.revocations(&LIMITS).map(Some).map_err(refused)
    }
}

fn refused(error: SnapshotError) -> Refusal {
    Refusal::Snapshot(error.label())
}

impl Refusal {
    /// Name in metrics: one of [`Self::LABELS`].
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Snapshot(label) => label,
            Self::Bundle => "bundle",
            Self::Future => "future",
            Self::NotPosted => "not_posted",
        }
    }

    /// Every label.
    pub fn labels() -> impl Iterator<Item = &'static str> {
        SnapshotError::LABELS
            .into_iter()
            .chain([Self::Bundle, Self::Future, Self::NotPosted].map(Self::label))
    }
}

fn is_from_the_future(snapshot: &Snapshot, now: u64) -> bool {
    snapshot.latest_observation() > now.saturating_add(MAX_CLOCK_AHEAD)
}

/// How far a controller's clock may run ahead of Envoy's, in milliseconds.
pub const MAX_CLOCK_AHEAD: u64 = 60_000;
/// Also the most that is read of a controller's answer.
pub const LIMITS: Limits = Limits::AGREED;
/// As the controller keeps them: a bundle beyond them comes from no controller of ours.
const BUNDLE_LIMITS: BundleLimits = BundleLimits {
    max_bytes: MAX_BUNDLE_BYTES,
    max_keys: MAX_BUNDLE_KEYS,
    max_trust_domains: LIMITS.max_trust_domains,
};
const POST_ATTEMPTS: usize = 8;

#[cfg(test)]
pub(crate) mod tests;
