//! What the life cycle holds in memory stays flat while leases and their users come and go, on a paused clock.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod fake;

use std::time::Duration;

use fake::pass;
use fake::world::{World, database, kv, next};
use serde_json::json;
use svidgate_allocations::{Counting, used};
use svidgate_vault::{Timing, Vault};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ten leases of 20 s that cannot live beyond 60 s, a secret that changes each minute, a token that ends for good every
/// ten minutes, and a user for each half minute who asks for a lease and goes again.
#[tokio::test(start_paused = true)]
async fn an_hour_of_leases_that_come_and_go_leaves_memory_as_it_was() {
    let world = World::new();
    world.fake.model(|model| {
        (model.lease_ttl, model.lease_max) = (s(20), s(60));
        (model.token_ttl, model.token_max) = (s(300), s(600));
    });
    let vault = world.start(Timing { poll: s(30), grace: s(5), ..Timing::default() });
    let mut kept = Vec::new();
    for n in 0..10 {
        kept.push(vault.keep(&format!("kept-{n}"), database()).expect("a free name"));
    }
    world.fake.model(|model| model.put("app", json!({"minute": 0})));
    kept.push(vault.keep("secret", kv("app")).expect("a free name"));

    // The first hours fill what then stays: tables and buffers grow to the most that they ever needed.
    minutes(&world, &vault, 0..360).await;
    let leases = world.fake.model(|model| model.leases.len());
    let begun = used();
    let first = minutes(&world, &vault, 360..375).await;
    minutes(&world, &vault, 375..420).await;
    let last = minutes(&world, &vault, 420..435).await;

    let work = used().count - begun.count;
    assert!(work > 100_000, "more than an hour of work: {work} allocations");
    let grown = last - first;
    assert!(grown < SLACK, "{grown} bytes more than an hour ago");
    let now = world.fake.model(|model| model.leases.len());
    assert!(now.abs_diff(leases) <= kept.len(), "{leases} leases before, {now} after");
}

/// The least that was held at the end of one of them: how much it is differs with where in its life each lease is.
async fn minutes(world: &World, vault: &Vault, minutes: std::ops::Range<u64>) -> i64 {
    let mut least = i64::MAX;
    for minute in minutes {
        world.fake.model(|model| model.put("app", json!({"minute": minute})));
        for half in 0..2 {
            let name = format!("passing-{half}");
            let mut channel = vault.keep(&name, database()).expect("a free name");
            next(&mut channel).await;
            pass(s(29)).await;
            vault.drop_credential(&name);
            drop(channel);
            pass(s(1)).await;
        }
        // What the fake remembers is not what is measured.
        world.fake.forget();
        world.fake.model(|model| {
            let now = Instant::now();
            model.leases.retain(|_, (_, lease)| lease.ends > now);
            model.tokens.retain(|_, token| token.ends > now);
        });
        least = least.min(used().live);
    }
    least
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Some 4,000 answers of Vault come in that hour: a leak of three bytes for each would be more.
const SLACK: i64 = 8 * 1024;
