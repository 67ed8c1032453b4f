//! How many requests an Envoy keeps open at the controller.

use std::time::Duration;

use crate::envoy::Envoy;
use crate::poll::within;
use crate::slice::{Slice, TrustSource};

/// One Envoy with two workers holds one request, two Envoys hold two.
pub fn one_subscriber<S: TrustSource>(slice: Slice<S>) {
    slice.controller().await_held(1);
    stays(&slice, 1);

    let second = Envoy::start("second", &slice.bootstrap, slice.folder.path());
    slice.controller().await_held(2);
    stays(&slice, 2);
    let status = slice.controller().status();
    let nodes: Vec<_> =
        status["subscribers"].as_array().expect("subscribers").iter().map(|s| &s["node"]).collect();
    assert_eq!(nodes, ["envoy", "second"], "{status}");

    second.stop();
    slice.controller().await_held(1);
}

/// Watches for longer than a lease lasts: another VM that took itself for the holder would show.
fn stays<S: TrustSource>(slice: &Slice<S>, at_most: u64) {
    let surplus = within(OBSERVED, || Some(slice.controller().held()).filter(|held| *held > at_most));
    assert_eq!(surplus, None, "more requests than Envoys");
}

/// A lease lasts three seconds.
const OBSERVED: Duration = Duration::from_secs(5);
