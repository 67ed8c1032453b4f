//! Clocks that jump, and machines that sleep.

use crate::fake::pass;
use crate::fake::world::{World, next, sees, text};
use crate::{s, started, timing};

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_renews_at_once() {
    for by in [600, -100_000] {
        let world = World::new();
        let (_vault, channel) = started(&world, timing()).await;
        pass(s(10)).await;
        world.fake.forget();
        world.clock.jump(by);
        pass(s(6)).await;
        assert_eq!(world.fake.count("sys/leases/renew"), 1, "by {by} s");
        assert_eq!(world.fake.count("auth/token/renew-self"), 1, "by {by} s");
        assert_eq!(sees(&channel, "password").as_deref(), Some("v-password-1"));
        pass(s(60)).await;
        assert_eq!(world.fake.count(""), 2, "once");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_machine_that_slept_beyond_the_end_hands_out_nothing_that_has_ended() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    pass(s(10)).await;
    world.clock.jump(5000);
    assert!(vault.get("db").is_none(), "at once, before anything has woken up");
    assert!(vault.client().is_none());
    let back = next(&mut channel).await;
    assert_eq!(text(&back, "password"), "v-password-2");
    assert_eq!(world.fake.count("auth/approle/login"), 2);
}
