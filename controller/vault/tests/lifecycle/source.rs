//! Where a login takes what it sends.

use std::sync::Arc;

use secrecy::SecretString;
use svidgate_vault::{FromFn, Login, Method, Vault};

use crate::fake::world::{World, approle, database, next, text};
use crate::fake::{self, pass};
use crate::{s, started, timing};

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
async fn h09_other_authorities_are_followed_with_a_new_login_and_broken_ones_are_not() {
    let authority = || {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().expect("a key")).expect("a certificate").pem()
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), authority()).expect("written");
    let world = World::with(|settings| settings.tls.ca_file = Some(file.path().to_owned()));
    let (_vault, mut channel) = started(&world, timing()).await;
    for text in ["", "half of a"] {
        std::fs::write(file.path(), text).expect("written");
        pass(s(20)).await;
    }
    assert_eq!(world.fake.count("auth/approle/login"), 1);
    std::fs::write(file.path(), authority()).expect("written");
    tokio::time::timeout(s(10), next(&mut channel)).await.expect("soon after the change");
    assert_eq!(world.fake.count("auth/approle/login"), 2);
    pass(s(40)).await;
    assert_eq!(world.fake.count("auth/token/revoke-self"), 1, "the old one goes as always");
}
