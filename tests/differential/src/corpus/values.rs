use serde_json::Value;
use svidgate_forge::AUDIENCE;

use super::Making;
use super::draft::{Signer, remove, set};
use super::subject;
use crate::rng::Rng;

/// JSON texts of every type, sound ones.
pub(super) const ANY: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "1.5",
    "1e3",
    "1e300",
    "-0",
    "18446744073709551615",
    "\"\"",
    "\"x\"",
    "\"1\"",
    "[]",
    "[null]",
    "[1]",
    "[\"x\"]",
    "[[]]",
    "[[\"x\"]]",
    "{}",
    "{\"a\":1}",
    "{\"a\":{\"a\":[]}}",
];

/// What an issuer may vary and a verifier must take.
pub(super) fn valid(making: &mut Making) {
    let now = making.now;
    let rng = &mut making.rng;
    if let Signer::Key(key, algorithm) = &mut making.draft.signer {
        if key.algorithm() == "RS256" {
            *algorithm = rng.choose(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
            let name = Value::from(*algorithm).to_string();
            set(making.draft.header_mut(), "alg", name);
        }
    } else {
        // Another's token is valid as it is only.
        making.name("untouched");
        return;
    }
    match making.rng.below(4) {
        0 => remove(making.draft.header_mut(), "typ"),
        1 => set(making.draft.header_mut(), "typ", "\"JOSE\""),
        _ => {}
    }
    let rng = &mut making.rng;
    let claims = making.draft.claims_mut();
    let audience = Value::from(AUDIENCE).to_string();
    match rng.below(5) {
        0 => set(claims, "aud", audience),
        1 => set(claims, "aud", format!("[\"other\",{audience}]")),
        2 => set(claims, "aud", format!("[{audience},\"other\",\"\",{audience}]")),
        _ => {}
    }
    match rng.below(4) {
        0 => remove(claims, "iat"),
        1 => set(claims, "iat", (now - rng.below(86_400) as u64).to_string()),
        _ => {}
    }
    if rng.one_in(3) {
        set(claims, "nbf", (now - 30 - rng.below(3600) as u64).to_string());
    }
    if rng.one_in(4) {
        set(claims, "exp", (now + 30 + rng.below(1 << 30) as u64).to_string());
    }
    if rng.one_in(3) {
        set(claims, "jti", format!("\"{:x}\"", rng.below(1 << 40)));
    }
    if rng.one_in(4) {
        set(claims, "iss", "\"https://issuer.example.org\"");
    }
    if rng.one_in(2) {
        let id = Value::from(subject::valid_id(rng)).to_string();
        set(claims, "sub", id);
    }
    if rng.one_in(3) {
        let value = nested(rng, 3);
        set(claims, "extra", value);
    }
}

/// Sound JSON of some depth.
pub(super) fn nested(rng: &mut Rng, depth: usize) -> String {
    if depth == 0 || rng.one_in(3) {
        return rng.pick(ANY).to_owned();
    }
    let inner: Vec<String> = (0..rng.below(4)).map(|_| nested(rng, depth - 1)).collect();
    if rng.one_in(2) {
        format!("[{}]", inner.join(","))
    } else {
        let members: Vec<_> =
            inner.iter().enumerate().map(|(at, value)| format!("\"m{at}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// The same value, or none at all, in another spelling of JSON.
pub(super) fn respelt(rng: &mut Rng, object: &[u8]) -> (&'static str, Vec<u8>) {
    let text = String::from_utf8_lossy(object).into_owned();
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text).to_owned();
    let bytes = |text: String| text.into_bytes();
    match rng.below(24) {
        0 => ("pretty", {
            let value: Value = serde_json::from_slice(object).unwrap_or_default();
            serde_json::to_vec_pretty(&value).unwrap()
        }),
        1 => ("space around", bytes(format!(" \t\r\n{text}\n "))),
        2 => ("space inside", bytes(text.replace(':', " :\t").replace(',', ",\n"))),
        3 => ("form feed in front", bytes(format!("\u{c}{text}"))),
        4 => ("no-break space behind", bytes(format!("{text}\u{a0}"))),
        5 => ("byte order mark", bytes(format!("\u{feff}{text}"))),
        6 => ("a second value behind", bytes(format!("{text}{{}}"))),
        7 => ("NUL behind", bytes(format!("{text}\0"))),
        8 => ("a comma behind the last member", bytes(format!("{{{inner},}}"))),
        9 => ("a comma before the first member", bytes(format!("{{,{inner}}}"))),
        10 => ("single quotes", bytes(text.replace('"', "'"))),
        11 => ("a comment", bytes(format!("{{/**/{inner}}}"))),
        12 => ("in an array", bytes(format!("[{text}]"))),
        13 => ("as a string", bytes(Value::from(text).to_string())),
        14 => ("cut off", text.as_bytes()[..rng.below(text.len().max(1))].to_vec()),
        15 => ("nothing", Vec::new()),
        16 => ("another value", bytes(rng.pick(ANY).to_owned())),
        17 => ("a lone surrogate", bytes(format!("{{{inner},\"x\":\"\\ud800\"}}"))),
        18 => ("a surrogate pair", bytes(format!("{{{inner},\"x\":\"\\ud83d\\ude00\"}}"))),
        19 => ("invalid UTF-8", {
            let mut bytes = text.into_bytes();
            let at = bytes.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
            bytes.insert(at, rng.choose(&[0xff, 0xc0, 0x80, 0xed]));
            bytes
        }),
        20 => ("a control character in a string", {
            let mut bytes = text.into_bytes();
            let at = bytes.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
            bytes.insert(at, rng.choose(&[0, 9, 10, 0x1f, 0x7f]));
            bytes
        }),
        21 => ("UTF-16", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        22 => (
            "a letter of a value escaped",
            bytes(text.replacen("JWT", "\\u004aWT", 1).replacen("sp", "\\u0073p", 1)),
        ),
        _ => ("slashes escaped", bytes(text.replace('/', "\\/"))),
    }
}
