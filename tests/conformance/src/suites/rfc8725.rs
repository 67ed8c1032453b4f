//! JSON Web Token Best Current Practices (RFC 8725), §3: what each practice guards against, forged. And the tokens
//! with unencoded payloads of RFC 7797, signed rightly, which its §4.2 has for HMAC only.

use serde_json::{Value, json};
use svidgate_forge::{Key, NOW, RsaKey, Sha, TRUST_DOMAIN, Token, b64, compact, jwks};

use crate::case::{Case, Expected, Judged, Suite};
use crate::judge;

pub(super) fn suite() -> Suite {
    let cases = [algorithms(), cryptography(), content(), trust_in_claims(), unencoded()].concat();
    Suite::new("RFC 8725", cases)
}

fn key() -> Key {
    Key::p256("key-1")
}

fn rsa() -> Key {
    Key::rsa(RsaKey::Bits2048, "rsa-1")
}

fn token() -> Token {
    Token::new(&key())
}

fn judge(token: &[u8]) -> Judged {
    judge_with(token, vec![key().jwk(), rsa().jwk()])
}

fn judge_with(token: &[u8], entries: Vec<Value>) -> Judged {
    judge::svid(token, &judge::trust([(TRUST_DOMAIN, jwks(entries).as_slice())]), NOW)
}

fn refused(id: &str, token: &[u8], reason: &'static str) -> Case {
    Case::new(id, Expected::InvalidFor(reason), judge(token))
}

/// §3.1 and §3.2: an algorithm that the key is bound to and that the application knows.
fn algorithms() -> Vec<Case> {
    let n = rsa().jwk()["n"].as_str().unwrap().to_owned();
    let hmac = Token::new(&rsa()).header("alg", json!("HS256"));
    let tag = Sha::S256.hmac(n.as_bytes(), &hmac.signing_input());
    let bound = |alg: &str| vec![rsa().jwk_with(json!({ "alg": alg }))];
    let ps256 = Token::new(&rsa()).sign_as(&rsa(), "PS256");
    vec![
        refused(
            "3.1 alg changed to none",
            &token().header("alg", json!("none")).with_signature(&[]),
            "token_malformed",
        ),
        refused(
            "3.1 alg changed to HS256, keyed with the public key",
            &hmac.with_signature(&tag),
            "algorithm_refused",
        ),
        Case::new("3.1 a key with an alg, used with it", Expected::Valid, judge_with(&ps256, bound("PS256"))),
        Case::new(
            "3.1 a key with an alg, used with another",
            Expected::InvalidFor("key_mismatch"),
            judge_with(&ps256, bound("RS256")),
        ),
        Case::new(
            "3.2 an alg that is none of a JWT-SVID in the key",
            Expected::InvalidFor("key_unknown"),
            judge_with(&ps256, bound("RSA-OAEP")),
        ),
        refused("3.2 no algorithm", &token().without_header("alg").sign(&key()), "algorithm_refused"),
        refused(
            "3.2 RSA with SHA-1",
            &Token::new(&rsa()).header("alg", json!("RS1")).sign(&rsa()),
            "algorithm_refused",
        ),
    ]
}

/// §3.3 to §3.6: every operation counts, inputs are checked, keys are strong, nothing is decompressed.
fn cryptography() -> Vec<Case> {
    let inner = token().sign(&key());
    let nested = token().raw_payload(&inner).header("cty", json!("JWT")).sign(&key());
    let off_curve = key().jwk_with(json!({"y": key().jwk()["x"]}));
    let weak = Key::rsa(RsaKey::Bits1024, "key-1");
    vec![
        refused(
            "3.3 a good token inside, a bad one outside",
            &[&inner[..inner.len() - 4], b"AAAA"].concat(),
            "signature_invalid",
        ),
        refused("3.3 a nested token", &nested, "header_refused"),
        refused(
            "3.3 a nested token without cty",
            &token().raw_payload(&inner).sign(&key()),
            "token_malformed",
        ),
        Case::new(
            "3.4 a point off the curve",
            Expected::InvalidFor("key_unknown"),
            judge_with(&inner, vec![off_curve]),
        ),
        refused("3.4 r = s = 0", &token().with_signature(&[0; 64]), "signature_invalid"),
        Case::new(
            "3.5 a key of 1024 bits",
            Expected::InvalidFor("key_unknown"),
            judge_with(&Token::new(&weak).sign(&weak), vec![weak.jwk()]),
        ),
        Case::new(
            "3.5 a password as key",
            Expected::InvalidFor("key_unknown"),
            judge_with(
                &inner,
                vec![json!({"kty": "oct", "kid": "key-1", "use": "jwt-svid", "k": "c2VjcmV0"})],
            ),
        ),
        refused("3.6 compressed", &token().header("zip", json!("DEF")).sign(&key()), "header_refused"),
    ]
}

/// §3.7: UTF-8 only.
fn content() -> Vec<Case> {
    let text = String::from_utf8(token().payload_bytes()).unwrap();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin = [&br#"{"sub":"spiffe://example.org/"#[..], b"\xe4\"}"].concat();
    let surrogates = text.replace("client", "\\ud83d");
    vec![
        refused("3.7 UTF-16", &token().raw_payload(&utf16).sign(&key()), "token_malformed"),
        refused("3.7 Latin-1", &token().raw_payload(&latin).sign(&key()), "token_malformed"),
        refused(
            "3.7 half a surrogate pair",
            &token().raw_payload(surrogates.as_bytes()).sign(&key()),
            "token_malformed",
        ),
        refused(
            "3.7 overlong",
            &token().raw_payload(b"{\"sub\":\"\xc0\xaf\"}").sign(&key()),
            "token_malformed",
        ),
        Case::new(
            "3.7 text beyond ASCII in a private claim",
            Expected::Valid,
            judge(&token().claim("name", json!("Ünïcödé 😀")).sign(&key())),
        ),
    ]
}

/// §3.8 to §3.12: issuer and subject, audience, claims that lead somewhere, kinds of tokens.
fn trust_in_claims() -> Vec<Case> {
    let mallory = Key::p256("mallory");
    let elsewhere = "spiffe://other.org/client";
    let kid = |kid: &str| token().header("kid", json!(kid)).sign(&key());
    vec![
        refused(
            "3.8 a subject that is not the key's to name",
            &token().claim("sub", json!(elsewhere)).sign(&key()),
            "trust_domain_unknown",
        ),
        refused(
            "3.8 a subject of another kind of issuer",
            &token().claim("sub", json!("alice")).sign(&key()),
            "subject_invalid",
        ),
        refused("3.9 no audience", &token().without_claim("aud").sign(&key()), "claims_malformed"),
        refused(
            "3.9 another audience",
            &token().claim("aud", json!("other")).sign(&key()),
            "audience_mismatch",
        ),
        refused("3.10 kid as SQL", &kid("' OR '1'='1"), "key_unknown"),
        refused("3.10 kid as LDAP", &kid("*)(uid=*"), "key_unknown"),
        refused("3.10 kid as a path", &kid("../../../../dev/null"), "key_unknown"),
        refused(
            "3.10 jku",
            &token().header("jku", json!("https://169.254.169.254/")).sign(&mallory),
            "header_refused",
        ),
        refused(
            "3.10 x5u",
            &token().header("x5u", json!("file:///etc/passwd")).sign(&mallory),
            "header_refused",
        ),
        refused(
            "3.11 an access token",
            &token().header("typ", json!("at+jwt")).sign(&key()),
            "header_refused",
        ),
        refused(
            "3.11 a security event token",
            &token().header("typ", json!("secevent+jwt")).sign(&key()),
            "header_refused",
        ),
        refused(
            "3.12 an ID token",
            &token().claim("sub", json!("248289761001")).claim("nonce", json!("n")).sign(&key()),
            "subject_invalid",
        ),
    ]
}

/// RFC 7797 with a signature that its rules make good; JWT-SVID §2 forbids both header members.
fn unencoded() -> Vec<Case> {
    let header = |b64: bool, crit: bool| {
        let token = token().header("b64", json!(b64));
        if crit { token.header("crit", json!(["b64"])) } else { token }
    };
    let raw = |token: &Token| {
        let input = [b64(&token.header_bytes()).into_bytes(), token.payload_bytes()].join(&b'.');
        let signature = b64(&key().sign(&input)).into_bytes();
        (input, signature)
    };
    let (input, signature) = raw(&header(false, true));
    let attached = [input, signature.clone()].join(&b'.');
    let detached = [b64(&header(false, true).header_bytes()).into_bytes(), Vec::new(), signature].join(&b'.');
    let empty = compact(&[&header(false, true).header_bytes(), b"x", &[1; 64]]);
    vec![
        refused("RFC 7797 b64 true", &header(true, true).sign(&key()), "header_refused"),
        refused("RFC 7797 b64 true, not critical", &header(true, false).sign(&key()), "header_refused"),
        refused(
            "RFC 7797 b64 false over an encoded payload",
            &header(false, true).sign(&key()),
            "header_refused",
        ),
        refused("RFC 7797 b64 false, not critical", &header(false, false).sign(&key()), "header_refused"),
        refused("RFC 7797 b64 false, payload attached", &attached, "token_malformed"),
        refused("RFC 7797 b64 false, payload detached", &detached, "token_malformed"),
        refused("RFC 7797 b64 false, forged", &empty, "header_refused"),
    ]
}
