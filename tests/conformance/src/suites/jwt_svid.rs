//! JWT-SVID.md section by section: each rule kept and broken.

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, SUBJECT, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{Audiences, VerifierConfig};

use crate::case::{Case, Expected, Suite};
use crate::judge;

pub(super) fn suite() -> Suite {
    let cases = [headers(), claims(), audiences(), serialization()].concat();
    Suite::new("JWT-SVID", cases)
}

fn key() -> Key {
    Key::p256("key-1")
}

fn token() -> Token {
    Token::new(&key())
}

fn signed(id: &str, token: &Token, expected: Expected) -> Case {
    judged(id, &token.sign(&key()), expected)
}

fn judged(id: &str, token: &[u8], expected: Expected) -> Case {
    let keys = [key(), Key::p384("key-2"), Key::p521("key-3"), Key::rsa(RsaKey::Bits2048, "key-4")];
    let jwks = jwks(keys.iter().map(Key::jwk));
    Case::new(id, expected, judge::svid(token, &judge::trust([(TRUST_DOMAIN, jwks.as_slice())]), NOW))
}

fn headers() -> Vec<Case> {
    let refused = Expected::InvalidFor("header_refused");
    let rsa = Key::rsa(RsaKey::Bits2048, "key-4");
    let mut cases = Vec::new();
    for (algorithm, key) in [("ES256", key()), ("ES384", Key::p384("key-2")), ("ES512", Key::p521("key-3"))] {
        cases.push(judged(&format!("2.1 {algorithm}"), &Token::new(&key).sign(&key), Expected::Valid));
    }
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let token = Token::new(&rsa).sign_as(&rsa, algorithm);
        cases.push(judged(&format!("2.1 {algorithm}"), &token, Expected::Valid));
    }
    for algorithm in
        ["none", "HS256", "HS384", "HS512", "EdDSA", "Ed25519", "ES256K", "ES521", "RS1", "ML-DSA-44"]
    {
        let token = token().header("alg", json!(algorithm));
        cases.push(signed(&format!("2.1 {algorithm}"), &token, Expected::InvalidFor("algorithm_refused")));
    }
    cases.push(signed(
        "2.1 no alg",
        &token().without_header("alg"),
        Expected::InvalidFor("algorithm_refused"),
    ));
    // Optional in the standard; go-spiffe, SPIRE and rust-spiffe demand it, and so do we (V6).
    cases.push(signed("2.2 no kid", &token().without_header("kid"), Expected::Valid));
    cases.push(signed("2.3 no typ", &token().without_header("typ"), Expected::Valid));
    for typ in ["JWT", "JOSE"] {
        cases.push(signed(&format!("2.3 typ {typ}"), &token().header("typ", json!(typ)), Expected::Valid));
    }
    for typ in ["jwt", "at+jwt", "application/jwt", "JWS", "JOSE+JSON", "", " JWT"] {
        cases.push(signed(&format!("2.3 typ {typ:?}"), &token().header("typ", json!(typ)), refused));
    }
    for name in [
        "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "crit", "b64", "zip", "enc", "iss", "sub",
        "aud", "x",
    ] {
        cases.push(signed(&format!("2 header {name}"), &token().header(name, json!("x")), refused));
    }
    cases
}

fn claims() -> Vec<Case> {
    let malformed = Expected::InvalidFor("claims_malformed");
    let subject = Expected::InvalidFor("subject_invalid");
    let extra = json!({"nested": [1, 2.5, null, true, {"deep": "er"}]});
    let mut cases = vec![
        signed("3 private claims", &token().claim("https://example.org/role", extra), Expected::Valid),
        signed(
            "3 iss and jti",
            &token().claim("iss", json!("spire")).claim("jti", json!("1")),
            Expected::Valid,
        ),
        signed("3.1 no sub", &token().without_claim("sub"), subject),
        signed("3.2 no aud", &token().without_claim("aud"), malformed),
        signed("3.2 empty aud", &token().claim("aud", json!([])), malformed),
        signed("3.2 aud a string", &token().claim("aud", json!(AUDIENCE)), Expected::Valid),
        signed("3.3 no exp", &token().without_claim("exp"), malformed),
        signed(
            "3.3 exp an hour ago",
            &token().claim("exp", json!(NOW - 3600)),
            Expected::InvalidFor("token_expired"),
        ),
        signed("3.3 exp in ten years", &token().claim("exp", json!(NOW + 315_360_000)), Expected::Valid),
        signed("A exp within the leeway", &token().claim("exp", json!(NOW - 4)), Expected::Valid),
        signed(
            "A exp beyond the leeway",
            &token().claim("exp", json!(NOW - 5)),
            Expected::InvalidFor("token_expired"),
        ),
        // RFC 7519 §4.1.5 and §4.1.6, which the standard takes over.
        signed(
            "4 nbf to come",
            &token().claim("nbf", json!(NOW + 60)),
            Expected::InvalidFor("token_not_yet_valid"),
        ),
        signed("4 iat to come", &token().claim("iat", json!(NOW + 60)), Expected::Valid),
        signed("4 no iat", &token().without_claim("iat"), Expected::Valid),
    ];
    for sub in
        ["", "client", "https://example.org/client", "system:serviceaccount:default:default", "spiffe://"]
    {
        cases.push(signed(&format!("3.1 sub {sub:?}"), &token().claim("sub", json!(sub)), subject));
    }
    cases
}

fn audiences() -> Vec<Case> {
    let jwks = jwks([key().jwk()]);
    let trust = judge::trust([(TRUST_DOMAIN, jwks.as_slice())]);
    let judge = |id: &str, ours: &[&str], theirs: Value, expected| {
        let config = VerifierConfig::new(Audiences::new(ours.iter().copied()).unwrap());
        let token = token().claim("aud", theirs).sign(&key());
        Case::new(id, expected, judge::svid_for(config, &token, &trust, NOW))
    };
    let refused = Expected::InvalidFor("audience_mismatch");
    let id = "spiffe://example.org/reports";
    vec![
        judge("3.2 reports", &["reports"], json!("reports"), Expected::Valid),
        judge("3.2 a SPIFFE ID", &[id], json!([id]), Expected::Valid),
        judge("3.2 one of several", &["reports"], json!(["a", "reports", "b"]), Expected::Valid),
        judge("3.2 one of several of ours", &["x", "reports"], json!(["reports"]), Expected::Valid),
        judge("3.2 production for reports", &["reports"], json!(["production"]), refused),
        judge("3.2 the trust domain for a service", &[id], json!(["spiffe://example.org/"]), refused),
        judge("3.2 a prefix", &["reports"], json!(["report"]), refused),
        judge("3.2 with more behind", &["reports"], json!(["reports/"]), refused),
        judge("3.2 other case", &["reports"], json!(["Reports"]), refused),
        judge("3.2 an empty one", &["reports"], json!([""]), refused),
        judge("3.2 all in one string", &["reports"], json!("a reports b"), refused),
        judge(
            "3.2 not all are strings",
            &["reports"],
            json!(["reports", 1]),
            Expected::InvalidFor("claims_malformed"),
        ),
    ]
}

fn serialization() -> Vec<Case> {
    let token = String::from_utf8(token().sign(&key())).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let flattened = json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]}).to_string();
    let general =
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]})
            .to_string();
    let malformed = Expected::InvalidFor("token_malformed");
    let unprotected = json!({
        "payload": parts[1], "protected": parts[0], "signature": parts[2], "header": {"kid": "key-1"},
    });
    vec![
        judged("5.1 compact", token.as_bytes(), Expected::Valid),
        judged("1 JSON, flattened", flattened.as_bytes(), malformed),
        judged("1 JSON, general", general.as_bytes(), malformed),
        judged("5.1 unprotected header", unprotected.to_string().as_bytes(), malformed),
        judged("5.2 with its scheme", format!("Bearer {token}").as_bytes(), malformed),
        judged(
            "4 another's signature",
            &self::token().sign(&Key::p256("mallory")),
            Expected::InvalidFor("signature_invalid"),
        ),
        judged(
            "4 another payload",
            [
                parts[0],
                &svidgate_forge::b64(
                    json!({"sub": SUBJECT, "aud": AUDIENCE, "exp": NOW + 1}).to_string().as_bytes(),
                ),
                parts[2],
            ]
            .join(".")
            .as_bytes(),
            Expected::InvalidFor("signature_invalid"),
        ),
    ]
}
