//! Writes the seeds of every target: `cargo run --example make_seeds`, in this folder. The output is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Attack, Key, NOW, RsaKey, SUBJECT, TRUST_DOMAIN, Token, attacks, jwks};
use svidgate_fuzz::KEYS;
use svidgate_jwt_svid::TrustDomain;
use svidgate_jwt_svid::unverified::Compact;
use svidgate_snapshot::{Limits, Observed, Snapshot, TrustBundle};

fn main() {
    let tokens = tokens();
    let mut headers = Vec::new();
    let mut payloads = Vec::new();
    for (name, token) in &tokens {
        if let Ok(parts) = Compact::parse(token) {
            headers.push((name.clone(), parts.header));
            payloads.push((name.clone(), parts.payload));
        }
    }
    let documents = documents();
    let entries = documents.iter().flat_map(|(name, document)| {
        let value: Value = serde_json::from_slice(document).unwrap_or_default();
        let entries = value["keys"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|entry| (name.clone(), entry.to_string().into_bytes())).collect::<Vec<_>>()
    });
    write("jwk", entries);
    write("header", headers);
    write("claims", payloads);
    write(
        "token",
        tokens.iter().map(|(name, token)| (name.clone(), [&[7, 1, 0, 0], token.as_slice()].concat())),
    );
    write("spiffe_id", spiffe_ids());
    write("snapshot", snapshots());
    write("plugin_config", configs());
    write("header_map", header_maps(&tokens));
    write("bundle_document", documents);
    write("snapshot_merge", [named("states", (0..96u8).collect::<Vec<_>>())]);
}

type Seed = (String, Vec<u8>);

/// Each content once, numbered where names repeat.
fn write(target: &str, seeds: impl IntoIterator<Item = Seed>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (name, content) in seeds {
        if content.len() > MAX_SEED_BYTES || !known.insert(content.clone()) {
            continue;
        }
        let count = names.entry(name.clone()).or_default();
        *count += 1;
        fs::write(folder.join(format!("{name}-{count}")), content).unwrap();
    }
}

fn named(name: &str, content: impl Into<Vec<u8>>) -> Seed {
    (name.to_owned(), content.into())
}

/// Good tokens of every algorithm, and of each attack class the first few.
fn tokens() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for key in KEYS.iter() {
        seeds.push(named("good", Token::new(key).sign(key)));
    }
    for algorithm in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
        seeds.push(named("good", Token::new(&KEYS[3]).sign_as(&KEYS[3], algorithm)));
    }
    let key = &KEYS[0];
    let more = Token::new(key)
        .header("typ", json!("JOSE"))
        .claim("aud", json!(["other", AUDIENCE]))
        .claim("nbf", json!(NOW))
        .claim("jti", json!("1"))
        .claim("iss", json!("https://example.org"))
        .claim_text("exp", "1700000100.5")
        .claim_text("x", r#"{"a":[1,-2,3e2,true,null,"\u00e9"]}"#);
    seeds.push(named("good", more.sign(key)));
    seeds.push(named("good", Token::new(key).without_header("typ").claim("aud", json!(AUDIENCE)).sign(key)));
    let mut of_class: BTreeMap<&str, usize> = BTreeMap::new();
    for Attack { class, token, .. } in attacks() {
        let count = of_class.entry(class).or_default();
        if token.len() <= 1000 && *count < 4 {
            *count += 1;
            seeds.push(named(class, token));
        }
    }
    seeds
}

fn documents() -> Vec<Seed> {
    let mut seeds = vec![
        named("good", jwks(KEYS.iter().map(Key::jwk))),
        named("good", jwks([KEYS[0].jwk_with(json!({"use": null, "alg": "ES256", "key_ops": ["verify"]}))])),
        named("good", jwks([Key::rsa(RsaKey::Bits2048, "r").jwk_with(json!({"alg": "PS256"}))])),
        named("empty", *b"{\"keys\":[]}"),
        named(
            "numbers",
            json!({"keys": [KEYS[0].jwk(), KEYS[1].jwk().clone()], "spiffe_sequence": 12, "spiffe_refresh_hint": 300})
                .to_string(),
        ),
        named("conflict", jwks([KEYS[0].jwk(), Key::p256("other").with_kid("p256").jwk()])),
        named("conflict", jwks([KEYS[0].jwk_with(json!({"use": null})), Key::p384("p").with_kid("p256").jwk()])),
        named("x509", jwks([json!({"use": "x509-svid", "kty": "EC", "crv": "P-256", "x5c": ["AA=="]}), KEYS[0].jwk()])),
        named("private", jwks([KEYS[0].jwk_with(json!({"d": "AA"}))])),
        named("octets", jwks([json!({"kty": "oct", "k": "AA", "kid": "k", "use": "jwt-svid"})])),
    ];
    for Attack { class, trust, .. } in attacks() {
        seeds.extend(trust.into_iter().map(|(_, document)| named(class, document)));
    }
    seeds
}

fn spiffe_ids() -> Vec<Seed> {
    let long = format!("spiffe://{}/{}", "a".repeat(255), "p".repeat(200));
    [
        SUBJECT,
        TRUST_DOMAIN,
        "spiffe://a",
        "spiffe://a/b/c",
        "spiffe://a.b-c_d/E.f-g_h",
        "spiffe://a/...",
        "Spiffe://a/b",
        "spiffe://a/",
        "spiffe://a//b",
        "spiffe://a/./b",
        "spiffe://a/../b",
        "spiffe://A/b",
        "spiffe://a:1/b",
        "spiffe://u@a/b",
        "spiffe://a/b?q",
        "spiffe://a/b#f",
        "spiffe://a/%41",
        "spiffe://",
        "spiffe:///b",
        "https://a/b",
        "spiffe://127.0.0.1/b",
        "spiffe://ä/b",
        &long,
    ]
    .into_iter()
    .map(|text| named("id", text))
    .collect()
}

fn snapshots() -> Vec<Seed> {
    let domain = |name: &str| TrustDomain::parse(name).unwrap();
    let bundle = |keys: &[Key], number| {
        let jwks = json!({"keys": keys.iter().map(Key::jwk).collect::<Vec<_>>()});
        TrustBundle::new(&jwks, number, number, "workload_api").unwrap()
    };
    let encode = |trust: Vec<(TrustDomain, TrustBundle)>, domains| {
        let observed = Observed { at: NOW * 1000, domains, ..Observed::default() };
        Snapshot::new(trust.into_iter().collect(), observed).unwrap().encode(&Limits::default()).unwrap()
    };
    let two =
        vec![(domain(TRUST_DOMAIN), bundle(&KEYS[..2], Some(3))), (domain("other.test"), bundle(&[], None))];
    let good = encode(two, BTreeMap::from([(domain("other.test"), 5)]));
    let text = String::from_utf8(good.clone()).unwrap();
    vec![
        named("good", good.clone()),
        named("good", encode(vec![(domain(TRUST_DOMAIN), bundle(&KEYS[..1], None))], BTreeMap::new())),
        named("empty", encode(vec![], BTreeMap::new())),
        named(
            "no_jwks",
            encode(
                vec![(domain("a"), TrustBundle::new(&json!({"keys": 1}), None, None, "").unwrap())],
                BTreeMap::new(),
            ),
        ),
        named("cut", &good[..good.len() / 2]),
        named("format", text.replace("\"format\":1", "\"format\":2")),
        named("revision", text.replace("\"sequence\":3", "\"sequence\":4")),
        named("extra", text.replace("\"source\"", "\"sauce\"")),
        named("names", text.replace("other.test", "example.org")),
    ]
}

fn configs() -> Vec<Seed> {
    let good = json!({
        "controller": {"cluster": "c", "wait": "30s"}, "audiences": [AUDIENCE], "algorithms": ["ES256", "RS256"],
        "clock_skew": "5s", "max_token_bytes": 8192, "max_staleness": "1h",
        "upstream": {"spiffe_id_header": "x-spiffe-id"}, "allowed_spiffe_ids": [SUBJECT]
    });
    let least = json!({"audiences": [AUDIENCE], "allowed_spiffe_ids": [SUBJECT]});
    // One that has nearly every setting.
    let full: Value = serde_json::from_str(include_str!("../../controller/src/schema/plugin.json")).unwrap();
    let mut seeds = vec![
        named("good", good.to_string()),
        named("least", least.to_string()),
        named("full", full.to_string()),
        named("empty", *b" "),
    ];
    for (name, value) in [
        ("audiences", json!([])),
        ("algorithms", json!(["none"])),
        ("clock_skew", json!("301s")),
        ("max_token_bytes", json!(1)),
        ("max_staleness", json!("1ms")),
        ("upstream", json!({"spiffe_id_header": "Host"})),
        ("allowed_spiffe_ids", json!(["spiffe://a"])),
        ("controller", json!({"wait": "0"})),
        ("other", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        seeds.push(named(name, bad.to_string()));
    }
    seeds
}

fn header_maps(tokens: &[Seed]) -> Vec<Seed> {
    let mut seeds = vec![named("none", serialize(&[])), named("empty", *b"")];
    for (name, token) in tokens.iter().take(12) {
        let bearer = [b"Bearer ", token.as_slice()].concat();
        let pairs: [(&[u8], &[u8]); 4] =
            [(b":method", b"GET"), (b":path", b"/"), (b"authorization", &bearer), (b"x-spiffe-id", b"x")];
        seeds.push((name.clone(), serialize(&pairs)));
    }
    seeds.push(named(
        "twice",
        serialize(&[(b"authorization", b"Bearer a.b.c"), (b"authorization", b"bearer a")]),
    ));
    seeds.push(named("basic", serialize(&[(b"authorization", b"Basic YTpi"), (b"X_Spiffe.Id", b"\xff")])));
    seeds.push(named("lying", [&[9, 0, 0, 0][..], &[0xff; 72]].concat()));
    seeds
}

fn serialize(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut buffer = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        buffer.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        buffer.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    }
    for (name, value) in pairs {
        for part in [name, value] {
            buffer.extend_from_slice(part);
            buffer.push(0);
        }
    }
    buffer
}

const MAX_SEED_BYTES: usize = 2000;
