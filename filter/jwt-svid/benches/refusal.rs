//! What the worst forged inputs cost, against good tokens of the same run: `cargo bench -p svidgate-jwt-svid`.
//!
//! It fails when a refusal costs more than letting in the dearest good token of the same size limit, so that no
//! forged input is a better weapon than a good token. Compared are medians as ratios; no absolute time is judged.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, prints, and may stop at the first surprise"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, Token, attacks, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, Verifier, VerifierConfig,
};

/// Room for noise of the machine: a forged signature costs what a good one does, and no less.
const TOLERANCE: f64 = 1.25;
const ROUNDS: usize = 31;

fn main() -> ExitCode {
    let keys = [Key::p256("p256"), Key::rsa(RsaKey::Bits2048, "rsa")];
    let bundles = bundle_set(&[("example.org", jwks(keys.iter().map(Key::jwk)))]);
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap();
    let cost = |token: &[u8], bundles: &BundleSet, is_good: bool| {
        median(|| {
            let result = verifier.verify(token, bundles, &RustCrypto, UnixTime(NOW));
            assert_eq!(result.is_ok(), is_good);
        })
    };

    println!("{:<44} {:>12}", "good token", "median");
    let mut dearest = Vec::new();
    for key in &keys {
        let small = cost(&Token::new(key).sign(key), &bundles, true);
        let large = cost(&filled(Token::new(key)).sign(key), &bundles, true);
        println!("{:<44} {small:>12.1?}", format!("{}, small", key.algorithm()));
        println!("{:<44} {large:>12.1?}", format!("{}, at the size limit", key.algorithm()));
        dearest.push(large);
    }

    println!("\n{:<44} {:>12} {:>8}", "refused", "median", "ratio");
    let mut worst: f64 = 0.0;
    for (index, key) in keys.iter().enumerate() {
        for (name, token) in worst_inputs(key) {
            let cost = cost(&token, &bundles, false);
            let ratio = cost.as_secs_f64() / dearest[index].as_secs_f64();
            worst = worst.max(ratio);
            println!("{:<44} {cost:>12.1?} {ratio:>8.3}", format!("{}, {name}", key.algorithm()));
        }
    }
    // The attacks of the catalogue bring their own keys; they are small, and here only to leave none out.
    let catalogue = attacks()
        .into_iter()
        .filter(|attack| !attack.name.contains("ES384") && !attack.name.contains("ES512"))
        .map(|attack| (cost(&attack.token, &bundle_set(&attack.trust), false), attack))
        .max_by_key(|(cost, _)| *cost)
        .unwrap();
    let slowest = dearest.iter().max().unwrap().as_secs_f64();
    let ratio = catalogue.0.as_secs_f64() / slowest;
    worst = worst.max(ratio);
    println!(
        "{:<44} {:>12.1?} {ratio:>8.3}",
        format!("{}: {}", catalogue.1.class, catalogue.1.name),
        catalogue.0
    );

    println!("\nworst ratio {worst:.3}, allowed {TOLERANCE}");
    if worst <= TOLERANCE { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Inputs at the size limit, each dear in its own way.
fn worst_inputs(key: &Key) -> Vec<(&'static str, Vec<u8>)> {
    let token = Token::new(key);
    let signature_octets = key.sign(b"").len();
    let forged = |token: Token| {
        let mut signature = vec![0; signature_octets];
        signature[signature_octets / 2 - 1] = 1;
        signature[signature_octets - 1] = 1;
        token.with_signature(&signature)
    };
    vec![
        ("all dots", vec![b'.'; 8192]),
        ("no dot", vec![b'A'; 8192]),
        ("a long signature", token.with_signature(&vec![1; 5000])),
        ("a long header", forged(token.clone().header("x", json!("a".repeat(5000))))),
        ("deep arrays", forged(token.clone().claim_text("x", &"[".repeat(5000)))),
        ("many members, the last twice", forged(token.clone().claim_text("x", &members("\"0\"")))),
        ("many values", forged(token.clone().claim_text("x", &format!("[{}0]", "0,".repeat(1000))))),
        ("too many values", forged(token.clone().claim_text("x", &format!("[{}0]", "0,".repeat(2500))))),
        (
            "a long escaped string",
            forged(token.clone().claim_text("x", &format!("\"{}\"", r"\u0041".repeat(800)))),
        ),
        ("a long number", forged(token.clone().claim_text("x", &"9".repeat(300)))),
        ("many audiences", forged(token.clone().claim("aud", json!(vec![AUDIENCE; 200])))),
        ("forged, at the size limit", forged(filled(token))),
    ]
}

/// A token filled towards the size limit with what is dearest to read.
fn filled(token: Token) -> Token {
    token.claim_text("x", &members("\"x\""))
}

/// Six hundred members and one more.
fn members(last: &str) -> String {
    let members: Vec<_> = (0..600).map(|index| format!("\"{index:x}\":0")).collect();
    format!("{{{},{last}:0}}", members.join(","))
}

fn bundle_set(trust: &[(&str, Vec<u8>)]) -> BundleSet {
    trust
        .iter()
        .map(|(name, jwks)| {
            (TrustDomain::parse(name).unwrap(), Bundle::from_jwks(jwks, &BundleLimits::default()).unwrap())
        })
        .collect()
}

fn median(mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}
