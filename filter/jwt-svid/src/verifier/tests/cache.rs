//! What happens to an SVID that was kept (B3, B8).

use super::*;

#[test]
fn b08_a_kept_svid_is_void_when_its_key_leaves_or_changes() {
    let svid = verify(&signed(&good())).unwrap();
    let again = |bundles: &BundleSet, now| verifier().revalidate(&svid, bundles, now);
    assert_eq!(again(&bundles(&[&key()]), AT), Ok(()));
    assert_eq!(again(&bundles(&[&key(), &Key::p256("key-2")]), AT), Ok(()));
    assert_eq!(again(&bundles(&[&Key::p256("key-2")]), AT), Err(VerifyError::KeyUnknown));
    assert_eq!(again(&bundles(&[]), AT), Err(VerifyError::KeyUnknown));
    assert_eq!(again(&bundles(&[&Key::p256("key-2").with_kid("key-1")]), AT), Err(VerifyError::KeyUnknown));
    assert_eq!(again(&bundles(&[&Key::p384("key-1")]), AT), Err(VerifyError::KeyUnknown));
    assert_eq!(again(&BundleSet::new(), AT), Err(VerifyError::TrustDomainUnknown));
    let elsewhere = BundleSet::from_iter([(trust_domain("other.org"), bundle(&[&key()]))]);
    assert_eq!(again(&elsewhere, AT), Err(VerifyError::TrustDomainUnknown));
    assert_eq!(again(&bundles(&[&key()]), UnixTime(NOW + 245)), Err(VerifyError::Expired));
}

#[test]
fn b08_a_kept_svid_is_void_when_its_key_is_bound_to_another_algorithm() {
    let rsa = Key::rsa(RsaKey::Bits2048, "k");
    let bound_to = |alg: &str| {
        let document = svidgate_forge::jwks([rsa.jwk_with(json!({"alg": alg}))]);
        let bundle = Bundle::from_jwks(&document, &crate::BundleLimits::default()).unwrap();
        BundleSet::from_iter([(trust_domain("example.org"), bundle)])
    };
    let token = Token::new(&rsa).sign_as(&rsa, "RS256");
    let svid = verifier().verify(&token, &bound_to("RS256"), &RustCrypto, AT).unwrap();
    assert_eq!(verifier().revalidate(&svid, &bound_to("RS256"), AT), Ok(()));
    assert_eq!(verifier().revalidate(&svid, &bound_to("PS256"), AT), Err(VerifyError::KeyAlgorithmMismatch));
}

#[test]
fn b08_a_kept_svid_meets_new_demands() {
    let svid = verify(&signed(&good())).unwrap();
    let again =
        |change: fn(&mut VerifierConfig)| verifier_with(change).revalidate(&svid, &bundles(&[&key()]), AT);
    assert_eq!(again(|_| {}), Ok(()));
    assert_eq!(
        again(|config| config.audiences = Audiences::new(["other"]).unwrap()),
        Err(VerifyError::AudienceMismatch)
    );
    assert_eq!(
        again(|config| config.algorithms = AlgorithmSet::new([Algorithm::Rs256]).unwrap()),
        Err(VerifyError::AlgorithmNotAllowed(Algorithm::Es256))
    );
    assert_eq!(again(|config| config.max_age = Some(10)), Err(VerifyError::TooOld));
}

#[test]
fn b03_an_empty_bundle_makes_every_svid_of_its_trust_domain_invalid() {
    let error = verifier().verify(&signed(&good()), &bundles(&[]), &RustCrypto, AT).unwrap_err();
    assert_eq!(error, VerifyError::KeyUnknown);
}
