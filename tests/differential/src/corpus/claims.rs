use serde_json::{Value, json};
use svidgate_forge::AUDIENCE;

use super::Making;
use super::draft::{escaped, remove, set};
use super::values::{ANY, nested, respelt};

const CLAIMS: &[&str] = &["sub", "aud", "exp", "nbf", "iat", "jti", "iss"];

pub(super) fn types(making: &mut Making) {
    let name = making.rng.pick(CLAIMS);
    let value = making.rng.pick(ANY);
    making.name(format!("{name}: {value}"));
    set(making.draft.claims_mut(), name, value);
}

pub(super) fn missing(making: &mut Making) {
    for _ in 0..=making.rng.below(2) {
        let name = making.rng.pick(&["sub", "aud", "exp", "iat"]);
        making.name(format!("no {name}"));
        remove(making.draft.claims_mut(), name);
    }
}

pub(super) fn twice(making: &mut Making) {
    let name = making.rng.pick(CLAIMS);
    let now = making.now;
    let value = match (name, making.rng.below(3)) {
        (_, 0) => making.rng.pick(ANY).to_owned(),
        ("sub", _) => "\"spiffe://example.org/admin\"".to_owned(),
        ("aud", _) => making.rng.pick(&["\"other\"", "[\"other\"]", "[\"backend.example.org\"]"]).to_owned(),
        ("jti" | "iss", _) => "\"x\"".to_owned(),
        _ => (now + 600).to_string(),
    };
    let written = if making.rng.one_in(2) {
        Value::from(name).to_string()
    } else {
        let which = making.rng.below(3);
        escaped(name, which)
    };
    making.name(format!("{written}: {value} once more"));
    let first = making.rng.one_in(2);
    let members = making.draft.claims_mut();
    let at = if first { 0 } else { members.len() };
    members.insert(at, (written, value));
}

pub(super) fn text(making: &mut Making) {
    let (name, text) = respelt(&mut making.rng, &making.draft.payload_bytes());
    making.name(format!("payload: {name}"));
    making.draft.payload_text = Some(text);
}

pub(super) fn added(making: &mut Making) {
    let rng = &mut making.rng;
    let name = rng.pick(&[
        "x",
        "Sub",
        "SUB",
        "AUD",
        "Exp",
        "sub ",
        "",
        "__proto__",
        "cnf",
        "act",
        "scope",
        "groups",
        "roles",
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
    ]);
    let (what, value) = match rng.below(14) {
        0 | 1 => ("something", nested(rng, 4)),
        2 => {
            let depth = rng.choose(&[5, 13, 14, 15, 16, 17, 30, 100, 127, 128, 200, 1500]);
            ("deep", "[".repeat(depth) + &"]".repeat(depth))
        }
        3 => {
            let depth = rng.choose(&[5, 14, 15, 16, 40]);
            ("deep objects", "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth))
        }
        4 => {
            let count = rng.choose(&[10, 100, 500, 1000, 1010, 1020, 1030, 1500, 2500]);
            ("many values", format!("[{}0]", "0,".repeat(count)))
        }
        5 => {
            let text = "x".repeat(rng.choose(&[100, 1000, 5500, 6000, 9000]));
            ("long", Value::from(text).to_string())
        }
        6 => ("a huge number", rng.pick(&["1e308", "1e309", "-1e400", "1e-400", "1E+2", "-0.0"]).to_owned()),
        7 => ("many digits", "1".repeat(rng.choose(&[19, 20, 21, 40, 400])) + ".5"),
        8 => ("a lone surrogate", "\"\\udc00\"".to_owned()),
        9 => ("escapes", "\"\\u0000\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"".to_owned()),
        10 => ("a bad escape", rng.pick(&["\"\\x41\"", "\"\\u12\"", "\"\\u{41}\"", "\"\\'\""]).to_owned()),
        11 => (
            "no JSON",
            rng.pick(&["NaN", "Infinity", "undefined", "01", "+1", ".5", "1.", "0x1", "1_0"]).to_owned(),
        ),
        12 => ("twice inside", "[{\"a\":1,\"a\":2}]".to_owned()),
        _ => ("a token inside", Value::from("eyJhbGciOiJub25lIn0.e30.").to_string()),
    };
    making.name(format!("{name:?}: {what}"));
    set(making.draft.claims_mut(), name, value);
}

pub(super) fn audience(making: &mut Making) {
    let rng = &mut making.rng;
    let changed = match rng.below(9) {
        0 => AUDIENCE.to_uppercase(),
        1 => format!("{AUDIENCE} "),
        2 => format!(" {AUDIENCE}"),
        3 => format!("{AUDIENCE}/"),
        4 => format!("https://{AUDIENCE}"),
        5 => AUDIENCE[..AUDIENCE.len() - 1].to_owned(),
        6 => format!("{AUDIENCE}\0"),
        7 => format!("{AUDIENCE}."),
        _ => AUDIENCE.replace('e', "\u{435}"),
    };
    let value = match rng.below(16) {
        0 => json!(AUDIENCE).to_string(),
        1 => json!([AUDIENCE]).to_string(),
        2 => json!(["a", "b", AUDIENCE]).to_string(),
        3 => json!([AUDIENCE, changed]).to_string(),
        4 => json!(changed).to_string(),
        5 => json!([changed]).to_string(),
        6 => json!([[AUDIENCE]]).to_string(),
        7 => json!({AUDIENCE: AUDIENCE}).to_string(),
        8 => json!([AUDIENCE, 1]).to_string(),
        9 => json!([null, AUDIENCE]).to_string(),
        10 => json!([]).to_string(),
        11 => json!("").to_string(),
        12 => json!(["", ""]).to_string(),
        13 => format!("\"\\u0062{}\"", &AUDIENCE[1..]),
        14 => json!(format!("{AUDIENCE},other")).to_string(),
        _ => {
            let many: Vec<String> = (0..rng.choose(&[50, 200, 400])).map(|at| format!("a{at}")).collect();
            let mut many = many;
            many.push(AUDIENCE.into());
            json!(many).to_string()
        }
    };
    making.name(format!("aud: {}", value.chars().take(60).collect::<String>()));
    set(making.draft.claims_mut(), "aud", value);
}
