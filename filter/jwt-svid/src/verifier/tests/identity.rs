//! SPIFFE ID, trust domain, audience (V8–V10).

use super::*;

#[test]
fn v08_sub_is_a_spiffe_id() {
    let refused = |sub: Value| refusal(&signed(&good().claim("sub", sub)));
    assert_eq!(refused(json!("")), VerifyError::SubjectInvalid(SpiffeIdError::Empty));
    assert_eq!(refused(json!("client")), VerifyError::SubjectInvalid(SpiffeIdError::Scheme));
    assert_eq!(refused(json!("Spiffe://example.org/x")), VerifyError::SubjectInvalid(SpiffeIdError::Scheme));
    assert_eq!(
        refused(json!("spiffe://example.org/a/../b")),
        VerifyError::SubjectInvalid(SpiffeIdError::DotSegment)
    );
    assert_eq!(refusal(&signed(&good().without_claim("sub"))), VerifyError::SubjectMissing);
    assert!(verify(&signed(&good().claim("sub", json!("spiffe://example.org")))).is_ok());
    let longest = format!("spiffe://example.org/{}", "a".repeat(2048 - 21));
    assert!(verify(&signed(&good().claim("sub", json!(longest)))).is_ok());
}

#[test]
fn v09_key_of_other_trust_domain_never_verifies() {
    let (ours, theirs) = (key(), Key::p256("their-key"));
    let both = BundleSet::from_iter([
        (trust_domain("example.org"), bundle(&[&ours])),
        (trust_domain("other.org"), bundle(&[&theirs])),
    ]);
    let verify =
        |token: &[u8], bundles: &BundleSet| verifier().verify(token, bundles, &RustCrypto, AT).map(|_| ());
    let claiming = |key: &Key, sub: &str| Token::new(key).claim("sub", json!(sub)).sign(key);

    assert_eq!(verify(&claiming(&ours, "spiffe://example.org/a"), &both), Ok(()));
    assert_eq!(verify(&claiming(&theirs, "spiffe://other.org/a"), &both), Ok(()));
    assert_eq!(verify(&claiming(&theirs, "spiffe://example.org/a"), &both), Err(VerifyError::KeyUnknown));
    assert_eq!(verify(&claiming(&ours, "spiffe://other.org/a"), &both), Err(VerifyError::KeyUnknown));
    assert_eq!(verify(&claiming(&ours, "spiffe://third.org/a"), &both), Err(VerifyError::TrustDomainUnknown));
    for close in ["example.org.", "xample.org", "example.orgg", "sub.example.org", "example-org"] {
        let token = claiming(&ours, &format!("spiffe://{close}/a"));
        assert_eq!(verify(&token, &both), Err(VerifyError::TrustDomainUnknown), "{close}");
    }

    // The same kid in both trust domains: the signature tells them apart.
    let shared_kid = BundleSet::from_iter([
        (trust_domain("example.org"), bundle(&[&ours.with_kid("shared")])),
        (trust_domain("other.org"), bundle(&[&theirs.with_kid("shared")])),
    ]);
    let token = claiming(&theirs.with_kid("shared"), "spiffe://example.org/a");
    assert_eq!(verify(&token, &shared_kid), Err(VerifyError::SignatureInvalid));
}

#[test]
fn v09_the_bundle_is_looked_for_before_the_kid() {
    let token = signed(&good().claim("sub", json!("spiffe://third.org/x")).header("kid", json!("nowhere")));
    assert_eq!(refusal(&token), VerifyError::TrustDomainUnknown);
}

#[test]
fn v10_one_audience_of_ours_byte_for_byte() {
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE]), json!([AUDIENCE, AUDIENCE])] {
        assert!(verify(&signed(&good().claim("aud", aud))).is_ok());
    }
    for aud in [
        json!("other"),
        json!("Backend.example.org"),
        json!("backend.example.org "),
        json!("backend.example.org/"),
        json!("backend.example"),
        json!("*"),
        json!(""),
        json!(["", "other"]),
        json!("spiffe://example.org/client"),
        json!("other backend.example.org"),
        json!("other,backend.example.org"),
    ] {
        assert_eq!(
            refusal(&signed(&good().claim("aud", aud.clone()))),
            VerifyError::AudienceMismatch,
            "{aud}"
        );
    }
    assert_eq!(refusal(&signed(&good().without_claim("aud"))), VerifyError::AudienceMissing);
    assert_eq!(refusal(&signed(&good().claim("aud", json!([])))), VerifyError::AudienceMissing);
}

#[test]
fn v10_an_empty_set_of_expected_audiences_cannot_be_made() {
    assert!(Audiences::new(Vec::<String>::new()).is_err());
    assert!(Audiences::new([""]).is_err());
    assert!(Audiences::new(["a", ""]).is_err());
    assert_eq!(Audiences::new(["b", "a", "b"]).unwrap().iter().collect::<Vec<_>>(), ["a", "b"]);
}
