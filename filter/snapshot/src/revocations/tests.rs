use std::collections::BTreeMap;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, SUBJECT, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, SpiffeId, TrustDomain, UnixTime, VerifiedSvid,
    Verifier, VerifierConfig,
};

use super::*;
use crate::{Limits, Observed, Revision, Snapshot, SnapshotError, TrustBundle};

fn td(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn key() -> Key {
    Key::p256("key-1")
}

fn verified(token: &Token) -> VerifiedSvid {
    let bundle = Bundle::from_jwks(&jwks([key().jwk()]), &BundleLimits::default()).unwrap();
    let bundles = BundleSet::from_iter([(td(TRUST_DOMAIN), bundle.clone()), (td("other.test"), bundle)]);
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap();
    verifier.verify(&token.sign(&key()), &bundles, &RustCrypto, UnixTime(NOW)).unwrap()
}

/// A token of the usual subject, issued at `NOW - 60`, with this `jti`.
fn token(jti: &str) -> Token {
    Token::new(&key()).claim("jti", json!(jti))
}

fn kids(kids: &[(&str, &str)]) -> Revocations {
    let mut list = Revocations::default();
    for (domain, kid) in kids {
        list.add_kid(td(domain), kid).unwrap();
    }
    list
}

/// A snapshot of one trust domain as of `at`, with the kids revoked as of `changed_at`.
fn snapshot(at: u64, list: Option<(&Revocations, u64)>) -> Snapshot {
    let bundle = TrustBundle::new(&json!({"keys": []}), None, None, "s").unwrap();
    let trust = BTreeMap::from([(td("a.test"), bundle)]);
    let snapshot = Snapshot::new(trust, Observed { at, ..Observed::default() }).unwrap();
    match list {
        Some((list, changed_at)) => snapshot.revoking(list, changed_at, &Limits::default()).unwrap(),
        None => snapshot,
    }
}

fn in_force(snapshot: &Snapshot) -> Revocations {
    snapshot.revocations(&Limits::default()).unwrap()
}

#[test]
fn v19_a_token_is_refused_by_the_id_of_its_key_in_its_own_trust_domain_only() {
    let svid = verified(&token("t"));
    assert_eq!(kids(&[(TRUST_DOMAIN, "key-1")]).refuses(&svid), Some(Revoked::Kid));
    for others in [
        kids(&[(TRUST_DOMAIN, "key-2"), ("other.test", "key-1")]),
        kids(&[(TRUST_DOMAIN, "KEY-1"), (TRUST_DOMAIN, "key-1 "), (TRUST_DOMAIN, "key-")]),
        Revocations::default(),
    ] {
        assert_eq!(others.refuses(&svid), None);
    }
    let elsewhere = verified(&token("t").claim("sub", json!("spiffe://other.test/client")));
    assert_eq!(kids(&[(TRUST_DOMAIN, "key-1")]).refuses(&elsewhere), None);
    assert_eq!(kids(&[("other.test", "key-1")]).refuses(&elsewhere), Some(Revoked::Kid));
}

#[test]
fn v19_a_token_is_refused_by_its_jti_in_its_own_trust_domain_only() {
    let mut list = Revocations::default();
    list.add_jti(td(TRUST_DOMAIN), "one", UnixTime(NOW)).unwrap();
    assert_eq!(list.refuses(&verified(&token("one"))), Some(Revoked::Jti));
    for good in [
        token("One"),
        token("two"),
        Token::new(&key()),
        token("one").claim("sub", json!("spiffe://other.test/client")),
    ] {
        assert_eq!(list.refuses(&verified(&good)), None);
    }
}

#[test]
fn v19_tokens_of_a_subject_are_refused_if_they_were_issued_before_the_moment_or_nobody_knows_when() {
    let issued = NOW - 60;
    let of = |issued_before| {
        let mut list = Revocations::default();
        list.add_subject(id(SUBJECT), UnixTime(issued_before)).unwrap();
        list
    };
    let svid = verified(&token("t"));
    assert_eq!(of(issued + 1).refuses(&svid), Some(Revoked::Subject));
    assert_eq!(of(issued).refuses(&svid), None, "not before, but at the moment");
    let half = verified(&token("t").claim("iat", json!(issued as f64 + 0.5)));
    assert_eq!((of(issued).refuses(&half), of(issued + 1).refuses(&half)), (None, Some(Revoked::Subject)));
    let undated = verified(&token("t").without_claim("iat"));
    assert_eq!(of(0).refuses(&undated), Some(Revoked::Subject));
    for other in ["spiffe://example.org/client/x", "spiffe://example.org", "spiffe://other.test/client"] {
        assert_eq!(of(NOW).refuses(&verified(&token("t").claim("sub", json!(other)))), None, "{other}");
    }
}

#[test]
fn what_was_added_is_there_until_it_is_removed_and_of_two_moments_the_later_one_counts() {
    let (a, sub) = (td("a.test"), id("spiffe://a.test/x"));
    let mut list = Revocations::default();
    assert!(list.add_kid(a.clone(), "k").unwrap() && !list.add_kid(a.clone(), "k").unwrap());
    for (at, changes) in [(10, true), (10, false), (9, false), (11, true)] {
        assert_eq!(list.add_jti(a.clone(), "j", UnixTime(at)), Ok(changes));
        assert_eq!(list.add_subject(sub.clone(), UnixTime(at)), Ok(changes));
    }
    assert_eq!(list.counts(), RevocationCounts { kids: 1, jtis: 1, subjects: 1 });
    assert_eq!((list.len(), list.is_empty()), (3, false));
    let mut joined = kids(&[("b.test", "k")]);
    assert!(joined.add_all(&list) && !joined.add_all(&list));
    assert_eq!(joined.len(), 4);
    assert!(!list.remove_kid(&a, "x") && !list.remove_jti(&td("b.test"), "j"));
    assert!(list.remove_kid(&a, "k") && list.remove_jti(&a, "j") && list.remove_subject(&sub));
    assert!(list.is_empty() && list == Revocations::default());
}

#[test]
fn tokens_leave_the_list_after_their_expiry_and_nothing_else_does() {
    let mut list = kids(&[("a.test", "k")]);
    list.add_subject(id("spiffe://a.test/x"), UnixTime(1)).unwrap();
    for at in [9, 10, 11] {
        list.add_jti(td("a.test"), &at.to_string(), UnixTime(at)).unwrap();
    }
    assert_eq!(list.drop_expired(UnixTime(10)), 1);
    assert_eq!(list.jtis().map(|(_, jti, _)| jti).collect::<Vec<_>>(), ["10", "11"]);
    assert_eq!(list.drop_expired(UnixTime(12)), 2);
    assert_eq!(list.counts(), RevocationCounts { kids: 1, jtis: 0, subjects: 1 });
}

#[test]
fn an_id_is_bounded_and_milliseconds_are_told_from_seconds() {
    let mut list = Revocations::default();
    assert_eq!(list.add_kid(td("a.test"), ""), Err(RevocationError::Empty));
    let long = "x".repeat(513);
    let too_long = RevocationError::TooLong { limit: 512, actual: 513 };
    assert_eq!(list.add_kid(td("a.test"), &long), Err(too_long));
    assert_eq!(list.add_jti(td("a.test"), &long, UnixTime(1)), Err(too_long));
    let millis = 1_764_072_000_000;
    let error = list.add_subject(id("spiffe://a.test/x"), UnixTime(millis)).unwrap_err();
    assert_eq!(error.to_string(), "is past the year 9999; expected seconds since 1970, found 1764072000000");
    assert_eq!(list.add_jti(td("a.test"), "j", UnixTime(millis)), Err(RevocationError::Time(millis)));
    assert!(list.is_empty());
}

#[test]
fn a_list_travels_in_the_snapshot_and_the_revision_covers_it() {
    let mut list = kids(&[("a.test", "k\"\u{e9}"), ("b.test", "k")]);
    list.add_jti(td("a.test"), "j", UnixTime(7)).unwrap();
    list.add_subject(id("spiffe://a.test/x"), UnixTime(8)).unwrap();
    let with = snapshot(5, Some((&list, 3)));
    let bytes = with.encode(&Limits::default()).unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        value["content"]["revoked"],
        json!({
            "kids": [{"trust_domain": "a.test", "kid": "k\"é"}, {"trust_domain": "b.test", "kid": "k"}],
            "jtis": [{"trust_domain": "a.test", "jti": "j", "expires_at": 7}],
            "subjects": [{"spiffe_id": "spiffe://a.test/x", "issued_before": 8}],
        })
    );
    assert_eq!(value["observed"]["revoked"], 3);
    let again = Snapshot::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(in_force(&again), list);
    assert!(again.revokes_the_same_as(&with) && !again.revokes_the_same_as(&snapshot(5, None)));
    assert_eq!(again.observed().revoked, Some(3));
    assert_ne!(with.revision(), snapshot(5, None).revision());
    assert_ne!(with.revision(), snapshot(5, Some((&kids(&[("a.test", "k")]), 3))).revision());
    let text = String::from_utf8(bytes).unwrap().replace("\"kid\":\"k\"", "\"kid\":\"l\"");
    assert!(matches!(
        Snapshot::decode(text.as_bytes(), &Limits::default()),
        Err(SnapshotError::RevisionMismatch)
    ));
}

#[test]
fn an_empty_list_leaves_the_content_as_before_and_no_list_the_whole_snapshot() {
    let without = snapshot(5, None);
    let empty = snapshot(5, Some((&Revocations::default(), 3)));
    assert_eq!(without.revision(), empty.revision());
    let text = |snapshot: &Snapshot| String::from_utf8(snapshot.encode(&Limits::default()).unwrap()).unwrap();
    assert!(!text(&without).contains("revoked"), "an older filter reads it");
    assert_eq!(text(&empty), text(&without).replace(r#""a.test":5}}"#, r#""a.test":5},"revoked":3}"#));
    assert!(in_force(&empty).is_empty());
    assert_eq!(
        Snapshot::decode(text(&empty).as_bytes(), &Limits::default()).unwrap().observed().revoked,
        Some(3)
    );
}

#[test]
fn anything_but_the_defined_shape_of_the_list_is_malformed() {
    for list in [
        "null",
        "[]",
        "{}",
        r#"{"kids":[]}"#,
        r#"{"more":[]}"#,
        r#"{"kids":{}}"#,
        r#"{"kids":[{"kid":"k"}]}"#,
        r#"{"kids":[{"trust_domain":"A","kid":"k"}]}"#,
        r#"{"kids":[{"trust_domain":"a","kid":""}]}"#,
        r#"{"kids":[{"trust_domain":"a","kid":1}]}"#,
        r#"{"kids":[{"trust_domain":"a","kid":"k","why":""}]}"#,
        r#"{"kids":[{"trust_domain":"a","kid":"k"},{"trust_domain":"a","kid":"k"}]}"#,
        r#"{"kids":[{"trust_domain":"a","kid":"k"}],"kids":[]}"#,
        r#"{"jtis":[{"trust_domain":"a","jti":"j"}]}"#,
        r#"{"jtis":[{"trust_domain":"a","jti":"j","expires_at":-1}]}"#,
        r#"{"jtis":[{"trust_domain":"a","jti":"j","expires_at":1.5}]}"#,
        r#"{"jtis":[{"trust_domain":"a","jti":"j","expires_at":1764072000000}]}"#,
        r#"{"jtis":[{"trust_domain":"a","jti":"j","expires_at":1},{"trust_domain":"a","jti":"j","expires_at":2}]}"#,
        r#"{"subjects":[{"spiffe_id":"spiffe://a","issued_before":1},{"spiffe_id":"spiffe://a","issued_before":2}]}"#,
        r#"{"subjects":[{"spiffe_id":"a","issued_before":1}]}"#,
    ] {
        let content = format!(r#"{{"trust":{{}},"revoked":{list}}}"#);
        let revision = Revision::of(content.as_bytes());
        let bytes = format!(
            r#"{{"format":1,"revision":"{revision}","observed":{{"at":1,"domains":{{}},"revoked":1}},"content":{content}}}"#
        );
        let read = Snapshot::decode(bytes.as_bytes(), &Limits::default())
            .and_then(|snapshot| snapshot.revocations(&Limits::default()));
        assert!(matches!(read, Err(SnapshotError::Malformed(_))), "{list}: {read:?}");
    }
}

#[test]
fn b09_a_list_over_a_limit_is_refused_with_limit_and_actual_by_writer_and_reader() {
    let list = kids(&[("a.test", "1"), ("a.test", "2"), ("a.test", "3")]);
    let good = snapshot(1, Some((&list, 1)));
    let size = serde_json::to_string(&list).unwrap().len();
    let few = Limits { max_revocations: 2, ..Limits::default() };
    for result in [
        list.check(&few),
        good.revocations(&few).map(|_| ()),
        snapshot(1, None).revoking(&list, 1, &few).map(|_| ()),
    ] {
        assert!(
            matches!(result, Err(SnapshotError::TooManyRevocations { limit: 2, actual: 3 })),
            "{result:?}"
        );
    }
    let small = Limits { max_revocations_bytes: size - 1, ..Limits::default() };
    let bytes = good.encode(&Limits::default()).unwrap();
    for result in [
        list.check(&small),
        good.encode(&small).map(|_| ()),
        Snapshot::decode(&bytes, &small).map(|_| ()),
        good.revocations(&small).map(|_| ()),
    ] {
        assert!(
            matches!(result, Err(SnapshotError::RevocationsTooLarge { limit, actual }) if (limit, actual) == (size - 1, size)),
            "{result:?}"
        );
    }
    let exact = Limits { max_revocations: 3, max_revocations_bytes: size, ..Limits::default() };
    list.check(&exact).unwrap();
}

#[test]
fn b09_a_full_list_leaves_half_of_a_snapshot_for_trust() {
    let limits = Limits::AGREED;
    assert!(limits.max_revocations_bytes * 2 <= limits.max_bytes);
    // Of common length: what the documentation promises.
    let mut list = Revocations::default();
    for number in 0..5_000 {
        let jti = format!("3f2504e0-4f89-11d3-9a0c-{number:012}");
        list.add_jti(td("example.org"), &jti, UnixTime(NOW)).unwrap();
    }
    list.check(&limits).unwrap();
}

#[test]
fn p12_a_replica_that_lags_brings_no_revoked_thing_back() {
    let (none, one, two) =
        (Revocations::default(), kids(&[("a.test", "1")]), kids(&[("a.test", "1"), ("a.test", "2")]));
    for (name, held, received, wins, kept) in [
        ("a later list", Some((&one, 10)), Some((&two, 11)), &two, false),
        ("an older list", Some((&two, 11)), Some((&one, 10)), &two, true),
        ("an older empty list", Some((&two, 11)), Some((&none, 10)), &two, true),
        ("a pardon", Some((&two, 11)), Some((&one, 12)), &one, false),
        ("a later empty list", Some((&two, 11)), Some((&none, 12)), &none, false),
        ("a tie: tokens that expired", Some((&two, 11)), Some((&one, 11)), &one, false),
        ("an older list over a pardon", Some((&none, 12)), Some((&two, 11)), &none, true),
        ("the first list", None, Some((&one, 1)), &one, false),
        ("a controller without a list", Some((&two, 11)), None, &two, false),
        ("nobody has a list", None, None, &none, false),
    ] {
        // Who has the older list may have the newer keys, and the other way round.
        for (held_at, received_at) in [(100, 200), (200, 100)] {
            let merged = snapshot(held_at, held).merge(snapshot(received_at, received)).unwrap();
            assert_eq!(&in_force(&merged.snapshot), wins, "{name}");
            assert_eq!(merged.kept_revocations, kept, "{name}");
            let latest = [held, received].into_iter().flatten().map(|(_, at)| at).max();
            assert_eq!(merged.snapshot.observed().revoked, latest, "{name}");
        }
    }
}

#[test]
fn p12_revocations_outlive_the_times_of_a_held_state_but_not_a_list_of_the_received_one() {
    let (one, two) = (kids(&[("a.test", "1")]), kids(&[("a.test", "2")]));
    let held = || snapshot(900, Some((&one, 900)));
    let kept = snapshot(10, None).or_revocations_of(held(), 20).unwrap();
    assert_eq!((in_force(&kept), kept.observed().revoked, kept.observed().at), (one.clone(), Some(20), 10));
    let taken = snapshot(10, Some((&two, 5))).or_revocations_of(held(), 20).unwrap();
    assert_eq!((in_force(&taken), taken.observed().revoked), (two, Some(5)));
    let none = snapshot(10, None).or_revocations_of(snapshot(900, None), 20).unwrap();
    assert_eq!(none.observed().revoked, None);
}

#[test]
fn p12_a_list_of_the_future_counts_as_an_observation() {
    assert_eq!(snapshot(5, Some((&kids(&[("a.test", "1")]), 9))).latest_observation(), 9);
}
