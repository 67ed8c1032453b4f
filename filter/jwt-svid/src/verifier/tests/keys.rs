//! Binding of keys and form of signatures (V13, V14).

use super::*;

#[test]
fn v14_rsa_of_each_allowed_size_verifies() {
    for which in [RsaKey::Bits2048, RsaKey::Bits3072, RsaKey::Bits4096] {
        let key = Key::rsa(which, "rsa");
        for algorithm in ["RS256", "PS384"] {
            let token = Token::new(&key).sign_as(&key, algorithm);
            assert!(
                verifier().verify(&token, &bundles(&[&key]), &RustCrypto, AT).is_ok(),
                "{which:?} {algorithm}"
            );
        }
    }
}

#[test]
fn v13_a_key_verifies_its_own_algorithm_only() {
    let (p256, p384) = (Key::p256("k"), Key::p384("k"));
    let rsa = Key::rsa(RsaKey::Bits2048, "k");
    for (in_bundle, signer) in [(&p256, &p384), (&p384, &p256), (&p256, &rsa), (&rsa, &p256)] {
        let token = Token::new(signer).sign(signer);
        let error = verifier().verify(&token, &bundles(&[in_bundle]), &RustCrypto, AT).unwrap_err();
        assert_eq!(
            error,
            VerifyError::KeyAlgorithmMismatch,
            "{} {}",
            in_bundle.algorithm(),
            signer.algorithm()
        );
    }
}

#[test]
fn v13_the_jwk_alg_binds_an_rsa_key_to_one_algorithm() {
    let rsa = Key::rsa(RsaKey::Bits2048, "k");
    let document = svidgate_forge::jwks([rsa.jwk_with(json!({"alg": "PS256"}))]);
    let bound = Bundle::from_jwks(&document, &crate::BundleLimits::default()).unwrap();
    let bundles = BundleSet::from_iter([(trust_domain("example.org"), bound)]);
    for algorithm in Algorithm::ALL.iter().filter(|algorithm| !algorithm.as_str().starts_with('E')) {
        let token = Token::new(&rsa).sign_as(&rsa, algorithm.as_str());
        let result = verifier().verify(&token, &bundles, &RustCrypto, AT).map(|_| ());
        let expected =
            if *algorithm == Algorithm::Ps256 { Ok(()) } else { Err(VerifyError::KeyAlgorithmMismatch) };
        assert_eq!(result, expected, "{algorithm}");
    }
}

#[test]
fn v14_ecdsa_signatures_have_one_width_and_range() {
    let input = good().signing_input();
    let signature = key().sign(&input);
    let order = [0xff; 32];
    let zero = [0; 32];
    let (r, s) = signature.split_at(32);
    let malformed: Vec<Vec<u8>> = vec![
        signature[..63].to_vec(),
        [&signature[..], &[0]].concat(),
        [&[0], &signature[..]].concat(),
        [&signature[..], &signature[..]].concat(),
        vec![0],
        [zero, zero].concat(),
        [r, &zero[..]].concat(),
        [&zero[..], s].concat(),
        [r, &order[..]].concat(),
        [&order[..], s].concat(),
    ];
    for bytes in malformed {
        assert_eq!(refusal(&good().with_signature(&bytes)), VerifyError::SignatureMalformed, "{bytes:x?}");
    }
    assert_eq!(refusal(&good().with_signature(&[s, r].concat())), VerifyError::SignatureInvalid);
}

#[test]
fn v13_the_backend_keeps_the_binding_by_itself() {
    let rsa = Key::rsa(RsaKey::Bits2048, "k");
    let document = svidgate_forge::jwks([rsa.jwk_with(json!({"alg": "PS256"}))]);
    let bound = Bundle::from_jwks(&document, &crate::BundleLimits::default()).unwrap();
    let verify = |algorithm: Algorithm| {
        let signature = rsa.sign_as(algorithm.as_str(), b"input");
        RustCrypto.verify_signature(bound.key("k").unwrap(), algorithm, b"input", &signature)
    };
    assert_eq!(verify(Algorithm::Ps256), Ok(()));
    assert_eq!(verify(Algorithm::Rs256), Err(SignatureError::Invalid));
}
