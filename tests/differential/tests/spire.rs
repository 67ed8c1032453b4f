//! The strong part: everything before SPIRE's own `ValidateJWTSVID`.
//!
//! SPIRE is federated with a trust domain whose keys are the forge's, so that validly signed odd tokens reach what it
//! checks behind the signature. Real SVIDs of SPIRE, mutated, show the same for its own keys.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use svidgate_differential::corpus::{self, Case, Source};
use svidgate_differential::ours::Trust;
use svidgate_differential::peers::{JsonWebToken, JwtCompact, Peer, RustSpiffe, SpireAgent};
use svidgate_differential::report::Report;
use svidgate_differential::run::{run, run_all, wall_clock};
use svidgate_forge::{AUDIENCE, Key, RsaKey, TRUST_DOMAIN, jwks};
use svidgate_tests::{CLIENT_ID, Folder, OTHER_ID, Spire, TrustSource as _, Workload};

#[test]
fn nothing_is_accepted_here_that_spire_refuses_but_for_iat() {
    let folder = Folder::new();
    let bundle = bundle_document();
    let spire = Spire::start_as(&folder, SPIRES_DOMAIN, &[(TRUST_DOMAIN, &bundle)]);
    let agent = SpireAgent::connect(&spire.socket()).expect("the agent");
    // Ours are the bundles that SPIRE itself gives out.
    let trust = Arc::new(Trust::new(agent.trust().to_vec()));
    let keys: Vec<usize> = trust.bundles().iter().map(|(_, bundle)| bundle.len()).collect();
    assert_eq!(keys, [4, 1], "the forge's keys and SPIRE's own");

    let peers: [&dyn Peer; 4] = [&agent, &RustSpiffe, &JsonWebToken, &JwtCompact];
    let mut report = Report::new(SEED, peers.iter().map(|peer| peer.name()).collect());

    let attacks: Vec<Case> =
        corpus::attacks(wall_clock()).into_iter().filter_map(|case| before(case, &trust)).collect();
    assert!(attacks.len() > 200, "{}", attacks.len());
    run_all(&attacks, &peers, &mut report);

    let forged = |index, now| corpus::mutation(SEED, index, now, &Source::Forge, &trust);
    run(FORGED, forged, &peers, &mut report);

    for round in 0..ROUNDS {
        // Fetched anew: they live for five minutes.
        let workload = Workload::new(&spire.socket());
        let svids = [CLIENT_ID, OTHER_ID].map(|id| workload.token(AUDIENCE, &spire.id(id)));
        let source = Source::Issued(svids.to_vec());
        let start = round * ISSUED_EACH;
        run(
            ISSUED_EACH,
            |index, now| corpus::mutation(SEED, start + index, now, &source, &trust),
            &peers,
            &mut report,
        );
    }

    println!("{}", report.table());
    report.write(Path::new(REPORT)).expect("the report is written");
    assert!(report.faults.is_empty(), "see above, or {REPORT}");
    let unused: Vec<_> = report.unused().into_iter().filter(|(_, peer)| *peer == agent.name()).collect();
    assert_eq!(unused, [], "dispositions that no token was of");
    let valid = report.classes.iter().find(|row| row.class == "valid").expect("the class");
    assert_eq!((valid.refused, valid.peers["SPIRE"].refused), (0, 0));
}

/// An attack that is about the token alone: those on bundles would need SPIRE to take that bundle.
fn before(case: Case, trust: &Arc<Trust>) -> Option<Case> {
    let usual = jwks([Key::p256("key-1").jwk(), Key::rsa(RsaKey::Bits2048, "rsa-1").jwk()]);
    let is_usual = case.trust.domains == [(TRUST_DOMAIN.to_owned(), usual)];
    is_usual.then(|| Case { trust: Arc::clone(trust), ..case })
}

/// The forge's keys as a federated trust domain publishes them.
fn bundle_document() -> String {
    let mut document: Value = serde_json::from_slice(&corpus::forge_jwks()).expect("JSON");
    document["spiffe_sequence"] = json!(1);
    document["spiffe_refresh_hint"] = json!(300);
    document.to_string()
}

const SPIRES_DOMAIN: &str = "spire.test";
const SEED: u64 = 1;
const FORGED: usize = 12_000;
const ROUNDS: usize = 4;
const ISSUED_EACH: usize = 500;
/// Tests run in their package's folder.
const REPORT: &str = "../../target/differential/report-spire.json";
