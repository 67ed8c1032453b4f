//! Tokens and leases that are renewed, and replaced when renewals no longer extend them.

use crate::fake::world::{World, database, next, sees, text};
use crate::fake::{How, pass};
use crate::{lines, only_tokens_end, s, started, timing};

#[tokio::test(start_paused = true)]
async fn b10_h07_a_lease_is_renewed_at_80_percent_not_before_and_nothing_is_published() {
    let world = World::new();
    let (_vault, mut channel) = started(&world, timing()).await;
    channel.borrow_and_update();
    world.fake.forget();
    pass(s(799)).await;
    assert_eq!(world.fake.count(""), 0);
    pass(s(2)).await;
    assert_eq!(lines(&world.fake.seen()), ["POST sys/leases/renew"]);
    assert_eq!(world.fake.seen()[0].body["increment"], 1000);
    let left = channel.borrow().as_ref().and_then(|c| c.remaining()).expect("an end");
    assert!(left > s(990), "the life was extended: {left:?}");
    assert!(!channel.has_changed().expect("the keeper runs"), "no reload for an extension");
}

#[tokio::test(start_paused = true)]
async fn h07_the_answer_of_a_renewal_counts_not_the_wish() {
    let world = World::new();
    let (_vault, _channel) = started(&world, timing()).await;
    // Vault grants less from now on.
    world.fake.model(|model| model.lease_ttl = s(500));
    pass(s(801)).await;
    world.fake.forget();
    pass(s(398)).await;
    assert_eq!(world.fake.count("sys/leases"), 0);
    pass(s(4)).await;
    assert_eq!(world.fake.count("sys/leases"), 1, "at 80 % of 500 s");
}

#[tokio::test(start_paused = true)]
async fn h07_a_lease_at_its_maximum_is_replaced_and_the_old_one_revoked_after_the_grace() {
    let world = World::new();
    world.fake.model(|model| model.lease_max = s(1500));
    let (_vault, mut channel) = started(&world, timing()).await;
    world.fake.forget();
    // Renewed at 800 s (to 1500 s, the end), at 1360 s no more.
    let second = next(&mut channel).await;
    assert_eq!(text(&second, "password"), "v-password-2");
    let seen = lines(&world.fake.seen());
    assert_eq!(seen, ["POST sys/leases/renew", "POST sys/leases/renew", "GET database/creds/app"]);
    pass(s(29)).await;
    assert!(
        world.fake.model(|model| model.leases.contains_key("database/creds/app/1")),
        "in the grace period"
    );
    pass(s(2)).await;
    assert!(!world.fake.model(|model| model.leases.contains_key("database/creds/app/1")));
    assert!(world.fake.model(|model| model.leases.contains_key("database/creds/app/2")));
}

#[tokio::test(start_paused = true)]
async fn h07_a_token_at_its_maximum_new_login_children_publish_grace_revoke_in_this_order() {
    let world = World::new();
    only_tokens_end(&world);
    let (vault, mut channel) = started(&world, timing()).await;
    world.fake.forget();
    // 2880 s: renewed, cut to 4000 s. 3776 s: no longer extended.
    let second = next(&mut channel).await;
    assert_eq!(text(&second, "username"), "v-user-2");
    assert_eq!(
        lines(&world.fake.seen()),
        [
            "POST auth/token/renew-self",
            "POST auth/token/renew-self",
            "POST auth/approle/login",
            "GET database/creds/app"
        ]
    );
    assert_eq!(world.fake.seen()[3].token.as_deref(), Some("hvs.token-2"));
    assert!(vault.client().is_some());
    world.fake.forget();
    pass(s(29)).await;
    assert_eq!(world.fake.count(""), 0, "the old one lives while its users change over");
    pass(s(2)).await;
    let seen = world.fake.seen();
    assert_eq!(lines(&seen), ["POST auth/token/revoke-self"]);
    assert_eq!(seen[0].token.as_deref(), Some("hvs.token-1"));
    let exhausted = world.metric(r#"vault_token_renewals_total{status="exhausted"}"#);
    assert_eq!(exhausted, Some(1.0));
    assert_eq!(world.metric(r#"vault_token_renewals_total{status="success"}"#), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn h07_the_old_token_is_not_revoked_while_a_child_hangs_on_it() {
    let world = World::new();
    only_tokens_end(&world);
    let (vault, mut channel) = started(&world, timing()).await;
    pass(s(3700)).await;
    // The next credentials cannot be had for a while.
    world.fake.fault_for_ever("database/creds", How::Status(500, "{}"));
    pass(s(150)).await;
    assert_eq!(world.fake.count("auth/token/revoke-self"), 0);
    assert_eq!(world.fake.count("auth/approle/login"), 2);
    assert_eq!(sees(&channel, "password").as_deref(), Some("v-password-1"), "a failure replaces nothing");
    assert!(vault.get("db").is_some());
    world.fake.mend();
    assert_eq!(text(&next(&mut channel).await, "password"), "v-password-2");
    pass(s(31)).await;
    assert_eq!(world.fake.count("auth/token/revoke-self"), 1);
}

#[tokio::test(start_paused = true)]
async fn h07_a_token_that_cannot_be_renewed_is_replaced_in_time() {
    let world = World::new();
    world.fake.model(|model| model.token_renewable = false);
    let (_vault, mut channel) = started(&world, timing()).await;
    pass(s(2879)).await;
    assert_eq!(world.fake.count("auth/approle/login"), 1);
    next(&mut channel).await;
    assert_eq!(world.fake.count("auth/approle/login"), 2);
    assert_eq!(world.fake.count("auth/token/renew-self"), 0);
}

#[tokio::test(start_paused = true)]
async fn h07_a_failed_renewal_backs_off_and_never_spins() {
    let world = World::new();
    let (_vault, channel) = started(&world, timing()).await;
    world.fake.fault_for_ever("sys/leases/renew", How::Status(500, "{}"));
    pass(s(799)).await;
    world.fake.forget();
    pass(s(100)).await;
    let attempts = world.fake.count("sys/leases/renew");
    assert!((3..=20).contains(&attempts), "{attempts} attempts in 100 s");
    assert_eq!(sees(&channel, "password").as_deref(), Some("v-password-1"));
}

#[tokio::test(start_paused = true)]
async fn h11_lifetimes_too_short_for_the_fraction_do_not_spin() {
    for ttl in [0, 1, 2] {
        let world = World::new();
        world.fake.model(|model| {
            model.lease_ttl = s(ttl);
            model.lease_max = s(ttl);
        });
        let vault = world.start(timing());
        let _channel = vault.keep("db", database()).expect("a free name");
        pass(s(60)).await;
        let asked = world.fake.count("");
        // A renewal and a fetch in a second at the most, and their revocations.
        assert!(asked <= 240, "lifetime {ttl} s: {asked} requests in a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_and_runs_are_counted_and_the_expiry_is_shown() {
    let world = World::new();
    world.fake.fault("database/creds", How::Status(503, "{}"), 1);
    let (_vault, _channel) = started(&world, timing()).await;
    let fetched = |status: &str| {
        world.metric(&format!(
            r#"svidgate_credentials_fetched_total{{credential_type="database",status="{status}"}}"#
        ))
    };
    assert_eq!((fetched("success"), fetched("error")), (Some(1.0), Some(1.0)));
    assert_eq!(world.metric(r#"svidgate_renewal_task_runs_total{status="success"}"#), Some(1.0));
    assert_eq!(world.metric(r#"svidgate_renewal_task_runs_total{status="error"}"#), Some(1.0));
    pass(s(500)).await;
    let left = world.metric(r#"vault_credential_expiry_seconds{credential="db"}"#).expect("it");
    assert!((490.0..=500.0).contains(&left), "{left}");
    let left = world.metric(r#"vault_credential_expiry_seconds{credential="token"}"#).expect("it");
    assert!((3090.0..=3100.0).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn h07_a_token_that_is_renewed_moves_the_end_of_what_hangs_on_it_and_says_so() {
    let world = World::new();
    world.fake.model(|model| (model.lease_ttl, model.lease_max) = (s(100_000), s(100_000)));
    let (vault, channel) = started(&world, timing()).await;
    let credential = channel.borrow().clone().expect("the first");
    let (mut extensions, before) = (vault.extensions("db").expect("kept"), credential.not_after());
    pass(s(2800)).await;
    assert!(!extensions.has_changed().expect("the keeper runs"));
    assert_eq!(credential.not_after(), before, "the end stays as it was told");
    pass(s(100)).await;
    extensions.changed().await.expect("who passed the old end on has to know");
    let moved = credential.not_after().zip(before).and_then(|(now, before)| now.duration_since(before).ok());
    assert!(moved.is_some_and(|moved| moved > s(2800)), "{moved:?}");
    assert_eq!(world.fake.count("sys/leases/renew"), 0);
}
