//! What is told of Vault and of secrets.

use hyper::StatusCode;
use serde_json::json;

use crate::fake::How;
use crate::support::eventually;
use crate::{DB, Setup, uri};

#[tokio::test(flavor = "multi_thread")]
async fn h10_without_vault_the_start_waits_and_bundles_are_served_all_the_same() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.sealed = true);
    let settings = setup.settings("", DB);
    let controller = setup.start(&settings, &[]).await;
    eventually("bundles are served", || async {
        controller.get("/v1/snapshot?wait=0").await.status == StatusCode::OK
    })
    .await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unhealthy")), "{health}");
    assert_eq!(health["checks"]["vault"]["status"], "unhealthy");
    assert_eq!(health["checks"]["vault"]["enabled"], true);
    assert_eq!(controller.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(controller.get("/livez").await.status, StatusCode::OK);
    assert!(setup.read("db.uri").is_none());
    let opened =
        || async { controller.health().await.1["checks"]["vault"]["circuit_breaker_state"] == "open" };
    eventually("the breaker opens", opened).await;
    setup.vault.model(|model| model.sealed = false);
    eventually("it is ready", || async { controller.get("/readyz").await.status == StatusCode::OK }).await;
    eventually("the file is written", || async { setup.read("db.uri") == Some(uri(1)) }).await;
    let (code, health) = controller.health().await;
    assert_eq!(
        (code, &health["checks"]["vault"]["circuit_breaker_state"]),
        (StatusCode::OK, &json!("closed"))
    );
    assert!(controller.end().await.success());
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 0, "leases are left by default");
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_uses_static_values_loudly_until_vault_is_back() {
    let setup = Setup::new().await;
    setup.vault.fault_for_ever("", How::Status(503, "{}"));
    let settings = setup.settings(
        "  fail_open: true",
        &DB.replace(
            "role: app}",
            "role: app}, fallback: {environment: {username: DEV_USER, password: DEV_PASSWORD}}",
        ),
    );
    let controller = setup.start(&settings, &[("DEV_USER", "dev"), ("DEV_PASSWORD", "dev-hush")]).await;
    let fixed = "postgresql://dev:dev-hush@pg.test:5432/app\n";
    eventually("the static value is written", || async { setup.read("db.uri").as_deref() == Some(fixed) })
        .await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("healthy")), "{health}");
    assert_eq!(health["checks"]["vault"]["status"], "unhealthy", "what is true is shown");
    assert_eq!(health["checks"]["vault"]["secrets"]["db"]["static"], true);
    assert_eq!(controller.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(controller.metric("svidgate_fail_open{secret=\"db\"}").await, Some(1.0));
    let log = controller.log();
    assert!(log.contains("FAIL OPEN") && !log.contains("dev-hush"), "{log}");
    setup.vault.mend();
    eventually("Vault's value is written", || async { setup.read("db.uri") == Some(uri(1)) }).await;
    assert_eq!(controller.metric("svidgate_fail_open{secret=\"db\"}").await, Some(0.0));
    assert!(controller.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_a_version_without_a_field_replaces_no_good_one() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.put("app/redis", json!({"password": "one"})));
    let settings = setup.settings(
        "",
        "secrets: {redis: {kv: {path: app/redis, fields: [password], poll: 1s}}}
files: [{path: DIR/redis.uri, redis_uri: {secret: redis, host: r.test, tls: false}}]",
    );
    let controller = setup.start(&settings, &[]).await;
    let is = |text: &'static str| {
        let setup = &setup;
        move || async move { setup.read("redis.uri").as_deref() == Some(text) }
    };
    eventually("the first version is written", is("redis://:one@r.test:6379/0\n")).await;
    setup.vault.model(|model| model.put("app/redis", json!({"pasword": "two"})));
    let shown =
        || async { controller.health().await.1["checks"]["vault"]["secrets"]["redis"]["error"].is_string() };
    eventually("the bad version shows", shown).await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("degraded")), "{health}");
    assert!(health.to_string().contains("version 2 has no field `password`"), "{health}");
    assert_eq!(setup.read("redis.uri").as_deref(), Some("redis://:one@r.test:6379/0\n"));
    setup.vault.model(|model| model.put("app/redis", json!({"password": "three"})));
    eventually("the next good one is written", is("redis://:three@r.test:6379/0\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_a_secret_whose_first_version_is_not_taken_is_missing() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.put("app/redis", json!({"pasword": "one"})));
    let settings = setup.settings(
        "",
        "secrets: {redis: {kv: {path: app/redis, fields: [password], poll: 1s}}}
files: [{path: DIR/redis.uri, redis_uri: {secret: redis, host: r.test}}]",
    );
    let controller = setup.start(&settings, &[]).await;
    let shown =
        || async { controller.health().await.1["checks"]["vault"]["secrets"]["redis"]["error"].is_string() };
    eventually("what is wrong shows", shown).await;
    let (code, health) = controller.health().await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{health}");
    assert_eq!(health["checks"]["vault"]["secrets"]["redis"]["available"], false, "{health}");
    assert_eq!(controller.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    setup.vault.model(|model| model.put("app/redis", json!({"password": "two"})));
    let ready = || async { controller.get("/readyz").await.status == StatusCode::OK };
    eventually("it is ready with a good one", ready).await;
}
