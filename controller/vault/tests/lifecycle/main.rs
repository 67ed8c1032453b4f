//! The life of tokens and credentials, on a paused clock: fault → what was asked of Vault → what consumers saw.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: the first surprise ends the test and says where"
)]

mod clock;
mod demand;
#[path = "../fake/mod.rs"]
mod fake;
mod hold;
mod kv;
mod outage;
mod refusal;
mod renewal;
mod shutdown;
mod source;

use std::time::Duration;

use fake::Seen;
use fake::world::{Channel, World, database, next};
use svidgate_vault::{Timing, Vault};

/// Without jitter, so that moments can be named.
fn timing() -> Timing {
    Timing { jitter: 0.0, ..Timing::default() }
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lines(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::line).collect()
}

/// Tokens that end for good after 4,000 s, and leases that do not end by themselves.
fn only_tokens_end(world: &World) {
    world.fake.model(|model| {
        model.token_max = s(4000);
        (model.lease_ttl, model.lease_max) = (s(100_000), s(100_000));
    });
}

async fn started(world: &World, timing: Timing) -> (Vault, Channel) {
    let vault = world.start(timing);
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    (vault, channel)
}
