//! Every way to log in to a real OpenBao, with the real thing on the other side.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};
use spiffe::WorkloadApiClient;
use svidgate_tests::pki::{Authority, san_uri};
use svidgate_tests::{CLIENT_ID, Kubernetes, OTHER_ID, Spire, TrustSource as _};
use svidgate_vault::{FromFile, FromFn, Login, Method, SourceError, Spec, Vault};
use svidgate_vault_tests::{Setup, next, text, timing, until, within};
use tokio::task::block_in_place;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn h09_a_service_account_by_a_real_token_review() {
    let setup = Setup::start();
    let kubernetes = Kubernetes::start(setup.folder());
    for account in ["reviewer", "app", "other"] {
        kubernetes.service_account(account);
    }
    kubernetes.may_review_tokens("reviewer");
    let bao = &setup.bao;
    bao.enable("auth", "kubernetes", &json!({ "type": "kubernetes" }));
    bao.write(
        "auth/kubernetes/config",
        &json!({
            "kubernetes_host": kubernetes.address(),
            "kubernetes_ca_cert": kubernetes.ca(),
            "token_reviewer_jwt": kubernetes.token("reviewer", &[]),
        }),
    );
    bao.write(
        "auth/kubernetes/role/app",
        &json!({
            "bound_service_account_names": "app",
            "bound_service_account_namespaces": "default",
            "audience": "vault",
            "token_policies": "app",
        }),
    );
    let client = setup.client().await;
    let file = setup.file("token", &kubernetes.token("other", &["vault"]));
    let token = Arc::new(FromFile(file));
    let login = Login::new(Method::Kubernetes { role: "app".to_owned(), token });
    assert!(login.log_in(&client).await.expect_err("another account").is_forbidden());
    setup.file("token", &kubernetes.token("app", &["elsewhere"]));
    assert!(login.log_in(&client).await.is_err(), "a token for another audience");
    setup.file("token", &kubernetes.token("app", &["vault"]));
    let logged_in = login.log_in(&client).await.expect("the file was read again");
    assert!(logged_in.client.lookup_self().await.is_ok());
    // The API server is asked each time; it remembers a token that was good for ten seconds.
    kubernetes.delete_service_account("app");
    within("a token of an account that was deleted is refused", 60, async {
        while login.log_in(&client).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    assert!(login.log_in(&client).await.expect_err("deleted").is_forbidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_b10_a_jwt_svid_from_spire_for_vaults_audience() {
    let setup = Setup::start();
    let spire = block_in_place(|| Spire::launch(setup.folder()));
    let bao = &setup.bao;
    bao.enable("auth", "jwt", &json!({ "type": "jwt" }));
    let keys: Vec<String> = spire.jwt_authorities().iter().map(public_pem).collect();
    bao.write("auth/jwt/config", &json!({ "jwt_validation_pubkeys": keys }));
    bao.write(
        "auth/jwt/role/app",
        &json!({
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": [VAULT],
            "bound_subject": CLIENT_ID,
            "token_policies": "app",
        }),
    );
    let endpoint = format!("unix:{}", spire.socket().display());
    let login = |audience: &'static str, id: &'static str| {
        let endpoint = endpoint.clone();
        let token = FromFn::new("SPIRE", move || jwt_svid(endpoint.clone(), audience, id));
        Login::new(Method::Jwt { role: Some("app".to_owned()), token: Arc::new(token) })
    };
    let client = setup.client().await;
    let logged_in = login(VAULT, CLIENT_ID).log_in(&client).await.expect("a login");
    assert!(logged_in.client.lookup_self().await.is_ok());
    assert_eq!(
        login("elsewhere", CLIENT_ID).log_in(&client).await.expect_err("audience").status(),
        Some(400)
    );
    assert_eq!(login(VAULT, OTHER_ID).log_in(&client).await.expect_err("subject").status(), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_an_x509_svid_from_spire_is_the_client_certificate() {
    let setup = Setup::start();
    setup.bao.enable("mounts", "secret", &json!({ "type": "kv", "options": { "version": "2" } }));
    let spire = block_in_place(|| Spire::launch(setup.folder()));
    // OpenBao names the caller by the certificate's common name, and SPIRE gives one to entries with a DNS name only.
    spire.register_with_name(NAMED_ID, "app.example.org");
    let login = cert_login(&setup, &spire.x509_authorities());
    let client = setup.client().await;
    let give = |id: &str| {
        let (chain, key) = spire.x509_svid(id);
        setup.file("client.pem", &chain);
        setup.file("client.key", &key);
    };
    give(CLIENT_ID);
    assert_eq!(login.log_in(&client).await.expect_err("another identity").status(), Some(400));
    give(NAMED_ID);
    let logged_in = login.log_in(&client).await.expect("a login");
    // OpenBao wants to see the certificate again.
    logged_in.client.renew_self(None).await.expect("renewed with the certificate");
    logged_in.client.kv("secret").write("app", &json!({ "a": "1" }), None).await.expect("stored");
}

/// As those who renew certificates do it: two files, one after the other, long before the token is due.
#[tokio::test(flavor = "multi_thread")]
async fn h07_h09_a_client_certificate_that_was_replaced_is_followed_while_the_token_lives() {
    let setup = Setup::start();
    setup.bao.enable("mounts", "secret", &json!({ "type": "kv", "options": { "version": "2" } }));
    setup.bao.write("secret/data/app", &json!({ "data": { "a": "1" } }));
    let authority = Authority::of("clients");
    let give = |label: &str, lives: u64| {
        let lives = Duration::from_secs(lives);
        let certificate = authority.issue_named(label, "app.example.org", &[san_uri(NAMED_ID)], lives);
        setup.file("client.pem", &certificate.pem());
        setup.file("client.key", &certificate.key_pem());
    };
    let first_lives = 15;
    let started = Instant::now();
    give("first", first_lives);
    let login = cert_login(&setup, &authority.pem());
    let vault = Vault::start(&setup.client().await, login, timing());
    let poll = Some(Duration::from_secs(1));
    let spec = Spec::Kv { mount: "secret".to_owned(), path: "app".to_owned(), poll };
    let mut channel = vault.keep("app", spec).expect("a free name");
    next("the secret", 10, &mut channel).await;
    give("second", 3600);
    until("a login with the second one", 10, || {
        assert!(vault.get("app").is_some(), "never without");
        vault.status().token.logins == 2
    })
    .await;
    assert!(started.elapsed().as_secs() < first_lives, "while the first one was good");
    // The certificate of the connection counts at each renewal: OpenBao would refuse the first one now.
    until("the first one has ended", 30, || started.elapsed().as_secs() > first_lives + 1).await;
    let client = vault.client().expect("logged in");
    client.renew_self(None).await.expect("renewed with the second one");
    setup.bao.write("secret/data/app", &json!({ "data": { "a": "2" } }));
    let second = next("a new version", 10, &mut channel).await;
    assert_eq!(text(&second, "a"), "2");
    let status = vault.status();
    assert!(status.is_healthy() && status.token.logins == 2, "{status:?}");
    let tokens = || setup.bao.list("auth/token/accessors").len();
    // The test's own, and one.
    until("the first token is revoked", 20, || tokens() == 2).await;
    vault.shutdown().await;
    assert_eq!(tokens(), 1);
}

fn cert_login(setup: &Setup, authorities: &str) -> Login {
    setup.bao.enable("auth", "cert", &json!({ "type": "cert" }));
    setup.bao.write(
        "auth/cert/certs/app",
        &json!({
            "certificate": authorities,
            "allowed_uri_sans": NAMED_ID,
            "token_policies": "app",
            "token_ttl": "1h",
        }),
    );
    Login::new(Method::Cert {
        role: Some("app".to_owned()),
        certificate: setup.folder().join("client.pem"),
        key: setup.folder().join("client.key"),
    })
}

async fn jwt_svid(endpoint: String, audience: &str, id: &str) -> Result<SecretString, SourceError> {
    let failed = |error: String| SourceError::new(format!("SPIRE: {error}"));
    let client = WorkloadApiClient::connect_to(&endpoint).await.map_err(|e| failed(e.to_string()))?;
    let id = id.parse().expect("a SPIFFE ID");
    let svid = client.fetch_jwt_svid(&[audience], Some(&id)).await.map_err(|e| failed(e.to_string()))?;
    Ok(SecretString::from(svid.token()))
}

/// A P-256 JWK as OpenBao reads it: `SubjectPublicKeyInfo` in PEM (RFC 5480).
fn public_pem(jwk: &Value) -> String {
    assert_eq!(jwk["crv"], "P-256", "what SPIRE makes unless told otherwise");
    let coordinate =
        |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a coordinate")).expect("base64url");
    let head = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let der = [&head[..], &coordinate("x"), &coordinate("y")].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

const NAMED_ID: &str = "spiffe://example.org/named";
const VAULT: &str = "https://vault.example.org";
