//! Every change of either kind arrives at every worker, and stays, with and without load.

use clap::Parser as _;
use svidgate_push_sim::propagation::{Options, run};

#[test]
fn every_change_arrives_at_every_worker_and_stays() {
    let report =
        run(&Options::parse_from("propagation --workers 2 --changes 4 --clients 1".split(' '))).unwrap();
    assert_eq!(report.rows.len(), 4);
    assert!(report.rows.iter().all(|row| row.lag.count == 4), "{report}");
    assert!(report.rows.iter().any(|row| row.requests_per_second > 0.0), "{report}");
}
