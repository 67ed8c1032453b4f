use std::collections::BTreeMap;

use serde_json::{Value, json};
use svidgate_jwt_svid::{Bundle, BundleLimits, TrustDomain};
use svidgate_snapshot::{Limits, Snapshot};

use super::{Event, Message, Phase, Refused, State, Store};

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

/// The key of RFC 7517, appendix A.1, under the given id.
fn bundle(kid: &str) -> Bundle {
    let jwks = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]});
    Bundle::from_jwks(jwks.to_string().as_bytes(), &BundleLimits::default()).unwrap()
}

fn message(bundles: &[(&str, &str)]) -> Event {
    refusing(bundles, &[])
}

fn refusing(bundles: &[(&str, &str)], refused: &[&str]) -> Event {
    let bundles = bundles.iter().map(|(name, kid)| (domain(name), bundle(kid))).collect();
    let refused = refused
        .iter()
        .map(|name| Refused {
            name: (*name).to_owned(),
            trust_domain: Some(domain(name)),
            reason: "not a JWK set".to_owned(),
        })
        .collect();
    Event::Message(Message { bundles, refused, own: None })
}

fn down() -> Event {
    Event::Down("gone".to_owned())
}

/// The trust domains in force with the time of their observation at `now`, and that of the set.
fn seen(state: &State, now: u64) -> (Vec<(String, u64)>, u64) {
    let observed = state.observed(now).unwrap();
    (observed.domains.into_iter().map(|(domain, at)| (domain.to_string(), at)).collect(), observed.at)
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
}

#[test]
fn b5_every_message_is_the_full_state() {
    let state = State::default().next(message(&[("a.test", "1"), ("b.test", "1")]), 10);
    assert_eq!(seen(&state, 11), (pairs(&[("a.test", 11), ("b.test", 11)]), 11));
    let state = state.next(message(&[("b.test", "1")]), 20);
    assert_eq!(seen(&state, 21), (pairs(&[("b.test", 21)]), 21));
    let state = state.next(message(&[]), 30);
    assert_eq!(seen(&state, 31), (vec![], 31));
}

#[test]
fn b5_the_last_good_state_is_kept_on_transport_errors_and_unreadable_messages() {
    let up = State::default().next(message(&[("a.test", "1")]), 10);
    for (event, phase) in [
        (down(), Phase::Down),
        (Event::Refused("too large".to_owned()), Phase::Unreadable),
        (Event::Stopped("Unimplemented".to_owned()), Phase::Stopped),
    ] {
        let state = up.next(event, 20);
        assert_eq!(state.phase, phase);
        assert_eq!(seen(&state, 99), (pairs(&[("a.test", 20)]), 20));
    }
}

#[test]
fn b5_permission_denied_drops_everything_as_of_now() {
    let state = State::default().next(message(&[("a.test", "1")]), 10);
    let state = state.next(Event::NoIdentity("PermissionDenied: no identity issued".to_owned()), 20);
    assert_eq!(state.phase, Phase::NoIdentity);
    assert_eq!(seen(&state, 99), (vec![], 20));
    // Nothing comes back by itself.
    assert_eq!(seen(&state.next(down(), 30), 99), (vec![], 20));
    // A denial is an answer even when it is the first.
    assert_eq!(seen(&State::default().next(Event::NoIdentity(String::new()), 5), 9), (vec![], 5));
}

#[test]
fn b5_a_bundle_that_does_not_parse_keeps_its_last_good_one_and_does_not_hold_back_others() {
    let state = State::default().next(message(&[("a.test", "1"), ("b.test", "1"), ("c.test", "1")]), 10);
    let state = state.next(refusing(&[("b.test", "2")], &["a.test", "new.test"]), 20);
    assert_eq!(seen(&state, 50), (pairs(&[("a.test", 20), ("b.test", 50)]), 50));
    assert!(!state.trust[&domain("a.test")].current);
    assert_eq!(state.trust[&domain("b.test")].bundle.kids().collect::<Vec<_>>(), ["2"]);
    assert_eq!(state.refused.len(), 2);
    // Refused again: the time stands still.
    let state = state.next(refusing(&[("b.test", "2")], &["a.test"]), 60);
    assert_eq!(seen(&state, 70), (pairs(&[("a.test", 20), ("b.test", 70)]), 70));
    // Good again.
    let state = state.next(message(&[("a.test", "3"), ("b.test", "2")]), 80);
    assert_eq!(seen(&state, 90), (pairs(&[("a.test", 90), ("b.test", 90)]), 90));
    assert_eq!(state.counters.refused_bundles, 3);
}

#[test]
fn p12_staleness_counts_from_the_last_good_observation_and_not_from_the_last_attempt() {
    let state = State::default().next(message(&[("a.test", "1")]), 10);
    let state = state.next(down(), 1_000);
    let state = state.next(down(), 2_000).next(down(), 3_000);
    assert_eq!(seen(&state, 4_000), (pairs(&[("a.test", 1_000)]), 1_000));
    assert_eq!((state.phase, state.since, state.counters.disconnects), (Phase::Down, 1_000, 3));
    let state = state.next(message(&[("a.test", "1")]), 5_000);
    assert_eq!(seen(&state, 6_000), (pairs(&[("a.test", 6_000)]), 6_000));
}

#[test]
fn p12_a_clock_that_steps_back_a_little_moves_no_observation_back() {
    let state = State::default().next(message(&[("a.test", "1")]), 100_000);
    let state = state.next(message(&[("a.test", "2")]), 99_000);
    assert_eq!(seen(&state, 99_500), (pairs(&[("a.test", 100_000)]), 100_000));
    // A clock that was hours ahead was wrong, and so was what it said.
    let state = State::default().next(message(&[("a.test", "1")]), 100_000_000);
    assert_eq!(seen(&state, 1_000), (pairs(&[("a.test", 1_000)]), 1_000));
}

#[test]
fn nothing_is_given_before_the_first_answer_of_the_source() {
    let store = Store::new(Limits::default());
    assert!(store.snapshot(1).is_none());
    store.apply(down(), 2);
    store.apply(Event::Refused("garbage".to_owned()), 3);
    assert!(store.snapshot(4).is_none());
    assert_eq!(store.revision(), None);
    store.apply(message(&[]), 5);
    assert!(store.snapshot(6).is_some());
}

#[test]
fn an_update_that_changes_nothing_wakes_nobody() {
    let store = Store::new(Limits::default());
    let mut changes = store.changes();
    store.apply(message(&[("a.test", "1")]), 10);
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    for event in
        [message(&[("a.test", "1")]), down(), Event::Refused("x".to_owned()), message(&[("a.test", "1")])]
    {
        store.apply(event, 20);
    }
    assert!(!changes.has_changed().unwrap());
    assert_eq!(store.revisions(), 1);
    store.apply(message(&[("a.test", "2")]), 30);
    assert!(changes.has_changed().unwrap());
}

#[test]
fn a_snapshot_says_what_is_held_and_its_times_move_while_the_source_is_up() {
    let store = Store::new(Limits::default());
    store.apply(message(&[("a.test", "1")]), 10_000);
    let decoded = |now| Snapshot::decode(&store.snapshot(now).unwrap().bytes, &Limits::default()).unwrap();
    let first = decoded(10_000);
    assert_eq!(Some(first.revision().clone()), store.revision());
    let keys: Value = serde_json::from_str(first.trust()[&domain("a.test")].jwks()).unwrap();
    assert_eq!(keys["keys"][0]["kid"], "1");
    assert_eq!(first.observed().domains, BTreeMap::from([(domain("a.test"), 10_000)]));

    // Shared for a second, then written anew; the revision stays.
    assert_eq!(store.snapshot(10_999).unwrap().bytes, store.snapshot(10_000).unwrap().bytes);
    assert_eq!(decoded(11_000).observed().at, 11_000);
    assert_eq!(decoded(11_000).revision(), first.revision());

    // The source is gone: the times end at that moment, exactly.
    store.apply(down(), 11_500);
    assert_eq!(decoded(11_600).observed().at, 11_500);
    assert_eq!(decoded(99_000).observed().at, 11_500);
}

#[test]
fn b9_what_has_no_room_in_a_snapshot_is_left_out_and_the_rest_changes_all_the_same() {
    let store = Store::new(Limits { max_trust_domains: 2, ..Limits::default() });
    store.apply(message(&[("a.test", "1"), ("b.test", "long id")]), 10);
    store.apply(message(&[("a.test", "2"), ("b.test", "long id"), ("c.test", "3")]), 20);
    assert_eq!(decoded_kids(&store, 20), [("a.test", "2"), ("c.test", "3")].map(owned));
    let state = store.state();
    assert_eq!((state.phase, state.counters.messages), (Phase::Up, 2));
    assert_eq!(state.left_out.len(), 1);
    assert_eq!(state.left_out[0].name, "b.test");
    assert_eq!(
        state.left_out[0].reason,
        "no room: snapshot has 3 trust domains, more than the limit of 2, and the largest are left out first"
    );
    // There is room again.
    store.apply(message(&[("a.test", "2"), ("b.test", "long id")]), 30);
    assert_eq!(decoded_kids(&store, 30), [("a.test", "2"), ("b.test", "long id")].map(owned));
    assert!(store.state().left_out.is_empty());
}

#[test]
fn b9_a_trust_domain_that_grows_pushes_out_itself_and_not_our_own() {
    let small = [("a.test", "1"), ("b.test", "2"), ("own.test", "the longest id of the small ones")];
    let of = |grown: &str| {
        let grown = [("grown.test", grown)];
        let bundles = small.iter().chain(&grown);
        let bundles = bundles.map(|(name, kid)| (domain(name), bundle(kid))).collect();
        Event::Message(Message { bundles, own: Some(domain("own.test")), ..Message::default() })
    };
    let now = 1_764_072_000_000;
    let whole = Store::new(Limits::default());
    whole.apply(of("3"), now);
    let max_bytes = whole.snapshot(now).unwrap().bytes.len() + 100;
    let store = Store::new(Limits { max_bytes, ..Limits::default() });
    store.apply(of("3"), now);
    assert_eq!(store.state().left_out.len(), 0);
    store.apply(of(&"x".repeat(200)), now);
    assert_eq!(decoded_kids(&store, now), small.map(owned));
    // Where nothing large is to blame, our own is the last to go although it is the largest.
    let store = Store::new(Limits { max_bytes: 600, ..Limits::default() });
    store.apply(of("3"), now);
    assert_eq!(decoded_kids(&store, now), [small[2]].map(owned));
    // Who is ours was said once; a later message that does not say it changes nothing.
    store.apply(message(&small), now);
    assert_eq!(decoded_kids(&store, now), [small[2]].map(owned));
}

#[test]
fn b9_what_is_left_out_is_the_least_that_makes_room() {
    let names: Vec<String> = (0..60).map(|number| format!("td{number:02}.test")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "kid")).collect();
    let now = 1_764_072_000_000;
    let whole = Store::new(Limits::default());
    whole.apply(message(&all), now);
    let full = whole.snapshot(now).unwrap().bytes.len();
    for spare in [0, 1, 300, 301, 5_000] {
        let store = Store::new(Limits { max_bytes: full - spare, ..Limits::default() });
        store.apply(message(&all), now);
        let bytes = store.snapshot(now).unwrap().bytes.len();
        let each = full / all.len();
        assert!(bytes <= full - spare && bytes + 2 * each > full - spare, "{spare}: {bytes} of {full}");
        let left_out = store.state().left_out.len();
        assert_eq!(decoded_kids(&store, now).len() + left_out, all.len());
        assert!((spare > 0) == (left_out > 0));
        // Of equal size: by name.
        assert!(store.state().left_out.iter().zip(&names).all(|(left_out, name)| left_out.name == *name));
    }
}

/// The trust domains of the snapshot, each with the id of its only key.
fn decoded_kids(store: &Store, now: u64) -> Vec<(String, String)> {
    let snapshot = Snapshot::decode(&store.snapshot(now).unwrap().bytes, &Limits::default()).unwrap();
    let kid = |jwks: &str| {
        let jwks: Value = serde_json::from_str(jwks).unwrap();
        jwks["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    snapshot.trust().iter().map(|(domain, bundle)| (domain.to_string(), kid(bundle.jwks()))).collect()
}

fn owned((name, kid): (&str, &str)) -> (String, String) {
    (name.to_owned(), kid.to_owned())
}
