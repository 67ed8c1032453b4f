use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, SUBJECT, Token, b64, compact};

use super::*;
use crate::testing::{
    AT, bundle, bundles, config, key, nested, refusal, trust_domain, verifier, verifier_with, verify,
};
use crate::{
    Algorithm, AlgorithmSet, Audiences, Claim, DenyReason, HeaderMember, JsonError, Part, RustCrypto,
    SpiffeIdError,
};

fn good() -> Token {
    Token::new(&key())
}

fn signed(token: &Token) -> Vec<u8> {
    token.sign(&key())
}

#[test]
fn a_good_token_gives_everything_it_says() {
    let token =
        good().claim("jti", json!("id-1")).claim("nbf", json!(NOW - 60)).claim("role", json!({"a": [1]}));
    let svid = verify(&signed(&token)).unwrap();
    assert_eq!(svid.spiffe_id().as_str(), SUBJECT);
    assert_eq!(svid.key_id(), "key-1");
    assert_eq!(svid.algorithm(), Algorithm::Es256);
    assert_eq!(svid.audiences(), [AUDIENCE]);
    assert_eq!(svid.expires_at(), UnixTime(NOW + 240));
    assert_eq!(svid.issued_at(), Some(UnixTime(NOW - 60)));
    assert_eq!(svid.not_before(), Some(UnixTime(NOW - 60)));
    assert_eq!(svid.jwt_id(), Some("id-1"));
    assert_eq!(svid.claims()["role"], json!({"a": [1]}));
}

#[test]
fn v05_all_nine_algorithms_verify() {
    let rsa = Key::rsa(RsaKey::Bits2048, "rsa");
    let (p256, p384, p521) = (Key::p256("p256"), Key::p384("p384"), Key::p521("p521"));
    let bundles = bundles(&[&rsa, &p256, &p384, &p521]);
    for algorithm in Algorithm::ALL {
        let key = match algorithm {
            Algorithm::Es256 => &p256,
            Algorithm::Es384 => &p384,
            Algorithm::Es512 => &p521,
            _ => &rsa,
        };
        let token = Token::new(key).sign_as(key, algorithm.as_str());
        let svid = verifier().verify(&token, &bundles, &RustCrypto, AT).unwrap();
        assert_eq!(svid.algorithm(), *algorithm);
    }
}

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
fn v01_exactly_three_parts() {
    let token = signed(&good());
    let with = |tail: &[u8]| [token.as_slice(), tail].concat();
    assert_eq!(refusal(b""), VerifyError::PartCount);
    assert_eq!(refusal(b"."), VerifyError::PartCount);
    assert_eq!(refusal(b"a.b"), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".")), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".AAAA")), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".AAAA.AAAA")), VerifyError::PartCount);
    assert_eq!(refusal(&vec![b'.'; 8192]), VerifyError::PartCount);
    assert_eq!(refusal(b".."), VerifyError::EmptyPart(Part::Header));
    assert_eq!(refusal(b"e30..AAAA"), VerifyError::EmptyPart(Part::Payload));
    assert_eq!(refusal(b"e30.e30."), VerifyError::EmptyPart(Part::Signature));
}

#[test]
fn v02_size_is_judged_before_anything_is_decoded() {
    let token = signed(&good());
    let at = |max_token_bytes| {
        let verifier = verifier_with(|config| config.max_token_bytes = max_token_bytes);
        verifier.verify(&token, &bundles(&[&key()]), &RustCrypto, AT).map(|_| ())
    };
    assert_eq!(at(token.len()), Ok(()));
    let limit = token.len() - 1;
    assert_eq!(at(limit), Err(VerifyError::TokenTooLarge { limit, actual: token.len() }));
    assert_eq!(refusal(&vec![0xff; 8193]), VerifyError::TokenTooLarge { limit: 8192, actual: 8193 });
    assert_eq!(refusal(&vec![0xff; 8192]), VerifyError::PartCount);
}

#[test]
fn v03_each_part_is_strict_base64url() {
    let token = String::from_utf8(signed(&good())).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in [Part::Header, Part::Payload, Part::Signature].into_iter().enumerate() {
        for junk in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "+", "/", "?", "%3D", "ä", "A"] {
            for spelling in [format!("{}{junk}", parts[index]), format!("{junk}{}", parts[index])] {
                let mut changed: Vec<String> = parts.iter().map(ToString::to_string).collect();
                changed[index] = spelling;
                let error = refusal(changed.join(".").as_bytes());
                // One more letter of the alphabet may still be base64url, of other bytes.
                assert!(error == VerifyError::Base64(part) || junk == "A", "{part} {junk:?}: {error}");
            }
        }
    }
}

#[test]
fn v03_a_respelt_last_letter_is_refused() {
    // 64 octets leave four bits over, so 15 more letters would decode alike in a lax reader.
    let token = signed(&good());
    let (last, rest) = token.split_last().unwrap();
    let twins = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted: Vec<u8> =
        twins.iter().copied().filter(|letter| verify(&[rest, &[*letter]].concat()).is_ok()).collect();
    assert_eq!(accepted, [*last]);
}

#[test]
fn v04_no_header_member_but_alg_kid_typ() {
    let cases = [
        ("crit", HeaderMember::Crit),
        ("jwk", HeaderMember::Jwk),
        ("jku", HeaderMember::Jku),
        ("x5u", HeaderMember::X5u),
        ("x5c", HeaderMember::X5c),
        ("x5t", HeaderMember::X5t),
        ("x5t#S256", HeaderMember::X5tS256),
        ("b64", HeaderMember::B64),
        ("zip", HeaderMember::Zip),
        ("cty", HeaderMember::Cty),
        ("enc", HeaderMember::Enc),
        ("ALG", HeaderMember::Other),
        ("Kid", HeaderMember::Other),
        ("", HeaderMember::Other),
        ("x", HeaderMember::Other),
    ];
    for (name, member) in cases {
        for value in [json!("x"), json!(null), json!([]), json!({}), json!(true), json!(1)] {
            let token = signed(&good().header(name, value));
            assert_eq!(refusal(&token), VerifyError::HeaderMemberRefused(member), "{name}");
        }
    }
}

#[test]
fn v04_duplicate_header_members_are_refused() {
    for (name, value) in
        [("alg", "ES256"), ("alg", "none"), ("kid", "key-1"), ("kid", "key-2"), ("typ", "JWT")]
    {
        let token = signed(&good().header_again(name, json!(value)));
        assert_eq!(refusal(&token), VerifyError::HeaderJson(JsonError::DuplicateMember), "{name}");
    }
}

#[test]
fn v05_alg_is_of_the_nine_in_exact_case() {
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "HS256",
        "HS384",
        "HS512",
        "hs256",
        "es256",
        "Es256",
        "ES256 ",
        " ES256",
        "ES256K",
        "ES521",
        "EdDSA",
        "RSA1_5",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "SHA256withECDSA",
        "ES256\0",
    ] {
        assert_eq!(
            refusal(&signed(&good().header("alg", json!(alg)))),
            VerifyError::AlgorithmUnsupported,
            "{alg:?}"
        );
        assert_eq!(Algorithm::parse(alg), None);
    }
    assert_eq!(refusal(&signed(&good().without_header("alg"))), VerifyError::AlgorithmMissing);
    for value in [json!(null), json!(256), json!(["ES256"]), json!({"alg": "ES256"}), json!(true)] {
        let error = refusal(&signed(&good().header("alg", value)));
        assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Alg));
    }
}

#[test]
fn v05_the_allowlist_is_asked_before_any_key() {
    let only_rsa = verifier_with(|config| config.algorithms = AlgorithmSet::new([Algorithm::Rs256]).unwrap());
    // Neither claims nor bundles are good, and neither is looked at.
    let token = signed(&good().raw_payload(b"junk"));
    let error = only_rsa.verify(&token, &BundleSet::new(), &RustCrypto, AT).unwrap_err();
    assert_eq!(error, VerifyError::AlgorithmNotAllowed(Algorithm::Es256));
    assert!(AlgorithmSet::new([]).is_err());
    assert_eq!(AlgorithmSet::all().iter().count(), 9);
}

#[test]
fn v06_kid_is_required_bounded_and_exact() {
    assert_eq!(refusal(&signed(&good().without_header("kid"))), VerifyError::KeyIdMissing);
    for value in [json!(null), json!(1), json!(["key-1"])] {
        let error = refusal(&signed(&good().header("kid", value)));
        assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Kid));
    }
    let length = |actual| VerifyError::KeyIdLength { limit: 512, actual };
    assert_eq!(refusal(&signed(&good().header("kid", json!("")))), length(0));
    assert_eq!(refusal(&signed(&good().header("kid", json!("k".repeat(513))))), length(513));
    let long = Key::p256(&"k".repeat(512));
    assert!(verifier().verify(&Token::new(&long).sign(&long), &bundles(&[&long]), &RustCrypto, AT).is_ok());
    for kid in ["key-2", "KEY-1", "key-1 ", "key-1\0", "../key-1", "key-1' OR '1'='1"] {
        assert_eq!(refusal(&signed(&good().header("kid", json!(kid)))), VerifyError::KeyUnknown, "{kid:?}");
    }
}

#[test]
fn v07_typ_is_absent_or_jwt_or_jose() {
    assert!(verify(&signed(&good().without_header("typ"))).is_ok());
    assert!(verify(&signed(&good().header("typ", json!("JOSE")))).is_ok());
    for typ in ["jwt", "Jwt", "at+jwt", "JWE", "JOSE+JSON", "application/jwt", ""] {
        assert_eq!(refusal(&signed(&good().header("typ", json!(typ)))), VerifyError::TypeRefused, "{typ}");
    }
    let error = refusal(&signed(&good().header("typ", json!(null))));
    assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Typ));
}

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

fn verify_at(verifier: &Verifier, token: &Token, now: u64) -> Result<(), VerifyError> {
    verifier.verify(&signed(token), &bundles(&[&key()]), &RustCrypto, UnixTime(now)).map(|_| ())
}

#[test]
fn v11_expired_by_one_second_on_both_sides_of_the_skew() {
    for skew in [0, 5, 300] {
        let verifier = verifier_with(|config| config.clock_skew = skew);
        let token = good().claim("exp", json!(NOW));
        assert_eq!(verify_at(&verifier, &token, NOW + skew - 1), Ok(()), "{skew}");
        assert_eq!(verify_at(&verifier, &token, NOW + skew), Err(VerifyError::Expired), "{skew}");
        assert_eq!(verify_at(&verifier, &token, u64::MAX), Err(VerifyError::Expired), "{skew}");
    }
    assert_eq!(refusal(&signed(&good().without_claim("exp"))), VerifyError::ExpiryMissing);
}

#[test]
fn v11_not_yet_valid_by_one_second_on_both_sides_of_the_skew() {
    for skew in [0, 5, 300] {
        let verifier = verifier_with(|config| config.clock_skew = skew);
        let token = good().claim("nbf", json!(NOW)).claim("exp", json!(NOW + 1000));
        assert_eq!(verify_at(&verifier, &token, NOW - skew), Ok(()), "{skew}");
        assert_eq!(verify_at(&verifier, &token, NOW - skew - 1), Err(VerifyError::NotYetValid), "{skew}");
        assert_eq!(verify_at(&verifier, &token, 0), Err(VerifyError::NotYetValid), "{skew}");
    }
}

#[test]
fn v11_iat_is_no_condition_without_a_maximum_age() {
    for token in
        [good().without_claim("iat"), good().claim("iat", json!(0)), good().claim("iat", json!(NOW + 9999))]
    {
        assert!(verify(&signed(&token)).is_ok());
    }
}

#[test]
fn v11_a_maximum_age_counts_from_iat() {
    let verifier = verifier_with(|config| config.max_age = Some(100));
    let token = good().claim("iat", json!(NOW)).claim("exp", json!(NOW + 10_000));
    assert_eq!(verify_at(&verifier, &token, NOW), Ok(()));
    assert_eq!(verify_at(&verifier, &token, NOW + 104), Ok(()));
    assert_eq!(verify_at(&verifier, &token, NOW + 105), Err(VerifyError::TooOld));
    assert_eq!(verify_at(&verifier, &token, NOW - 5), Ok(()));
    assert_eq!(verify_at(&verifier, &token, NOW - 6), Err(VerifyError::IssuedInFuture));
    let without = token.without_claim("iat");
    assert_eq!(verify_at(&verifier, &without, NOW), Err(VerifyError::IssuedAtMissing));
}

#[test]
fn v11_skew_and_limits_have_bounds() {
    let change = |change: fn(&mut VerifierConfig)| {
        let mut config = config();
        change(&mut config);
        Verifier::new(config).map(|_| ())
    };
    assert_eq!(change(|config| config.clock_skew = 300), Ok(()));
    assert_eq!(
        change(|config| config.clock_skew = 301),
        Err(VerifierConfigError::ClockSkew { limit: 300, actual: 301 })
    );
    assert!(change(|config| config.max_token_bytes = 0).is_err());
    assert!(change(|config| config.max_token_bytes = MAX_TOKEN_BYTES).is_ok());
    assert!(change(|config| config.max_token_bytes = MAX_TOKEN_BYTES + 1).is_err());
    assert_eq!(change(|config| config.max_age = Some(0)), Err(VerifierConfigError::ZeroAge));
    assert_eq!((config().clock_skew, config().max_token_bytes, config().max_age), (5, 8192, None));
}

#[test]
fn v12_wrongly_typed_claims_are_errors_and_never_absent() {
    let claims = [
        (Claim::Iss, true),
        (Claim::Sub, true),
        (Claim::Jti, true),
        (Claim::Aud, true),
        (Claim::Exp, false),
        (Claim::Nbf, false),
        (Claim::Iat, false),
    ];
    for (claim, is_text) in claims {
        let number_or_text = if is_text { json!(1_700_000_100) } else { json!("1700000100") };
        for value in
            [json!(null), json!(true), json!({}), json!([1]), json!([null]), json!([["x"]]), number_or_text]
        {
            let token = signed(&good().claim(claim.as_str(), value.clone()));
            assert_eq!(refusal(&token), VerifyError::ClaimType(claim), "{claim} {value}");
        }
    }
    let mixed = signed(&good().claim("aud", json!([AUDIENCE, 1])));
    assert_eq!(refusal(&mixed), VerifyError::ClaimType(Claim::Aud));
}

#[test]
fn v12_duplicate_claims_are_refused() {
    for (name, value) in
        [("sub", json!("spiffe://example.org/admin")), ("exp", json!(NOW + 240)), ("aud", json!("x"))]
    {
        let token = signed(&good().claim_again(name, value));
        assert_eq!(refusal(&token), VerifyError::ClaimsJson(JsonError::DuplicateMember), "{name}");
    }
    let nested = signed(&good().claim_text("x", r#"{"a":1,"a":2}"#));
    assert_eq!(refusal(&nested), VerifyError::ClaimsJson(JsonError::DuplicateMember));
}

#[test]
fn v12_times_of_every_form_do_not_overflow() {
    let with = |claim: &str, text: &str| verify(&signed(&good().claim_text(claim, text))).map(|_| ());
    for text in ["1700000240.5", "1.70000024e9", "17000002400e-1", "1.7000002400E+9", "253402300799"] {
        assert_eq!(with("exp", text), Ok(()), "{text}");
    }
    for text in ["0", "-0", "-0.0", "0e999", "1e-300", "1699999995.9", "1e9"] {
        assert_eq!(with("exp", text), Err(VerifyError::Expired), "{text}");
    }
    for text in [
        "-1",
        "-0.5",
        "253402300800",
        "253402300799.5",
        "1e12",
        "1e308",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999",
        "1700000240000",
    ] {
        for claim in [Claim::Exp, Claim::Nbf, Claim::Iat] {
            assert_eq!(with(claim.as_str(), text), Err(VerifyError::TimeOutOfRange(claim)), "{claim} {text}");
        }
    }
    for text in ["1e309", "-1e309", "NaN", "Infinity", "0x10", "01", "1_000", "\"1700000240\n\""] {
        assert_eq!(with("exp", text), Err(VerifyError::ClaimsJson(JsonError::Syntax)), "{text}");
    }
}

#[test]
fn v12_a_fraction_of_a_second_never_lets_more_through() {
    let verifier = verifier_with(|config| config.clock_skew = 0);
    let expiring = good().claim_text("exp", "1700000000.9");
    assert_eq!(verify_at(&verifier, &expiring, NOW - 1), Ok(()));
    assert_eq!(verify_at(&verifier, &expiring, NOW), Err(VerifyError::Expired));
    let coming = good().claim_text("nbf", "1700000000.1");
    assert_eq!(verify_at(&verifier, &coming, NOW), Err(VerifyError::NotYetValid));
    assert_eq!(verify_at(&verifier, &coming, NOW + 1), Ok(()));
}

#[test]
fn v12_header_and_payload_are_strict_json() {
    let cases: &[(&[u8], JsonError)] = &[
        (b"\xef\xbb\xbf{}", JsonError::ByteOrderMark),
        (b"{\"a\":\"\xff\"}", JsonError::NotUtf8),
        (b"{\"a\":\"\\ud800\"}", JsonError::Syntax),
        (b"{} {}", JsonError::TrailingData),
        (b"null", JsonError::NotAnObject),
        (b"[]", JsonError::NotAnObject),
        (b"\"x\"", JsonError::NotAnObject),
        (b"{", JsonError::Syntax),
        (b" ", JsonError::Syntax),
    ];
    for (bytes, error) in cases {
        assert_eq!(refusal(&signed(&good().raw_header(bytes))), VerifyError::HeaderJson(*error), "{bytes:?}");
        assert_eq!(
            refusal(&signed(&good().raw_payload(bytes))),
            VerifyError::ClaimsJson(*error),
            "{bytes:?}"
        );
    }
}

#[test]
fn v12_nesting_is_bounded_at_sixteen() {
    let with = |depth| verify(&signed(&good().claim_text("x", &nested(depth)))).map(|_| ());
    assert_eq!(with(15), Ok(()));
    assert_eq!(with(16), Err(VerifyError::ClaimsJson(JsonError::TooDeep)));
    assert_eq!(with(2000), Err(VerifyError::ClaimsJson(JsonError::TooDeep)));
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
fn v15_no_identity_comes_out_of_a_refusal() {
    let forged = good().with_signature(&[1; 64]);
    let explanation = verifier().explain(&forged, &bundles(&[&key()]), &RustCrypto, AT);
    assert_eq!(explanation.result.unwrap_err(), VerifyError::SignatureInvalid);
}

#[test]
fn v15_the_backend_is_asked_last_and_its_word_counts() {
    struct Backend(Result<(), SignatureError>);
    impl SignatureVerifier for Backend {
        fn verify_signature(
            &self,
            key: &VerificationKey,
            algorithm: Algorithm,
            signing_input: &[u8],
            signature: &[u8],
        ) -> Result<(), SignatureError> {
            RustCrypto.verify_signature(key, algorithm, signing_input, signature).and(self.0)
        }
    }
    let token = signed(&good());
    let with = |answer| verifier().verify(&token, &bundles(&[&key()]), &Backend(answer), AT).map(|_| ());
    assert_eq!(with(Ok(())), Ok(()));
    assert_eq!(with(Err(SignatureError::Invalid)), Err(VerifyError::SignatureInvalid));
    assert_eq!(with(Err(SignatureError::Unavailable)), Err(VerifyError::SignatureUnavailable));
}

#[test]
fn v16_neither_errors_nor_debug_repeat_the_token() {
    const CANARY: &str = "canary";
    let bad = |token: Token| signed(&token);
    let tokens = [
        bad(good().header("kid", json!(CANARY))),
        bad(good().header("alg", json!(CANARY))),
        bad(good().header("typ", json!(CANARY))),
        bad(good().header(CANARY, json!(CANARY))),
        bad(good().header_text("kid", CANARY)),
        bad(good().header_again("kid", json!(CANARY)).header_again("kid", json!(CANARY))),
        bad(good().claim("sub", json!(CANARY))),
        bad(good().claim("sub", json!(format!("spiffe://{CANARY}/{CANARY}")))),
        bad(good().claim("aud", json!(CANARY))),
        bad(good().claim("exp", json!(CANARY))),
        bad(good().claim_text("exp", CANARY)),
        bad(good().claim_again(CANARY, json!(1)).claim_again(CANARY, json!(1))),
        [good().signing_input(), b".canary!".to_vec()].concat(),
        CANARY.into(),
    ];
    for token in tokens {
        let error = refusal(&token);
        let texts = format!("{error} {error:?} {} {}", error.reason(), error.likely_cause());
        assert!(!texts.contains(CANARY), "{texts}");
    }

    let token = signed(&good().claim("jti", json!(CANARY)).claim(CANARY, json!(CANARY)));
    let svid = verify(&token).unwrap();
    let compact = Compact::parse(&token).unwrap();
    let header = Header::parse(&compact.header).unwrap();
    let claims = Claims::parse(&compact.payload).unwrap();
    let texts = format!("{svid:?} {compact:?} {header:?} {claims:?} {:?}", bundle(&[&key()]).key("key-1"));
    for secret in [CANARY, "key-1", "client", "backend", &b64(&compact.signature)] {
        assert!(!texts.contains(secret), "{texts}");
    }
}

#[test]
fn v16_reasons_are_a_closed_list_of_distinct_names() {
    let names: std::collections::BTreeSet<_> = DenyReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(names.len(), DenyReason::ALL.len());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
}

#[test]
fn v19_a_malleable_twin_is_the_same_token_to_whoever_asks_by_jti() {
    let token = good().claim("jti", json!("id-1"));
    let signature = key().sign(&token.signing_input());
    let twin = [&signature[..32], &negated(&signature[32..])].concat();
    assert_ne!(twin, signature);
    let (first, second) = (verify(&signed(&token)).unwrap(), verify(&token.with_signature(&twin)).unwrap());
    assert_eq!(first.jwt_id(), second.jwt_id());
    assert_eq!((first.spiffe_id(), first.key_id()), (second.spiffe_id(), second.key_id()));
}

/// n - s on P-256.
fn negated(s: &[u8]) -> Vec<u8> {
    let order: Vec<u8> = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut borrow = 0;
    let mut digits: Vec<u8> = order
        .iter()
        .zip(s)
        .rev()
        .map(|(n, s)| {
            let difference = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(difference < 0);
            u8::try_from(difference.rem_euclid(256)).unwrap()
        })
        .collect();
    digits.reverse();
    digits
}

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

#[test]
fn explain_walks_every_step_of_a_good_token() {
    let explanation = verifier().explain(&signed(&good()), &bundles(&[&key()]), &RustCrypto, AT);
    let steps: Vec<_> = explanation.steps.iter().map(|report| report.step).collect();
    assert_eq!(steps, Step::ALL);
    assert!(explanation.steps.iter().all(|report| report.outcome == Outcome::Passed));
    assert!(explanation.result.is_ok());
    let facts: Vec<_> = explanation.steps.into_iter().flat_map(|report| report.facts).collect();
    for fact in [
        Fact::KeyId("key-1".into()),
        Fact::Algorithm(Algorithm::Es256),
        Fact::Subject(SUBJECT.into()),
        Fact::BundleKeyIds(vec!["key-1".into()]),
        Fact::ExpiresAt(UnixTime(NOW + 240)),
        Fact::Now(AT),
    ] {
        assert!(facts.contains(&fact), "{fact:?}");
    }
}

#[test]
fn explain_stops_where_verify_stops() {
    let cases: Vec<(Step, Vec<u8>)> = vec![
        (Step::Size, vec![b'a'; 9000]),
        (Step::Structure, compact(&[b"{}", b"{}"])),
        (Step::Header, signed(&good().header("crit", json!([])))),
        (Step::Algorithm, signed(&good().header("alg", json!("none")))),
        (Step::Claims, signed(&good().raw_payload(b"[]"))),
        (Step::SpiffeId, signed(&good().claim("sub", json!("x")))),
        (Step::Bundle, signed(&good().claim("sub", json!("spiffe://other.org/x")))),
        (Step::Key, signed(&good().header("kid", json!("other")))),
        (Step::KeyAlgorithm, signed(&good().header("alg", json!("RS256")))),
        (Step::Audience, signed(&good().claim("aud", json!("other")))),
        (Step::Times, signed(&good().claim("exp", json!(1)))),
        (Step::Signature, good().with_signature(&[1; 64])),
    ];
    assert_eq!(cases.iter().map(|(step, _)| *step).collect::<Vec<_>>(), Step::ALL);
    for (failing, token) in cases {
        let explanation = verifier().explain(&token, &bundles(&[&key()]), &RustCrypto, AT);
        let error = refusal(&token);
        assert_eq!(explanation.result.unwrap_err(), error);
        for report in explanation.steps {
            let expected = match report.step.cmp(&failing) {
                std::cmp::Ordering::Less => Outcome::Passed,
                std::cmp::Ordering::Equal => Outcome::Failed(error),
                std::cmp::Ordering::Greater => Outcome::NotReached,
            };
            assert_eq!(report.outcome, expected, "{failing:?}");
        }
    }
}
