//! Signatures by Envoy's own crypto: it says what RustCrypto says, of every vector, and never more.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use svidgate_conformance::{Case, Ours, Question};
use svidgate_forge::{ATTACK_CLASSES, Attack, Key, NOW, RsaKey, SUBJECT, TRUST_DOMAIN, Token, attacks, jwks};
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{Limits, Observed, Snapshot, TrustBundle};
use svidgate_tests::{
    Bootstrap, Connection, Envoy, FakeController, Folder, Programs, Request, Upstream, poll, settled,
    unix_seconds,
};

/// An Envoy that trusts whom a test says.
struct Gate {
    envoy: Envoy,
    controller: FakeController,
    upstream: Upstream,
    pushed: u64,
    epoch: u64,
    _folder: Folder,
}

impl Gate {
    /// With the plugin that takes vectors, and the moment of a request from a header.
    fn with_hooks() -> Self {
        Self::start(&Programs::wasm_with_test_hooks(), NOW, |config| config["test_fault"] = json!("vectors"))
    }

    /// What is pushed was observed at `epoch`, in seconds since 1970.
    fn start(wasm: &Path, epoch: u64, change: impl FnOnce(&mut Value)) -> Self {
        let folder = Folder::new();
        let socket = folder.join("controller.sock");
        let controller = FakeController::start(&socket, &snapshot(epoch, 0, &[]));
        let upstream = Upstream::start();
        let bootstrap = Bootstrap::shipped()
            .wasm(wasm)
            .controller(&socket)
            .service(upstream.address())
            .plugin_config(|config| {
                config["allowed_spiffe_ids"] = json!([SUBJECT, CANARY_ID]);
                change(config);
            })
            .edit(|config| {
                let listener = &mut config["static_resources"]["listeners"][0];
                let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
                manager["max_request_headers_kb"] = json!(2048);
            });
        let envoy = Envoy::start("envoy", &bootstrap, folder.path());
        Self { envoy, controller, upstream, pushed: 0, epoch, _folder: folder }
    }

    /// Has these keys trusted, and waits until they are, at the worker of this connection.
    fn push(&mut self, connection: &mut Connection, trust: &[(&str, Vec<u8>)]) {
        self.pushed += 1;
        self.controller.give(&snapshot(self.epoch, self.pushed, trust));
        let key = canary(self.pushed);
        let token = Token::at(self.epoch, &key).claim("sub", json!(CANARY_ID)).sign(&key);
        let request = self.request(&token);
        poll("the pushed keys are in force", Duration::from_secs(20), || {
            let answer = connection.send(&request).expect("an answer");
            assert!([200, 401, 503].contains(&answer.status), "{answer:?}");
            (answer.status == 200).then_some(())
        });
    }

    fn request(&self, token: &[u8]) -> Request {
        let authorization = [b"Bearer ", token].concat();
        Request::get("/")
            .header("x-test-now", (self.epoch * 1000).to_string())
            .header("authorization", authorization)
    }

    fn checks_by(&self, backend: &str) -> u64 {
        self.envoy.stat(&format!("wasmcustom.backend=.={backend};.;svidgate_signature_checks_total"))
    }
}

/// What a controller gives: these keys, and one that tells that they have arrived.
fn snapshot(epoch: u64, pushed: u64, trust: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let canary = ("canary.test", jwks([canary(pushed).jwk()]));
    let bundles = trust.iter().chain([&canary]).map(|(name, jwks)| {
        let jwks = serde_json::from_slice(jwks).expect("a JWKS");
        let bundle = TrustBundle::new(&jwks, None, None, "test").expect("a bundle");
        (TrustDomain::parse(name).expect("a trust domain"), bundle)
    });
    let observed = Observed { at: epoch * 1000 + pushed, ..Observed::default() };
    Snapshot::new(bundles.collect(), observed).expect("a snapshot").encode(&Limits::AGREED).expect("bytes")
}

fn canary(pushed: u64) -> Key {
    Key::p256(&format!("push-{pushed}"))
}

const CANARY_ID: &str = "spiffe://canary.test/client";

/// What the plugin says of a vector.
#[derive(Debug)]
struct Answer {
    verdict: String,
    reason: String,
    checked: String,
}

fn ask(connection: &mut Connection, question: &Question) -> Answer {
    let header = URL_SAFE_NO_PAD.encode(question.to_json().to_string());
    let response = connection.send(&Request::get("/").header("x-test-vector", header)).expect("an answer");
    let answer = response.json();
    let text = |name: &str| {
        answer[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {response:?}")).to_owned()
    };
    Answer { verdict: text("verdict"), reason: text("reason"), checked: text("checked") }
}

/// Where both backends may differ, and why: `accepted` or `refused` by the host, for each suite and case.
fn dispositions() -> BTreeMap<(String, String), String> {
    let text = include_str!("host_crypto_dispositions.json");
    let list: Vec<BTreeMap<String, String>> = serde_json::from_str(text).expect("the dispositions");
    list.into_iter()
        .map(|listed| {
            assert!(!listed["reason"].trim().is_empty(), "a disposition gives its reason");
            ((listed["suite"].clone(), listed["case"].clone()), listed["host"].clone())
        })
        .collect()
}

/// V13, V14, J01 to J19: all vectors of the conformance suite, in the plugin itself.
#[test]
fn v14_envoys_crypto_says_of_every_vector_what_rust_crypto_says() {
    let gate = Gate::with_hooks();
    let mut connection = gate.envoy.connect();
    let mut open = dispositions();
    let mut mistakes = Vec::new();
    let mut checked_by = BTreeMap::<String, usize>::new();
    let mut asked = BTreeMap::<String, usize>::new();
    for suite in svidgate_conformance::suites() {
        for case in &suite.cases {
            let Some(question) = &case.question else { continue };
            let answer = ask(&mut connection, question);
            let listed = open.remove(&(suite.name.clone(), case.id.clone()));
            mistakes.extend(
                mistake(case, question, &answer, listed.as_ref())
                    .map(|what| format!("{}, {}: {what}", suite.name, case.id)),
            );
            *checked_by.entry(answer.checked).or_default() += 1;
            *asked.entry(suite.name.clone()).or_default() += 1;
        }
    }
    mistakes.extend(
        open.into_keys()
            .map(|(suite, case)| format!("{suite}, {case}: is listed, but there is no such case")),
    );
    println!("{} vectors; signatures were checked by: {checked_by:?}", asked.values().sum::<usize>());
    assert!(mistakes.is_empty(), "{} differ:\n{}", mistakes.len(), mistakes.join("\n"));

    let missing: Vec<_> = ATTACK_CLASSES
        .iter()
        .map(|(class, title)| format!("{} {title}", class.to_uppercase()))
        .filter(|suite| !asked.contains_key(suite))
        .collect();
    assert!(missing.is_empty(), "attack classes that were not asked: {missing:?}");
    // Otherwise this would compare RustCrypto with itself.
    assert!(checked_by["host"] > 3000, "{checked_by:?}");
    assert!(!checked_by.contains_key("failed") && !checked_by.contains_key("missing"), "{checked_by:?}");
}

/// What is wrong with an answer.
fn mistake(case: &Case, question: &Question, answer: &Answer, listed: Option<&String>) -> Option<String> {
    let (native, why) = match &case.ours {
        Ours::Accepted => ("accepted", ""),
        Ours::Refused(why) => ("refused", why.as_str()),
    };
    let shown = || format!("{answer:?}, natively {native} {why}");
    if let Some(host) = listed {
        let differs = answer.verdict == *host && host != native;
        return (!differs).then(|| format!("no longer differs as listed: {}", shown()));
    }
    // Words for a signature alone are no closed list.
    let same_reason = matches!(question, Question::Signature { .. }) || answer.reason == why;
    let same = answer.verdict == native && same_reason;
    let pss =
        matches!(question, Question::Signature { algorithm, .. } if algorithm.as_str().starts_with("PS"));
    let by_the_right_one = !pss || answer.checked != "host";
    (!same || !by_the_right_one).then(shown)
}

/// The same attacks as callers make them: keys from the controller, the token in its header, the guard behind.
#[test]
fn j01_to_j19_no_attack_gets_through_a_gate_that_checks_by_envoys_crypto() {
    let mut gate = Gate::with_hooks();
    let mut connection = gate.envoy.connect();
    let mut by_trust = BTreeMap::<Vec<(&str, Vec<u8>)>, Vec<Attack>>::new();
    for attack in attacks().into_iter().filter(|attack| fits_into_a_header(&attack.token)) {
        by_trust.entry(attack.trust.clone()).or_default().push(attack);
    }
    let mut tried = BTreeMap::<&str, usize>::new();
    let mut mistakes = Vec::new();
    for (trust, attacks) in by_trust {
        gate.push(&mut connection, &trust);
        let reached = gate.upstream.requests();
        for attack in attacks {
            let answer = connection.send(&gate.request(&attack.token)).expect("an answer");
            // What is no Bearer token at all has a reason of its own.
            let expected =
                if is_bearer_token(&attack.token) { attack.reason } else { "authorization_malformed" };
            if answer.status != 401 || answer.reason() != expected {
                mistakes.push(format!("{} {}: {answer:?}, not {expected}", attack.class, attack.name));
            }
            *tried.entry(attack.class).or_default() += 1;
        }
        assert_eq!(gate.upstream.requests(), reached, "{mistakes:?}");
    }
    let counted =
        settled("nothing is counted any more", TWO_TICKS, Duration::from_secs(10), || gate.checks_by("host"));
    let by_host = counted - gate.pushed;
    println!("{tried:?}; signatures that Envoy checked: {by_host}");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert_eq!(tried.len(), ATTACK_CLASSES.len(), "{tried:?}");
    // Most attacks do not get as far as that.
    assert!(by_host >= 10, "{by_host}");
}

/// What a client can send as the value of a header.
fn fits_into_a_header(token: &[u8]) -> bool {
    !token.is_empty() && token.iter().all(u8::is_ascii_graphic)
}

/// The characters of RFC 6750 §2.1, `b64token`.
fn is_bearer_token(token: &[u8]) -> bool {
    token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte))
}

/// The module as it is shipped, with its defaults: Envoy checks each token once, RSA-PSS and `crypto: wasm` are RustCrypto's.
#[test]
fn each_algorithm_is_admitted_and_each_token_checked_once_by_the_backend_of_the_settings() {
    let epoch = unix_seconds();
    let keys = [Key::p256("a"), Key::p384("b"), Key::p521("c"), Key::rsa(RsaKey::Bits2048, "d")];
    let trust = [(TRUST_DOMAIN, jwks(keys.iter().map(Key::jwk)))];
    for (setting, by_host) in [(None, 6), (Some("host"), 6), (Some("wasm"), 0)] {
        let mut gate = Gate::start(&Programs::wasm(), epoch, |config| {
            if let Some(setting) = setting {
                config["crypto"] = json!(setting);
            }
        });
        let mut connection = gate.envoy.connect();
        gate.push(&mut connection, &trust);
        let checks = || (gate.checks_by("host"), gate.checks_by("wasm"));
        // Checks before this may be told to Envoy only with the next tick.
        let before = settled("nothing is counted any more", TWO_TICKS, Duration::from_secs(10), checks);
        let algorithms = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
        for (at, algorithm) in algorithms.into_iter().enumerate() {
            let key = &keys[at.min(3)];
            let token = Token::at(epoch, key).header("alg", json!(algorithm)).sign_as(key, algorithm);
            for _ in 0..3 {
                let answer = connection.send(&gate.request(&token)).expect("an answer");
                assert_eq!(answer.status, 200, "{setting:?}, {algorithm}: {answer:?}");
            }
        }
        let counted = poll("the checks are counted", Duration::from_secs(5), || {
            let now = (checks().0 - before.0, checks().1 - before.1);
            (now.0 + now.1 >= 9).then_some(now)
        });
        assert_eq!(counted, (by_host, 9 - by_host), "{setting:?}");
        assert_eq!(gate.envoy.stat("wasmcustom.svidgate_host_crypto_failures_total"), 0);
        assert_eq!(gate.envoy.stat("wasmcustom.svidgate_host_crypto_missing_total"), 0);
    }
}

const TWO_TICKS: Duration = Duration::from_millis(500);
