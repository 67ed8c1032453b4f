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

async fn started(world: &World, timing: Timing) -> (Vault, Channel) {
    let vault = world.start(timing);
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    (vault, channel)
}
