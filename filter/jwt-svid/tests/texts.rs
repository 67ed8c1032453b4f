//! What people read: messages, causes, `Debug`. No step of verification hangs on them, so no other test looks.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;

use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::unverified::{Claims, Compact, Header};
use svidgate_jwt_svid::{
    Algorithm, AlgorithmSet, Audiences, Bundle, BundleLimits, BundleSet, Claim, DenyReason, HeaderMember,
    JsonError, Part, RustCrypto, SpiffeId, SpiffeIdError, Step, TrustDomain, UnixTime, Verifier,
    VerifierConfig, VerifyError,
};

const ERRORS: &[VerifyError] = &[
    VerifyError::TokenTooLarge { limit: 1, actual: 2 },
    VerifyError::PartCount,
    VerifyError::EmptyPart(Part::Header),
    VerifyError::EmptyPart(Part::Payload),
    VerifyError::EmptyPart(Part::Signature),
    VerifyError::Base64(Part::Payload),
    VerifyError::HeaderJson(JsonError::Syntax),
    VerifyError::HeaderMemberRefused(HeaderMember::Jwk),
    VerifyError::HeaderMemberType(HeaderMember::Kid),
    VerifyError::TypeRefused,
    VerifyError::AlgorithmMissing,
    VerifyError::KeyIdMissing,
    VerifyError::KeyIdLength { limit: 1, actual: 2 },
    VerifyError::AlgorithmUnsupported,
    VerifyError::AlgorithmNotAllowed(Algorithm::Es512),
    VerifyError::ClaimsJson(JsonError::TooDeep),
    VerifyError::ClaimType(Claim::Aud),
    VerifyError::TimeOutOfRange(Claim::Exp),
    VerifyError::SubjectMissing,
    VerifyError::SubjectInvalid(SpiffeIdError::Scheme),
    VerifyError::TrustDomainUnknown,
    VerifyError::KeyUnknown,
    VerifyError::KeyAlgorithmMismatch,
    VerifyError::AudienceMissing,
    VerifyError::AudienceMismatch,
    VerifyError::ExpiryMissing,
    VerifyError::Expired,
    VerifyError::NotYetValid,
    VerifyError::IssuedAtMissing,
    VerifyError::IssuedInFuture,
    VerifyError::TooOld,
    VerifyError::SignatureMalformed,
    VerifyError::SignatureInvalid,
    VerifyError::SignatureUnavailable,
];

#[test]
fn every_error_has_a_message_of_its_own_and_a_cause() {
    let messages: BTreeSet<_> = ERRORS.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), ERRORS.len());
    for error in ERRORS {
        assert!(error.likely_cause().len() > 20 && error.likely_cause().ends_with('.'), "{error}");
    }
    assert!(VerifyError::Expired.likely_cause().contains("clocks"));
    assert!(VerifyError::KeyUnknown.likely_cause().contains("rotated"));
    assert_ne!(
        VerifyError::EmptyPart(Part::Signature).likely_cause(),
        VerifyError::EmptyPart(Part::Header).likely_cause()
    );
}

#[test]
fn messages_name_the_place_in_the_words_of_the_standards() {
    let message = |error: VerifyError| error.to_string();
    for (part, name) in [(Part::Header, "header"), (Part::Payload, "payload"), (Part::Signature, "signature")]
    {
        assert_eq!(message(VerifyError::EmptyPart(part)), format!("the token's {name} is empty"));
    }
    for (member, name) in [
        (HeaderMember::Alg, "alg"),
        (HeaderMember::Kid, "kid"),
        (HeaderMember::Typ, "typ"),
        (HeaderMember::Crit, "crit"),
        (HeaderMember::B64, "b64"),
        (HeaderMember::Jwk, "jwk"),
        (HeaderMember::Jku, "jku"),
        (HeaderMember::X5u, "x5u"),
        (HeaderMember::X5c, "x5c"),
        (HeaderMember::X5t, "x5t"),
        (HeaderMember::X5tS256, "x5t#S256"),
        (HeaderMember::Zip, "zip"),
        (HeaderMember::Cty, "cty"),
        (HeaderMember::Enc, "enc"),
        (HeaderMember::Other, "another one"),
    ] {
        let expected = format!("the header has a member that is not allowed: {name}");
        assert_eq!(message(VerifyError::HeaderMemberRefused(member)), expected);
    }
    for (claim, name) in [
        (Claim::Iss, "iss"),
        (Claim::Sub, "sub"),
        (Claim::Aud, "aud"),
        (Claim::Exp, "exp"),
        (Claim::Nbf, "nbf"),
        (Claim::Iat, "iat"),
        (Claim::Jti, "jti"),
    ] {
        assert_eq!(message(VerifyError::ClaimType(claim)), format!("the claim {name} has the wrong type"));
    }
    let refused = VerifyError::AlgorithmNotAllowed(Algorithm::Ps384);
    assert_eq!(message(refused), "the algorithm PS384 is not allowed here");
}

#[test]
fn steps_have_names_for_machines() {
    let names: BTreeSet<_> = Step::ALL.iter().map(|step| step.as_str()).collect();
    assert_eq!(names.len(), Step::ALL.len());
    assert!(
        names
            .iter()
            .all(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    );
    assert_eq!((Step::Size.as_str(), Step::SpiffeId.as_str()), ("size", "spiffe_id"));
}

#[test]
fn values_print_as_what_they_are() {
    for reason in DenyReason::ALL {
        assert_eq!(reason.to_string(), reason.as_str());
    }
    assert_eq!(UnixTime(17).to_string(), "17");
    let id = SpiffeId::parse("spiffe://a.test/b").unwrap();
    assert_eq!(format!("{id:?}"), "SpiffeId(spiffe://a.test/b)");
    assert_eq!(format!("{:?}", TrustDomain::parse("a.test").unwrap()), "TrustDomain(a.test)");
    let two = AlgorithmSet::new([Algorithm::Es256, Algorithm::Rs512]).unwrap();
    assert_eq!(format!("{two:?}"), "{Rs512, Es256}");
}

#[test]
fn v16_debug_of_a_key_shows_what_it_may_do_and_not_what_it_is() {
    let document = jwks([Key::rsa(RsaKey::Bits2048, "kid-of-it").jwk()]);
    let bundle = Bundle::from_jwks(&document, &BundleLimits::default()).unwrap();
    let text = format!("{:?}", bundle.key("kid-of-it").unwrap());
    assert_eq!(text, "VerificationKey { algorithms: {Rs256, Rs384, Rs512, Ps256, Ps384, Ps512}, .. }");
}

#[test]
fn v16_debug_of_a_verified_token_shows_no_claim() {
    let key = Key::p256("k");
    let bundle = Bundle::from_jwks(&jwks([key.jwk()]), &BundleLimits::default()).unwrap();
    let bundles = BundleSet::from_iter([(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)]);
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap();
    let token = Token::new(&key).sign(&key);
    let svid = verifier.verify(&token, &bundles, &RustCrypto, UnixTime(NOW)).unwrap();
    assert_eq!(format!("{svid:?}"), "VerifiedSvid { algorithm: Es256, .. }");
    let parts = Compact::parse(&token).unwrap();
    assert_eq!(format!("{:?}", Claims::parse(&parts.payload).unwrap()), "Claims { .. }");
    assert_eq!(format!("{:?}", Header::parse(&parts.header).unwrap()), "Header { .. }");
    assert_eq!(
        format!("{parts:?}"),
        format!(
            "Compact {{ header_bytes: {}, payload_bytes: {}, signature_bytes: 64 }}",
            parts.header.len(),
            parts.payload.len()
        )
    );
}
