//! What comes out: identities and errors (V15, V16, V19).

use super::*;

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
            let difference = i16::from(*n).wrapping_sub(i16::from(*s)).wrapping_sub(borrow);
            borrow = i16::from(difference < 0);
            u8::try_from(difference.rem_euclid(256)).unwrap()
        })
        .collect();
    digits.reverse();
    digits
}
