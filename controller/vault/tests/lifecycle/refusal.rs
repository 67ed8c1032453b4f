//! Answers 403 and 400.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;
use svidgate_vault::{FromFn, Login, Method, Vault};

use crate::fake::world::{World, database, fixed, kv, next, sees, text};
use crate::fake::{How, pass};
use crate::{lines, s, started, timing};

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
async fn h02_a_token_that_is_revoked_again_soon_after_a_login_is_noticed_too() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    for number in [2, 3] {
        pass(s(12)).await;
        world.fake.model(|model| model.revoke_all_tokens());
        vault.refresh("db");
        let back = tokio::time::timeout(s(120), next(&mut channel)).await.expect("not at the next renewal");
        assert_eq!(text(&back, "password"), format!("v-password-{number}"));
        assert_eq!(world.fake.count("auth/approle/login"), number);
    }
}

#[tokio::test(start_paused = true)]
async fn h02_a_vault_that_does_not_say_whether_it_knows_the_token_is_asked_again() {
    let world = World::new();
    let (vault, mut channel) = started(&world, timing()).await;
    pass(s(12)).await;
    world.fake.model(|model| model.revoke_all_tokens());
    world.fake.fault("auth/token/lookup-self", How::Status(500, "{}"), 2);
    vault.refresh("db");
    tokio::time::timeout(s(180), next(&mut channel)).await.expect("not at the next renewal");
    assert_eq!(world.fake.count("auth/token/lookup-self"), 3);
}

#[tokio::test(start_paused = true)]
async fn h02_a_login_that_sends_something_else_each_time_is_not_refused_every_few_seconds() {
    let world = World::new();
    let count = std::sync::atomic::AtomicU32::new(0);
    let secret_id = FromFn::new("one of many", move || {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { Ok(SecretString::from(format!("wrong-{n}"))) }
    });
    let method = Method::AppRole { role_id: fixed("role-id"), secret_id: Some(Arc::new(secret_id)) };
    let _vault = Vault::start(&world.client, Login::new(method), timing());
    pass(s(3600)).await;
    let logins = world.fake.count("auth/approle/login");
    assert!((30..=70).contains(&logins), "{logins} logins in an hour");
}
