//! Times and types of claims (V11, V12).

use super::*;

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
