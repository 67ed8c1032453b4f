//! SVIDs: to log in with, and in files.

use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use svidgate_controller::dev::{Options, TrustDomainServer};
use svidgate_jwt_svid::SpiffeId;

use crate::support::eventually;
use crate::{DB, Setup};

/// A trust domain whose SVIDs live for `ttl`, on `dev.sock` in the folder.
async fn trust_domain(setup: &Setup, ttl: Duration) -> TrustDomainServer {
    let id = SpiffeId::parse("spiffe://example.org/app").unwrap();
    let mut options = Options::new(&id, &setup.path("dev.sock"));
    options.settings.ttl = ttl;
    TrustDomainServer::start(options).await.unwrap()
}

fn with_dev(settings: &Path) {
    let text = std::fs::read_to_string(settings).unwrap();
    std::fs::write(settings, text.replace("agent.sock", "dev.sock")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_workload_api_files_are_written_and_filters_are_told_that_there_are_no_bundles() {
    let setup = Setup::new().await;
    let settings = setup.settings("", DB);
    let text = std::fs::read_to_string(&settings).unwrap();
    let (agent, text) = text.split_once('\n').unwrap();
    assert!(agent.starts_with("workload_api:"), "{agent}");
    std::fs::write(&settings, text).unwrap();
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    std::fs::remove_file(setup.path("db.uri")).unwrap();
    let controller = setup.start(&settings, &[]).await;
    eventually("it is ready", || async { controller.get("/readyz").await.status == StatusCode::OK }).await;
    eventually("the file is written", || async { setup.read("db.uri").is_some() }).await;
    let is_healthy = || async { controller.health().await.1["status"] == "healthy" };
    eventually("all is well", is_healthy).await;
    assert_eq!(controller.health().await.1["checks"]["workload_api"]["status"], "disabled");
    let status: Value = serde_json::from_slice(&controller.get("/status").await.body).unwrap();
    assert_eq!(status["workload_api"]["phase"], "off");
    let snapshot = controller.get("/v1/snapshot?wait=0").await;
    assert_eq!(snapshot.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(snapshot.text().contains("no workload_api.socket is configured"), "{}", snapshot.text());
    assert!(controller.end().await.success());

    // What a template in a file takes is known at the start only.
    std::fs::write(setup.path("svid.tmpl"), "{{ svid.bundle }}").unwrap();
    let file = setup.path("svid.tmpl").display().to_string();
    std::fs::write(
        &settings,
        text.replace("files: [", &format!("files: [{{path: {file}.out, template_file: {file}}}, ")),
    )
    .unwrap();
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(64));
    let log = setup.read("log").unwrap();
    assert!(log.contains("uses `svid` or `bundles`, for which workload_api.socket is required"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_the_login_takes_a_jwt_svid_for_vaults_audience_or_one_by_environment() {
    let setup = Setup::new().await;
    let _dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let settings = setup.settings_with("{jwt: {audience: vault.test, role: app, mount: spire}}", "", DB);
    with_dev(&settings);
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    let login = setup.vault.seen().into_iter().find(|seen| seen.path == "auth/spire/login").unwrap();
    assert_eq!(login.body["role"], "app");
    let token = login.body["jwt"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(["vault.test"]), &json!("spiffe://example.org/app"))
    );

    let login = "{approle: {role_id: {environment: MY_ROLE}, secret_id: {environment: MY_SECRET}}}";
    let settings = setup.settings_with(login, "", DB);
    let mut command = setup.command(&settings, &["--once", "--deadline", "60s"]);
    command.env("MY_ROLE", "r").env("MY_SECRET", "secret-id-1");
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    assert!(status.success(), "{:?}", setup.read("log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_x509_svids_reach_a_folder_with_their_own_key_and_rotate() {
    let setup = Setup::new().await;
    let dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let settings = setup.settings(
        "",
        "files:
- folder: DIR/tls
  contents:
    tls.crt: {x509: {part: certificate}, mode: '0644'}
    tls.key: {x509: {part: private_key}}
    ca.crt: {x509: {part: bundle}}
    id: {template: '{{ svid.spiffe_id }}'}
  hook: {command: [/bin/sh, -c, 'cat $SVIDGATE_FILE/tls.crt >> DIR/seen']}",
    );
    // No Vault at all.
    let text = std::fs::read_to_string(&settings).unwrap();
    let (start, end) = (text.find("vault:").unwrap(), text.find("files:").unwrap());
    std::fs::write(&settings, [text.get(..start).unwrap(), text.get(end..).unwrap()].concat()).unwrap();
    with_dev(&settings);
    let controller = setup.start(&settings, &[]).await;
    eventually("the SVID is written", || async { setup.path("tls/tls.key").exists() }).await;
    assert_eq!(setup.read("tls/id").unwrap(), "spiffe://example.org/app");
    let (_, health) = controller.health().await;
    assert_eq!(
        health["checks"]["vault"],
        json!({"status": "disabled", "enabled": false, "circuit_breaker_state": null})
    );
    // Another agent with another authority; every state that a reader may find has a key that fits.
    let first = setup.read("tls/ca.crt").unwrap();
    dev.shutdown().await;
    let _dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let rotated = || async {
        let state = setup.path("tls").join(std::fs::read_link(setup.path("tls/..data")).unwrap());
        let read = |name: &str| std::fs::read_to_string(state.join(name));
        if let (Ok(certificate), Ok(key)) = (read("tls.crt"), read("tls.key")) {
            let pem = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap().1;
            let certificate = pem.parse_x509().unwrap();
            let key = rcgen::KeyPair::from_pem(&key).unwrap();
            let public = key.public_key_raw();
            assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), public);
        }
        let told = setup.read("seen").is_some_and(|seen| seen.contains("BEGIN CERTIFICATE"));
        told && setup.read("tls/ca.crt").is_some_and(|authority| authority != first)
    };
    eventually("the next one was written and told", rotated).await;
    assert!(!controller.log().contains("PRIVATE KEY"));
    assert!(controller.end().await.success());
}
