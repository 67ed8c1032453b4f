//! One credential after another: how many live at a time.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::model::Entry;
use fake::world::{World, database, next, sees};
use fake::{How, pass};
use futures::future::BoxFuture;
use svidgate_vault::{Identity, IdentitySource, Login, Method, SourceError, Timing, Vault};
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

/// As the X.509-SVID of the moment.
#[derive(Default)]
struct Svid(Mutex<u8>);

impl IdentitySource for Svid {
    fn identity(&self) -> BoxFuture<'_, Result<Identity, SourceError>> {
        let number = *self.0.lock().expect("whole");
        let (certificate, key) = (vec![number].into(), vec![number].into());
        Box::pin(async { Ok(Identity { certificate, key }) })
    }

    fn describe(&self) -> String {
        "a certificate".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn h07_h09_another_client_certificate_is_followed_within_seconds_and_its_token_goes_after_the_grace() {
    let world = World::new();
    let svid = Arc::new(Svid::default());
    let login = Login::new(Method::CertFrom { role: None, identity: svid.clone() });
    let vault = Vault::start(&world.client, login, Timing::default());
    let mut channel = vault.keep("db", database()).expect("a free name");
    next(&mut channel).await;
    pass(s(300)).await;
    assert_eq!(vault.status().token.logins, 1, "the same one is no reason");
    for number in 1..=3 {
        *svid.0.lock().expect("whole") = number;
        pass(Timing::default().check + s(1)).await;
        assert_eq!(vault.status().token.logins, u64::from(number) + 1, "long before the token is due");
        assert!(sees(&channel, "password").is_some(), "never without");
        let old = format!("hvs.token-{number}");
        assert!(world.fake.model(|model| model.tokens.contains_key(&old)), "for the grace period");
        pass(s(40)).await;
        assert!(!world.fake.model(|model| model.tokens.contains_key(&old)), "{old}");
    }
    assert_eq!(world.fake.model(|model| (model.tokens.len(), model.leases.len())), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn h07_an_end_that_a_renewal_of_the_token_moves_is_told_to_those_who_pass_it_on() {
    let world = World::new();
    world.fake.model(|model| {
        (model.token_ttl, model.token_max) = (s(100), s(1000));
        (model.lease_ttl, model.lease_max) = (s(170), s(170));
    });
    let vault = world.start(Timing { jitter: 0.0, ..Timing::default() });
    let mut channel = vault.keep("db", database()).expect("a free name");
    let user = next(&mut channel).await;
    let mut extensions = vault.extensions("db").expect("it is kept");
    extensions.mark_unchanged();
    let with_its_token = user.remaining().expect("an end");
    assert!(with_its_token <= s(100), "{with_its_token:?}");
    pass(s(81)).await;
    assert_eq!(world.fake.count("auth/token/renew-self"), 1);
    assert!(extensions.has_changed().expect("it is kept"), "the end is another one now");
    let left = user.remaining().expect("an end");
    assert!(left > s(80), "its own end: {left:?}");
}

/// A real OpenBao that renews a lease of 8 s at 6.4 s gives it 1 s more, not 1.6.
#[tokio::test(start_paused = true)]
async fn h07_h12_a_lease_whose_renewal_was_not_answered_is_not_counted_on_to_its_last_second() {
    for how in [How::Half, How::DoneButStuck] {
        let world = World::new();
        world.fake.model(|model| (model.lease_ttl, model.lease_max) = (s(200), s(200)));
        let vault = world.start(Timing { jitter: 0.0, ..Timing::default() });
        let mut channel = vault.keep("db", database()).expect("a free name");
        let user = next(&mut channel).await;
        world.fake.fault_for_ever("sys/leases/renew", how);
        world.fake.fault_for_ever("database/creds", How::Status(503, "{}"));
        pass(s(195)).await;
        assert!(world.fake.count("sys/leases/renew") >= 2, "tried again");
        let left = user.remaining().expect("an end");
        assert!(left > s(3) && left <= s(4), "{left:?}: a second less than 5, however many were lost");
        pass(left).await;
        assert!(user.secrets().is_none());
    }
}
