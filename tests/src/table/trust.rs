//! Whom the rows' Envoy trusts: the one snapshot of the table.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime};
use svidgate_snapshot::{Limits, Observed, Revocations, Snapshot, TrustBundle};

use super::mint::Signer;

/// The snapshot at `now`, in seconds since 1970: our own trust domain, a federated one, and one whose bundle was
/// confirmed two hours ago.
pub fn snapshot(now: u64) -> Snapshot {
    snapshot_observed(now * 1000, &[])
}

fn snapshot_observed(at: u64, times: &[(&str, u64)]) -> Snapshot {
    let domain = |name: &str| TrustDomain::parse(name).expect("a trust domain");
    let bundle = |keys: &[Signer]| {
        let keys: Vec<Value> = keys.iter().map(|signer| signer.key().jwk()).collect();
        TrustBundle::new(&json!({"keys": keys}), None, None, "test").expect("a bundle")
    };
    let trust = BTreeMap::from([
        (domain("example.org"), bundle(&[Signer::Own, Signer::OwnRsa, Signer::OwnRevoked])),
        (domain("partner.test"), bundle(&[Signer::Partner])),
        (domain("stale.test"), bundle(&[Signer::Stale])),
    ]);
    let mut domains = BTreeMap::from([(domain("stale.test"), at - 2 * 3600 * 1000)]);
    domains.extend(times.iter().map(|(name, at)| (domain(name), *at)));
    let observed = Observed { at, domains, ..Observed::default() };
    let snapshot = Snapshot::new(trust, observed).expect("a snapshot");
    snapshot.revoking(&revocations(at / 1000), at, &Limits::AGREED).expect("revocations")
}

/// A key, a token, and the tokens of a subject that are older than ten minutes.
fn revocations(now: u64) -> Revocations {
    let own = TrustDomain::parse("example.org").expect("a trust domain");
    let suspect = SpiffeId::parse("spiffe://example.org/suspect").expect("a SPIFFE ID");
    let mut list = Revocations::default();
    list.add_kid(own.clone(), Signer::OwnRevoked.key().kid()).expect("a kid");
    list.add_jti(own, "stolen-1", UnixTime(now + 3600)).expect("a jti");
    list.add_subject(suspect, UnixTime(now - 600)).expect("a subject");
    list
}

/// Its bytes, as a controller gives them.
pub fn encoded(now: u64) -> Vec<u8> {
    snapshot(now).encode(&Limits::AGREED).expect("a snapshot")
}

/// The bytes of the snapshot at `at`, with other times for some trust domains; all in milliseconds since 1970.
pub fn observed(at: u64, times: &[(&str, u64)]) -> Vec<u8> {
    snapshot_observed(at, times).encode(&Limits::AGREED).expect("a snapshot")
}

/// The bytes of the same snapshot a moment later, when one more token of `example.org` has been revoked.
pub fn encoded_revoking(now: u64, jti: &str) -> Vec<u8> {
    let own = TrustDomain::parse("example.org").expect("a trust domain");
    let mut list = revocations(now);
    list.add_jti(own, jti, UnixTime(now + 3600)).expect("a jti");
    let snapshot = snapshot(now).revoking(&list, now * 1000 + 1, &Limits::AGREED).expect("revocations");
    snapshot.encode(&Limits::AGREED).expect("a snapshot")
}
