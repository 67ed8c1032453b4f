use std::format;
use std::string::ToString as _;
use std::vec;
use std::vec::Vec;

use serde_json::json;
use svidgate_forge::{Key, RsaKey, b64, jwks};

use super::*;
use crate::{Algorithm, RSA_MODULUS_BITS, TrustDomain, base64url};

fn from_entries(entries: Vec<Value>) -> Bundle {
    Bundle::from_jwks(&jwks(entries), &BundleLimits::default()).unwrap()
}

/// The reason why this entry is left out, as a Workload API bundle.
fn reason(entry: Value) -> IgnoredReason {
    let healthy = Key::p384("healthy");
    let bundle = from_entries(vec![entry, healthy.jwk()]);
    assert_eq!(bundle.kids().collect::<Vec<_>>(), ["healthy"], "the rest is kept");
    bundle.ignored()[0].reason.clone()
}

fn key() -> Key {
    Key::p256("key-1")
}

fn rsa() -> Key {
    Key::rsa(RsaKey::Bits2048, "key-1")
}

#[test]
fn b01_use_may_be_absent_in_the_workload_api_form_only() {
    let without = jwks([key().jwk_with(json!({"use": null}))]);
    let limits = BundleLimits::default();
    assert_eq!(Bundle::from_jwks(&without, &limits).unwrap().len(), 1);
    let strict = Bundle::from_spiffe_bundle(&without, &limits).unwrap();
    assert!(strict.is_empty());
    assert_eq!(
        strict.ignored()[0],
        IgnoredKey { kid: Some("key-1".into()), reason: IgnoredReason::UseMissing }
    );
}

#[test]
fn b01_use_where_present_is_jwt_svid() {
    for (value, expected) in [
        (json!("x509-svid"), IgnoredReason::X509Svid),
        (json!("sig"), IgnoredReason::UseUnknown),
        (json!("enc"), IgnoredReason::UseUnknown),
        (json!("JWT-SVID"), IgnoredReason::UseUnknown),
        (json!(""), IgnoredReason::UseUnknown),
        (json!(["jwt-svid"]), IgnoredReason::MemberType("use")),
        (json!(1), IgnoredReason::MemberType("use")),
    ] {
        let entry = key().jwk_with(json!({"use": value}));
        assert_eq!(reason(entry.clone()), expected);
        let strict = Bundle::from_spiffe_bundle(&jwks([entry]), &BundleLimits::default()).unwrap();
        assert_eq!(strict.ignored()[0].reason, expected);
        assert_eq!(expected.is_expected(), expected == IgnoredReason::X509Svid);
    }
}

#[test]
fn b01_a_spiffe_bundle_document_yields_its_jwt_keys() {
    let document = json!({
        "keys": [
            {"use": "x509-svid", "kty": "RSA", "n": rsa().jwk()["n"], "e": "AQAB", "x5c": ["MIIB", "MIIC"]},
            key().jwk(),
            rsa().with_kid("key-2").jwk_with(json!({"alg": "RS256", "x5c": ["MIIB"], "x5t": 1, "unknown": {}})),
        ],
        "spiffe_sequence": 12,
        "spiffe_refresh_hint": 300,
        "unknown": [],
    });
    let bundle =
        Bundle::from_spiffe_bundle(document.to_string().as_bytes(), &BundleLimits::default()).unwrap();
    assert_eq!(bundle.kids().collect::<Vec<_>>(), ["key-1", "key-2"]);
    assert_eq!((bundle.sequence(), bundle.refresh_hint()), (Some(12), Some(300)));
    assert_eq!(bundle.ignored(), [IgnoredKey { kid: None, reason: IgnoredReason::X509Svid }]);
}

#[test]
fn b02_kid_is_set_on_every_usable_entry() {
    let entry = |kid: Value| key().jwk_with(json!({"kid": kid}));
    assert_eq!(reason(entry(json!(null))), IgnoredReason::KeyIdMissing);
    assert_eq!(reason(entry(json!(""))), IgnoredReason::KeyIdLength);
    assert_eq!(reason(entry(json!("k".repeat(513)))), IgnoredReason::KeyIdLength);
    assert_eq!(reason(entry(json!(1))), IgnoredReason::MemberType("kid"));
    assert_eq!(from_entries(vec![entry(json!("k".repeat(512)))]).len(), 1);
}

#[test]
fn b02_different_keys_under_one_kid_are_all_lost_in_any_order() {
    let same = |label: &str| Key::p256(label).with_kid("k").jwk();
    let (a, b, c) = (same("a"), same("b"), Key::p384("c").with_kid("k").jwk());
    let bound = Key::p256("a").with_kid("k").jwk_with(json!({"alg": "ES256"}));
    let other = Key::p256("other").jwk();
    for clash in [
        vec![&a, &b],
        vec![&b, &a],
        vec![&a, &b, &a],
        vec![&a, &b, &b],
        vec![&a, &a, &b],
        vec![&a, &c],
        vec![&c, &a],
        vec![&a, &b, &c],
        vec![&b, &bound],
    ] {
        let mut entries: Vec<Value> = clash.into_iter().cloned().collect();
        entries.insert(1, other.clone());
        let bundle = from_entries(entries);
        assert_eq!(bundle.kids().collect::<Vec<_>>(), ["other"]);
        assert_eq!(
            bundle.ignored(),
            [IgnoredKey { kid: Some("k".into()), reason: IgnoredReason::KeyIdConflict }]
        );
    }
}

#[test]
fn b02_the_same_rsa_key_bound_to_two_algorithms_is_a_conflict() {
    let bound = |alg: &str| rsa().jwk_with(json!({"alg": alg}));
    assert!(from_entries(vec![bound("RS256"), bound("PS256")]).is_empty());
    assert!(from_entries(vec![bound("RS256"), rsa().jwk()]).is_empty());
}

#[test]
fn b02_the_same_key_twice_is_fine() {
    let bundle =
        from_entries(vec![key().jwk(), key().jwk_with(json!({"use": null, "x5t": "x"})), key().jwk()]);
    assert_eq!((bundle.len(), bundle.ignored()), (1, &[][..]));
}

#[test]
fn b02_what_is_unknown_loses_its_entry_and_nothing_else() {
    use IgnoredReason::*;
    let with = |changes| reason(key().jwk_with(changes));
    assert_eq!(reason(json!(null)), NotAnObject);
    assert_eq!(reason(json!("key")), NotAnObject);
    assert_eq!(reason(json!([])), NotAnObject);
    assert_eq!(reason(json!({})), KeyIdMissing);
    for kty in ["OKP", "oct", "ec", "rsa", "AKP", ""] {
        assert_eq!(with(json!({"kty": kty})), KeyTypeUnknown, "{kty}");
    }
    assert_eq!(with(json!({"kty": null})), MemberMissing("kty"));
    assert_eq!(with(json!({"kty": 1})), MemberType("kty"));
    for crv in ["secp256k1", "P-224", "p-256", "P256", "Ed25519", "BP-256", ""] {
        assert_eq!(with(json!({"crv": crv})), CurveUnknown, "{crv}");
    }
    assert_eq!(with(json!({"crv": null})), MemberMissing("crv"));
    assert_eq!(with(json!({"x": null})), MemberMissing("x"));
    assert_eq!(with(json!({"y": null})), MemberMissing("y"));
    assert_eq!(with(json!({"x": 1})), MemberType("x"));
    assert_eq!(reason(rsa().jwk_with(json!({"n": null}))), MemberMissing("n"));
    assert_eq!(reason(rsa().jwk_with(json!({"e": null}))), MemberMissing("e"));
    assert_eq!(reason(rsa().jwk_with(json!({"e": 65537}))), MemberType("e"));
    assert_eq!(reason(rsa().jwk_with(json!({"e": "AQAB="}))), Base64("e"));
    assert_eq!(reason(rsa().jwk_with(json!({"e": "AQAC\n"}))), Base64("e"));
    assert_eq!(with(json!({"x": "+/=="})), Base64("x"));
}

#[test]
fn b02_key_ops_has_verify() {
    let with = |operations: Value| key().jwk_with(json!({"key_ops": operations}));
    assert_eq!(from_entries(vec![with(json!(["verify"]))]).len(), 1);
    assert_eq!(from_entries(vec![with(json!(["sign", "verify"]))]).len(), 1);
    for operations in
        [json!([]), json!(["sign"]), json!(["encrypt"]), json!(["Verify"]), json!(["verify", "verify"])]
    {
        assert_eq!(reason(with(operations)), IgnoredReason::KeyOps);
    }
    for operations in [json!("verify"), json!(["verify", 1]), json!({"verify": true})] {
        assert_eq!(reason(with(operations)), IgnoredReason::MemberType("key_ops"));
    }
}

#[test]
fn b02_an_entry_with_private_material_is_left_out_and_never_shown() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let entry = rsa().jwk_with(json!({name: "c2VjcmV0"}));
        let bundle = from_entries(vec![entry.clone()]);
        assert_eq!(bundle.ignored()[0].reason, IgnoredReason::PrivateMaterial, "{name}");
        assert!(!format!("{bundle:?} {}", bundle.jwks()).contains("c2VjcmV0"));
        assert_eq!(reason(entry), IgnoredReason::PrivateMaterial);
    }
}

#[test]
fn b03_keys_must_be_there_and_may_be_empty() {
    let parse = |text: &str| Bundle::from_jwks(text.as_bytes(), &BundleLimits::default());
    assert_eq!(parse("{}").unwrap_err(), BundleError::KeysMissing);
    assert_eq!(parse(r#"{"Keys":[]}"#).unwrap_err(), BundleError::KeysMissing);
    for text in [r#"{"keys":null}"#, r#"{"keys":{}}"#, r#"{"keys":"x"}"#] {
        assert_eq!(parse(text).unwrap_err(), BundleError::KeysType, "{text}");
    }
    assert!(parse(r#"{"keys":[]}"#).unwrap().is_empty());
    for text in ["", "[]", "null", r#"{"keys":[]}x"#, r#"{"keys":[],"keys":[]}"#, "\u{feff}{\"keys\":[]}"] {
        assert!(matches!(parse(text).unwrap_err(), BundleError::Json(_)), "{text}");
    }
    let twice = r#"{"keys":[{"kid":"a","kid":"b"}]}"#;
    assert_eq!(parse(twice).unwrap_err(), BundleError::Json(crate::JsonError::DuplicateMember));
}

#[test]
fn b04_sequence_and_hint_are_whole_numbers_of_64_bits() {
    let parse = |text: &str| {
        Bundle::from_spiffe_bundle(format!(r#"{{"keys":[],{text}}}"#).as_bytes(), &BundleLimits::default())
            .map(|bundle| (bundle.sequence(), bundle.refresh_hint()))
    };
    assert_eq!(parse(r#""x":1"#), Ok((None, None)));
    assert_eq!(parse(r#""spiffe_sequence":18446744073709551615"#), Ok((Some(u64::MAX), None)));
    assert_eq!(parse(r#""spiffe_refresh_hint":0"#), Ok((None, Some(0))));
    for bad in ["-1", "1.5", "1e3", "18446744073709551616", "\"1\"", "null", "[]", "true"] {
        assert_eq!(parse(&format!(r#""spiffe_sequence":{bad}"#)), Err(BundleError::Sequence), "{bad}");
        assert_eq!(parse(&format!(r#""spiffe_refresh_hint":{bad}"#)), Err(BundleError::RefreshHint), "{bad}");
    }
}

#[test]
fn b09_limits_say_limit_and_actual() {
    let document = jwks([Key::p256("a").jwk(), Key::p256("b").jwk()]);
    let actual = document.len();
    let parse = |max_bytes, max_keys| {
        Bundle::from_jwks(&document, &BundleLimits { max_bytes, max_keys, ..BundleLimits::default() })
            .map(|bundle| bundle.len())
    };
    assert_eq!(parse(actual, 2), Ok(2));
    assert_eq!(parse(actual - 1, 2), Err(BundleError::TooLarge { limit: actual - 1, actual }));
    assert_eq!(parse(actual, 1), Err(BundleError::TooManyKeys { limit: 1, actual: 2 }));

    let two: BundleSet = ["a", "b"]
        .map(|name| (TrustDomain::parse(name).unwrap(), from_entries(vec![])))
        .into_iter()
        .collect();
    let check = |max_trust_domains| two.check(&BundleLimits { max_trust_domains, ..BundleLimits::default() });
    assert_eq!(check(2), Ok(()));
    assert_eq!(check(1), Err(BundleError::TooManyTrustDomains { limit: 1, actual: 2 }));
}

#[test]
fn b09_as_many_keys_as_allowed_fit_into_the_json_bounds() {
    let chain: Vec<_> = vec!["MIIB"; 8];
    let entries =
        (0..256).map(|index| Key::p256("k").jwk_with(json!({"kid": format!("k{index}"), "x5c": chain})));
    assert_eq!(from_entries(entries.collect()).len(), 256);
}

#[test]
fn v13_alg_fits_the_key_or_the_entry_is_left_out() {
    let with = |key: &Key, alg: &str| from_entries(vec![key.jwk_with(json!({"alg": alg}))]);
    let keys = [(Key::p256("k"), "ES256"), (Key::p384("k"), "ES384"), (Key::p521("k"), "ES512")];
    let rsa = rsa();
    for algorithm in Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()) {
        for (key, own) in &keys {
            assert_eq!(with(key, algorithm).len(), usize::from(algorithm == *own), "{own} {algorithm}");
        }
        assert_eq!(with(&rsa, algorithm).len(), usize::from(!algorithm.starts_with('E')), "{algorithm}");
    }
    for alg in ["none", "HS256", "RSA-OAEP", "ES521", "es256", ""] {
        assert_eq!(reason(key().jwk_with(json!({"alg": alg}))), IgnoredReason::AlgorithmMismatch, "{alg}");
    }
    assert_eq!(reason(key().jwk_with(json!({"alg": null, "x": 1}))), IgnoredReason::MemberType("x"));
    assert_eq!(reason(key().jwk_with(json!({"alg": 1}))), IgnoredReason::MemberType("alg"));
}

#[test]
fn v14_coordinates_have_full_width() {
    for (key, width) in [(Key::p256("k"), 32), (Key::p384("k"), 48), (Key::p521("k"), 66)] {
        for name in ["x", "y"] {
            let octets = base64url::decode(key.jwk()[name].as_str().unwrap().as_bytes()).unwrap();
            assert_eq!(octets.len(), width);
            let with = |octets: &[u8]| reason(key.jwk_with(json!({name: b64(octets)})));
            let expected = |actual| IgnoredReason::CoordinateWidth { expected: width, actual };
            assert_eq!(with(&octets[1..]), expected(width - 1));
            assert_eq!(with(&[&[0], &octets[..]].concat()), expected(width + 1));
            assert_eq!(with(&[]), expected(0));
        }
    }
}

#[test]
fn v14_a_coordinate_that_begins_with_zero_keeps_its_width() {
    // P-521 coordinates begin with zero bits in nearly every key; find a P-256 key with a whole zero octet.
    let key = (0..2000)
        .map(|index| Key::p256(&format!("label-{index}")))
        .find(|key| {
            key.jwk()["x"].as_str().unwrap().starts_with("AA")
                || key.jwk()["x"].as_str().unwrap().starts_with("AB")
        })
        .unwrap();
    let octets = base64url::decode(key.jwk()["x"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(octets[0], 0);
    assert_eq!(from_entries(vec![key.jwk()]).len(), 1);
    let stripped = key.jwk_with(json!({"x": b64(&octets[1..])}));
    assert_eq!(reason(stripped), IgnoredReason::CoordinateWidth { expected: 32, actual: 31 });
}

#[test]
fn v14_points_are_on_their_curve() {
    for (key, width) in [(Key::p256("k"), 32), (Key::p384("k"), 48), (Key::p521("k"), 66)] {
        for changes in [
            json!({"x": b64(&vec![0; width]), "y": b64(&vec![0; width])}), // infinity, to a careless reader
            json!({"x": b64(&vec![0xff; width])}),                         // beyond the field
            json!({"y": key.jwk()["x"]}),
            json!({"x": key.jwk()["y"], "y": key.jwk()["x"]}),
        ] {
            assert_eq!(reason(key.jwk_with(changes)), IgnoredReason::NotOnCurve);
        }
    }
}

#[test]
fn v14_rsa_numbers_are_within_bounds() {
    let n = base64url::decode(rsa().jwk()["n"].as_str().unwrap().as_bytes()).unwrap();
    let with_n = |octets: &[u8]| reason(rsa().jwk_with(json!({"n": b64(octets)})));
    let size = |actual| IgnoredReason::RsaModulusSize { allowed: RSA_MODULUS_BITS, actual };
    assert_eq!(with_n(&[&[0], &n[..]].concat()), IgnoredReason::NotMinimal);
    assert_eq!(with_n(&[]), IgnoredReason::RsaModulus);
    assert_eq!(with_n(&[0]), IgnoredReason::NotMinimal);
    let mut even = n.clone();
    *even.last_mut().unwrap() ^= 1;
    assert_eq!(with_n(&even), IgnoredReason::RsaModulus);
    let mut short = n.clone();
    short[0] = 0x7f;
    assert_eq!(with_n(&short), size(2047));
    assert_eq!(with_n(&[&[1], &vec![0xff; 1024][..]].concat()), size(8193));
    assert_eq!(with_n(&vec![0xff; 100_000]), size(800_000));
    assert_eq!(reason(Key::rsa(RsaKey::Bits1024, "k").jwk()), size(1024));
    let largest = [&[0x80], &vec![0xab; 1022][..], &[1]].concat();
    assert_eq!(from_entries(vec![rsa().jwk_with(json!({"n": b64(&largest)}))]).len(), 1);
}

#[test]
fn v14_rsa_exponents_are_sane() {
    let with_e = |octets: &[u8]| from_entries(vec![rsa().jwk_with(json!({"e": b64(octets)}))]);
    for good in [&[1, 0, 1][..], &[1, 0, 3], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(with_e(good).len(), 1, "{good:?}");
    }
    for bad in [
        &[1][..],
        &[2],
        &[3],
        &[17],
        &[0xff, 0xff],
        &[1, 0, 0],
        &[1, 0, 2],
        &[2, 0, 0, 0, 1],
        &[0xff; 8],
        &[0xff; 9],
        &[0xff; 256],
    ] {
        assert_eq!(with_e(bad).ignored()[0].reason, IgnoredReason::RsaExponent, "{bad:?}");
    }
    for bad in [&[][..], &[0], &[0, 1, 0, 1]] {
        assert_eq!(with_e(bad).ignored()[0].reason, IgnoredReason::NotMinimal, "{bad:?}");
    }
    assert_eq!(reason(Key::rsa(RsaKey::ExponentThree, "k").jwk()), IgnoredReason::RsaExponent);
}

#[test]
fn the_canonical_jwks_is_sorted_public_and_a_fixed_point() {
    let entries = vec![
        rsa().with_kid("b").jwk_with(json!({"alg": "PS384", "x5c": ["MIIB"], "note": "hi"})),
        key().with_kid("a").jwk_with(json!({"use": null, "key_ops": ["verify"]})),
        json!({"kty": "OKP", "kid": "c", "crv": "Ed25519", "x": "AA"}),
    ];
    let bundle = from_entries(entries);
    let jwks = bundle.jwks();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(keys[0], key().with_kid("a").jwk());
    assert_eq!(keys[1], rsa().with_kid("b").jwk_with(json!({"alg": "PS384"})));
    for read in [Bundle::from_jwks, Bundle::from_spiffe_bundle] {
        let again = read(jwks.to_string().as_bytes(), &BundleLimits::default()).unwrap();
        assert_eq!(again, bundle);
        assert_eq!(again.jwks(), jwks);
        assert_eq!(again.ignored(), []);
    }
}
