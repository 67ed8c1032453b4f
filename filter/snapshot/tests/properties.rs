//! Properties over generated states. Short runs; the fuzz targets look longer.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{ETag, Limits, Observed, Snapshot, TrustBundle};

const NAMES: [&str; 4] = ["a.test", "b.test", "c.test", "d.test"];

fn domains() -> impl Iterator<Item = TrustDomain> {
    NAMES.into_iter().map(|name| TrustDomain::parse(name).unwrap())
}

/// Few domains, contents and moments, so that they meet often.
fn snapshot() -> impl Strategy<Value = Snapshot> {
    let entry = (0..NAMES.len(), 0..3u8, prop::option::of(0..3u64), 0..8u64);
    (0..8u64, prop::collection::vec(entry, 0..6)).prop_map(|(at, entries)| {
        let mut trust = BTreeMap::new();
        let mut times = BTreeMap::new();
        for (index, content, sequence, time) in entries {
            let domain = domains().nth(index).unwrap();
            let jwks = json!({"keys": [], "x": content});
            trust.insert(domain.clone(), TrustBundle::new(&jwks, sequence, None, "test").unwrap());
            times.insert(domain, time);
        }
        Snapshot::new(trust, Observed { at, domains: times, ..Observed::default() }).unwrap()
    })
}

/// As of when what is known of a domain; absence is known as of the snapshot.
fn view(snapshot: &Snapshot, domain: &TrustDomain) -> (u64, Option<String>) {
    match snapshot.trust().get(domain) {
        Some(bundle) => (snapshot.observed().domains[domain], Some(bundle.jwks().to_owned())),
        None => (snapshot.observed().at, None),
    }
}

fn merge(held: &Snapshot, received: &Snapshot) -> Snapshot {
    held.clone().merge(received.clone()).unwrap().snapshot
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decode_after_encode_is_identity(snapshot in snapshot()) {
        let bytes = snapshot.encode(&Limits::default()).unwrap();
        let again = Snapshot::decode(&bytes, &Limits::default()).unwrap();
        prop_assert_eq!(again.revision(), snapshot.revision());
        prop_assert_eq!(again.observed(), snapshot.observed());
        prop_assert_eq!(again.encode(&Limits::default()).unwrap(), bytes);
        prop_assert_eq!(ETag::parse(&again.etag().to_string()), Some(snapshot.etag()));
    }

    #[test]
    fn a_flipped_bit_of_content_or_revision_is_refused(snapshot in snapshot(), index: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = snapshot.encode(&Limits::default()).unwrap();
        let index = index.index(bytes.len());
        bytes[index] ^= 1 << bit;
        // The times are not part of what the revision is of: they change without it.
        if let Ok(again) = Snapshot::decode(&bytes, &Limits::default()) {
            prop_assert_eq!(again.revision(), snapshot.revision());
            prop_assert!(again.observed() != snapshot.observed());
        }
    }

    #[test]
    fn p12_merging_never_goes_back_in_time(held in snapshot(), received in snapshot(), third in snapshot()) {
        let merged = merge(&held, &received);
        for domain in domains() {
            let (before, offered, after) = (view(&held, &domain), view(&received, &domain), view(&merged, &domain));
            let newer = if offered.0 >= before.0 { &offered } else { &before };
            prop_assert_eq!(&after.1, &newer.1);
            prop_assert!(after.0 >= newer.0);
            prop_assert!(view(&merge(&merged, &third), &domain).0 >= before.0);
        }
        prop_assert_eq!(merged.observed().at, held.observed().at.max(received.observed().at));
        let again = merge(&merged, &merged);
        prop_assert_eq!((again.revision(), again.observed()), (merged.revision(), merged.observed()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        prop_assert!(Snapshot::decode(&bytes, &Limits::default()).is_err());
        let _ = ETag::parse(&text);
    }
}
