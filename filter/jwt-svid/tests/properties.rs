//! Properties over generated input. Short runs; the fuzz targets look longer.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::sync::LazyLock;

use proptest::prelude::*;
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, Token, compact, jwks};
use svidgate_jwt_svid::unverified::{Claims, Compact, Header};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, SpiffeId, TrustDomain, UnixTime, Verifier,
    VerifierConfig, bearer, ecdsa_p1363_to_der,
};

static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap());

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    vec![Key::p256("p256"), Key::p384("p384"), Key::p521("p521"), Key::rsa(RsaKey::Bits2048, "rsa")]
});

static BUNDLES: LazyLock<BundleSet> = LazyLock::new(|| {
    let bundle = Bundle::from_jwks(&jwks(KEYS.iter().map(Key::jwk)), &BundleLimits::default()).unwrap();
    BundleSet::from_iter([(TrustDomain::parse("example.org").unwrap(), bundle)])
});

fn is_accepted(token: &[u8]) -> bool {
    VERIFIER.verify(token, &BUNDLES, &RustCrypto, UnixTime(NOW)).is_ok()
}

/// A good token of each kind of key.
static TOKENS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| KEYS.iter().map(|key| Token::new(key).sign(key)).collect());

#[test]
fn v03_every_flipped_bit_of_a_token_refuses_it() {
    let token = &TOKENS[0];
    assert!(is_accepted(token));
    for index in 0..token.len() {
        for bit in 0..8 {
            let mut flipped = token.clone();
            flipped[index] ^= 1 << bit;
            assert!(!is_accepted(&flipped), "octet {index}, bit {bit}");
        }
    }
}

#[test]
fn v14_every_flipped_bit_of_a_decoded_part_refuses_it() {
    let key = &KEYS[0];
    let token = Token::new(key);
    let signature = key.sign(&token.signing_input());
    for index in 0..signature.len() {
        for bit in 0..8 {
            let mut flipped = signature.clone();
            flipped[index] ^= 1 << bit;
            assert!(!is_accepted(&token.with_signature(&flipped)), "octet {index}, bit {bit}");
        }
    }
}

fn spiffe_id() -> impl Strategy<Value = String> {
    let segment = "[A-Za-z0-9._-]{1,12}".prop_filter("dot segments", |text| text != "." && text != "..");
    ("[a-z0-9._-]{1,40}", prop::collection::vec(segment, 0..6)).prop_map(|(trust_domain, segments)| {
        segments.iter().fold(format!("spiffe://{trust_domain}"), |id, segment| format!("{id}/{segment}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn v08_parse_and_print_is_identity(text in spiffe_id()) {
        let id = SpiffeId::parse(&text).unwrap();
        prop_assert_eq!(id.to_string(), text.clone());
        prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
        let joined: String = id.segments().map(|segment| format!("/{segment}")).collect();
        prop_assert_eq!(joined, id.path());
    }

    #[test]
    fn v08_whatever_parses_prints_as_it_was(text in "(spiffe://)?[a-zA-Z0-9._/%:@?#-]{0,30}") {
        if let Ok(id) = SpiffeId::parse(&text) {
            prop_assert_eq!(id.as_str(), text);
            prop_assert!(!id.segments().any(|segment| segment.is_empty() || segment == "." || segment == ".."));
        }
    }

    #[test]
    fn v03_a_flipped_bit_refuses_any_kind_of_token(which in 0..4usize, index: prop::sample::Index, bit in 0..8u8) {
        let mut token = TOKENS[which].clone();
        let index = index.index(token.len());
        token[index] ^= 1 << bit;
        prop_assert!(!is_accepted(&token));
    }

    #[test]
    fn v01_a_shortened_or_lengthened_token_is_refused(which in 0..4usize, index: prop::sample::Index, octet: u8) {
        let token = &TOKENS[which];
        let index = index.index(token.len());
        prop_assert!(!is_accepted(&token[..index]));
        let mut longer = token.clone();
        longer.insert(index, octet);
        prop_assert!(!is_accepted(&longer));
    }

    #[test]
    fn v12_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = BundleLimits::default();
        prop_assert!(!is_accepted(&bytes));
        let _ = (Compact::parse(&bytes).is_ok(), Header::parse(&bytes).is_ok(), Claims::parse(&bytes).is_ok());
        let _ = (Bundle::from_jwks(&bytes, &limits).is_ok(), Bundle::from_spiffe_bundle(&bytes, &limits).is_ok());
        let _ = (bearer::extract(&bytes).is_ok(), ecdsa_p1363_to_der(&bytes));
        let _ = VERIFIER.explain(&bytes, &BUNDLES, &RustCrypto, UnixTime(NOW));
    }

    #[test]
    fn v12_no_claims_make_it_panic(
        name in "(sub|aud|exp|nbf|iat|jti|iss|[a-z]{1,4})",
        text in r#"(-?[0-9]{0,25}(\.[0-9]{0,5})?([eE][+-]?[0-9]{0,4})?|"[ -~]{0,20}"|\[.{0,20}\]|\{.{0,20}\}|.{0,10})"#,
        now: u64,
    ) {
        let token = Token::new(&KEYS[0]).claim_text(&name, &text).sign(&KEYS[0]);
        let _ = VERIFIER.verify(&token, &BUNDLES, &RustCrypto, UnixTime(now)).is_ok();
    }

    #[test]
    fn v14_no_signature_is_good_by_chance(octets in prop::collection::vec(any::<u8>(), 0..140), which in 0..4usize) {
        prop_assert!(!is_accepted(&Token::new(&KEYS[which]).with_signature(&octets)));
    }

    #[test]
    fn v03_what_is_let_in_has_one_spelling_and_a_canonical_form_that_is_let_in_too(
        which in 0..4usize,
        names in prop::collection::btree_set("[a-z]{1,3}_", 0..4),
        text in r#"(-?[1-9][0-9]{0,14}|0|"[ -~&&[^"\\]]{0,10}"|\[("[a-z]",)?null\]|\{"a": *true\})"#,
        space in "[ \t\r\n]{0,3}",
    ) {
        let key = &KEYS[which];
        let token = names.iter().fold(Token::new(key), |token, name| token.claim_text(name, &format!("{text}{space}")));
        let payload = [space.as_bytes(), &token.payload_bytes(), space.as_bytes()].concat();
        let token = token.raw_payload(&payload).sign(key);
        let svid = VERIFIER.verify(&token, &BUNDLES, &RustCrypto, UnixTime(NOW)).unwrap();
        let parts = Compact::parse(&token).unwrap();
        prop_assert_eq!(compact(&[&parts.header, &parts.payload, &parts.signature]), token);

        let header = serde_json::json!({"alg": svid.algorithm().as_str(), "kid": svid.key_id()});
        let claims = serde_json::Value::Object(svid.claims().clone());
        let canonical = Token::new(key)
            .raw_header(header.to_string().as_bytes())
            .raw_payload(claims.to_string().as_bytes())
            .sign(key);
        let again = VERIFIER.verify(&canonical, &BUNDLES, &RustCrypto, UnixTime(NOW)).unwrap();
        prop_assert_eq!(again.claims(), svid.claims());
        prop_assert_eq!((again.spiffe_id(), again.expires_at()), (svid.spiffe_id(), svid.expires_at()));
    }

    #[test]
    fn b02_jwks_are_a_fixed_point(order in Just((0..4usize).collect::<Vec<_>>()).prop_shuffle(), count in 0..5usize) {
        let entries = order.iter().take(count).map(|index| KEYS[*index].jwk());
        let bundle = Bundle::from_jwks(&jwks(entries), &BundleLimits::default()).unwrap();
        let again = Bundle::from_spiffe_bundle(bundle.jwks().to_string().as_bytes(), &BundleLimits::default()).unwrap();
        prop_assert_eq!(again, bundle);
    }
}
