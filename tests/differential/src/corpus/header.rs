use serde_json::{Value, json};
use svidgate_forge::{Key, Sha};

use super::Making;
use super::draft::{Signer, escaped, remove, set};
use super::values::{ANY, nested, respelt};

const MEMBERS: &[&str] = &["alg", "kid", "typ"];

pub(super) fn added(making: &mut Making) {
    let mallory = Key::p256("mallory");
    let name = making.rng.pick(&[
        "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "cty", "enc", "epk", "iss",
        "sub", "nonce", "ALG", "Alg", "Kid", "KID", "TYP", "alg ", "", "kty", "url", "ppt", "svt",
    ]);
    let value = match (name, making.rng.below(3)) {
        (_, 0) => making.rng.pick(ANY).to_owned(),
        ("crit", _) => making.rng.pick(&["[\"exp\"]", "[\"b64\"]", "[]", "[\"alg\"]", "[\"x\"]"]).to_owned(),
        ("b64", _) => making.rng.pick(&["false", "true"]).to_owned(),
        ("jwk", _) => mallory.jwk().to_string(),
        ("jku" | "x5u" | "url", _) => "\"https://mallory.example/keys\"".to_owned(),
        ("x5c", _) => "[\"MIIB\"]".to_owned(),
        ("zip", _) => "\"DEF\"".to_owned(),
        ("cty", _) => making.rng.pick(&["\"JWT\"", "\"json\"", "\"cbor\"", "\"text\""]).to_owned(),
        ("ALG" | "Alg", _) => making.rng.pick(&["\"none\"", "\"ES256\"", "\"HS256\""]).to_owned(),
        ("Kid" | "KID", _) => "\"key-2\"".to_owned(),
        _ => nested(&mut making.rng, 2),
    };
    if name == "jwk" && making.rng.one_in(2) && !making.keys.is_empty() {
        making.draft.signer = Signer::Key(Box::new(mallory), "ES256");
    }
    making.name(format!("{name:?}: {value}"));
    set(making.draft.header_mut(), name, value);
}

pub(super) fn types(making: &mut Making) {
    let name = making.rng.pick(MEMBERS);
    let value = making.rng.pick(ANY);
    making.name(format!("{name}: {value}"));
    set(making.draft.header_mut(), name, value);
}

pub(super) fn missing(making: &mut Making) {
    let first = making.rng.pick(MEMBERS);
    let second = making.rng.pick(MEMBERS);
    making.name(format!("no {first}"));
    remove(making.draft.header_mut(), first);
    if making.rng.one_in(3) {
        making.name(format!("no {second}"));
        remove(making.draft.header_mut(), second);
    }
}

pub(super) fn twice(making: &mut Making) {
    let name = making.rng.pick(MEMBERS);
    let value = match making.rng.below(4) {
        0 => making.rng.pick(ANY).to_owned(),
        1 => making.rng.pick(&["\"none\"", "\"HS256\"", "\"key-2\"", "\"JOSE\""]).to_owned(),
        // The same value once more.
        _ => {
            let text = Value::from(name).to_string();
            let known = making.draft.header.iter().find(|(known, _)| *known == text);
            known.map_or_else(|| "\"x\"".to_owned(), |(_, value)| value.clone())
        }
    };
    let written = if making.rng.one_in(2) {
        Value::from(name).to_string()
    } else {
        let which = making.rng.below(3);
        escaped(name, which)
    };
    making.name(format!("{written}: {value} once more"));
    let first = making.rng.one_in(2);
    let members = making.draft.header_mut();
    let at = if first { 0 } else { members.len() };
    members.insert(at, (written, value));
}

pub(super) fn text(making: &mut Making) {
    let (name, text) = respelt(&mut making.rng, &making.draft.header_bytes());
    making.name(format!("header: {name}"));
    making.draft.header_text = Some(text);
}

pub(super) fn algorithm(making: &mut Making) {
    const NAMES: &[&str] = &[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "none", "None",
        "NONE", "nOnE", "", "HS256", "HS384", "HS512", "EdDSA", "Ed25519", "ES256K", "RSA-OAEP", "es256",
        "Es256", "ES256 ", " ES256", "ES521", "ES256\0", "RS1", "SHA256",
    ];
    let name = making.rng.pick(NAMES);
    let key = making.keys[making.rng.below(making.keys.len())].clone();
    making.name(format!("alg {name:?}"));
    set(making.draft.header_mut(), "alg", Value::from(name).to_string());
    match making.rng.below(4) {
        // Signed as it says, where some key of ours can.
        0 | 1 => {
            let able = making.keys.iter().find(|key| {
                key.algorithm() == name || (key.algorithm() == "RS256" && name.len() == 5 && is_rsa(name))
            });
            if let (Some(able), Some(algorithm)) = (able.cloned(), NAMES.iter().find(|known| **known == name))
            {
                making.name(format!("signed so by {}", able.kid()));
                set(making.draft.header_mut(), "kid", Value::from(able.kid()).to_string());
                making.draft.signer = Signer::Key(Box::new(able), algorithm);
            }
        }
        // The public key as a shared secret.
        2 if name.starts_with("HS") => {
            let secret = match making.rng.below(3) {
                0 => key.jwk()["x"].as_str().unwrap_or_default().as_bytes().to_vec(),
                1 => key.jwk().to_string().into_bytes(),
                _ => Vec::new(),
            };
            making.name("an HMAC");
            set(making.draft.header_mut(), "kid", Value::from(key.kid()).to_string());
            let signature = Sha::of(&name[2..]).hmac(&secret, &making.draft.signing_input());
            making.draft.signer = Signer::Original(signature);
        }
        2 => {
            making.name(format!("signed by {}", key.kid()));
            let algorithm = key.algorithm();
            making.draft.signer = Signer::Key(Box::new(key), algorithm);
        }
        _ => {
            making.name(format!("kid {}", key.kid()));
            set(making.draft.header_mut(), "kid", Value::from(key.kid()).to_string());
        }
    }
}

fn is_rsa(name: &str) -> bool {
    matches!(name, "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512")
}

pub(super) fn key_id(making: &mut Making) {
    let kid = match making.rng.below(12) {
        0 => json!(""),
        1 => json!(making.rng.pick(&["key-1", "key-2", "key-3", "rsa-1"])),
        2 => json!("unknown"),
        3 => json!("key-1 "),
        4 => json!("KEY-1"),
        5 => json!("x".repeat(making.rng.choose(&[100, 511, 512, 513, 2000]))),
        6 => json!("key-1\0"),
        7 => json!("../../key-1"),
        8 => json!("' OR 1=1 --"),
        9 => json!("kéy-1"),
        10 => json!("key-1\n"),
        _ => json!("https://mallory.example/keys#key-1"),
    };
    making.name(format!("kid {}", kid.to_string().chars().take(40).collect::<String>()));
    set(making.draft.header_mut(), "kid", kid.to_string());
}

pub(super) fn typ(making: &mut Making) {
    let typ = making.rng.pick(&[
        "JWT",
        "JOSE",
        "jwt",
        "jose",
        "Jwt",
        "JWT ",
        "at+jwt",
        "",
        "JOSE+JSON",
        "application/jwt",
        "JWS",
        "JWE",
        "secevent+jwt",
        "J\u{ff37}T",
        "JWT\0",
    ]);
    making.name(format!("typ {typ:?}"));
    set(making.draft.header_mut(), "typ", Value::from(typ).to_string());
}
