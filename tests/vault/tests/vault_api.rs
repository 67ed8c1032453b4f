//! The client on a real OpenBao, over TLS: KV v2, PKI, namespaces, tokens, leases.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use svidgate_vault::{
    CertificateRequest, Client, ConnectFault, Fault, Health, Key, KvRead, Login, Method, Reason, Spec, Vault,
};
use svidgate_vault_tests::{Setup, fixed, next, text, timing, until};

async fn logged_in(setup: &Setup) -> Client {
    setup.approle("1h", "2h").log_in(&setup.client().await).await.expect("approle").client
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_h06_tls_names_authorities_tokens_and_leases() {
    let setup = Setup::with_database();
    setup.dynamic_role("1h", "2h");
    let client = setup.client().await;
    assert_eq!(client.health().await.expect("an answer"), Health::Active);

    // The name in the certificate counts, and whom it is from.
    let other =
        setup.client_with(|settings| settings.tls.server_name = Some("other.example.org".to_owned())).await;
    let error = other.health().await.expect_err("another name");
    assert!(matches!(error.fault(), Fault::Connect(ConnectFault::Tls(_))), "{error}");
    let other = setup.client_with(|settings| settings.tls.server_name = None).await;
    assert!(other.health().await.is_err(), "the certificate does not bear the address");
    let other = setup.client_with(|settings| settings.tls.ca_file = None).await;
    let error = other.health().await.expect_err("no authority of the system's");
    assert!(matches!(error.fault(), Fault::Connect(ConnectFault::Tls(_))), "{error}");

    // A token of one's own, looked up, renewed, revoked.
    let logged_in = setup.approle("1h", "2h").log_in(&client).await.expect("approle");
    assert_eq!(logged_in.lasts, Some(Duration::from_secs(3600)));
    let info = logged_in.client.lookup_self().await.expect("known");
    assert!(info.renewable && info.ttl > 3500 && info.kind == "service", "{info:?}");
    assert_eq!(logged_in.client.renew_self(None).await.expect("renewed").lease_duration, 3600);

    // A lease: looked up, renewed, revoked.
    let leased = logged_in.client.database_creds("database", "app").await.expect("a user");
    let lease = leased.lease.expect("a lease");
    assert!(lease.renewable && lease.lasts == Duration::from_secs(3600), "{lease:?}");
    let renewed = logged_in.client.renew_lease(&lease.id, Duration::from_secs(60)).await.expect("renewed");
    assert!(renewed.lasts <= Duration::from_secs(3600), "{renewed:?}");
    let looked = logged_in.client.lookup_lease(&lease.id).await.expect("known");
    assert!(looked.lasts <= renewed.lasts, "{looked:?}");
    assert_eq!(setup.bao.leases("database/creds/app").len(), 1);
    logged_in.client.revoke_lease(&lease.id).await.expect("the policy lets it");
    assert!(setup.bao.leases("database/creds/app").is_empty());
    logged_in.client.database_creds("database", "app").await.expect("a user");
    logged_in.client.revoke_self().await.expect("revoked");
    until("the lease went with its token", 10, || setup.bao.leases("database/creds/app").is_empty()).await;
    assert!(logged_in.client.lookup_self().await.expect_err("revoked").is_forbidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_h14_kv_is_read_written_and_patched_with_check_and_set() {
    let setup = Setup::start();
    setup.bao.enable("mounts", "secret", &json!({ "type": "kv", "options": { "version": "2" } }));
    // An engine of version 2 takes requests a moment after it was made.
    let client = logged_in(&setup).await;
    let kv = client.kv("secret");
    assert!(matches!(kv.read("app").await.expect("an answer"), KvRead::Absent));

    let odd =
        json!({ "password": "pä$s\"w\\ö\nrd🔑%", "n": 12_345_678_901_234_567_u64, "f": 1.10, "b": true });
    assert_eq!(kv.write("app", &odd, Some(0)).await.expect("stored"), 1);
    let KvRead::Found(found) = kv.read("app").await.expect("an answer") else { panic!("it is there") };
    let member = |name: &str| found.secrets.text(name).expect(name).expose_secret().to_owned();
    // OpenBao itself keeps numbers as floating-point: what is beyond 53 bits is rounded by it, whoever sends it.
    let raw = setup.bao.read("secret/data/app");
    assert_eq!(raw["data"]["data"]["n"].to_string(), "12345678901234568");
    assert_eq!((member("n"), member("f")), ("12345678901234568".to_owned(), "1.1".to_owned()));
    assert_eq!(kv.write("app", &odd, Some(0)).await.expect_err("cas").reason(), Some(Reason::CasMismatch));
    assert_eq!(kv.patch("app", &json!({ "more": "1", "f": null }), Some(1)).await.expect("patched"), 2);
    assert_eq!(
        kv.patch("app", &json!({ "more": "2" }), Some(1)).await.expect_err("cas").reason(),
        Some(Reason::CasMismatch)
    );
    let KvRead::Found(found) = kv.read("app").await.expect("an answer") else { panic!("it is there") };
    let member = |name: &str| found.secrets.text(name).expect(name).expose_secret().to_owned();
    assert_eq!(member("password"), "pä$s\"w\\ö\nrd🔑%");
    assert_eq!(member("n"), "12345678901234568");
    assert_eq!((member("b"), member("more")), ("true".to_owned(), "1".to_owned()));
    assert_eq!((found.version, found.secrets.text("f").is_none()), (2, true));

    assert!(kv.read("../../sys/seal").await.is_err());
    setup.bao.delete("secret/data/app");
    assert!(matches!(kv.read("app").await.expect("an answer"), KvRead::Deleted { version: 2 }));
    assert!(client.kv("nothing-here").read("app").await.expect_err("no policy, no mount").is_forbidden());
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_namespaces_are_apart() {
    let setup = Setup::start();
    for name in ["one", "two"] {
        setup.bao.write(&format!("sys/namespaces/{name}"), &json!({}));
        setup.bao.write(
            &format!("{name}/sys/mounts/secret"),
            &json!({ "type": "kv", "options": { "version": "2" } }),
        );
    }
    let policy = r#"path "secret/data/*" { capabilities = ["read", "create", "update", "patch"] }"#;
    setup.bao.write("one/sys/policies/acl/app", &json!({ "policy": policy }));
    let made = setup.bao.write("one/auth/token/create", &json!({ "policies": ["app"] }));
    let token = made["auth"]["client_token"].as_str().expect("a token");

    let login = Login::new(Method::Token { token: fixed(token) });
    let settings_of = |namespace: &'static str| {
        setup.client_with(move |settings| settings.namespace = Some(namespace.to_owned()))
    };
    let one = login.log_in(&settings_of("one").await).await.expect("its own namespace").client;
    one.kv("secret").write("app", &json!({ "a": "1" }), None).await.expect("stored");
    let KvRead::Found(found) = one.kv("secret").read("app").await.expect("an answer") else {
        panic!("it is there")
    };
    assert_eq!(found.secrets.text("a").expect("a").expose_secret(), "1");

    let two = one.in_namespace("two").expect("a name");
    assert!(two.kv("secret").read("app").await.expect_err("the token is of another").is_forbidden());
    let none = setup.client().await.with_token(SecretString::from(token)).expect("a token");
    assert!(none.kv("secret").read("app").await.is_err(), "the root namespace has no such mount");
    assert!(none.kv("one/secret").read("app").await.is_ok(), "a path says it as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_pki_issues_and_signs_and_certificates_are_replaced_in_time() {
    let setup = Setup::start();
    let bao = &setup.bao;
    bao.enable("mounts", "pki", &json!({ "type": "pki" }));
    bao.write("pki/root/generate/internal", &json!({ "common_name": "root", "ttl": "24h" }));
    let role = json!({
        "allow_any_name": true,
        "allowed_uri_sans": ["spiffe://example.org/*"],
        "key_type": "ec",
        "key_bits": 256,
        "max_ttl": "1h",
    });
    bao.write("pki/roles/app", &role);
    let login = setup.approle("1h", "2h");
    let vault = Vault::start(&setup.client().await, login, timing());
    for (name, key) in [("ours", Key::Ours), ("vaults", Key::Vaults)] {
        let request = CertificateRequest {
            common_name: "app.example.org".to_owned(),
            dns_names: vec!["app.example.org".to_owned()],
            uris: vec!["spiffe://example.org/app".to_owned()],
            ttl: Some(Duration::from_secs(10)),
            ..CertificateRequest::default()
        };
        let spec = Spec::Pki { mount: "pki".to_owned(), role: "app".to_owned(), request, key };
        let mut channel = vault.keep(name, spec).expect("a free name");
        let first = next("a certificate", 30, &mut channel).await;
        // Certificate and key are of one kind, and rustls takes them as a pair.
        let chain =
            vec![CertificateDer::from_pem_slice(text(&first, "certificate").as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(text(&first, "private_key").as_bytes()).expect("PEM");
        let provider = rustls::crypto::ring::default_provider();
        rustls::sign::CertifiedKey::from_der(chain, key, &provider)
            .expect("they fit")
            .keys_match()
            .expect("so");
        assert!(text(&first, "issuing_ca").contains("BEGIN CERTIFICATE"));
        let serial = text(&first, "serial_number");
        let second = next("the next certificate", 30, &mut channel).await;
        assert!(first.remaining().is_some_and(|left| !left.is_zero()), "the first still lives");
        assert_ne!(text(&second, "serial_number"), serial, "replaced before its end");
        vault.drop_credential(name);
    }
    vault.shutdown().await;
}
