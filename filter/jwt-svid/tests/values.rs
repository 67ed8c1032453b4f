//! The types that others hold: what makes two of them equal, and what they give back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;

use serde_json::json;
use svidgate_forge::{Key, NOW, RsaKey, TRUST_DOMAIN};
use svidgate_jwt_svid::unverified::Claims;
use svidgate_jwt_svid::{
    Algorithm, AlgorithmSet, Bundle, BundleLimits, BundleSet, RustCrypto, SignatureError,
    SignatureVerifier as _, SpiffeId, TrustDomain, UnixTime, ecdsa_p1363_to_der,
};

fn read(document: &serde_json::Value) -> Bundle {
    Bundle::from_jwks(document.to_string().as_bytes(), &BundleLimits::default()).unwrap()
}

#[test]
fn b04_bundles_are_equal_when_keys_sequence_and_hint_are() {
    let document = |key: &str, sequence: u64, hint: u64| {
        let keys = [Key::p256(key).with_kid("k").jwk()];
        read(&json!({"keys": keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": hint}))
    };
    assert_eq!(document("a", 1, 2), document("a", 1, 2));
    assert_ne!(document("a", 1, 2), document("b", 1, 2));
    assert_ne!(document("a", 1, 2), document("a", 3, 2));
    assert_ne!(document("a", 1, 2), document("a", 1, 3));
}

#[test]
fn v13_keys_are_equal_when_numbers_and_algorithms_are() {
    let key = Key::rsa(RsaKey::Bits2048, "k");
    let free = read(&json!({"keys": [key.jwk()]}));
    let bound = read(&json!({"keys": [key.jwk_with(json!({"alg": "RS256"}))]}));
    let other = read(&json!({"keys": [Key::rsa(RsaKey::Bits2048Other, "k").jwk()]}));
    assert_eq!(free.key("k"), read(&json!({"keys": [key.jwk()]})).key("k"));
    assert_ne!(free.key("k"), bound.key("k"));
    assert_ne!(free.key("k"), other.key("k"));
    assert_eq!(free.key("k").unwrap().algorithms().iter().count(), 6);
    assert_eq!(bound.key("k").unwrap().algorithms(), AlgorithmSet::new([Algorithm::Rs256]).unwrap());
    let curve = read(&json!({"keys": [Key::p384("k").jwk()]}));
    assert_eq!(curve.key("k").unwrap().algorithms(), AlgorithmSet::new([Algorithm::Es384]).unwrap());
}

#[test]
fn b03_empty_is_said_of_what_is_empty_only() {
    let empty = read(&json!({"keys": []}));
    let full = read(&json!({"keys": [Key::p256("k").jwk()]}));
    assert!(empty.is_empty() && !full.is_empty());
    assert_eq!((empty.len(), full.len()), (0, 1));
    let mut set = BundleSet::new();
    assert!(set.is_empty());
    let domain = TrustDomain::parse(TRUST_DOMAIN).unwrap();
    assert!(set.insert(domain.clone(), empty.clone()).is_none());
    assert_eq!(set.insert(domain.clone(), full.clone()), Some(empty));
    assert!(!set.is_empty() && set.len() == 1);
    assert_eq!(set.get(&domain), Some(&full));
    assert_eq!(set.iter().collect::<Vec<_>>(), [(&domain, &full)]);
}

/// Whoever asks the backend itself, past the verifier, gets no more out of it.
#[test]
fn v13_the_backend_refuses_what_a_key_is_not_for_by_itself() {
    let key = Key::rsa(RsaKey::Bits2048, "k");
    let free = read(&json!({"keys": [key.jwk()]}));
    let bound = read(&json!({"keys": [key.jwk_with(json!({"alg": "RS256"}))]}));
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ] {
        let signature = key.sign_as(algorithm.as_str(), b"input");
        let ask = |bundle: &Bundle, algorithm, input: &[u8]| {
            RustCrypto.verify_signature(bundle.key("k").unwrap(), algorithm, input, &signature)
        };
        assert_eq!(ask(&free, algorithm, b"input"), Ok(()));
        assert_eq!(ask(&free, algorithm, b"another"), Err(SignatureError::Invalid));
        let is_its_own = algorithm == Algorithm::Rs256;
        assert_eq!(ask(&bound, algorithm, b"input").is_ok(), is_its_own, "{algorithm}");
        for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
            assert_eq!(ask(&free, *other, b"input"), Err(SignatureError::Invalid), "{algorithm} as {other}");
        }
    }
}

/// X.690 §8.1.3: up to 127 octets the length is one octet, from 128 on it has a first octet that counts the others.
#[test]
fn v14_lengths_in_der_change_form_at_128_octets() {
    // For P-521, with r and s of so many significant octets; each INTEGER has two more.
    let of = |significant: usize| {
        let number = [vec![0; 66 - significant], vec![1; significant]].concat();
        ecdsa_p1363_to_der(&number.repeat(2)).unwrap()
    };
    assert_eq!(of(61)[..4], [0x30, 126, 0x02, 61]);
    assert_eq!(of(62)[..5], [0x30, 0x81, 128, 0x02, 62]);
    assert_eq!(of(66)[..5], [0x30, 0x81, 136, 0x02, 66]);
    let uneven = [vec![0; 4], vec![1; 62], vec![0; 5], vec![1; 61]].concat();
    assert_eq!(ecdsa_p1363_to_der(&uneven).unwrap()[..4], [0x30, 127, 0x02, 62]);
}

#[test]
fn v08_an_id_lends_out_its_text() {
    let id = SpiffeId::parse("spiffe://a.test/b").unwrap();
    assert_eq!(AsRef::<str>::as_ref(&id), "spiffe://a.test/b");
    assert_eq!("spiffe://a.test/b".parse(), Ok(id.clone()));
    assert_eq!(AsRef::<str>::as_ref(id.trust_domain()), "a.test");
    assert_eq!("a.test".parse().as_ref(), Ok(id.trust_domain()));
    let found = BTreeMap::from([(id.trust_domain().clone(), 1)]);
    assert_eq!((found.get("a.test"), found.get("b.test"), found.get("")), (Some(&1), None, None));
}

#[test]
fn times_add_up_and_stop_at_the_end() {
    assert_eq!(UnixTime(NOW).as_secs(), NOW);
    assert_eq!(UnixTime(1).saturating_add(2), UnixTime(3));
    assert_eq!(UnixTime(u64::MAX - 1).saturating_add(2), UnixTime(u64::MAX));
}

/// `exp` counts by the second before it, `nbf` and `iat` by the one after it, and whole ones have but one.
#[test]
fn v12_only_a_fraction_sets_the_two_seconds_of_a_time_apart() {
    let seconds = |text: &str| {
        let date = Claims::parse(format!("{{\"nbf\":{text}}}").as_bytes()).unwrap().not_before().unwrap();
        (date.floor.0, date.ceil.0)
    };
    for whole in ["1700000000", "1700000000.0", "17e8", "1.7E+9", "170000000000e-2"] {
        assert_eq!(seconds(whole), (NOW, NOW), "{whole}");
    }
    assert_eq!((seconds("0"), seconds("0.0"), seconds("-0.0")), ((0, 0), (0, 0), (0, 0)));
    for fraction in ["1700000000.5", "1700000000.001", "1700000000.999"] {
        assert_eq!(seconds(fraction), (NOW, NOW + 1), "{fraction}");
    }
    assert_eq!(seconds("1e-300"), (0, 1));
}
