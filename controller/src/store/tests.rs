use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use svidgate_jwt_svid::{Bundle, BundleLimits, TrustDomain};
use svidgate_snapshot::{Limits, Revocations, Snapshot, SnapshotError};

use super::{Event, Message, Phase, Refused, Revoked, State, Store};

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

fn told(event: Event) -> Message {
    let Event::Message(message) = event else { panic!("{event:?}") };
    message
}

fn down() -> Event {
    Event::Down("gone".to_owned())
}

/// The trust domains in force with the time of their observation, and that of the set.
fn seen(state: &State) -> (Vec<(String, u64)>, u64) {
    let observed = state.observed().unwrap();
    (observed.domains.into_iter().map(|(domain, at)| (domain.to_string(), at)).collect(), observed.at)
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
}

#[test]
fn b5_every_message_is_the_full_state() {
    let state = State::default().next(message(&[("a.test", "1"), ("b.test", "1")]), 10);
    assert_eq!(seen(&state), (pairs(&[("a.test", 10), ("b.test", 10)]), 10));
    let state = state.next(message(&[("b.test", "1")]), 20);
    assert_eq!(seen(&state), (pairs(&[("b.test", 20)]), 20));
    let state = state.next(message(&[]), 30);
    assert_eq!(seen(&state), (vec![], 30));
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
        assert_eq!(seen(&state), (pairs(&[("a.test", 10)]), 10));
    }
}

#[test]
fn b5_permission_denied_drops_everything_as_of_now() {
    let state = State::default().next(message(&[("a.test", "1")]), 10);
    let state = state.next(Event::NoIdentity("PermissionDenied: no identity issued".to_owned()), 20);
    assert_eq!(state.phase, Phase::NoIdentity);
    assert_eq!(seen(&state), (vec![], 20));
    // Nothing comes back by itself.
    assert_eq!(seen(&state.next(down(), 30)), (vec![], 20));
    // A denial is an answer even when it is the first.
    assert_eq!(seen(&State::default().next(Event::NoIdentity(String::new()), 5)), (vec![], 5));
}

#[test]
fn b5_a_bundle_that_does_not_parse_keeps_its_last_good_one_and_does_not_hold_back_others() {
    let state = State::default().next(message(&[("a.test", "1"), ("b.test", "1"), ("c.test", "1")]), 10);
    let state = state.next(refusing(&[("b.test", "2")], &["a.test", "new.test"]), 20);
    assert_eq!(seen(&state), (pairs(&[("a.test", 10), ("b.test", 20)]), 20));
    assert!(!state.trust[&domain("a.test")].current);
    assert_eq!(state.trust[&domain("b.test")].bundle.kids().collect::<Vec<_>>(), ["2"]);
    assert_eq!(state.refused.len(), 2);
    // Refused again: the time stands still.
    let state = state.next(refusing(&[("b.test", "2")], &["a.test"]), 60);
    assert_eq!(seen(&state), (pairs(&[("a.test", 10), ("b.test", 60)]), 60));
    // Good again.
    let state = state.next(message(&[("a.test", "3"), ("b.test", "2")]), 80);
    assert_eq!(seen(&state), (pairs(&[("a.test", 80), ("b.test", 80)]), 80));
    assert_eq!(state.counters.refused_bundles, 3);
}

#[test]
fn p12_staleness_counts_from_the_last_good_observation_and_not_from_the_last_attempt() {
    let state = State::default().next(message(&[("a.test", "1")]), 10);
    let state = state.next(down(), 1_000);
    let state = state.next(down(), 2_000).next(down(), 3_000);
    assert_eq!(seen(&state), (pairs(&[("a.test", 10)]), 10));
    assert_eq!((state.phase, state.since, state.counters.disconnects), (Phase::Down, 1_000, 3));
    let state = state.next(message(&[("a.test", "1")]), 5_000);
    assert_eq!(seen(&state), (pairs(&[("a.test", 5_000)]), 5_000));
}

#[test]
fn p12_only_an_answer_that_gives_the_state_in_force_confirms_it() {
    let store = Store::new(Limits::default());
    let mut changes = store.changes();
    store.apply(refusing(&[("a.test", "1"), ("b.test", "1")], &[]), 10);
    store.apply(refusing(&[("a.test", "1")], &["b.test"]), 20);
    changes.mark_unchanged();
    assert!(store.confirm(told(refusing(&[("a.test", "1")], &["b.test"])), 30));
    assert_eq!(seen(&store.state()), (pairs(&[("a.test", 30), ("b.test", 10)]), 30));
    for other in [
        message(&[("a.test", "2"), ("b.test", "1")]),
        message(&[("a.test", "1"), ("b.test", "1")]),
        message(&[("a.test", "1")]),
        message(&[]),
    ] {
        assert!(!store.confirm(told(other), 40));
    }
    // Asked before the last answer: nothing goes back.
    assert!(store.confirm(told(refusing(&[("a.test", "1")], &["b.test"])), 25));
    assert_eq!(seen(&store.state()), (pairs(&[("a.test", 30), ("b.test", 10)]), 30));
    assert_eq!(store.snapshot().unwrap().etag.observed_at, 30);
    assert!(!changes.has_changed().unwrap(), "a confirmation wakes nobody");
    let counters = store.state().counters;
    assert_eq!((counters.messages, counters.confirmations, counters.refused_bundles), (2, 2, 1));
    // Nobody confirms while there is no stream.
    store.apply(down(), 50);
    assert!(!store.confirm(told(refusing(&[("a.test", "1")], &["b.test"])), 60));
}

#[test]
fn p12_a_clock_that_steps_back_a_little_gives_out_no_older_time() {
    const HOUR: u64 = 3_600_000;
    let store = Store::new(Limits::default());
    store.apply(message(&[("a.test", "1"), ("b.test", "1")]), 10 * HOUR);
    // The last time that was given out is an hour after the last event.
    assert!(store.confirm(told(message(&[("a.test", "1"), ("b.test", "1")])), 11 * HOUR));
    let stepped = 11 * HOUR - 30_000;
    store.apply(down(), stepped);
    store.apply(message(&[("a.test", "2")]), stepped + 1_000);
    assert_eq!(seen(&store.state()), (pairs(&[("a.test", 11 * HOUR)]), 11 * HOUR));
    // A trust domain that comes back is not older than its absence was.
    store.apply(message(&[("a.test", "2"), ("b.test", "2")]), stepped + 2_000);
    assert_eq!(seen(&store.state()), (pairs(&[("a.test", 11 * HOUR), ("b.test", 11 * HOUR)]), 11 * HOUR));
    // A clock that was hours ahead was wrong, and so was what it said, also of a bundle that nobody confirms.
    store.apply(refusing(&[("a.test", "2")], &["b.test"]), HOUR);
    assert_eq!(seen(&store.state()), (pairs(&[("a.test", HOUR), ("b.test", HOUR)]), HOUR));
}

#[test]
fn nothing_is_given_before_the_first_answer_of_the_source() {
    let store = Store::new(Limits::default());
    assert!(store.snapshot().is_none());
    store.apply(down(), 2);
    store.apply(Event::Refused("garbage".to_owned()), 3);
    assert!(store.snapshot().is_none());
    assert_eq!(store.revision(), None);
    store.apply(message(&[]), 5);
    assert!(store.snapshot().is_some());
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
fn a_snapshot_says_what_is_held_and_its_times_stand_still_until_the_next_confirmation() {
    let store = Store::new(Limits::default());
    store.apply(message(&[("a.test", "1")]), 10_000);
    let decoded = || Snapshot::decode(&store.snapshot().unwrap().bytes, &Limits::default()).unwrap();
    let first = decoded();
    assert_eq!(Some(first.revision().clone()), store.revision());
    let keys: Value = serde_json::from_str(first.trust()[&domain("a.test")].jwks()).unwrap();
    assert_eq!(keys["keys"][0]["kid"], "1");
    assert_eq!(first.observed().domains, BTreeMap::from([(domain("a.test"), 10_000)]));

    // The same again: the times move, the revision stays.
    store.apply(message(&[("a.test", "1")]), 11_000);
    assert_eq!(decoded().observed().at, 11_000);
    assert_eq!(decoded().revision(), first.revision());

    // The source is gone: nobody has confirmed anything since.
    store.apply(down(), 11_500);
    assert_eq!(decoded().observed().at, 11_000);
}

#[test]
fn b9_what_has_no_room_in_a_snapshot_is_left_out_and_the_rest_changes_all_the_same() {
    let store = Store::new(Limits { max_trust_domains: 2, ..Limits::default() });
    store.apply(message(&[("a.test", "1"), ("b.test", "long id")]), 10);
    store.apply(message(&[("a.test", "2"), ("b.test", "long id"), ("c.test", "3")]), 20);
    assert_eq!(decoded_kids(&store), [("a.test", "2"), ("c.test", "3")].map(owned));
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
    assert_eq!(decoded_kids(&store), [("a.test", "2"), ("b.test", "long id")].map(owned));
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
    let max_bytes = whole.snapshot().unwrap().bytes.len() + 100;
    let store = Store::new(Limits { max_bytes, ..Limits::default() });
    store.apply(of("3"), now);
    assert_eq!(store.state().left_out.len(), 0);
    store.apply(of(&"x".repeat(200)), now);
    assert_eq!(decoded_kids(&store), small.map(owned));
    // Where nothing large is to blame, our own is the last to go although it is the largest.
    let store = Store::new(Limits { max_bytes: 600, ..Limits::default() });
    store.apply(of("3"), now);
    assert_eq!(decoded_kids(&store), [small[2]].map(owned));
    // Who is ours was said once; a later message that does not say it changes nothing.
    store.apply(message(&small), now);
    assert_eq!(decoded_kids(&store), [small[2]].map(owned));
}

#[test]
fn b9_what_is_left_out_is_the_least_that_makes_room() {
    let names: Vec<String> = (0..60).map(|number| format!("td{number:02}.test")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "kid")).collect();
    let now = 1_764_072_000_000;
    let whole = Store::new(Limits::default());
    whole.apply(message(&all), now);
    let full = whole.snapshot().unwrap().bytes.len();
    for spare in [0, 1, 300, 301, 5_000] {
        let store = Store::new(Limits { max_bytes: full - spare, ..Limits::default() });
        store.apply(message(&all), now);
        let bytes = store.snapshot().unwrap().bytes.len();
        let each = full / all.len();
        assert!(bytes <= full - spare && bytes + 2 * each > full - spare, "{spare}: {bytes} of {full}");
        let left_out = store.state().left_out.len();
        assert_eq!(decoded_kids(&store).len() + left_out, all.len());
        assert!((spare > 0) == (left_out > 0));
        // Of equal size: by name.
        assert!(store.state().left_out.iter().zip(&names).all(|(left_out, name)| left_out.name == *name));
    }
}

/// The trust domains of the snapshot, each with the id of its only key.
fn decoded_kids(store: &Store) -> Vec<(String, String)> {
    let snapshot = Snapshot::decode(&store.snapshot().unwrap().bytes, &Limits::default()).unwrap();
    let kid = |jwks: &str| {
        let jwks: Value = serde_json::from_str(jwks).unwrap();
        jwks["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    snapshot.trust().iter().map(|(domain, bundle)| (domain.to_string(), kid(bundle.jwks()))).collect()
}

fn owned((name, kid): (&str, &str)) -> (String, String) {
    (name.to_owned(), kid.to_owned())
}

fn revoked(count: usize, changed_at: u64) -> Revoked {
    let mut list = Revocations::default();
    for number in 0..count {
        list.add_kid(domain("a.test"), &format!("{number:04}")).unwrap();
    }
    Revoked { list: Arc::new(list), changed_at, ..Revoked::default() }
}

#[test]
fn a_revocation_wakes_waiters_and_outlives_every_message_of_the_source() {
    let store = Store::new(Limits::default());
    store.revoke(revoked(1, 5), 5).unwrap();
    assert!(store.snapshot().is_none(), "nothing is given before the first answer of the source");
    let mut changes = store.changes();
    store.apply(message(&[("a.test", "1")]), 10);
    let given = || {
        let snapshot = Snapshot::decode(&store.snapshot().unwrap().bytes, &Limits::default()).unwrap();
        (snapshot.revocations(&Limits::default()).unwrap().len(), snapshot.observed().revoked)
    };
    assert_eq!(given(), (1, Some(5)));
    changes.mark_unchanged();
    store.revoke(revoked(2, 20), 20).unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    for event in [down(), Event::Refused("x".to_owned()), message(&[("a.test", "1")])] {
        store.apply(event, 30);
        assert_eq!(given(), (2, Some(20)));
    }
    assert!(store.confirm(told(message(&[("a.test", "1")])), 40));
    store.revoke(Revoked { file_error: Some("bad".to_owned()), ..revoked(2, 20) }, 50).unwrap();
    assert!(!changes.has_changed().unwrap());
    store.apply(Event::NoIdentity(String::new()), 60);
    assert_eq!(given(), (2, Some(20)));
}

#[test]
fn b9_revocations_are_never_left_out_and_trust_that_has_no_room_shows_and_comes_back() {
    let now = 1_764_072_000_000;
    let names: Vec<String> = (0..20).map(|number| format!("td{number:02}.test")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "kid")).collect();
    let whole = Store::new(Limits::default());
    whole.apply(message(&all), now);
    let full = whole.snapshot().unwrap().bytes.len();
    let limits = Limits { max_bytes: full + 100, max_revocations_bytes: full / 2, ..Limits::default() };
    let store = Store::new(limits);
    store.apply(message(&all), now);
    assert_eq!((decoded_kids(&store).len(), store.state().left_out.len()), (20, 0));
    store.revoke(revoked(50, now), now).unwrap();
    let left_out = store.state().left_out.len();
    assert!(left_out > 0 && left_out < 15, "{left_out}");
    assert_eq!(decoded_kids(&store).len() + left_out, 20);
    let snapshot = Snapshot::decode(&store.snapshot().unwrap().bytes, &limits).unwrap();
    assert_eq!(snapshot.revocations(&limits).unwrap().len(), 50);
    // Over its own share: it is refused, and nothing changes.
    let revision = store.revision();
    let error = store.revoke(revoked(500, now), now).unwrap_err();
    assert!(matches!(error, SnapshotError::RevocationsTooLarge { .. }), "{error}");
    assert_eq!((store.revision(), store.state().left_out.len()), (revision, left_out));
    // Shorter again: what was left out is back without a word of the source.
    store.revoke(revoked(1, now + 1), now + 1).unwrap();
    assert_eq!((decoded_kids(&store).len(), store.state().left_out.len()), (20, 0));
}

#[test]
fn the_keys_of_recent_revisions_are_remembered_and_no_more() {
    let store = Store::new(Limits::default());
    for number in 0..100 {
        store.apply(message(&[("a.test", &number.to_string())]), 10 + number);
    }
    let kids = |known: &super::Known| {
        let kids = known.bundles[&domain("a.test")].kids();
        kids.map(|kid| kid.to_string()).collect::<Vec<_>>().join(",")
    };
    let known = store.known();
    assert_eq!((known.len(), kids(&known[0]), kids(&known[63])), (64, "36".to_owned(), "99".to_owned()));
    assert_eq!(Some(known[63].revision.clone()), store.revision());
    // One that comes again is the newest, once.
    store.apply(message(&[("a.test", "98")]), 200);
    store.revoke(revoked(3, 300), 300).unwrap();
    let known = store.known();
    assert_eq!(known.iter().filter(|known| kids(known) == "98").count(), 2);
    assert_eq!(known[63].revocations, 3);
}
