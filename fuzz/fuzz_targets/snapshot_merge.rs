//! Merging of snapshots never goes back in time.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{Limits, Observed, Snapshot, TrustBundle};

/// When the set was seen, and of each trust domain: which, its content, when. Each number is cut down to few values, so
/// that they meet often.
type State = (u8, Vec<(u8, u8, u8)>);

fuzz_target!(|states: (State, State, State)| {
    let [held, received, third] = [&states.0, &states.1, &states.2].map(snapshot);
    let merged = merge(&held, &received);
    for domain in domains() {
        let (before, offered, after) =
            (view(&held, &domain), view(&received, &domain), view(&merged, &domain));
        // What is in force is one of the two, and never the older one.
        assert!(after.1 == before.1 || after.1 == offered.1);
        assert!(after.0 >= before.0.max(offered.0));
        if offered.0 >= before.0 {
            assert_eq!(after.1, offered.1);
        } else {
            assert_eq!(after.1, before.1);
        }
    }
    assert_eq!(merged.observed().at, held.observed().at.max(received.observed().at));

    // Again, or the other way round after it, changes nothing.
    let again = merge(&merged, &merged);
    assert_eq!((again.revision(), again.observed()), (merged.revision(), merged.observed()));
    for older in [&held, &received] {
        let again = merge(&merged, older);
        for domain in domains() {
            assert!(view(&again, &domain).0 >= view(&merged, &domain).0);
        }
    }
    // However many replicas answer, in whatever order, no domain's time goes back.
    let after = merge(&merged, &third);
    for domain in domains() {
        assert!(view(&after, &domain).0 >= view(&held, &domain).0);
    }
    let bytes = after.encode(&Limits::default()).unwrap();
    assert_eq!(Snapshot::decode(&bytes, &Limits::default()).unwrap().revision(), after.revision());
});

fn snapshot((at, entries): &State) -> Snapshot {
    let at = u64::from(at % 8);
    let mut trust = BTreeMap::new();
    let mut times = BTreeMap::new();
    for (domain, content, time) in entries {
        let domain = domains().nth(usize::from(*domain) % 4).unwrap();
        let jwks = json!({"keys": [], "x": content % 3});
        trust.insert(domain.clone(), TrustBundle::new(&jwks, Some(1), None, "test").unwrap());
        times.insert(domain, u64::from(time % 8));
    }
    Snapshot::new(trust, Observed { at, domains: times, ..Observed::default() }).unwrap()
}

fn domains() -> impl Iterator<Item = TrustDomain> {
    ["a.test", "b.test", "c.test", "d.test"].into_iter().map(|name| TrustDomain::parse(name).unwrap())
}

fn merge(held: &Snapshot, received: &Snapshot) -> Snapshot {
    held.clone().merge(received.clone()).unwrap().snapshot
}

/// As of when what is known of a domain; absence is known as of the snapshot.
fn view(snapshot: &Snapshot, domain: &TrustDomain) -> (u64, Option<String>) {
    match snapshot.trust().get(domain) {
        Some(bundle) => (snapshot.observed().domains[domain], Some(bundle.jwks().to_owned())),
        None => (snapshot.observed().at, None),
    }
}
