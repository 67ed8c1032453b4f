//! A small fleet goes through every phase: nobody is lost, and all that arrives is good and in order.

use clap::Parser as _;
use svidgate_push_sim::options::Options;
use svidgate_push_sim::run::run;

#[test]
fn everyone_gets_every_change_also_after_a_restart_and_in_a_coming_and_going() {
    let options = Options::parse_from(
        "sim --subscribers 200 --seconds 2 --reconnecting 10 --away 1 --churn-cycles 30 --unpinned"
            .split(' '),
    );
    let report = run(&options).unwrap();
    assert!(report.in_order);
    // Each change reached each subscriber, and each counts once.
    assert_eq!(report.steady.lag.count, 200 * 2);
    assert!(report.steady.reconnections >= 40, "{report}");
    assert!(report.churn.reconnections >= 30 * 20, "{report}");
    assert!(report.herd.connections >= 200, "{report}");
}
