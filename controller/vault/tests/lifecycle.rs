//! The life of tokens and credentials, on a paused clock: fault → what was asked of Vault → what consumers saw.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: the first surprise ends the test and says where"
)]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::world::{Channel, World, approle, database, fixed, kv, next, sees, text};
use fake::{How, Seen, pass, settle};
use secrecy::SecretString;
use serde_json::json;
use svidgate_vault::{AtShutdown, BreakerState, FromFn, Login, Method, NameTaken, Timing, Vault};
use tokio::time::Instant;

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
    world.fake.model(|model| {
        model.token_max = s(4000);
        model.lease_ttl = s(100_000);
        model.lease_max = s(100_000);
    });
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
    world.fake.model(|model| {
        model.token_max = s(4000);
        model.lease_ttl = s(100_000);
        model.lease_max = s(100_000);
    });
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
async fn h02_a_token_that_was_revoked_under_us_one_login_and_everything_is_back() {
    let world = World::new();
    let (_vault, mut channel) = started(&world, timing()).await;
    world.fake.model(|model| model.revoke_all_tokens());
    world.fake.forget();
    let second = next(&mut channel).await;
    assert_eq!(text(&second, "password"), "v-password-2");
    assert_eq!(
        lines(&world.fake.seen()),
        [
            "POST sys/leases/renew",
            "GET auth/token/lookup-self",
            "POST auth/approle/login",
            "GET database/creds/app"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h02_a_policy_that_is_missing_backs_off_and_causes_no_login() {
    let world = World::new();
    world.fake.model(|model| {
        model.forbidden.push("database/creds".to_owned());
        model.put("app", json!({ "a": 1 }));
    });
    let vault = world.start(timing());
    let channel = vault.keep("db", database()).expect("a free name");
    let other = vault.keep("kv", kv("app")).expect("a free name");
    pass(s(600)).await;
    assert!(channel.borrow().is_none());
    assert_eq!(sees(&other, "a").as_deref(), Some("1"), "the others do not suffer");
    assert_eq!(world.fake.count("auth/approle/login"), 1);
    assert_eq!(world.fake.count("auth/token/lookup-self"), 1);
    let attempts = world.fake.count("database/creds");
    assert!((6..=25).contains(&attempts), "{attempts} attempts in 10 minutes");
}

#[tokio::test(start_paused = true)]
async fn h02_where_not_even_a_lookup_is_allowed_there_is_one_login_then_backing_off() {
    let world = World::new();
    world.fake.model(|model| {
        model.forbidden = vec!["database/creds".to_owned(), "auth/token/lookup-self".to_owned()];
    });
    let vault = world.start(timing());
    let _channel = vault.keep("db", database()).expect("a free name");
    pass(s(600)).await;
    assert_eq!(world.fake.count("auth/approle/login"), 2);
    let attempts = world.fake.count("database/creds");
    assert!((6..=25).contains(&attempts), "{attempts} attempts in 10 minutes");
}

#[tokio::test(start_paused = true)]
async fn h02_a_login_that_is_refused_with_400_is_final_until_what_it_sends_changes() {
    let world = World::new();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "wrong").expect("written");
    let secret_id = Arc::new(svidgate_vault::FromFile(file.path().to_owned()));
    let method = Method::AppRole { role_id: fixed("role-id"), secret_id: Some(secret_id) };
    let vault = Vault::start(&world.client, Login::new(method), timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    pass(s(3600)).await;
    assert_eq!(lines(&world.fake.seen()), ["POST auth/approle/login"]);
    assert!(vault.status().token.error.is_some_and(|error| error.contains("400")));
    std::fs::write(file.path(), "secret-id-1").expect("written");
    tokio::time::timeout(s(10), next(&mut channel)).await.expect("soon after the change");
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
async fn h08_h12_kv_is_polled_and_published_only_when_it_changed() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "password": "one", "n": 1 })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kv", kv("app")).expect("a free name");
    assert_eq!(text(&next(&mut channel).await, "password"), "one");
    pass(s(1501)).await;
    assert_eq!(world.fake.count("secret/data/app"), 6);
    assert!(!channel.has_changed().expect("the keeper runs"));
    world.fake.model(|model| model.put("app", json!({ "password": "two", "n": 2 })));
    let second = next(&mut channel).await;
    assert_eq!((text(&second, "password"), text(&second, "n")), ("two".to_owned(), "2".to_owned()));
    assert_eq!((second.revision(), second.version()), (2, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn h08_a_ttl_field_sets_the_pace_and_the_end() {
    let world = World::new();
    world.fake.model(|model| model.put("kafka", json!({ "password": "one", "ttl": 3600 })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kafka", kv("kafka")).expect("a free name");
    next(&mut channel).await;
    pass(s(2879)).await;
    assert_eq!(world.fake.count("secret/data"), 1);
    pass(s(2)).await;
    assert_eq!(world.fake.count("secret/data"), 2);
    world.fake.fault_for_ever("secret/data", How::Status(500, "{}"));
    pass(s(3590)).await;
    assert_eq!(sees(&channel, "password").as_deref(), Some("one"));
    pass(s(20)).await;
    assert_eq!(sees(&channel, "password"), None, "not read for as long as it said that it is good");
}

#[tokio::test(start_paused = true)]
async fn h08_a_secret_without_ttl_outlives_an_outage_and_a_removed_one_is_withdrawn() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "password": "one" })));
    let vault = world.start(timing());
    let mut channel = vault.keep("kv", kv("app")).expect("a free name");
    next(&mut channel).await;
    for how in [How::Status(503, "{}"), How::Status(404, "<html>")] {
        world.fake.fault_for_ever("secret/data", how);
        pass(s(3000)).await;
        assert_eq!(sees(&channel, "password").as_deref(), Some("one"), "a failure replaces nothing");
        world.fake.mend();
    }
    world.fake.model(|model| model.kv.insert("app".to_owned(), (2, json!(null))));
    pass(s(400)).await;
    assert!(channel.borrow().is_none());
    world.fake.model(|model| model.put("app", json!({ "password": "three" })));
    assert_eq!(text(&next(&mut channel).await, "password"), "three");
}

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

#[tokio::test(start_paused = true)]
async fn a_token_of_somebody_else_is_renewed_not_revoked_and_followed_when_it_changes() {
    let world = World::new();
    world.fake.model(|model| model.token_max = s(4000));
    // Somebody else logs in, twice.
    for _ in 0..2 {
        approle("secret-id-1").log_in(&world.client).await.expect("a login");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "hvs.token-1").expect("written");
    let source = Arc::new(svidgate_vault::FromFile(file.path().to_owned()));
    let vault = Vault::start(&world.client, Login::new(Method::Token { token: source }), timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    world.fake.forget();
    pass(s(3900)).await;
    assert_eq!(world.fake.count("auth/token/renew-self"), 2);
    assert_eq!(world.fake.count("auth/token/lookup-self"), 0, "the same token again is no login");
    world.fake.model(|model| {
        let entry = model.tokens["hvs.token-2"];
        model
            .tokens
            .insert("hvs.token-2".to_owned(), fake::model::Entry { ends: entry.ends + s(3000), ..entry });
    });
    std::fs::write(file.path(), "hvs.token-2").expect("written");
    assert_eq!(text(&next(&mut channel).await, "password"), "v-password-2");
    vault.shutdown().await;
    assert_eq!(world.fake.count("auth/token/revoke-self"), 0);
    assert_eq!(world.fake.count("sys/leases/revoke"), 1, "its leases are ours");
}

#[tokio::test(start_paused = true)]
async fn h09_a_source_that_fails_or_hangs_is_asked_again_later() {
    let world = World::new();
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = count.clone();
    let source = FromFn::new("a JWT-SVID", move || {
        let n = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            match n {
                0 => Err(svidgate_vault::SourceError::new("the agent is not there")),
                1 => std::future::pending().await,
                _ => Ok(SecretString::from("svid")),
            }
        }
    });
    let method = Method::Jwt { role: None, token: Arc::new(source) };
    let vault = Vault::start(&world.client, Login::new(method), timing());
    let mut channel = vault.keep("db", database()).expect("a free name");
    pass(s(1)).await;
    assert_eq!(vault.status().token.error.as_deref(), Some("login: the agent is not there"));
    tokio::time::timeout(s(60), next(&mut channel)).await.expect("the third time");
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
    world.fake.model(|model| {
        model.token_max = s(4000);
        model.lease_ttl = s(100_000);
        model.lease_max = s(100_000);
    });
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
