//! The claims, judged a second time by rules written independently here.
//!
//! An input is the payload before base64url.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use svidgate_forge::{AUDIENCE, NOW, TRUST_DOMAIN, Token};
use svidgate_fuzz::{AnySignature, KEYS, has_fraction, lenient, verify};
use svidgate_jwt_svid::unverified::Claims;

fuzz_target!(|data: &[u8]| {
    let parsed = Claims::parse(data);
    let token = Token::new(&KEYS[0]).raw_payload(data).with_signature(&[1; 64]);
    let whole = verify(&token, &AnySignature);
    let Ok(claims) = parsed else {
        assert!(whole.is_err());
        return;
    };
    let Some(lenient) = lenient(data) else { return };
    let members = lenient.as_object().unwrap();
    assert_eq!(members, claims.members());
    let dates = |claims: &Claims| [claims.expires_at(), claims.not_before(), claims.issued_at()];
    if !has_fraction(&lenient) {
        let again = Claims::parse(Value::Object(members.clone()).to_string().as_bytes()).unwrap();
        assert_eq!(again.members(), claims.members());
        assert_eq!(
            (again.subject(), again.audiences(), again.jwt_id()),
            (claims.subject(), claims.audiences(), claims.jwt_id())
        );
        assert_eq!(dates(&again), dates(&claims));
    }
    for (name, date) in ["exp", "nbf", "iat"].into_iter().zip(dates(&claims)) {
        let Some(date) = date else {
            assert!(!members.contains_key(name));
            continue;
        };
        let seconds = members[name].as_f64().unwrap();
        assert!(date.floor.0 as f64 <= seconds && seconds <= date.ceil.0 as f64);
        assert!(date.ceil.0 - date.floor.0 <= 1 && date.ceil.0 <= 253_402_300_799);
    }

    if token.len() <= 8192 {
        assert_eq!(whole.is_ok(), is_good(members), "{:?}", whole.err());
    }
});

/// What a JWT-SVID must say to be taken by the verifier of these targets, given that its types are right.
fn is_good(members: &serde_json::Map<String, Value>) -> bool {
    const SKEW: f64 = 5.0;
    let now = NOW as f64;
    let sub = members.get("sub").and_then(Value::as_str).is_some_and(|sub| {
        let Some(path) = sub.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(TRUST_DOMAIN))
        else {
            return false;
        };
        let is_segment = |text: &str| {
            !["", ".", ".."].contains(&text)
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        sub.len() <= 2048
            && (path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment)))
    });
    let aud = match members.get("aud") {
        Some(Value::String(one)) => one == AUDIENCE,
        Some(Value::Array(several)) => several.iter().any(|one| one == AUDIENCE),
        _ => false,
    };
    // Above 2^53 a double may round; no such time is taken anyway.
    let exp = members.get("exp").and_then(Value::as_f64).is_some_and(|exp| now < exp.floor() + SKEW);
    let nbf = members.get("nbf").and_then(Value::as_f64).is_none_or(|nbf| nbf.ceil() <= now + SKEW);
    sub && aud && exp && nbf
}
