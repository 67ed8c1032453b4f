//! One credential after another: how many live at a time.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod fake;

use std::time::Duration;

use fake::model::Entry;
use fake::world::{World, database, next};
use fake::{How, pass};
use svidgate_vault::Timing;
use tokio::time::Instant;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The most leases that live at one time, within `seconds`.
async fn most_leases(world: &World, seconds: u64) -> usize {
    let mut most = 0;
    for _ in 0..seconds * 4 {
        pass(Duration::from_millis(250)).await;
        let now = Instant::now();
        let lives = |entry: &Entry| now < entry.ends;
        most = most.max(world.fake.model(|model| {
            let with_token = |owner: &String| model.tokens.get(owner).is_some_and(lives);
            model.leases.values().filter(|(owner, entry)| lives(entry) && with_token(owner)).count()
        }));
    }
    most
}

#[tokio::test(start_paused = true)]
async fn h07_a_new_login_right_after_a_rotation_makes_no_third_credential_while_two_live() {
    // A rotation each 80 s; a new login at 85 s, where the first one is in its grace period until 100 s.
    let world = World::new();
    world.fake.model(|model| {
        (model.lease_ttl, model.lease_max) = (s(100), s(100));
        (model.token_ttl, model.token_max) = (Duration::from_millis(106_250), Duration::from_millis(106_250));
    });
    let vault = world.start(Timing { jitter: 0.0, ..Timing::default() });
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    assert_eq!(most_leases(&world, 600).await, 2);
    assert!(vault.get("db").is_some());
    assert!(vault.status().token.logins >= 6, "{:?}", vault.status());
}

#[tokio::test(start_paused = true)]
async fn h07_a_grace_period_longer_than_the_lease_stops_no_rotation() {
    // Each one ends 20 s after it was replaced, and the next one is due 80 s after that.
    let world = World::new();
    world.fake.model(|model| (model.lease_ttl, model.lease_max) = (s(100), s(100)));
    let timing = Timing { jitter: 0.0, grace: s(10_000), ..Timing::default() };
    let vault = world.start(timing);
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    assert_eq!(most_leases(&world, 900).await, 2);
    assert!(world.fake.count("database/creds") >= 10);
    assert!(vault.get("db").is_some());
}

#[tokio::test(start_paused = true)]
async fn h10_h11_a_slow_vault_is_asked_early_enough() {
    // A fifth of what is left in the end is enough for two answers of 5 s: that nothing is extended, and another user.
    let world = World::new();
    world.fake.model(|model| (model.lease_ttl, model.lease_max) = (s(100), s(250)));
    let vault = world.start(Timing { jitter: 0.0, ..Timing::default() });
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    world.fake.fault_for_ever("", How::Slow(s(5)));
    for second in 0..1000 {
        pass(s(1)).await;
        assert!(vault.get("db").is_some(), "after {second} s");
    }
    assert!(world.fake.count("database/creds") >= 5);
    assert!(vault.status().is_healthy(), "{:?}", vault.status());
}
