//! What was replaced and is still in use.

use crate::fake::pass;
use crate::fake::world::{World, next, text};
use crate::{only_tokens_end, s, started, timing};

#[tokio::test(start_paused = true)]
async fn h13_what_somebody_holds_is_revoked_only_after_the_hold_and_the_grace() {
    let world = World::new();
    // Renewed at 800 s to 2400 s, its end, and replaced at 2080 s.
    world.fake.model(|model| (model.lease_ttl, model.lease_max) = (s(1000), s(1600)));
    let (_vault, mut channel) = started(&world, timing()).await;
    let first = channel.borrow_and_update().clone().expect("the first");
    let hold = first.hold();
    let second = next(&mut channel).await;
    assert_eq!(text(&second, "password"), "v-password-2");
    let lives = |id: &str| world.fake.model(|model| model.leases.contains_key(id));
    pass(s(60)).await;
    assert!(lives("database/creds/app/1"), "somebody works with it");
    drop(hold);
    pass(s(29)).await;
    assert!(lives("database/creds/app/1"), "in the grace period");
    pass(s(2)).await;
    assert!(!lives("database/creds/app/1"));
    assert!(lives("database/creds/app/2"));
}

#[tokio::test(start_paused = true)]
async fn h13_what_somebody_holds_is_renewed_as_far_as_that_goes() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    let first = channel.borrow_and_update().clone().expect("the first");
    let hold = first.hold();
    pass(s(100)).await;
    vault.refresh("db");
    next(&mut channel).await;
    pass(s(3000)).await;
    assert!(first.secrets().is_some(), "renewed three times at least");
    assert!(world.fake.model(|model| model.leases.contains_key("database/creds/app/1")));
    // Its maximum of 10,000 s is the end, held or not.
    pass(s(8000)).await;
    assert!(first.secrets().is_none());
    drop(hold);
}

#[tokio::test(start_paused = true)]
async fn h13_a_token_that_was_replaced_lives_on_while_somebody_holds_what_hangs_on_it() {
    let world = World::new();
    only_tokens_end(&world);
    let (_vault, mut channel) = started(&world, timing()).await;
    let hold = channel.borrow_and_update().clone().expect("the first").hold();
    next(&mut channel).await;
    let lives = || world.fake.model(|model| model.tokens.contains_key("hvs.token-1"));
    pass(s(100)).await;
    assert!(lives(), "held");
    drop(hold);
    pass(s(29)).await;
    assert!(lives(), "in the grace period");
    pass(s(2)).await;
    assert!(!lives());
}

#[tokio::test(start_paused = true)]
async fn h13_what_somebody_takes_hold_of_in_the_grace_period_lives_on() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    let first = channel.borrow_and_update().clone().expect("the first");
    pass(s(12)).await;
    vault.refresh("db");
    next(&mut channel).await;
    pass(s(10)).await;
    let hold = first.hold();
    let lives = || world.fake.model(|model| model.leases.contains_key("database/creds/app/1"));
    pass(s(100)).await;
    assert!(lives(), "held");
    drop(hold);
    pass(s(31)).await;
    assert!(!lives());
}

#[tokio::test(start_paused = true)]
async fn h13_what_somebody_holds_is_renewed_under_a_token_that_was_replaced_too() {
    let world = World::new();
    world.fake.model(|model| {
        model.token_max = s(4000);
        model.lease_ttl = s(100);
        model.lease_max = s(100_000);
    });
    let (_vault, mut channel) = started(&world, timing()).await;
    let first = channel.borrow_and_update().clone().expect("the first");
    let hold = first.hold();
    // The token is replaced at 3776 s and would live until 4000 s.
    next(&mut channel).await;
    pass(s(150)).await;
    assert!(first.secrets().is_some(), "renewed twice since");
    drop(hold);
    pass(s(31)).await;
    assert!(!world.fake.model(|model| model.tokens.contains_key("hvs.token-1")));
}
