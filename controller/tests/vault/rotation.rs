//! From a rotation to its reader.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::support::eventually;
use crate::{Setup, uri};

/// 20 s of life, of which 4 pass before the next one is fetched, because renewals do not extend it.
fn short_lives(setup: &Setup) {
    let life = Duration::from_secs(20);
    setup.vault.model(|model| (model.lease_ttl, model.lease_max) = (life, life));
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_h13_a_rotation_reaches_the_file_then_the_reader_and_only_then_the_old_lease_ends() {
    let setup = Setup::new().await;
    short_lives(&setup);
    let settings = setup.settings(
        "  renew_at: 0.2\n  grace: 1s\n  at_shutdown: revoke",
        "secrets: {db: {database: {role: app}}}
files:
- path: DIR/db.uri
  postgres_uri: {secret: db, host: pg.test, database: app}
  hook: {command: [/bin/sh, -c, 'test -e DIR/allow && cat $SVIDGATE_FILE >> DIR/seen']}",
    );
    let controller = setup.start(&settings, &[]).await;
    let has = |number| {
        let setup = &setup;
        move || async move { setup.read("db.uri") == Some(uri(number)) }
    };
    eventually("the first credential is written", has(1)).await;
    assert!(!setup.path(".db.uri.svidgate-hook-due").exists());
    // Its reader cannot be told of the second one.
    eventually("the second one is written", has(2)).await;
    let file = setup.path("db.uri").display().to_string();
    let failures = format!("svidgate_file_hook_runs_total{{file=\"{file}\",status=\"error\"}}");
    eventually("the hook fails again and again", || async {
        controller.metric(&failures).await >= Some(2.0)
    })
    .await;
    assert!(setup.path(".db.uri.svidgate-hook-due").exists(), "a restart would know that it is due");
    let lives = |number: u32| {
        setup.vault.model(|model| model.leases.contains_key(&format!("database/creds/app/{number}")))
    };
    assert!(lives(1), "the reader works with it");
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("degraded")), "{health}");
    assert!(
        health["checks"]["files"]["files"][&file].as_str().unwrap().contains("its hook fails"),
        "{health}"
    );

    std::fs::write(setup.path("allow"), "").unwrap();
    eventually("the reader was told", || async { setup.read("seen").is_some() }).await;
    eventually("the first lease is revoked", || async { !lives(1) }).await;
    let revoked = setup.vault.seen().into_iter().filter(|seen| seen.path == "sys/leases/revoke").count();
    assert!(revoked >= 1, "it did not end by itself");
    let first = setup.read("seen").unwrap();
    assert!(!first.contains("v-user-1:"), "{first}");
    let healthy = || async { controller.health().await.1["checks"]["files"]["status"] == "healthy" };
    eventually("all is well", healthy).await;
    assert!(!setup.path(".db.uri.svidgate-hook-due").exists());

    let shown = [
        controller.get("/health").await.text(),
        controller.get("/metrics").await.text(),
        controller.get("/status").await.text(),
        controller.log(),
    ];
    for text in &shown {
        assert!(
            !text.contains("v-password") && !text.contains("hvs.") && !text.contains("secret-id-1"),
            "{text}"
        );
    }
    for name in [
        "vault_requests_total{operation=\"database_creds\",status=\"200\"}",
        "vault_request_duration_seconds_count{operation=\"login\"}",
        "vault_credential_expiry_seconds{credential=\"db\"}",
        "vault_circuit_breaker_state{address=",
        "svidgate_credentials_fetched_total{credential_type=\"database\",status=\"success\"}",
        "svidgate_renewal_task_runs_total{status=\"success\"}",
        "svidgate_file_writes_total{file=",
        "svidgate_file_current{file=",
        "svidgate_fail_open{secret=\"db\"} 0",
        "svidgate_revisions_total",
    ] {
        assert!(shown[1].contains(name), "{name}: {}", shown[1]);
    }
    assert!(controller.end().await.success());
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 1, "as the settings say");
}

#[tokio::test(flavor = "multi_thread")]
async fn h07_a_credential_of_filters_outlives_its_replacement_whatever_the_grace_is() {
    let setup = Setup::new().await;
    short_lives(&setup);
    let key = setup.path("key");
    std::fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = setup.settings(
        "  renew_at: 0.2\n  grace: 0s",
        "secrets: {db: {database: {role: app}}}
credential_keys: {edge: DIR/key}
credentials: {db: {secret: {name: db, field: password}, subscribers: [{uid: 0}]}}",
    );
    let _controller = setup.start(&settings, &[]).await;
    let made = |count| {
        let setup = &setup;
        move || async move { setup.vault.count("database/creds") >= count }
    };
    eventually("there is one", made(1)).await;
    eventually("there is another one", made(2)).await;
    let since = tokio::time::Instant::now();
    let revoked = || async { setup.vault.count("sys/leases/revoke") >= 1 };
    eventually("the first one is revoked", revoked).await;
    assert!(since.elapsed() > Duration::from_secs(5), "an Envoy may have had it: {:?}", since.elapsed());
}
