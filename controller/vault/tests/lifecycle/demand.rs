//! Consumers that ask again and again.

use svidgate_vault::NameTaken;

use crate::fake::world::{World, database, next, text};
use crate::fake::{How, pass, settle};
use crate::{s, started, timing};

#[tokio::test(start_paused = true)]
async fn h13_consumers_that_ask_again_and_again_or_go_away_make_no_requests() {
    let world = World::new();
    let (vault, channel) = started(&world, timing()).await;
    world.fake.forget();
    for _ in 0..1000 {
        assert!(vault.get("db").is_some());
    }
    assert_eq!(
        vault.keep("db", database()).err().map(|e: NameTaken| e.to_string()).as_deref(),
        Some("a credential `db` is kept already")
    );
    let slow = channel.clone();
    drop(channel);
    settle().await;
    assert_eq!(world.fake.count(""), 0);
    pass(s(5000)).await;
    assert_eq!(world.fake.count("database/creds"), 0, "a reader that does not read changes nothing");
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn h04_asking_for_another_credential_is_coalesced_and_paced() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    world.fake.forget();
    for _ in 0..1000 {
        vault.refresh("db");
        settle().await;
    }
    assert_eq!(world.fake.count("database/creds"), 0, "one was made a moment ago");
    assert_eq!(text(&next(&mut channel).await, "password"), "v-password-2");
    assert_eq!(world.fake.count("database/creds"), 1);
    // In an outage it does not shorten the pauses.
    world.fake.fault_for_ever("", How::Status(503, "{}"));
    world.fake.forget();
    for _ in 0..600 {
        vault.refresh("db");
        pass(s(1)).await;
    }
    let attempts = world.fake.count("database/creds");
    assert!(attempts <= 25, "{attempts} attempts in 10 minutes");
}
