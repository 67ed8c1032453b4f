use svidgate_policy::Headers;
use svidgate_snapshot::{
    Credential, CredentialKey, CredentialKind, Credentials, NONCE_BYTES, Observed, SealedCredentials,
    Snapshot,
};

use super::*;
use crate::config::Config;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const OTHER_KEY: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NOW: u64 = 1000;

fn outgoing(rules: &str) -> Outgoing {
    let text =
        format!(r#"{{"inbound": "not_judged", "credentials": {{"key": "{KEY}"}}, "outgoing": {rules}}}"#);
    Config::parse(text.as_bytes()).unwrap().outgoing.unwrap()
}

fn credentials() -> Credentials {
    let mut all = Credentials::default();
    for (name, kind, value, not_after) in [
        ("token", CredentialKind::Secret, "abc.def", Some(NOW + 10)),
        ("login", CredentialKind::UserPassword, "me:pass word", None),
        ("ended", CredentialKind::Secret, "old", Some(NOW)),
        ("phrase", CredentialKind::Secret, "two words", None),
        ("spaced", CredentialKind::Secret, "end ", None),
    ] {
        assert!(all.add(name, Credential::new(kind, value.as_bytes().to_vec(), not_after).unwrap()));
    }
    all
}

fn snapshot(key: &str, credentials: &Credentials, at: u64) -> Snapshot {
    let key = CredentialKey::parse(key).unwrap();
    let sealed = SealedCredentials::seal(credentials, &key, at, [7; NONCE_BYTES]).unwrap();
    Snapshot::new(Default::default(), Observed { at, ..Observed::default() }).unwrap().carrying(Some(sealed))
}

fn held(outgoing: &Outgoing) -> HeldCredentials {
    let mut held = HeldCredentials::new(Some(Wanted::by(outgoing)));
    let (snapshot, section) = held.open(snapshot(KEY, &credentials(), 1));
    assert!(held.take(&snapshot, section));
    held
}

/// What becomes of a GET to the cluster `api` with these headers.
fn decide_with(rules: &str, cluster: &str, target: (&str, &str), headers: &[(&str, &str)]) -> String {
    let outgoing = outgoing(rules);
    let held = held(&outgoing);
    show(&outgoing, &held, cluster, target, headers, NOW)
}

fn show(
    outgoing: &Outgoing,
    held: &HeldCredentials,
    cluster: &str,
    (host, path): (&str, &str),
    headers: &[(&str, &str)],
    now: u64,
) -> String {
    let pseudo = [(":method", "GET"), (":authority", host), (":path", path)];
    let pairs =
        pseudo.iter().chain(headers).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    match decide(outgoing, cluster, &Headers::new(pairs), held, now) {
        Ok(Deed::Pass) => "pass".to_owned(),
        Ok(Deed::Keep(_)) => "keep".to_owned(),
        Ok(Deed::Set(placed)) => {
            let value = String::from_utf8(placed.value.to_vec()).unwrap();
            format!("-{} {}: {value}", placed.remove.join(","), placed.header)
        }
        Err((_, reason)) => reason.as_str().to_owned(),
    }
}

fn rule(credential: &str, carrier: &str, rest: &str) -> String {
    format!(r#"[{{"match": {{"clusters": ["api"]}}, "credential": "{credential}", "as": {carrier}{rest}}}]"#)
}

#[test]
fn a_credential_is_carried_as_the_rule_says_and_only_by_what_can_carry_it() {
    let named = r#"{"header": "x-api-key"}"#;
    let prefixed = r#"{"header": "x-api-key", "prefix": "token "}"#;
    for (credential, carrier, expected) in [
        ("token", r#""bearer""#, "- authorization: Bearer abc.def"),
        ("token", r#""basic""#, "credential_unfit"),
        ("token", named, "- x-api-key: abc.def"),
        ("token", prefixed, "- x-api-key: token abc.def"),
        ("login", r#""basic""#, "- authorization: Basic bWU6cGFzcyB3b3Jk"),
        ("login", r#""bearer""#, "credential_unfit"),
        ("login", named, "credential_unfit"),
        ("phrase", r#""bearer""#, "credential_unfit"),
        ("phrase", named, "- x-api-key: two words"),
        ("spaced", named, "credential_unfit"),
        ("ended", r#""bearer""#, "credential_expired"),
        ("none", r#""bearer""#, "credential_missing"),
    ] {
        let found = decide_with(&rule(credential, carrier, ""), "api", ("a.test", "/"), &[]);
        assert_eq!(found, expected, "{credential} as {carrier}");
    }
}

#[test]
fn h13_the_end_is_judged_at_each_request() {
    let outgoing = outgoing(&rule("token", r#""bearer""#, ""));
    let held = held(&outgoing);
    let at = |now| show(&outgoing, &held, "api", ("a.test", "/"), &[], now);
    assert_eq!(at(NOW + 9), "- authorization: Bearer abc.def");
    assert_eq!(at(NOW + 10), "credential_expired");
    assert_eq!(at(u64::MAX), "credential_expired", "a clock that cannot be read");
}

#[test]
fn a_credential_goes_to_the_clusters_of_its_rule_whatever_host_is_said() {
    let rules = r#"[{"match": {"clusters": ["api"], "hosts": ["a.test", "*.b.test:8080"], "paths": ["/v1/**"]},
        "credential": "token", "as": "bearer"}]"#;
    let set = "- authorization: Bearer abc.def";
    for (cluster, host, path, expected) in [
        ("api", "a.test", "/v1/x", set),
        ("api", "A.Test:443", "/v1/x?y", set),
        ("api", "x.b.test:8080", "/v1", set),
        ("elsewhere", "a.test", "/v1/x", "pass"),
        ("API", "a.test", "/v1/x", "pass"),
        ("api ", "a.test", "/v1/x", "pass"),
        ("", "a.test", "/v1/x", "pass"),
        ("api", "a.test.evil.test", "/v1/x", "pass"),
        ("api", "evil-a.test", "/v1/x", "pass"),
        ("api", "b.test:8080", "/v1/x", "pass"),
        ("api", "x.b.test", "/v1/x", "pass"),
        ("api", "a.test@evil.test", "/v1/x", "host_invalid"),
        ("api", "evil.test#a.test", "/v1/x", "host_invalid"),
        ("api", "a.test\u{e9}", "/v1/x", "host_invalid"),
        ("api", "", "/v1/x", "host_invalid"),
        ("api", "a.test", "/v2/x", "pass"),
        ("api", "a.test", "/v1/../v2", "path_ambiguous"),
        ("api", "a.test", "/v1/%2e%2e/v2", "path_ambiguous"),
        ("api", "a.test", "//v1/x", "path_ambiguous"),
        ("api", "a.test", "/v1;x/y", "path_ambiguous"),
    ] {
        assert_eq!(decide_with(rules, cluster, (host, path), &[]), expected, "{cluster} {host} {path}");
    }
    let anywhere = rule("token", r#""bearer""#, "");
    assert_eq!(decide_with(&anywhere, "api", ("not a host", "/../x"), &[]), set, "no rule looks at either");
}

#[test]
fn two_hosts_in_one_request_are_none() {
    let rules =
        r#"[{"match": {"clusters": ["api"], "hosts": ["a.test"]}, "credential": "token", "as": "bearer"}]"#;
    let twice = decide_with(rules, "api", ("a.test", "/"), &[(":authority", "evil.test")]);
    assert_eq!(twice, "host_invalid");
}

#[test]
fn the_first_rule_of_a_cluster_decides() {
    let rules = r#"[
        {"match": {"clusters": ["other"]}, "credential": "none", "as": "bearer"},
        {"match": {"clusters": ["api"], "paths": ["/login"]}, "credential": "login", "as": "basic"},
        {"match": {"clusters": ["api", "other"]}, "credential": "token", "as": "bearer"}]"#;
    assert_eq!(decide_with(rules, "api", ("x", "/login"), &[]), "- authorization: Basic bWU6cGFzcyB3b3Jk");
    assert_eq!(decide_with(rules, "api", ("x", "/else"), &[]), "- authorization: Bearer abc.def");
    assert_eq!(decide_with(rules, "other", ("x", "/login"), &[]), "credential_missing");
}

#[test]
fn a_header_of_the_caller_is_replaced_kept_or_refused_in_any_spelling() {
    let named = r#"{"header": "x-api-key"}"#;
    let with = |existing: &str, header: &str| {
        let rules = rule("token", named, &format!(r#", "existing": "{existing}""#));
        decide_with(&rules, "api", ("a.test", "/"), &[(header, "the caller's")])
    };
    for header in ["x-api-key", "x_api_key", "x.api.key", "X-Api-Key"] {
        assert_eq!(with("replace", header), format!("-{header} x-api-key: abc.def"));
        assert_eq!(with("keep", header), "keep");
        assert_eq!(with("refuse", header), "outgoing_header_present");
    }
    for existing in ["replace", "keep", "refuse"] {
        assert_eq!(with(existing, "x-api-keys"), "- x-api-key: abc.def");
    }
    let empty = rule("token", named, r#", "existing": "keep""#);
    assert_eq!(decide_with(&empty, "api", ("a", "/"), &[("x-api-key", "")]), "keep", "an empty one is one");
    let missing = rule("none", named, r#", "existing": "keep""#);
    assert_eq!(decide_with(&missing, "api", ("a", "/"), &[("x-api-key", "own")]), "keep", "none is needed");
    assert_eq!(decide_with(&missing, "api", ("a", "/"), &[]), "credential_missing");
}

#[test]
fn what_we_set_before_a_retry_is_ours_also_after_a_rotation() {
    let rules = rule("token", r#""bearer""#, r#", "existing": "refuse""#);
    let outgoing = outgoing(&rules);
    let mut held = held(&outgoing);
    let mut next = Credentials::default();
    assert!(next.add("token", Credential::new(CredentialKind::Secret, b"new".to_vec(), None).unwrap()));
    let (snapshot, section) = held.open(snapshot(KEY, &next, 2));
    assert!(held.take(&snapshot, section));
    let with = |value: &str| show(&outgoing, &held, "api", ("a", "/"), &[("authorization", value)], NOW);
    assert_eq!(with("Bearer abc.def"), "-authorization authorization: Bearer new");
    assert_eq!(with("Bearer new"), "-authorization authorization: Bearer new");
    assert_eq!(with("Bearer abc.deg"), "outgoing_header_present");
}

#[test]
fn a_section_that_does_not_open_is_taken_off_and_changes_nothing() {
    let outgoing = outgoing(&rule("token", r#""bearer""#, ""));
    let held = held(&outgoing);
    let before = held.now().clone();
    let (left, section) = held.open(snapshot(OTHER_KEY, &credentials(), 9));
    assert!(matches!(section, Section::Refused));
    assert!(left.credentials().is_none());
    assert_eq!(held.now(), &before);
    let nobody = HeldCredentials::default();
    let (left, section) = nobody.open(snapshot(KEY, &credentials(), 9));
    assert!(matches!(section, Section::None) && left.credentials().is_none(), "who asks for none takes none");
    let shown = format!("{held:?} {outgoing:?} {section:?}");
    assert!(!shown.contains("abc.def") && !shown.contains("97, 98, 99") && !shown.contains(KEY), "{shown}");
}

#[test]
fn different_needs_make_different_subscriptions() {
    let query = |rules: &str| Wanted::by(&outgoing(rules)).query();
    let one = query(&rule("token", r#""bearer""#, ""));
    let id = CredentialKey::parse(KEY).unwrap().id().to_owned();
    assert_eq!(one, format!("credentials=token&key={id}"));
    assert_ne!(one, query(&rule("login", r#""basic""#, "")));
}
