//! The table of faults, for one call: what goes wrong → what the client did → what its caller saw.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: the first surprise ends the test and says where"
)]

mod fake;

use std::time::Duration;

use fake::world::{World, approle, fixed, never};
use fake::{Fake, How};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use svidgate_vault::{
    BreakerState, Client, Fault, Health, KvRead, Login, Method, Reason, RetrySettings, SourceError,
};
use tokio::time::Instant;

const SECRET: &str = "secret/data/app";

async fn client_with_secret(world: &World) -> Client {
    world.fake.model(|model| model.put("app", json!({ "password": "hush" })));
    world.logged_in().await
}

async fn password(client: &Client) -> Result<String, svidgate_vault::Error> {
    match client.kv("secret").read("app").await? {
        KvRead::Found(value) => Ok(value.secrets.text("password").expect("it").expose_secret().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn h01_success_with_and_without_a_body_and_with_warnings() {
    for warnings in [false, true] {
        let world = World::new();
        let client = world.logged_in().await;
        world.fake.model(|model| model.warnings = warnings);
        client.revoke_self().await.expect("204, or 200 with warnings");
    }
}

#[tokio::test(start_paused = true)]
async fn h01_an_error_without_json_is_an_error_by_its_status() {
    let world = World::new();
    let client = client_with_secret(&world).await.with_retry(never());
    world.fake.fault(SECRET, How::Status(502, "<html>bad gateway</html>"), 1);
    let error = password(&client).await.expect_err("502");
    assert_eq!(error.status(), Some(502));
    assert!(error.vault_said().is_none());
    assert_eq!(error.to_string(), "kv_read: Vault answered 502");
}

/// One row for each fault of checklist H3 and H4: the fault, once → attempts → whether the caller got the secret.
#[tokio::test(start_paused = true)]
async fn h03_h04_each_fault_once_is_retried_or_is_final() {
    let rows = [
        (How::Status(400, "{}"), 1, false),
        (How::Status(403, "{}"), 1, false),
        (How::Status(405, "{}"), 1, false),
        (How::Status(412, "{}"), 2, true),
        (How::Status(429, "{}"), 2, true),
        (How::RetryAfter(429, 3), 2, true),
        (How::Status(472, "{}"), 2, true),
        (How::Status(473, "{}"), 2, true),
        (How::Status(500, "{}"), 2, true),
        (How::Status(501, "{}"), 1, false),
        (How::Status(502, "{}"), 2, true),
        (How::Status(503, r#"{"errors":["Vault is sealed"]}"#), 2, true),
        (How::Status(504, "{}"), 2, true),
        (How::Stuck, 2, true),
        (How::Half, 2, true),
        (How::Nonsense, 2, true),
        (How::Huge(2 * 1024 * 1024), 1, false),
    ];
    for (how, attempts, good) in rows {
        let world = World::new();
        let client = client_with_secret(&world).await;
        world.fake.fault(SECRET, how.clone(), 1);
        let result = password(&client).await;
        // What does not parse is found behind the retries: the answer was whole.
        let attempts = if matches!(how, How::Nonsense) { 1 } else { attempts };
        let good = good && !matches!(how, How::Nonsense);
        assert_eq!(world.fake.count(SECRET), attempts, "{how:?}");
        assert_eq!(result.is_ok(), good, "{how:?}: {result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h03_a_refused_connection_is_retried() {
    let world = World::new();
    world.fake.model(|model| model.put("app", json!({ "password": "hush" })));
    world.fake.fault("", How::Refused, 2);
    let client = approle("secret-id-1").log_in(&world.client).await.expect("the third attempt").client;
    assert_eq!(password(&client).await.expect("it"), "hush");
}

#[tokio::test(start_paused = true)]
async fn h03_what_health_says() {
    let world = World::new();
    for (status, health) in [
        (429, Health::Standby),
        (472, Health::DisasterRecovery),
        (473, Health::PerformanceStandby),
        (501, Health::Uninitialised),
        (503, Health::Sealed),
        (200, Health::Active),
    ] {
        world.fake.fault("sys/health", How::Status(status, "{}"), 1);
        assert_eq!(world.client.health().await.expect("an answer"), health);
    }
}

#[tokio::test(start_paused = true)]
async fn h03_retry_after_is_honoured_up_to_its_cap() {
    for (asked, least, most) in [(7, 7, 8), (100_000, 300, 301)] {
        let world = World::new();
        let client = client_with_secret(&world).await;
        world.fake.fault(SECRET, How::RetryAfter(429, asked), 1);
        let start = Instant::now();
        password(&client).await.expect("the second attempt");
        let took = start.elapsed().as_secs();
        assert!((least..=most).contains(&took), "{took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn h04_retries_end_and_pauses_grow() {
    let world = World::new();
    let retry = RetrySettings { times: 4, ..RetrySettings::default() };
    let client = client_with_secret(&world).await.with_retry(retry);
    world.fake.fault_for_ever(SECRET, How::Status(412, "{}"));
    password(&client).await.expect_err("412");
    let seen = world.fake.seen();
    assert_eq!(seen.len(), 5);
    let pauses: Vec<Duration> = seen.windows(2).map(|two| two[1].at - two[0].at).collect();
    for (n, pause) in pauses.iter().enumerate() {
        let base = retry.min_delay * 2_u32.pow(u32::try_from(n).expect("small"));
        assert!(*pause >= base && *pause <= base * 2 + Duration::from_millis(2), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h04_what_vault_may_have_made_is_not_asked_for_twice() {
    for how in [How::DoneButStuck, How::Half, How::Status(500, "{}")] {
        let world = World::new();
        let client = world.logged_in().await;
        world.fake.fault("database/creds", how.clone(), 1);
        client.database_creds("database", "app").await.expect_err("it failed");
        assert_eq!(world.fake.count("database/creds"), 1, "{how:?}");
    }
    // But where it cannot have happened, it is.
    let world = World::new();
    let client = world.logged_in().await;
    world.fake.fault("database/creds", How::Status(503, r#"{"errors":["Vault is sealed"]}"#), 1);
    client.database_creds("database", "app").await.expect("the second attempt");
}

#[tokio::test(start_paused = true)]
async fn h04_the_breaker_opens_after_outages_and_lets_one_probe_through() {
    let world = World::new();
    let client = client_with_secret(&world).await.with_retry(never());
    world.fake.fault_for_ever(SECRET, How::Status(503, r#"{"errors":["Vault is sealed"]}"#));
    for _ in 0..5 {
        assert_eq!(password(&client).await.expect_err("503").reason(), Some(Reason::Sealed));
    }
    assert_eq!(client.breaker(), BreakerState::Open);
    let open = r#"vault_circuit_breaker_state{address="http://127.0.0.1:8200/",state="open"}"#;
    assert_eq!(world.metric(open), Some(1.0));
    for _ in 0..10 {
        assert!(matches!(password(&client).await.expect_err("open").fault(), Fault::CircuitOpen(_)));
    }
    assert_eq!(world.fake.count(SECRET), 5, "nothing was sent");
    // Whoever looks at Vault's health is not kept out.
    assert_eq!(client.health().await.err().and_then(|e| e.status()), Some(403));

    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(client.breaker(), BreakerState::HalfOpen);
    world.fake.mend();
    assert_eq!(password(&client).await.expect("the probe"), "hush");
    assert_eq!(client.breaker(), BreakerState::Closed);
    assert_eq!(world.metric(open), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn h04_refusals_do_not_open_the_breaker() {
    let world = World::new();
    let client = client_with_secret(&world).await.with_retry(never());
    world.fake.fault_for_ever(SECRET, How::Status(403, "{}"));
    for _ in 0..20 {
        assert!(password(&client).await.expect_err("403").is_forbidden());
    }
    assert_eq!(client.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn h04_an_engine_whose_database_is_away_keeps_no_other_secret_from_its_users() {
    let world = World::new();
    let client = client_with_secret(&world).await.with_retry(never());
    let away = r#"{"errors":["1 error occurred: connect: connection refused"]}"#;
    world.fake.fault_for_ever("database/creds", How::Status(500, away));
    for _ in 0..20 {
        let error = client.database_creds("database", "app").await.expect_err("500");
        assert_eq!(error.status(), Some(500));
        assert_eq!(password(&client).await.expect("it"), "hush");
    }
    for _ in 0..20 {
        client.database_creds("database", "app").await.expect_err("500");
    }
    assert_eq!(client.breaker(), BreakerState::Closed);
    // A standby that knows no active node, and a proxy that reaches none, say it of all.
    for (code, body) in [
        (500, r#"{"errors":["local node not active but active cluster node not found"]}"#),
        (502, "<html>bad gateway</html>"),
    ] {
        let world = World::new();
        let client = world.logged_in().await.with_retry(never());
        world.fake.fault_for_ever("database/creds", How::Status(code, body));
        for _ in 0..5 {
            client.database_creds("database", "app").await.expect_err("it failed");
        }
        assert_eq!(client.breaker(), BreakerState::Open, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn h05_one_redirect_is_followed_with_method_body_and_token() {
    for status in [301, 302, 307, 308] {
        let world = World::new();
        let client = world.logged_in().await;
        let to = "http://127.0.0.2:8200/v1/secret/data/app".to_owned();
        world.fake.fault("secret/data/x", How::Redirect(status, to), 1);
        client.kv("secret").write("x", &json!({ "a": 1 }), None).await.expect("stored");
        let seen = world.fake.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].line(), "POST secret/data/app");
        assert_eq!(seen[1].body, seen[0].body);
        assert_eq!(seen[1].token, seen[0].token);
    }
}

#[tokio::test(start_paused = true)]
async fn h05_a_second_redirect_and_one_into_the_clear_are_refused() {
    let (twice, clear) =
        ("http://127.0.0.1:8200/v1/secret/data/app", "http://vault.example.org/v1/secret/data/app");
    for (to, why, attempts) in [
        (twice, "twice", 2),
        (clear, "to an address that is not allowed", 1),
        ("ftp://x/", "to an address that is not allowed", 1),
    ] {
        let world = World::new();
        let client = client_with_secret(&world).await;
        world.fake.fault_for_ever(SECRET, How::Redirect(307, to.to_owned()));
        let error = password(&client).await.expect_err("refused");
        assert_eq!(*error.fault(), Fault::Redirect(why));
        assert_eq!(world.fake.seen().len(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn h06_headers() {
    let world = World::with(|settings| settings.namespace = Some("team/a".to_owned()));
    world.fake.model(|model| model.put("app", json!({ "password": "hush" })));
    let client = approle("secret-id-1").log_in(&world.client).await.expect("a login").client;
    password(&client).await.expect("it");
    password(&client.in_namespace("other").expect("a name")).await.expect("it");
    let seen = world.fake.seen();
    let header =
        |n: usize, name: &str| seen[n].headers.get(name).map(|v| v.to_str().expect("ASCII").to_owned());
    assert_eq!(header(0, "x-vault-token"), None, "a login has no token");
    for (n, namespace) in [(0, "team/a"), (1, "team/a"), (2, "other")] {
        assert_eq!(header(n, "x-vault-request").as_deref(), Some("true"));
        assert_eq!(header(n, "x-vault-namespace").as_deref(), Some(namespace));
    }
    assert_eq!(header(1, "x-vault-token").as_deref(), Some("hvs.token-1"));
}

#[tokio::test(start_paused = true)]
async fn h06_a_token_with_bytes_that_cannot_be_sent_is_refused() {
    let world = World::new();
    for bad in ["", "a b", "a\nX-Other: b", "tök", "a\u{7f}", "\ttoken"] {
        let refused: Result<Client, SourceError> = world.client.with_token(SecretString::from(bad));
        let refused = refused.expect_err(bad).to_string();
        assert!(bad.is_empty() || !refused.contains(bad), "{refused}");
    }
    assert!(world.client.in_namespace("a\r\nb").is_err());
    assert!(world.fake.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_path_cannot_leave_its_mount() {
    let world = World::new();
    let client = world.logged_in().await;
    for bad in ["../sys/seal", "a//b", "a/./b", "a\nb"] {
        let error = client.kv("secret").read(bad).await.expect_err(bad);
        assert!(matches!(error.fault(), Fault::Input(_)), "{error}");
    }
    assert!(world.fake.seen().is_empty());
    client.kv("secret").read("a?b#c%2f d").await.expect("an answer");
    assert_eq!(world.fake.seen()[0].path, "secret/data/a%3Fb%23c%252f%20d");
}

#[tokio::test(start_paused = true)]
async fn h08_kv_reads_writes_and_patches_with_check_and_set() {
    let world = World::new();
    let client = world.logged_in().await;
    let kv = client.kv("secret");
    assert!(matches!(kv.read("app").await.expect("an answer"), KvRead::Absent));
    assert_eq!(kv.write("app", &json!({ "user": "u", "password": "p" }), Some(0)).await.expect("stored"), 1);
    let error = kv.write("app", &json!({}), Some(0)).await.expect_err("another version");
    assert_eq!(error.reason(), Some(Reason::CasMismatch));
    assert_eq!(kv.patch("app", &json!({ "password": "q" }), Some(1)).await.expect("stored"), 2);
    let patch = world.fake.seen().last().expect("it").clone();
    assert_eq!(patch.line(), "PATCH secret/data/app");
    assert_eq!(patch.headers["content-type"], "application/merge-patch+json");
    let KvRead::Found(found) = kv.read("app").await.expect("an answer") else { panic!("it is there") };
    assert_eq!(found.version, 2);
    assert_eq!(found.secrets.text("password").expect("it").expose_secret(), "q");
    assert_eq!(found.secrets.text("user").expect("it").expose_secret(), "u");

    world.fake.model(|model| model.kv.insert("app".to_owned(), (3, json!(null))));
    assert!(matches!(kv.read("app").await.expect("an answer"), KvRead::Deleted { version: 3 }));
    world.fake.fault(SECRET, How::Status(404, "<html>not here</html>"), 1);
    assert_eq!(kv.read("app").await.expect_err("a proxy's word").status(), Some(404));
    world.fake.fault(
        SECRET,
        How::Status(404, r#"{"errors":["no handler for route \"secret/data/app\""]}"#),
        1,
    );
    assert_eq!(kv.read("app").await.expect_err("no mount").reason(), Some(Reason::NoSuchMount));
}

#[tokio::test(start_paused = true)]
async fn h09_what_a_login_needs_is_read_at_each_login() {
    let world = World::new();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let source = std::sync::Arc::new(svidgate_vault::FromFile(file.path().to_owned()));
    let login = Login::new(Method::Kubernetes { role: "app".to_owned(), token: source });
    for jwt in ["first", "second"] {
        std::fs::write(file.path(), format!("{jwt}\n")).expect("written");
        login.log_in(&world.client).await.expect("a login");
        let seen = world.fake.seen().last().expect("it").clone();
        assert_eq!(seen.line(), "POST auth/kubernetes/login");
        assert_eq!(seen.body, json!({ "role": "app", "jwt": jwt }));
    }
    std::fs::write(file.path(), "").expect("written");
    let error = login.log_in(&world.client).await.expect_err("empty");
    assert!(matches!(error.fault(), Fault::Source(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn h09_a_jwt_svid_is_fetched_for_each_login() {
    let world = World::new();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let source = svidgate_vault::FromFn::new("a JWT-SVID for vault.example.org", move || {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        async move { Ok(SecretString::from(format!("svid-{n}"))) }
    });
    let method = Method::Jwt { role: None, token: std::sync::Arc::new(source) };
    let login = Login { mount: Some("spiffe".to_owned()), method };
    for n in 1..=2 {
        login.log_in(&world.client).await.expect("a login");
        let seen = world.fake.seen().last().expect("it").clone();
        assert_eq!(seen.line(), "POST auth/spiffe/login");
        assert_eq!(seen.body, json!({ "jwt": format!("svid-{n}") }));
    }
}

#[tokio::test(start_paused = true)]
async fn h10_a_call_ends_at_its_timeout() {
    let world = World::with(|settings| settings.request_timeout = Duration::from_secs(4));
    let client = client_with_secret(&world).await.with_retry(never());
    world.fake.fault(SECRET, How::Stuck, 1);
    let start = Instant::now();
    let error = password(&client).await.expect_err("late");
    assert_eq!(*error.fault(), Fault::Timeout(Duration::from_secs(4)));
    assert_eq!(start.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_not_held() {
    let world = World::with(|settings| settings.max_answer_bytes = 1000);
    let client = client_with_secret(&world).await;
    world.fake.fault(SECRET, How::Huge(1001), 1);
    assert_eq!(*password(&client).await.expect_err("large").fault(), Fault::TooLarge { limit: 1000 });
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_operation_and_status() {
    let world = World::new();
    let client = client_with_secret(&world).await;
    world.fake.fault(SECRET, How::Stuck, 1);
    world.fake.fault(SECRET, How::Status(503, "{}"), 1);
    password(&client).await.expect("the third attempt");
    let requests = |operation: &str, status: &str| {
        world.metric(&format!(r#"vault_requests_total{{operation="{operation}",status="{status}"}}"#))
    };
    assert_eq!(requests("login", "200"), Some(1.0));
    assert_eq!(requests("kv_read", "timeout"), Some(1.0));
    assert_eq!(requests("kv_read", "503"), Some(1.0));
    assert_eq!(requests("kv_read", "200"), Some(1.0));
    let durations = r#"vault_request_duration_seconds_count{operation="kv_read"}"#;
    assert_eq!(world.metric(durations), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn v16_no_secret_is_in_an_error_or_in_debug_output() {
    let world = World::new();
    let client = client_with_secret(&world).await.with_retry(never());
    world.fake.fault(SECRET, How::Status(500, r#"{"errors":["1 error: password=hush for hvs.token-1"]}"#), 1);
    let error = password(&client).await.expect_err("500");
    let creds = client.database_creds("database", "app").await.expect("credentials");
    let value = client.kv("secret").read("app").await.expect("it");
    let login = approle("secret-id-1");
    let logged_in = login.log_in(&world.client).await.expect("a login");
    let jwt = Login::new(Method::Jwt { role: None, token: fixed("jwt-of-ours") });
    let all = format!("{error} {error:?} {client:?} {creds:?} {value:?} {login:?} {logged_in:?} {jwt:?}");
    for secret in ["hush", "hvs.", "v-password", "v-user", "secret-id-1", "jwt-of-ours"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    let said = error.vault_said().expect("its words").expose_secret().to_owned();
    assert!(said.contains("hush"), "who asks on purpose gets them");
}

#[test]
fn fake_is_send() {
    fn check<T: Send + Sync>() {}
    check::<Fake>();
    check::<Client>();
}
