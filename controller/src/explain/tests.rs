//! The text of each failing step, as its reader meets it.

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, Token as Forged, jwks};
use svidgate_jwt_svid::{BundleSet, Step, TrustDomain, UnixTime};

use super::demands::{self, Demands};
use super::keys::Keys;
use super::report::{Report, Verdict};
use super::token::Token;
use super::{printable, text, when};

fn key() -> Key {
    Key::p256("key-1")
}

fn good() -> Forged {
    Forged::new(&key())
}

fn keys() -> Keys {
    let rsa = Key::rsa(RsaKey::Bits2048, "rsa-1").jwk_with(json!({"alg": "PS256"}));
    let short = Key::p256("short").jwk_with(json!({"x": "AAAA"}));
    let document = |entries: Vec<Value>, domain: &str| {
        Keys::from_document(&jwks(entries), &TrustDomain::parse(domain).unwrap(), "bundle.json").unwrap()
    };
    let example = document(vec![key().jwk(), rsa, short], "example.org");
    let other = document(vec![Key::p256("theirs").jwk()], "other.org");
    let bundles = [&example, &other]
        .into_iter()
        .flat_map(|keys| keys.bundles.iter().map(|(name, bundle)| (name.clone(), bundle.clone())));
    Keys { bundles: bundles.collect(), ..example }
}

fn expecting(audiences: &[&str]) -> Demands {
    let audiences: Vec<String> = audiences.iter().map(|audience| (*audience).to_owned()).collect();
    Demands::new(None, &audiences, None).unwrap()
}

fn report_at(token: &[u8], demands: &Demands, now: u64) -> Report {
    Report::new(&Token::from_text(token), &keys(), demands, UnixTime(now)).unwrap()
}

fn report(token: &[u8]) -> Report {
    report_at(token, &expecting(&[AUDIENCE]), NOW)
}

/// The line of the step that failed, without the mark.
fn failed(token: &[u8]) -> String {
    let shown = text::render(&report(token));
    let line = shown.lines().find(|line| line.starts_with("  ✗ ")).unwrap_or_else(|| panic!("{shown}"));
    line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

const KEYS: &str = "  judged at 2023-11-14T22:13:20Z
  keys from bundle.json, read as a JWKS
    example.org: \"key-1\", \"rsa-1\"
      not used: \"short\" has a coordinate of 3 octets, not 32
    other.org: \"theirs\"";

#[test]
fn a_valid_token_is_told_with_what_was_checked() {
    let token = good().claim("nbf", json!(NOW - 30)).sign(&key());
    let report = report(&token);
    assert_eq!(report.verdict, Verdict::Valid);
    assert_eq!(
        text::render(&report),
        format!(
            "VALID: \"spiffe://example.org/client\"

  ✓ size          {} bytes, at most 8192
  ✓ structure     three parts of strict base64url
  ✓ header        kid \"key-1\"
  ✓ algorithm     ES256
  ✓ claims        strict JSON; registered claims have the right types
  ✓ spiffe_id     \"spiffe://example.org/client\"
  ✓ bundle        there is a bundle of example.org
  ✓ key           the bundle has the kid
  ✓ key_algorithm the key is for ES256
  ✓ audience      the token is for: \"backend.example.org\"
  ✓ times         expires 2023-11-14T22:17:20Z (in 4 min); not before 2023-11-14T22:12:50Z (30 s ago); \
issued 2023-11-14T22:12:20Z (60 s ago)
  ✓ signature     ES256 by the key \"key-1\"

{KEYS}",
            token.len()
        )
    );
}

#[test]
fn a_refused_token_begins_with_the_verdict_the_cause_and_the_way_to_mend_it() {
    let report = report_at(&good().sign(&key()), &expecting(&[AUDIENCE]), NOW + 240 + 200);
    let shown = text::render(&report);
    assert_eq!(
        shown.lines().take(4).collect::<Vec<_>>(),
        [
            "REFUSED (token_expired): the token has expired",
            "  cause: The caller keeps tokens past their lifetime, or the clocks differ by more than the skew.",
            "  mend:  Fetch a token for each call, or let a Workload API library refresh it; check both clocks (NTP).",
            "",
        ]
    );
    assert!(
        shown.contains("\n  ✗ times         expired 2023-11-14T22:17:20Z (3 min ago); skew 5 s\n"),
        "{shown}"
    );
    assert!(shown.contains("\n  – signature\n"), "{shown}");
}

#[test]
fn each_step_says_what_it_met() {
    let rsa = Key::rsa(RsaKey::Bits2048, "rsa-1");
    let payload = good().payload_bytes();
    let cases: Vec<(Step, Vec<u8>, &str)> = vec![
        (Step::Size, vec![b'a'; 9000], "size 9000 bytes, at most 8192"),
        (
            Step::Structure,
            b"abc.def".to_vec(),
            "structure the token has not exactly three parts; it has 2 parts of 3, 3 bytes",
        ),
        (
            Step::Structure,
            b"an opaque token".to_vec(),
            "structure the token has not exactly three parts; it has one part of 15 bytes",
        ),
        (
            Step::Structure,
            b"abcd.ab=d.abcd".to_vec(),
            "structure the token's payload is not strict base64url; it has 3 parts of 4, 4, 4 bytes",
        ),
        (
            Step::Header,
            good().header("jku", json!("https://x")).sign(&key()),
            "header the header has a member that is not allowed: jku; its members: \"alg\", \"jku\", \"kid\", \"typ\"",
        ),
        (
            Step::Header,
            good().header("typ", json!("at+jwt")).sign(&key()),
            "header the header's typ is neither JWT nor JOSE; typ is \"at+jwt\"",
        ),
        (
            Step::Header,
            good().header("kid", json!(7)).sign(&key()),
            "header the header's kid is not a string; kid is 7",
        ),
        (
            Step::Header,
            good().without_header("kid").sign(&key()),
            "header the header has no kid; its members: \"alg\", \"typ\"",
        ),
        (
            Step::Algorithm,
            good().header("alg", json!("HS256")).sign(&key()),
            "algorithm the algorithm is none that a JWT-SVID may have; alg is \"HS256\"",
        ),
        (
            Step::Claims,
            good().claim("exp", json!("1700000240")).sign(&key()),
            "claims the claim exp has the wrong type; exp is \"1700000240\"",
        ),
        (
            Step::Claims,
            good().claim("exp", json!(1_700_000_240_000_u64)).sign(&key()),
            "claims the time in exp is out of range; exp is 1700000240000",
        ),
        (
            Step::Claims,
            good().raw_payload(&[&payload, b"x".as_slice()].concat()).sign(&key()),
            "claims the payload has data after its end",
        ),
        (
            Step::SpiffeId,
            good().claim("sub", json!("system:serviceaccount:shop:cart")).sign(&key()),
            "spiffe_id the claim sub is no SPIFFE ID: it does not begin with spiffe:// in lower case; \
             sub is \"system:serviceaccount:shop:cart\"",
        ),
        (Step::SpiffeId, good().without_claim("sub").sign(&key()), "spiffe_id the claim sub is missing"),
        (
            Step::Bundle,
            good().claim("sub", json!("spiffe://third.org/x")).sign(&key()),
            "bundle sub is of trust domain \"third.org\"; there are bundles of: \"example.org\", \"other.org\"",
        ),
        (
            Step::Key,
            good().header("kid", json!("old")).sign(&key()),
            "key kid \"old\" is not in the bundle of example.org, which has: \"key-1\", \"rsa-1\"",
        ),
        (
            Step::Key,
            good().header("kid", json!("theirs")).sign(&key()),
            "key kid \"theirs\" is not in the bundle of example.org, which has: \"key-1\", \"rsa-1\"; \
             it is a key of other.org",
        ),
        (
            Step::Key,
            good().header("kid", json!("short")).sign(&key()),
            "key kid \"short\": the bundle of example.org has it, but it has a coordinate of 3 octets, not 32",
        ),
        (
            Step::KeyAlgorithm,
            Forged::new(&rsa).sign(&rsa),
            "key_algorithm the key is for PS256, the token says RS256",
        ),
        (
            Step::Audience,
            good().claim("aud", json!(["a", "b"])).sign(&key()),
            "audience the token is for: \"a\", \"b\"; expected one of: \"backend.example.org\"",
        ),
        (
            Step::Audience,
            good().claim("aud", json!("https://backend.example.org")).sign(&key()),
            "audience the token is for: \"https://backend.example.org\"; expected one of: \"backend.example.org\"; \
             they differ in the scheme only, and audiences are compared byte for byte",
        ),
        (
            Step::Audience,
            good().claim("aud", json!("Backend.example.org")).sign(&key()),
            "audience the token is for: \"Backend.example.org\"; expected one of: \"backend.example.org\"; \
             they differ in letter case only, and audiences are compared byte for byte",
        ),
        (Step::Audience, good().without_claim("aud").sign(&key()), "audience the token has no audience"),
        (
            Step::Times,
            good().claim("nbf", json!(NOW + 600)).sign(&key()),
            "times not valid before 2023-11-14T22:23:20Z (in 10 min); skew 5 s",
        ),
        (Step::Times, good().without_claim("exp").sign(&key()), "times the claim exp is missing"),
        (Step::Signature, good().sign(&Key::p256("mallory")), "signature the signature does not verify"),
        (
            Step::Signature,
            good().with_signature(&[1; 70]),
            "signature the signature has not the form that its algorithm demands",
        ),
    ];
    for (step, token, line) in &cases {
        assert_eq!(failed(token), *line);
        assert_eq!(line.split(' ').next(), Some(step.as_str()));
    }
    for step in Step::ALL {
        assert!(cases.iter().any(|(covered, ..)| covered == step), "{step:?} has no case");
    }
}

#[test]
fn without_an_audience_the_token_is_never_called_valid() {
    let open = Demands::new(None, &[], None).unwrap();
    let unchecked = report_at(&good().claim("aud", json!(["x", "y"])).sign(&key()), &open, NOW);
    assert_eq!(unchecked.verdict, Verdict::AudienceNotChecked);
    let shown = text::render(&unchecked);
    assert!(
        shown.starts_with("NOT REFUSED, BUT NOT PROVED: \"spiffe://example.org/client\"; give --audience")
    );
    assert!(
        shown.contains(
            "  – audience      the token is for: \"x\", \"y\"; not checked, no audience was given\n"
        ),
        "{shown}"
    );
    assert!(shown.contains("  ✓ signature "), "the walk goes on: {shown}");

    for (aud, line) in [
        (json!([]), "audience the token has no audience"),
        (json!([""]), "audience the token is for: \"\"; no verifier has an empty name"),
    ] {
        let refused = report_at(&good().claim("aud", aud).sign(&key()), &open, NOW);
        assert_eq!(refused.verdict, Verdict::Refused);
        assert!(text::render(&refused).split_whitespace().collect::<Vec<_>>().join(" ").contains(line));
    }
    let expired = report_at(&good().sign(&key()), &open, NOW + 10_000);
    assert_eq!(expired.verdict, Verdict::Refused);
}

#[test]
fn the_json_has_a_stable_shape() {
    let token = good().claim("aud", json!("other")).sign(&key());
    let value: Value = serde_json::from_str(&report(&token).json().unwrap()).unwrap();
    assert_eq!(value["verdict"], "refused");
    assert_eq!(value["at"], NOW);
    assert_eq!(value["refusal"]["reason"], "audience_mismatch");
    assert_eq!(value["refusal"]["step"], "audience");
    for name in ["error", "likely_cause", "mend"] {
        assert!(value["refusal"][name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    let steps = value["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, Step::ALL.iter().map(|step| step.as_str()).collect::<Vec<_>>());
    let outcomes: Vec<_> = steps.iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, [["passed"; 9].as_slice(), &["failed", "not_reached", "not_reached"]].concat());
    assert_eq!(
        value["found"],
        json!({"token_bytes": token.len(), "kid": "key-1", "alg": "ES256", "sub": "spiffe://example.org/client",
            "trust_domain": "example.org", "aud": ["other"], "exp": null, "nbf": null, "iat": null,
            "key_algorithms": ["ES256"], "expected_aud": [AUDIENCE], "clock_skew": 5, "max_token_bytes": 8192,
            "max_age": null})
    );
    assert_eq!(
        value["keys"],
        json!({"origin": "bundle.json, read as a JWKS", "refused": [], "trust_domains": [
            {"trust_domain": "example.org", "kids": ["key-1", "rsa-1"],
             "ignored": [{"kid": "short", "reason": "has a coordinate of 3 octets, not 32"}]},
            {"trust_domain": "other.org", "kids": ["theirs"], "ignored": []}]})
    );
    assert_eq!(value["notes"], json!([]));
    let open = report_at(&good().sign(&key()), &Demands::new(None, &[], None).unwrap(), NOW);
    let value: Value = serde_json::from_str(&open.json().unwrap()).unwrap();
    assert_eq!((&value["verdict"], &value["refusal"]), (&json!("audience_not_checked"), &Value::Null));
    assert_eq!(value["steps"][9]["outcome"], "not_checked");
}

#[test]
fn v16_neither_signature_nor_token_is_shown_and_nothing_acts_on_the_terminal() {
    let nasty = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\nb\u{200b}";
    let tokens = [
        good().header("kid", json!(nasty)).sign(&key()),
        good().header("typ", json!(nasty)).sign(&key()),
        good().header(nasty, json!(1)).sign(&key()),
        good().header("alg", json!(nasty)).sign(&key()),
        good().claim("sub", json!(nasty)).sign(&key()),
        good().claim("aud", json!([nasty])).sign(&key()),
        good().claim("iss", json!([nasty])).sign(&key()),
        good().claim("exp", json!(nasty)).sign(&key()),
        good().sign(&key()),
        good().sign(&Key::p256("mallory")),
    ];
    for token in tokens {
        let report = report(&token);
        let token = String::from_utf8(token).unwrap();
        let signature = token.rsplit('.').next().unwrap();
        for shown in [text::render(&report), report.json().unwrap()] {
            assert!(!shown.contains(signature) && !shown.contains(&token));
            for c in shown.chars().filter(|c| *c != '\n') {
                assert!(!c.is_control() && !"\u{202e}\u{200b}".contains(c), "{c:?} in {shown}");
            }
        }
    }
}

#[test]
fn long_and_many_texts_are_cut() {
    let long = "x".repeat(1000);
    assert!(printable::quoted(&long).ends_with("\"… and 700 more characters"));
    assert_eq!(printable::quoted("a\"b\\c"), r#""a\"b\\c""#);
    let many: Vec<&str> = std::iter::repeat_n("x", 30).collect();
    assert!(printable::list(many).ends_with(" and 10 more"));
    assert_eq!(printable::list([]), "none");
    let escaped = printable::json("\"\u{9b}\u{e0001}\"");
    assert_eq!(escaped, r#""\u009b\udb40\udc01""#);
    assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), "\u{9b}\u{e0001}");
}

#[test]
fn a_token_comes_bare_or_in_its_header() {
    for text in [
        "a.b.c",
        " a.b.c\r\n",
        "Bearer a.b.c",
        "authorization: bearer  a.b.c\n",
        "Authorization:Bearer a.b.c",
    ] {
        let token = Token::from_text(text.as_bytes());
        assert_eq!(token.bytes, b"a.b.c", "{text:?}");
        assert_eq!(token.from_header, text.to_ascii_lowercase().contains("bearer"));
    }
    assert_eq!(Token::from_text(b"a. b.c").bytes, b"a. b.c");
}

#[test]
fn b1_both_forms_of_a_bundle_are_told_apart() {
    let domain = TrustDomain::parse("example.org").unwrap();
    let without_use = key().jwk_with(json!({"use": null}));
    let read = |document: Value| {
        let keys = Keys::from_document(document.to_string().as_bytes(), &domain, "f").unwrap();
        (keys.bundles.get(&domain).unwrap().len(), keys.origin)
    };
    assert_eq!(read(json!({"keys": [without_use]})), (1, "f, read as a JWKS".to_owned()));
    let document = (0, "f, read as a SPIFFE bundle document".to_owned());
    assert_eq!(read(json!({"keys": [without_use], "spiffe_sequence": 1})), document);
    assert_eq!(read(json!({"keys": [without_use], "spiffe_refresh_hint": 1})), document);
    assert_eq!(read(json!({"keys": [without_use, {"use": "x509-svid"}]})), document);
    let error = Keys::from_document(b"{}", &domain, "f").unwrap_err();
    assert_eq!(error, "the bundle has no keys member");
}

#[test]
fn a_bundle_without_keys_and_no_bundle_at_all_are_said() {
    let none = Keys {
        bundles: BundleSet::new(),
        origin: "x".into(),
        refused: vec![("y\u{7}".into(), "bad".into())],
    };
    let token = Token::from_text(&good().sign(&key()));
    let shown = text::render(&Report::new(&token, &none, &expecting(&["a"]), UnixTime(NOW)).unwrap());
    assert!(shown.contains("there are bundles of: none"), "{shown}");
    assert!(
        shown.ends_with("    not used: bundle of \"y\\u{7}\": bad\n    none: every token is refused"),
        "{shown}"
    );
}

#[test]
fn what_is_odd_but_no_reason_is_a_note() {
    let token = good().claim("iat", json!(NOW + 7200)).sign(&key());
    let shown = text::render(&report(&[b"Bearer ".as_slice(), &token].concat()));
    assert!(shown.starts_with("VALID"), "{shown}");
    assert!(shown.contains("note: the scheme Bearer"), "{shown}");
    assert!(shown.contains("note: it was issued in the future (in 2 h)"), "{shown}");
    // Within the skew.
    let late = report_at(&good().sign(&key()), &expecting(&[AUDIENCE]), NOW + 242);
    assert!(text::render(&late).contains("expired 2023-11-14T22:17:20Z (2 s ago), within the skew of 5 s"));
}

#[test]
fn times_and_skews_are_read_in_both_forms() {
    assert_eq!(when::parse("1700000000"), Ok(UnixTime(NOW)));
    assert_eq!(when::parse("2023-11-14T22:13:20Z"), Ok(UnixTime(NOW)));
    assert_eq!(when::parse("2023-11-15T00:13:20.9+02:00"), Ok(UnixTime(NOW)));
    assert!(when::parse("yesterday").is_err() && when::parse("1950-01-01T00:00:00Z").is_err());
    assert_eq!(demands::skew("5"), Ok(5));
    assert_eq!(demands::skew("1m"), Ok(60));
    assert!(demands::skew("301").is_err() && demands::skew("soon").is_err() && demands::skew("").is_err());
    for (seconds, text) in
        [(0, "now"), (1, "in 1 s"), (119, "in 119 s"), (7199, "in 119 min"), (86_400, "in 24 h")]
    {
        assert_eq!(when::relative(UnixTime(NOW + seconds), UnixTime(NOW)), text);
    }
    assert_eq!(when::relative(UnixTime(NOW - 200_000), UnixTime(NOW)), "2 days ago");
    assert_eq!(when::utc(UnixTime(u64::MAX)), "18446744073709551615 s after 1970");
}
