//! A Vault that does not answer, or not in time.

use serde_json::json;
use svidgate_vault::BreakerState;
use tokio::time::Instant;

use crate::fake::world::{World, database, kv, next, sees, text};
use crate::fake::{How, pass};
use crate::{s, started, timing};

#[tokio::test(start_paused = true)]
async fn b10_an_outage_beyond_the_end_withdraws_at_the_end_and_comes_back_by_itself() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    pass(s(700)).await;
    world.fake.model(|model| model.sealed = true);
    pass(s(295)).await;
    assert_eq!(sees(&channel, "password").as_deref(), Some("v-password-1"), "it lives to its end");
    let held = channel.borrow().clone().expect("it");
    pass(s(6)).await;
    assert!(vault.get("db").is_none());
    assert!(held.secrets().is_none(), "one that was kept by a consumer ends as well");
    assert!(channel.borrow().is_none(), "consumers were told");
    let status = vault.status();
    assert!(!status.is_healthy());
    assert!(
        status.credentials[0].error.as_deref().is_some_and(|e| e.contains("sealed") || e.contains("circuit"))
    );
    assert_ne!(status.breaker, BreakerState::Closed);
    world.fake.model(|model| model.sealed = false);
    let back =
        tokio::time::timeout(s(200), next(&mut channel)).await.expect("within the caps of both backoffs");
    assert_eq!(text(&back, "password"), "v-password-2");
    assert!(vault.status().is_healthy());
    assert_eq!(vault.status().breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn h04_a_vault_that_is_down_at_the_start_is_waited_for_with_pauses_that_grow() {
    let world = World::new();
    world.fake.model(|model| model.sealed = true);
    let vault = world.start(timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    pass(s(600)).await;
    assert!(channel.borrow().is_none());
    assert!(vault.client().is_none());
    let attempts = world.fake.count("");
    assert!((6..=25).contains(&attempts), "{attempts} attempts in 10 minutes");
    world.fake.model(|model| model.sealed = false);
    tokio::time::timeout(s(200), next(&mut channel)).await.expect("within the caps of both backoffs");
}

#[tokio::test(start_paused = true)]
async fn h03_retry_after_of_a_rate_limit_is_honoured() {
    let world = World::new();
    world.fake.fault("database/creds", How::RetryAfter(429, 120), 1);
    let vault = world.start(timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    pass(s(119)).await;
    assert_eq!(world.fake.count("database/creds"), 1);
    next(&mut channel).await;
    assert_eq!(world.fake.count("database/creds"), 2);
}

#[tokio::test(start_paused = true)]
async fn h10_a_stuck_vault_delays_no_reader_and_no_other_credential() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "a": 1 })));
    let (vault, channel) = started(&world, timing()).await;
    world.fake.fault_for_ever("sys/leases/renew", How::Stuck);
    world.fake.fault_for_ever("database", How::Stuck);
    pass(s(801)).await;
    let start = Instant::now();
    assert!(vault.get("db").is_some());
    assert_eq!(sees(&channel, "password").as_deref(), Some("v-password-1"));
    let mut other = vault.keep("kv", kv("app")).expect("a free name");
    next(&mut other).await;
    assert!(start.elapsed() < s(1));
}

#[tokio::test(start_paused = true)]
async fn h04_an_answer_that_never_came_makes_no_flood_of_leases() {
    let world = World::new();
    for how in [How::DoneButStuck, How::Half] {
        world.fake.fault("database/creds", how, 4);
    }
    let vault = world.start(timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    let start = Instant::now();
    next(&mut channel).await;
    assert_eq!(world.fake.count("database/creds"), 9);
    let took = start.elapsed();
    assert!(took >= 8 * timing().min_reissue, "each may have left a lease behind: {took:?}");
}
