//! The end, and starts after it.

use svidgate_vault::{AtShutdown, Timing};
use tokio::time::Instant;

use crate::fake::How;
use crate::fake::world::{World, sees};
use crate::{s, started, timing};

#[tokio::test(start_paused = true)]
async fn a_shutdown_revokes_or_leaves_as_configured() {
    for (at_shutdown, left) in [(AtShutdown::Revoke, 0), (AtShutdown::Leave, 1)] {
        let world = World::new();
        let (vault, channel) = started(&world, Timing { at_shutdown, ..timing() }).await;
        vault.shutdown().await;
        assert_eq!(world.fake.model(|model| model.leases.len()), left);
        assert_eq!(world.fake.model(|model| model.tokens.len()), left);
        assert_eq!(sees(&channel, "password").is_some(), at_shutdown == AtShutdown::Leave);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_stuck_vault() {
    let world = World::new();
    let (vault, _channel) = started(&world, timing()).await;
    world.fake.fault_for_ever("", How::Stuck);
    let start = Instant::now();
    vault.shutdown().await;
    assert!(start.elapsed() <= s(11), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn restarts_leave_no_leases_behind() {
    let world = World::new();
    for _ in 0..20 {
        let (vault, _channel) = started(&world, timing()).await;
        vault.shutdown().await;
    }
    assert_eq!(world.fake.model(|model| (model.leases.len(), model.tokens.len())), (0, 0));
}
