//! The whole comparison with the implementations in Rust: `make differential`.

#![allow(clippy::print_stdout, reason = "the report is for a terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use svidgate_differential::corpus::{self, Source};
use svidgate_differential::ours::Trust;
use svidgate_differential::peers::{JsonWebToken, JwtCompact, Peer, RustSpiffe};
use svidgate_differential::report::Report;
use svidgate_differential::run::{run, run_all, wall_clock};

fn main() -> anyhow::Result<ExitCode> {
    let tokens = argument(1, TOKENS)?;
    let seed = argument(2, SEED)?;
    let peers: [&dyn Peer; 3] = [&RustSpiffe, &JsonWebToken, &JwtCompact];
    let mut report = Report::new(seed, peers.iter().map(|peer| peer.name()).collect());

    let trust = Arc::new(Trust::new(vec![("example.org".into(), corpus::forge_jwks())]));
    run_all(&corpus::attacks(wall_clock()), &peers, &mut report);
    let count = usize::try_from(tokens)?;
    run(count, |index, now| corpus::mutation(seed, index, now, &Source::Forge, &trust), &peers, &mut report);

    println!("{}", report.table());
    report.write(Path::new(REPORT))?;
    println!("written to {REPORT}");
    let mut bad = !report.faults.is_empty();
    if tokens >= TOKENS {
        for (name, peer) in report.unused() {
            println!("stale: no token was disagreed about with {peer} for the reason: {name}");
            bad = true;
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn argument(at: usize, default: u64) -> anyhow::Result<u64> {
    std::env::args().nth(at).map_or(Ok(default), |text| Ok(text.parse()?))
}

const TOKENS: u64 = 12_000;
const SEED: u64 = 1;
const REPORT: &str = "target/differential/report.json";
