use std::vec;
use std::vec::Vec;

use svidgate_forge::{Key, RsaKey, jwks};

use super::*;
use crate::{Bundle, BundleLimits};

fn verification_key(key: &Key) -> VerificationKey {
    let bundle = Bundle::from_jwks(&jwks([key.jwk()]), &BundleLimits::default()).unwrap();
    bundle.key(key.kid()).unwrap().clone()
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn spki_is_what_other_tools_write() {
    use ::rsa::pkcs8::EncodePublicKey as _;

    for which in [RsaKey::Bits2048, RsaKey::Bits3072, RsaKey::Bits4096] {
        let key = verification_key(&Key::rsa(which, "k"));
        let Material::Rsa(public) = &key.material else { panic!("an RSA key") };
        assert_eq!(key.spki_der(), public.to_public_key_der().unwrap().as_bytes());
    }
}

#[test]
fn spki_of_the_curves_is_what_openssl_writes() {
    for (key, prefix) in [
        (Key::p256("k"), "3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
        (Key::p384("k"), "3076301006072a8648ce3d020106052b8104002203620004"),
        (Key::p521("k"), "30819b301006072a8648ce3d020106052b810400230381860004"),
    ] {
        let jwk = key.jwk();
        let coordinate = |name: &str| base64url::decode(jwk[name].as_str().unwrap().as_bytes()).unwrap();
        let expected = [hex(prefix), coordinate("x"), coordinate("y")].concat();
        assert_eq!(verification_key(&key).spki_der(), expected);
    }
}

#[test]
fn b08_thumbprints_tell_keys_apart() {
    let thumbprint = |key: Key| *verification_key(&key).thumbprint();
    assert_eq!(thumbprint(Key::p256("a")), thumbprint(Key::p256("a").with_kid("b")));
    assert_ne!(thumbprint(Key::p256("a")), thumbprint(Key::p256("b")));
    assert_ne!(thumbprint(Key::rsa(RsaKey::Bits2048, "k")), thumbprint(Key::rsa(RsaKey::Bits2048Other, "k")));
}

#[test]
fn p1363_becomes_minimal_der() {
    let signature = |r: &[u8], s: &[u8]| {
        let mut octets = vec![0; 64];
        octets[32 - r.len()..32].copy_from_slice(r);
        octets[64 - s.len()..].copy_from_slice(s);
        octets
    };
    let der = |octets: &[u8]| ecdsa_p1363_to_der(octets).unwrap();
    assert_eq!(der(&signature(&[1], &[2])), hex("3006020101020102"));
    assert_eq!(der(&signature(&[0x80], &[0x7f])), hex("300702020080 02017f".replace(' ', "").as_str()));
    assert_eq!(der(&signature(&[], &[])), hex("3006020100020100"));
    let full = der(&[0xff; 64]);
    assert_eq!((full.len(), &full[..5]), (72, &[0x30, 70, 0x02, 33, 0][..]));
    let longest = der(&[0xff; 132]);
    assert_eq!(&longest[..6], [0x30, 0x81, 138, 0x02, 67, 0]);
    for length in [0, 1, 63, 65, 95, 97, 131, 133, 256] {
        assert_eq!(ecdsa_p1363_to_der(&vec![1; length]), None, "{length}");
    }
}

#[test]
fn p1363_to_der_agrees_with_the_curve_crates() {
    let (p256, p384, p521) =
        (Key::p256("k").sign(b"x"), Key::p384("k").sign(b"x"), Key::p521("k").sign(b"x"));
    let der = |octets: &[u8]| ecdsa_p1363_to_der(octets).unwrap();
    assert_eq!(p256::ecdsa::Signature::from_der(&der(&p256)).unwrap().to_bytes().as_slice(), p256);
    assert_eq!(p384::ecdsa::Signature::from_der(&der(&p384)).unwrap().to_bytes().as_slice(), p384);
    assert_eq!(p521::ecdsa::Signature::from_der(&der(&p521)).unwrap().to_bytes().as_slice(), p521);
}

#[test]
fn v14_the_form_of_a_signature_is_judged_by_key() {
    for (key, curve) in
        [(Key::p256("k"), Curve::P256), (Key::p384("k"), Curve::P384), (Key::p521("k"), Curve::P521)]
    {
        let key = verification_key(&key);
        let one = |last: u8| {
            let mut octets = vec![0; curve.width()];
            *octets.last_mut().unwrap() = last;
            octets
        };
        let order = curve.order().to_vec();
        let mut largest = order.clone();
        *largest.last_mut().unwrap() -= 1; // the orders are odd
        let admits = |r: &[u8], s: &[u8]| key.admits_form_of(&[r, s].concat());
        assert!(admits(&one(1), &one(1)));
        assert!(admits(&largest, &largest));
        for bad in [one(0), order, vec![0xff; curve.width()]] {
            assert!(!admits(&bad, &one(1)));
            assert!(!admits(&one(1), &bad));
        }
        assert!(!admits(&one(1), &one(1)[1..]));
        assert!(!admits(&one(1), &[&[0], &one(1)[..]].concat()));
        assert!(!key.admits_form_of(&[]));
    }
    let key = verification_key(&Key::rsa(RsaKey::Bits2048, "k"));
    for (length, admitted) in [(0, false), (255, false), (256, true), (257, false), (512, false)] {
        assert_eq!(key.admits_form_of(&vec![1; length]), admitted, "{length}");
    }
}

#[test]
fn v14_roca_has_a_fingerprint_and_sound_keys_have_not() {
    for which in
        [RsaKey::Bits1024, RsaKey::Bits2048, RsaKey::Bits2048Other, RsaKey::Bits3072, RsaKey::Bits4096]
    {
        let n = base64url::decode(Key::rsa(which, "k").jwk()["n"].as_str().unwrap().as_bytes()).unwrap();
        assert!(!roca::has_fingerprint(&n), "{which:?}");
    }
    // Every power of 65537 has the fingerprint, by its definition.
    assert!(roca::has_fingerprint(&[1, 0, 1]));
    assert!(roca::has_fingerprint(&[1]));
    assert!(!roca::has_fingerprint(&[0]));
}
