//! Snapshots as they come from the controller.
//!
//! The revision is a hash of the content, which no fuzzer finds; where only the revision is wrong it is put right and
//! the snapshot read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use svidgate_jwt_svid::{Bundle, BundleLimits};
use svidgate_plugin::trust::Trust;
use svidgate_snapshot::{ETag, Limits, Snapshot, SnapshotError};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { max_trust_domains: 8, ..Limits::default() };
    match Snapshot::decode(data, &limits) {
        Ok(snapshot) => check(&snapshot, &limits),
        Err(error) => {
            assert!(SnapshotError::LABELS.contains(&error.label()));
            if matches!(error, SnapshotError::RevisionMismatch)
                && let Some(mended) = with_right_revision(data)
                && let Ok(snapshot) = Snapshot::decode(&mended, &limits)
            {
                check(&snapshot, &limits);
            }
        }
    }
});

fn check(snapshot: &Snapshot, limits: &Limits) {
    assert!(snapshot.trust().len() <= limits.max_trust_domains);
    let bytes = snapshot.encode(limits).unwrap();
    let again = Snapshot::decode(&bytes, limits).unwrap();
    assert_eq!(again.revision(), snapshot.revision());
    assert_eq!(again.observed(), snapshot.observed());
    assert_eq!(again.encode(limits).unwrap(), bytes);
    assert_eq!(ETag::parse(&snapshot.etag().to_string()), Some(snapshot.etag()));

    // To take the same state again changes nothing.
    let merged = snapshot.clone().merge(again).unwrap();
    assert!(merged.kept.is_empty());
    assert!(merged.snapshot.trust().keys().eq(snapshot.trust().keys()));
    for (domain, bundle) in snapshot.trust() {
        assert_eq!(merged.snapshot.trust()[domain].jwks(), bundle.jwks());
    }

    // The filter takes it whole or leaves it whole.
    let mut trust = Trust::default();
    let is_usable = snapshot
        .trust()
        .values()
        .all(|bundle| Bundle::from_jwks(bundle.jwks().as_bytes(), &BundleLimits::default()).is_ok());
    let adopted = trust.adopt(snapshot.clone(), u64::MAX / 2);
    assert!(is_usable || adopted.is_err());
    assert_eq!(trust.bundles().is_some(), adopted.is_ok() && !snapshot.trust().is_empty());
}

#[derive(Deserialize)]
struct Envelope<'a> {
    revision: &'a str,
    #[serde(borrow)]
    content: &'a RawValue,
}

fn with_right_revision(data: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    let digest: String =
        Sha256::digest(envelope.content.get()).iter().map(|octet| format!("{octet:02x}")).collect();
    // The text borrows from the input, so that its place is known.
    let start = envelope.revision.as_ptr() as usize - text.as_ptr() as usize;
    let end = start + envelope.revision.len();
    Some([&data[..start], digest.as_bytes(), &data[end..]].concat())
}
