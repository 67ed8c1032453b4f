use std::collections::BTreeMap;

use serde_json::{Value, json};
use svidgate_jwt_svid::TrustDomain;

use crate::{ETag, FORMAT, Limits, Observed, Revision, Snapshot, SnapshotError, TrustBundle};

fn td(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn bundle(kid: &str) -> TrustBundle {
    TrustBundle::new(&json!({"keys": [{"kty": "EC", "kid": kid}]}), Some(7), None, "workload_api").unwrap()
}

/// A snapshot with the given (domain, kid, observed at) as of `at`.
fn snapshot(at: u64, domains: &[(&str, &str, u64)]) -> Snapshot {
    let trust = domains.iter().map(|(name, kid, _)| (td(name), bundle(kid))).collect();
    let domains = domains.iter().map(|(name, _, at)| (td(name), *at)).collect();
    Snapshot::new(trust, Observed { at, domains, ..Observed::default() }).unwrap()
}

fn kids(snapshot: &Snapshot) -> Vec<(String, String)> {
    snapshot
        .trust()
        .iter()
        .map(|(domain, bundle)| {
            let jwks: Value = serde_json::from_str(bundle.jwks()).unwrap();
            (domain.to_string(), jwks["keys"][0]["kid"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(domain, kid)| ((*domain).to_owned(), (*kid).to_owned())).collect()
}

fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bytes = snapshot(5, &[("a.test", "k1", 5)]).encode(&Limits::default()).unwrap();
    let mut value = serde_json::from_slice(&bytes).unwrap();
    edit(&mut value);
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn what_is_encoded_decodes_to_the_same_state() {
    let original = snapshot(9, &[("a.test", "k1", 8), ("b.test", "k2", 9)]);
    let bytes = original.encode(&Limits::default()).unwrap();
    let decoded = Snapshot::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(decoded.revision(), original.revision());
    assert_eq!(decoded.observed(), original.observed());
    assert_eq!(decoded.encode(&Limits::default()).unwrap(), bytes);
    assert_eq!(decoded.trust()[&td("a.test")].sequence(), Some(7));
    assert_eq!(decoded.trust()[&td("a.test")].source(), "workload_api");
}

#[test]
fn replicas_agree_on_the_revision_of_equal_content_observed_at_different_times() {
    let one = TrustBundle::new(&json!({"keys": [{"kid": "k", "kty": "EC"}]}), None, Some(1), "s").unwrap();
    let other = serde_json::from_slice::<Value>(br#"{"keys":[{"kty":"EC","kid":"k"}]}"#).unwrap();
    let other = TrustBundle::new(&other, None, Some(1), "s").unwrap();
    let at = |at, bundle| {
        Snapshot::new(BTreeMap::from([(td("a.test"), bundle)]), Observed { at, ..Observed::default() })
            .unwrap()
    };
    let (one, other) = (at(1, one), at(2, other));
    assert_eq!(one.revision(), other.revision());
    assert_ne!(one.etag(), other.etag());
    assert_ne!(one.revision(), snapshot(1, &[("a.test", "k", 1)]).revision());
}

#[test]
fn b09_a_snapshot_over_a_limit_is_refused_with_limit_and_actual() {
    let two = snapshot(1, &[("a.test", "k", 1), ("b.test", "k", 1)]);
    let bytes = two.encode(&Limits::default()).unwrap();
    let small = Limits { max_bytes: bytes.len() - 1, ..Limits::default() };
    let one = Limits { max_trust_domains: 1, ..Limits::default() };
    for result in [two.encode(&small).map(|_| ()), Snapshot::decode(&bytes, &small).map(|_| ())] {
        let actual = bytes.len();
        assert!(
            matches!(result, Err(SnapshotError::TooLarge { limit, actual: a }) if limit == actual - 1 && a == actual)
        );
    }
    for result in [two.encode(&one).map(|_| ()), Snapshot::decode(&bytes, &one).map(|_| ())] {
        assert!(matches!(result, Err(SnapshotError::TooManyTrustDomains { limit: 1, actual: 2 })));
    }
}

#[test]
fn an_unknown_format_is_refused_before_its_shape_is_judged() {
    let bytes = br#"{"format": 2, "something": "else"}"#;
    assert!(matches!(
        Snapshot::decode(bytes, &Limits::default()),
        Err(SnapshotError::UnknownFormat { known: FORMAT, actual: 2 })
    ));
}

#[test]
fn content_that_changed_on_the_way_is_refused() {
    for edit in [
        (|v: &mut Value| v["content"]["trust"]["a.test"]["sequence"] = json!(8)) as fn(&mut Value),
        |v| v["revision"] = json!(""),
        |v| v["revision"] = json!("0".repeat(64)),
    ] {
        assert!(matches!(
            Snapshot::decode(&edited(edit), &Limits::default()),
            Err(SnapshotError::RevisionMismatch)
        ));
    }
}

#[test]
fn anything_but_the_defined_shape_is_malformed() {
    let whole = edited(|_| {});
    let mut cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [whole.as_slice(), b"x"].concat(),
        edited(|v| v["extra"] = json!(1)),
        edited(|v| v["observed"]["at"] = json!(-1)),
        edited(|v| v["observed"]["at"] = json!("5")),
        edited(|v| v["observed"]["domains"] = json!({})),
        edited(|v| v["observed"]["domains"]["b.test"] = json!(1)),
        edited(|v| v["format"] = json!("1")),
    ];
    for content in [
        r#"{"trust":{"a.test":{"jwks":{},"source":"s"},"a.test":{"jwks":{},"source":"s"}}}"#,
        r#"{"trust":{"A.TEST":{"jwks":{},"source":"s"}}}"#,
        r#"{"trust":{"a.test":{"jwks":{},"source":"s","x":1}}}"#,
        r#"{"trust":{"a.test":{"source":"s"}}}"#,
        r#"{"trust":{},"more":{}}"#,
        // Without the time of the list.
        r#"{"trust":{"a.test":{"jwks":{},"source":"s"}},"revoked":{"kids":[{"trust_domain":"a.test","kid":"k"}]}}"#,
        r#"{}"#,
        r#"[]"#,
    ] {
        let revision = Revision::of(content.as_bytes());
        let bytes = format!(
            r#"{{"format":1,"revision":"{revision}","observed":{{"at":1,"domains":{{"a.test":1}}}},"content":{content}}}"#
        );
        cases.push(bytes.into_bytes());
    }
    for bytes in cases {
        let result = Snapshot::decode(&bytes, &Limits::default());
        assert!(matches!(result, Err(SnapshotError::Malformed(_))), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_error_has_a_label_of_the_closed_set() {
    let errors = [
        SnapshotError::TooLarge { limit: 1, actual: 2 },
        SnapshotError::UnknownFormat { known: 1, actual: 2 },
        SnapshotError::Malformed(String::new()),
        SnapshotError::RevisionMismatch,
        SnapshotError::TooManyTrustDomains { limit: 1, actual: 2 },
        SnapshotError::TooManyRevocations { limit: 1, actual: 2 },
        SnapshotError::RevocationsTooLarge { limit: 1, actual: 2 },
        SnapshotError::CredentialsTooLarge { limit: 1, actual: 2 },
    ];
    assert_eq!(errors.each_ref().map(SnapshotError::label), SnapshotError::LABELS);
}

#[test]
fn merging_takes_what_is_newer_and_never_goes_back() {
    let held = || snapshot(100, &[("a.test", "a1", 100), ("b.test", "b1", 50)]);
    let cases = [
        ("newer keys", snapshot(101, &[("a.test", "a2", 101), ("b.test", "b1", 101)]), "a2,b1", 0),
        ("a tie", snapshot(100, &[("a.test", "a2", 100), ("b.test", "b2", 50)]), "a2,b2", 0),
        ("one older", snapshot(101, &[("a.test", "a0", 99), ("b.test", "b2", 60)]), "a1,b2", 1),
        ("a removed domain", snapshot(101, &[("a.test", "a1", 101)]), "a1,-", 0),
        ("a removal older than what is held", snapshot(40, &[("a.test", "a1", 101)]), "a1,b1", 1),
    ];
    for (name, received, expected, kept) in cases {
        let merged = held().merge(received).unwrap();
        let found = ["a.test", "b.test"]
            .map(|domain| {
                kids(&merged.snapshot).into_iter().find(|(d, _)| d == domain).map_or("-".into(), |(_, k)| k)
            })
            .join(",");
        assert_eq!((found.as_str(), merged.kept.len()), (expected, kept), "{name}");
        assert!(merged.snapshot.observed().at >= 100, "{name}");
    }
}

#[test]
fn a_removed_domain_is_not_brought_back_by_a_replica_that_lags() {
    let held = snapshot(100, &[("a.test", "a1", 100)]);
    let late = snapshot(99, &[("a.test", "a1", 99), ("gone.test", "g", 99)]);
    let merged = held.merge(late).unwrap();
    assert_eq!(kids(&merged.snapshot), pairs(&[("a.test", "a1")]));
    let fresh =
        merged.snapshot.merge(snapshot(101, &[("a.test", "a1", 101), ("gone.test", "g", 101)])).unwrap();
    assert_eq!(kids(&fresh.snapshot), pairs(&[("a.test", "a1"), ("gone.test", "g")]));
}

#[test]
fn merging_the_same_content_moves_only_the_times() {
    let held = snapshot(1, &[("a.test", "a1", 1)]);
    let revision = held.revision().clone();
    let merged = held.merge(snapshot(9, &[("a.test", "a1", 9)])).unwrap().snapshot;
    assert_eq!(merged.revision(), &revision);
    assert_eq!(merged.latest_observation(), 9);
}

#[test]
fn etags_round_trip_and_foreign_ones_are_not_understood() {
    let etag = snapshot(12, &[]).etag();
    assert_eq!(ETag::parse(&etag.to_string()), Some(etag.clone()));
    let with_credentials = ETag { credentials: Revision::parse(&"0".repeat(64)), ..etag.clone() };
    assert_eq!(ETag::parse(&with_credentials.to_string()), Some(with_credentials));
    let revision = etag.revision;
    for text in [
        "",
        "*",
        "\"\"",
        "W/\"x\"",
        &revision.to_string(),
        &format!("\"{revision}\""),
        &format!("\"{revision}.+1\""),
        &format!("\"{revision}.1.\""),
        &format!("\"{revision}.1.x\""),
        &format!("\"{revision}.1.{revision}.\""),
    ] {
        assert_eq!(ETag::parse(text), None, "{text}");
    }
}
