//! The fast part: every attack and a thousand mutations, before the implementations in Rust.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::sync::Arc;

use svidgate_differential::corpus::{self, Source};
use svidgate_differential::ours::Trust;
use svidgate_differential::peers::{JsonWebToken, JwtCompact, Peer, RustSpiffe};
use svidgate_differential::report::Report;
use svidgate_differential::run::{run, run_all, wall_clock};

const PEERS: [&dyn Peer; 3] = [&RustSpiffe, &JsonWebToken, &JwtCompact];

fn report() -> Report {
    Report::new(SEED, PEERS.iter().map(|peer| peer.name()).collect())
}

#[test]
fn every_attack_is_refused_and_where_a_peer_accepts_one_the_reason_is_known() {
    let mut report = report();
    run_all(&corpus::attacks(wall_clock()), &PEERS, &mut report);
    assert!(report.tokens() > 300);
    assert!(report.classes.iter().all(|row| row.accepted == 0), "{}", report.table());
    assert!(report.faults.is_empty(), "{}", report.table());
}

#[test]
fn mutated_tokens_are_disagreed_about_for_known_reasons_only() {
    let mut report = report();
    let trust = Arc::new(Trust::new(vec![("example.org".into(), corpus::forge_jwks())]));
    run(1000, |index, now| corpus::mutation(SEED, index, now, &Source::Forge, &trust), &PEERS, &mut report);
    let row = |class: &str| report.classes.iter().find(|row| row.class == class).expect("a class");
    assert_eq!(row("valid").refused, 0, "{}", report.table());
    // Without agreement on good tokens, agreement on bad ones would mean little.
    for tally in row("valid").peers.values() {
        assert!(tally.accepted * 2 > row("valid").tokens, "{}", report.table());
    }
    assert!(report.faults.is_empty(), "{}", report.table());
}

/// Another one than that of `make differential`.
const SEED: u64 = 20_251_125;
