//! Every attack class of the J list, forged and refused for the right reason, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use svidgate_forge::{ATTACK_CLASSES, AUDIENCE, Attack, Key, NOW, RsaKey, Token, attacks, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, DenyReason, RustCrypto, TrustDomain, UnixTime, VerifiedSvid,
    Verifier, VerifierConfig, VerifyError,
};

static ATTACKS: LazyLock<Vec<Attack>> = LazyLock::new(attacks);

fn verify(token: &[u8], trust: &[(&str, Vec<u8>)]) -> Result<VerifiedSvid, VerifyError> {
    let bundles: BundleSet = trust
        .iter()
        .map(|(name, jwks)| {
            (TrustDomain::parse(name).unwrap(), Bundle::from_jwks(jwks, &BundleLimits::default()).unwrap())
        })
        .collect();
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap();
    verifier.verify(token, &bundles, &RustCrypto, UnixTime(NOW))
}

/// All attacks of a class are refused, each for its reason.
fn refuses(class: &str) {
    let of_class: Vec<&Attack> = ATTACKS.iter().filter(|attack| attack.class == class).collect();
    assert!(of_class.len() >= 4, "{class} has {} attacks", of_class.len());
    for attack in of_class {
        match verify(&attack.token, &attack.trust) {
            Ok(_) => panic!("{class}: {} was let in", attack.name),
            Err(error) => {
                assert_eq!(error.reason().as_str(), attack.reason, "{class}: {}: {error}", attack.name)
            }
        }
    }
}

macro_rules! classes {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            refuses(stringify!($name).split('_').next().unwrap());
        }
    )*

    #[test]
    fn every_class_has_its_test() {
        let tested = [$(stringify!($name).split('_').next().unwrap()),*];
        assert_eq!(tested.as_slice(), ATTACK_CLASSES.iter().map(|(class, _)| *class).collect::<Vec<_>>());
        let forged: BTreeSet<_> = ATTACKS.iter().map(|attack| attack.class).collect();
        assert_eq!(forged, BTreeSet::from(tested));
    }};
}

classes! {
    j01_alg_none_and_case_variants
    j02_rs_hs_confusion
    j03_embedded_jwk
    j04_jku_and_x5u
    j05_psychic_signatures
    j06_truncated_overlong_and_der_ecdsa
    j07_key_algorithm_and_curve_mismatch
    j08_invalid_curve_points
    j09_exponent_one_roca_and_1024_bit_rsa
    j10_wrong_rsa_padding
    j11_crit_and_b64_false
    j12_json_serialization_nested_and_encrypted
    j13_duplicate_members_and_kids
    j14_unbounded_splitting
    j15_deep_and_wide_json
    j16_polyglot_tokens
    j17_missing_claims_by_wrong_type
    j18_key_reuse_across_trust_domains
    j19_expired_by_one_second
}

/// Without this, a verifier that refuses everything would pass.
#[test]
fn the_same_forge_makes_tokens_that_are_let_in() {
    let ec = [Key::p256("key-1"), Key::p384("key-2"), Key::p521("key-3")];
    let rsa = Key::rsa(RsaKey::Bits2048, "rsa-1");
    let trust = [("example.org", jwks(ec.iter().chain([&rsa]).map(Key::jwk)))];
    for key in &ec {
        assert!(verify(&Token::new(key).sign(key), &trust).is_ok(), "{}", key.algorithm());
    }
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        assert!(verify(&Token::new(&rsa).sign_as(&rsa, algorithm), &trust).is_ok(), "{algorithm}");
    }
    let edges = Token::new(&ec[0]).claim("exp", (NOW - 4).into()).claim("nbf", (NOW + 5).into());
    assert!(verify(&edges.sign(&ec[0]), &trust).is_ok());
}

#[test]
fn v16_reasons_of_attacks_are_of_the_closed_list() {
    let known: BTreeSet<_> = DenyReason::ALL.iter().map(|reason| reason.as_str()).collect();
    for attack in ATTACKS.iter() {
        assert!(known.contains(attack.reason), "{}", attack.reason);
    }
}
