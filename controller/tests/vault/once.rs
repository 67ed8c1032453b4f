//! An init container.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::{DB, Setup, uri};

#[tokio::test(flavor = "multi_thread")]
async fn once_writes_every_file_leaves_the_leases_and_ends() {
    let setup = Setup::new().await;
    setup
        .vault
        .model(|model| model.put("app/kafka", json!({"username": "u", "password": "p\"w", "other": "x"})));
    let settings = setup.settings(
        "  at_shutdown: revoke",
        "secrets:
  db: {database: {role: app}}
  kafka: {kv: {path: app/kafka, fields: [username, password]}}
files:
- path: DIR/db.uri
  postgres_uri: {secret: db, host: pg.test, database: app}
  hook: {command: [/bin/sh, -c, 'touch DIR/hooked'], on_first_write: true}
- folder: DIR/conf
  contents:
    client.properties: {kafka_client: {secret: kafka}}
    bundle.json: {template: '{{ bundles[\"example.org\"].jwt }}', mode: '0644'}",
    );
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    assert_eq!(setup.read("db.uri").unwrap(), uri(1));
    assert_eq!(std::fs::metadata(setup.path("db.uri")).unwrap().permissions().mode() & 0o7777, 0o600);
    let kafka = setup.read("conf/client.properties").unwrap();
    assert!(kafka.ends_with("password=\"p\\\\\"w\";\n"), "{kafka}");
    assert!(setup.read("conf/bundle.json").unwrap().contains("\"kid\":\"a\""));
    assert!(!setup.path("hooked").exists(), "nobody reads it yet");
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 0, "it is used from now on");
    assert!(setup.vault.model(|model| model.leases.contains_key("database/creds/app/1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_what_is_missing_at_the_deadline() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.forbidden = vec!["database/creds/app".to_owned()]);
    let settings = setup.settings("", DB);
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(1));
    let log = setup.read("log").unwrap();
    assert!(log.contains("not every file was written within 2s"), "{log}");
    assert!(log.contains("db.uri: waits for secret db"), "{log}");
    assert!(log.contains("secret db: database_creds: Vault answered 403 (permission denied)"), "{log}");
    assert!(setup.read("db.uri").is_none());

    std::fs::remove_file(setup.path("log")).unwrap();
    setup.vault.model(|model| model.sealed = true);
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(1));
    let log = setup.read("log").unwrap();
    assert!(
        log.contains("not logged in to Vault at http://127.0.0.1") && log.contains("503 (sealed)"),
        "{log}"
    );
    let without = setup.settings("", "secrets: {db: {database: {role: app}}}");
    assert_eq!(setup.once(&without, "2s").await.code(), Some(64));
}
