//! A snapshot of the state, or of as much of it as fits.
//!
//! Revocations are always in it. Their list is checked against its own share of a snapshot before it comes here, so that
//! trust has the rest to itself however long the list is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::body::Bytes;
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{Limits, Observed, Snapshot, SnapshotError, TrustBundle};

use super::{Encoded, Revoked, State};

/// Encodes the state. Trust domains for which there is no room are taken out of it: the largest first, then by name,
/// and our own last, however large. A trust domain that grows thereby pushes out itself, and none can keep the others
/// from changing.
///
/// Revocations are never taken out of it.
///
/// `None` before the first answer of the source.
///
/// # Errors
/// [`SnapshotError::Malformed`], and any other when not even an empty state fits.
pub(super) fn encode(state: &mut State, limits: &Limits) -> Result<Option<Arc<Encoded>>, SnapshotError> {
    let Some(observed) = state.observed() else { return Ok(None) };
    let mut trust = BTreeMap::new();
    for (domain, held) in &state.trust {
        let bundle = &held.bundle;
        let section = TrustBundle::new(&bundle.jwks(), bundle.sequence(), bundle.refresh_hint(), SOURCE)?;
        trust.insert(domain.clone(), section);
    }
    let revoked = state.revoked.clone();
    let try_encode = |trust: &_| try_encode(trust, &observed, revoked.as_ref(), limits);
    let mut error = match try_encode(&trust) {
        Err(error @ (SnapshotError::TooLarge { .. } | SnapshotError::TooManyTrustDomains { .. })) => error,
        result => return result.map(Some),
    };
    let mut sizes = BTreeMap::new();
    for (domain, section) in &trust {
        sizes.insert(domain.clone(), size(domain, section)?);
    }
    let reason = format!("no room: {error}, and the largest are left out first");
    let list = match &revoked {
        Some(revoked) => size_of_json(&*revoked.list)?,
        None => 0,
    };
    let mut total = sizes.values().copied().fold(ENVELOPE.saturating_add(list), usize::saturating_add);
    for (domain, size) in largest_first(sizes, state.own.as_ref()) {
        let seems_to_fit = total <= limits.max_bytes && trust.len() <= limits.max_trust_domains;
        if seems_to_fit {
            match try_encode(&trust) {
                Err(still) => error = still,
                Ok(encoded) => return Ok(Some(encoded)),
            }
        }
        total = total.saturating_sub(size);
        trust.remove(&domain);
        state.leave_out(&domain, reason.clone());
    }
    try_encode(&trust).map(Some).map_err(|_| error)
}

fn largest_first(
    sizes: BTreeMap<TrustDomain, usize>,
    own: Option<&TrustDomain>,
) -> Vec<(TrustDomain, usize)> {
    let mut order: Vec<_> = sizes.into_iter().collect();
    order.sort_by_key(|(domain, size)| (Some(domain) == own, Reverse(*size)));
    order
}

/// What a trust domain takes of a snapshot in bytes, rounded up.
fn size(domain: &TrustDomain, section: &TrustBundle) -> Result<usize, SnapshotError> {
    let names = domain.as_str().len().saturating_mul(2);
    Ok(size_of_json(section)?.saturating_add(names).saturating_add(PUNCTUATION))
}

fn size_of_json(value: &impl serde::Serialize) -> Result<usize, SnapshotError> {
    let text = serde_json::to_vec(value).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
    Ok(text.len())
}

fn try_encode(
    trust: &BTreeMap<TrustDomain, TrustBundle>,
    observed: &Observed,
    revoked: Option<&Revoked>,
    limits: &Limits,
) -> Result<Arc<Encoded>, SnapshotError> {
    let mut snapshot = Snapshot::new(trust.clone(), observed.clone())?;
    if let Some(revoked) = revoked {
        snapshot = snapshot.revoking(&revoked.list, revoked.changed_at, limits)?;
    }
    let bytes = Bytes::from(snapshot.encode(limits)?);
    Ok(Arc::new(Encoded { etag: snapshot.etag(), bytes }))
}

/// Name of the only source in `source` of a bundle.
const SOURCE: &str = "workload_api";

/// Quotes, colons and commas around a trust domain, and a time of 13 digits.
const PUNCTUATION: usize = 21;

/// A snapshot without a trust domain has fewer bytes.
const ENVELOPE: usize = 256;
