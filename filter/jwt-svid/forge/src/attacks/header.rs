use serde_json::{Value, json};

use super::{Attack, attack, good, rsa_victim, victim};
use crate::key::Key;
use crate::padding::Sha;
use crate::token::{Token, b64, compact};

pub(super) fn attacks(now: u64) -> Vec<Attack> {
    [
        none(now),
        confusion(now),
        embedded_keys(now),
        remote_keys(now),
        critical(now),
        other_serializations(now),
        duplicates(now),
    ]
    .concat()
}

fn none(now: u64) -> Vec<Attack> {
    let spellings = ["none", "None", "NONE", "nOnE", "none\0", " none", ""];
    let unsigned = spellings.into_iter().flat_map(|alg| {
        let token = good(now).header("alg", json!(alg));
        [
            attack(
                "j01",
                format!("alg {alg:?}, empty signature"),
                token.with_signature(&[]),
                "token_malformed",
            ),
            attack(
                "j01",
                format!("alg {alg:?}, any signature"),
                token.with_signature(&[1]),
                "algorithm_refused",
            ),
            attack(
                "j01",
                format!("alg {alg:?}, right signature"),
                token.sign(&victim()),
                "algorithm_refused",
            ),
        ]
    });
    let two_parts =
        compact(&[&good(now).header("alg", json!("none")).header_bytes(), &good(now).payload_bytes()]);
    let others = [
        attack("j01", "alg none, two parts", two_parts, "token_malformed"),
        attack("j01", "no alg", good(now).without_header("alg").sign(&victim()), "algorithm_refused"),
        attack("j01", "alg null", good(now).header("alg", Value::Null).sign(&victim()), "header_refused"),
        attack(
            "j01",
            "alg in lower case",
            good(now).header("alg", json!("es256")).sign(&victim()),
            "algorithm_refused",
        ),
    ];
    unsigned.chain(others).collect()
}

/// The public key as the secret of an HMAC.
fn confusion(now: u64) -> Vec<Attack> {
    let jwk = rsa_victim().jwk();
    let secrets = [
        ("the modulus in base64url", jwk["n"].as_str().unwrap().as_bytes().to_vec()),
        ("the JWK", jwk.to_string().into_bytes()),
        ("nothing", Vec::new()),
    ];
    let algorithms = [("HS256", Sha::S256), ("HS384", Sha::S384), ("HS512", Sha::S512)];
    secrets
        .iter()
        .flat_map(|(what, secret)| {
            algorithms.iter().map(move |(alg, sha)| {
                let token = Token::at(now, &rsa_victim()).header("alg", json!(alg));
                let signature = sha.hmac(secret, &token.signing_input());
                attack(
                    "j02",
                    format!("{alg} with {what}"),
                    token.with_signature(&signature),
                    "algorithm_refused",
                )
            })
        })
        .chain(std::iter::once({
            let token = Token::at(now, &rsa_victim());
            let signature = Sha::S256.hmac(jwk["n"].as_str().unwrap().as_bytes(), &token.signing_input());
            attack(
                "j02",
                "an HMAC under the name RS256",
                token.with_signature(&signature),
                "signature_invalid",
            )
        }))
        .collect()
}

fn embedded_keys(now: u64) -> Vec<Attack> {
    let mallory = Key::p256("mallory");
    let embedding =
        |kid: &str| good(now).header("kid", json!(kid)).header("jwk", mallory.jwk()).sign(&mallory);
    vec![
        attack("j03", "jwk in the header, its own kid", embedding("mallory"), "header_refused"),
        attack("j03", "jwk in the header, the victim's kid", embedding("key-1"), "header_refused"),
        attack(
            "j03",
            "x5c in the header",
            good(now).header("x5c", json!(["MIIB"])).sign(&mallory),
            "header_refused",
        ),
        attack(
            "j03",
            "the kid is a jwk",
            good(now).header("kid", mallory.jwk()).sign(&mallory),
            "header_refused",
        ),
        attack("j03", "another key under the victim's kid", good(now).sign(&mallory), "signature_invalid"),
    ]
}

fn remote_keys(now: u64) -> Vec<Attack> {
    let mallory = Key::p256("mallory");
    ["jku", "x5u", "x5t", "x5t#S256"]
        .into_iter()
        .flat_map(|name| {
            ["http://169.254.169.254/keys", "file:///etc/passwd", "https://example.org/keys"].map(|url| {
                let token = good(now).header(name, json!(url)).sign(&mallory);
                attack("j04", format!("{name} {url}"), token, "header_refused")
            })
        })
        .chain(["https://mallory.example/keys", "../../etc/passwd", "' OR 1=1 --", "key-1\0"].map(|kid| {
            let token = good(now).header("kid", json!(kid)).sign(&mallory);
            attack("j04", format!("kid {kid:?}"), token, "key_unknown")
        }))
        .collect()
}

fn critical(now: u64) -> Vec<Attack> {
    let crit = |value: Value| good(now).header("crit", value);
    let unencoded = good(now).header("b64", json!(false)).header("crit", json!(["b64"]));
    let raw_input = [b64(&unencoded.header_bytes()).into_bytes(), unencoded.payload_bytes()].join(&b'.');
    let raw_token = [raw_input.clone(), b64(&victim().sign(&raw_input)).into_bytes()].join(&b'.');
    vec![
        attack("j11", "crit with an unknown name", crit(json!(["x"])).sign(&victim()), "header_refused"),
        attack("j11", "crit with exp", crit(json!(["exp"])).sign(&victim()), "header_refused"),
        attack("j11", "empty crit", crit(json!([])).sign(&victim()), "header_refused"),
        attack("j11", "crit null", crit(Value::Null).sign(&victim()), "header_refused"),
        attack("j11", "b64=false, payload encoded", unencoded.sign(&victim()), "header_refused"),
        attack("j11", "b64=false, payload as it is", raw_token, "token_malformed"),
        attack(
            "j11",
            "b64=false without crit",
            good(now).header("b64", json!(false)).sign(&victim()),
            "header_refused",
        ),
        attack("j11", "b64=true", good(now).header("b64", json!(true)).sign(&victim()), "header_refused"),
        attack("j11", "zip", good(now).header("zip", json!("DEF")).sign(&victim()), "header_refused"),
    ]
}

fn other_serializations(now: u64) -> Vec<Attack> {
    let token = String::from_utf8(good(now).sign(&victim())).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    let general = json!({
        "payload": parts[1],
        "signatures": [{"protected": parts[0], "signature": parts[2]}],
    });
    let nested = good(now).header("cty", json!("JWT")).raw_payload(token.as_bytes()).sign(&victim());
    let nested_plainly = good(now).raw_payload(token.as_bytes()).sign(&victim());
    let jwe_header = br#"{"alg":"dir","enc":"A256GCM","kid":"key-1"}"#;
    let jwe = compact(&[jwe_header, b"", &[1; 12], &[2; 40], &[3; 16]]);
    let jwe_as_jws = compact(&[jwe_header, &good(now).payload_bytes(), &[1; 64]]);
    let detached = format!("{}..{}", parts[0], parts[2]).into_bytes();
    vec![
        attack("j12", "flattened JSON serialization", flattened.to_string().into_bytes(), "token_malformed"),
        attack("j12", "general JSON serialization", general.to_string().into_bytes(), "token_malformed"),
        attack("j12", "nested with cty", nested, "header_refused"),
        attack("j12", "nested without cty", nested_plainly, "token_malformed"),
        attack("j12", "a JWE of five parts", jwe, "token_malformed"),
        attack("j12", "a JWE header on three parts", jwe_as_jws, "header_refused"),
        attack("j12", "detached payload", detached, "token_malformed"),
    ]
}

fn duplicates(now: u64) -> Vec<Attack> {
    let header = [("alg", "none"), ("alg", "ES256"), ("kid", "key-1"), ("kid", "rsa-1"), ("typ", "JWT")];
    let claims = [
        ("sub", json!("spiffe://example.org/admin")),
        ("aud", json!(["other"])),
        ("exp", json!(9_999_999_999u64)),
    ];
    header
        .into_iter()
        .map(|(name, value)| {
            let token = good(now).header_again(name, json!(value)).sign(&victim());
            attack("j13", format!("header {name} twice, then {value}"), token, "token_malformed")
        })
        .chain(claims.into_iter().map(|(name, value)| {
            let token = good(now).claim_again(name, value).sign(&victim());
            attack("j13", format!("claim {name} twice"), token, "token_malformed")
        }))
        .chain([
            attack(
                "j13",
                "the same name, escaped",
                good(now).raw_header(br#"{"alg":"ES256","kid":"key-1","\u0061lg":"none"}"#).sign(&victim()),
                "token_malformed",
            ),
            attack(
                "j13",
                "twice in a nested claim",
                good(now).claim_text("x", r#"[{"a":1,"a":2}]"#).sign(&victim()),
                "token_malformed",
            ),
        ])
        .collect()
}
