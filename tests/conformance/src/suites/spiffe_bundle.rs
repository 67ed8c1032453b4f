//! SPIFFE bundle documents (SPIFFE_Trust_Domain_and_Bundle.md §4, JWT-SVID.md §6): the examples, and each rule kept
//! and broken. The question is whether a good token gets in with the document; where a document is no bundle at all,
//! it does not either.

use serde_json::{Value, json};
use svidgate_forge::{Key, NOW, RsaKey, TRUST_DOMAIN, Token};
use svidgate_jwt_svid::{Bundle, BundleLimits, BundleSet, TrustDomain};

use crate::case::{Case, Expected, Judged, Ours, Suite};
use crate::judge;

pub(super) fn suite() -> Suite {
    let rules = [good(), entries_that_do_not_count(), broken_documents()].concat();
    let mut cases: Vec<_> = rules
        .into_iter()
        .map(|(id, document, expected)| Case::new(id, expected, verify_with(document.to_string().as_bytes())))
        .collect();
    cases.extend(examples_of_the_standard());
    Suite::new("SPIFFE bundle", cases)
}

type Rule = (&'static str, Value, Expected);

fn key() -> Key {
    Key::p256("key-1")
}

fn good() -> Vec<Rule> {
    let keys = json!([key().jwk()]);
    let x509 = json!({"kty": "RSA", "use": "x509-svid", "x5c": ["MIIB"], "n": "AQAB", "e": "AQAB"});
    vec![
        ("4.1 keys only", json!({"keys": keys}), Expected::Valid),
        ("4.1 unknown parameters", json!({"keys": keys, "x": {"y": [1]}}), Expected::Valid),
        ("4.1.1 sequence of 64 bits", json!({"keys": keys, "spiffe_sequence": u64::MAX}), Expected::Valid),
        ("4.1.2 refresh hint", json!({"keys": keys, "spiffe_refresh_hint": 300}), Expected::Valid),
        ("4.1.3 keys of other uses beside it", json!({"keys": [x509, key().jwk()]}), Expected::Valid),
        (
            "4.1.3 unknown key types beside it",
            json!({"keys": [{"kty": "OKP", "use": "jwt-svid", "kid": "key-1", "crv": "Ed25519", "x": "AA"}, key().jwk()]}),
            Expected::Valid,
        ),
        (
            "4.1.3 what is no key beside it",
            json!({"keys": [null, 1, "x", [], {}, key().jwk()]}),
            Expected::Valid,
        ),
        (
            "4.2 a known parameter of the wrong type",
            json!({"keys": [key().jwk_with(json!({"x": 1}))]}),
            Expected::Invalid,
        ),
        (
            "4.2 unknown parameters of a key",
            json!({"keys": [key().jwk_with(json!({"ext": true}))]}),
            Expected::Valid,
        ),
    ]
}

/// The document is a bundle, but without a usable key: every JWT-SVID is invalid (§4.1.3).
fn entries_that_do_not_count() -> Vec<Rule> {
    let one = |changes: Value| json!({"keys": [key().jwk_with(changes)]});
    let two = [key().jwk(), Key::p256("other").with_kid("key-1").jwk()];
    let cases = [
        ("4.1.3 empty keys", json!({"keys": []})),
        ("4.2.1 no kty", one(json!({"kty": null}))),
        ("4.2.1 unknown kty", one(json!({"kty": "ec"}))),
        ("4.2.2 no use", one(json!({"use": null}))),
        ("4.2.2 use of another document", one(json!({"use": "x509-svid"}))),
        ("4.2.2 unknown use", one(json!({"use": "sig"}))),
        ("4.2.2 use in other case", one(json!({"use": "JWT-SVID"}))),
        ("4.2.2 use that is no string", one(json!({"use": ["jwt-svid"]}))),
        ("JWT-SVID 6.1 no kid", one(json!({"kid": null}))),
        ("JWT-SVID 6.1 empty kid", one(json!({"kid": ""}))),
        ("JWT-SVID 6.1 kid that is no string", one(json!({"kid": 1}))),
        ("two keys under one kid", json!({"keys": two})),
        ("the private key", one(json!({"d": "AQAB"}))),
        ("a key of 1024 bits", json!({"keys": [Key::rsa(RsaKey::Bits1024, "key-1").jwk()]})),
    ];
    cases.into_iter().map(|(id, document)| (id, document, Expected::InvalidFor("key_unknown"))).collect()
}

fn broken_documents() -> Vec<Rule> {
    let keys = json!([key().jwk()]);
    let cases = [
        ("4.1.3 no keys", json!({"spiffe_sequence": 1})),
        ("4.1.3 keys that are no array", json!({"keys": key().jwk()})),
        ("4.1.1 negative sequence", json!({"keys": keys, "spiffe_sequence": -1})),
        ("4.1.1 fraction", json!({"keys": keys, "spiffe_sequence": 1.5})),
        ("4.1.1 sequence as a string", json!({"keys": keys, "spiffe_sequence": "1"})),
        ("4.1.2 hint as a string", json!({"keys": keys, "spiffe_refresh_hint": "5m"})),
        ("an array", keys.clone()),
        ("5 a bundle map", json!({"trust_domains": {TRUST_DOMAIN: {"keys": keys}}})),
    ];
    cases.into_iter().map(|(id, document)| (id, document, Expected::Invalid)).collect()
}

/// Appendix A, with its place-holders. No key of theirs is for JWT-SVIDs.
fn examples_of_the_standard() -> [Case; 3] {
    let certificate = |number: u8| {
        json!({
            "kty": "RSA", "use": "x509-svid", "n": "<base64urlUint-encoded value>", "e": "AQAB",
            "x5c": [format!("<base64 DER encoding of Certificate #{number}>")],
        })
    };
    let example = |sequence: u64, keys: Vec<Value>| {
        let document = json!({"spiffe_sequence": sequence, "spiffe_refresh_hint": 2_419_200, "keys": keys});
        let bundle = read(document.to_string().as_bytes())?;
        let as_expected = bundle.sequence() == Some(sequence)
            && bundle.refresh_hint() == Some(2_419_200)
            && bundle.is_empty()
            && bundle.ignored().iter().all(|key| key.reason.is_expected());
        if as_expected { Ok(()) } else { Err("read otherwise".to_owned()) }
    };
    let first = example(1, vec![certificate(1)]);
    let second = example(2, vec![certificate(1), certificate(2)]);
    let duplicate = br#"{"keys":[],"keys":[]}"#;
    [
        Case::new("A trust bundle #1", Expected::Valid, Ours::of(first)),
        Case::new("A trust bundle #2", Expected::Valid, Ours::of(second)),
        Case::new("6.3 a name twice", Expected::Invalid, Ours::of(read(duplicate))),
    ]
}

fn verify_with(document: &[u8]) -> Judged {
    match read(document) {
        Err(why) => Ours::Refused(why).into(),
        Ok(bundle) => {
            let trust: BundleSet =
                [(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)].into_iter().collect();
            judge::svid(&Token::new(&key()).sign(&key()), &trust, NOW)
        }
    }
}

fn read(document: &[u8]) -> Result<Bundle, String> {
    Bundle::from_spiffe_bundle(document, &BundleLimits::default()).map_err(|error| error.to_string())
}
