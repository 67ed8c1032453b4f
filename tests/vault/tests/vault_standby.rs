//! Three OpenBaos that are one: what the client sees of members that are not active, and of the active one's end.
//! docs/vault-faults.md has the table.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use svidgate_vault::{Health, Metrics, Settings};
use svidgate_vault_tests::{Case, Setup, Trouble, until};

#[tokio::test(flavor = "multi_thread")]
async fn h03_a_standby_passes_requests_on_and_says_what_it_is() {
    let mut case = on_a_standby("8s").await;
    let settings = Settings::new(&case.proxy.url()).expect("an address");
    let client = svidgate_vault::Client::new(settings, Metrics::default()).await.expect("a client");
    assert_eq!(client.health().await.expect("an answer"), Health::Standby);
    assert!(case.proxy.asked().iter().any(|asked| asked.status == 429), "as its health");
    case.comes_back().await;
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.without == Duration::ZERO, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h05_a_standby_that_may_not_pass_requests_on_redirects_to_the_active_one() {
    let mut case = on_a_standby("8s").await;
    case.proxy.make(Trouble::NoForwarding);
    let before = case.proxy.asked().len();
    case.comes_back().await;
    let redirected = case.proxy.asked().split_off(before);
    assert!(!redirected.is_empty() && redirected.iter().all(|asked| asked.status == 307), "{redirected:?}");
    case.proxy.make(Trouble::None);
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.without == Duration::ZERO, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h03_h04_the_active_one_ends_and_another_takes_over() {
    let mut case = on_a_standby("20s").await;
    case.setup.bao.kill_active();
    case.comes_back().await;
    until("the cluster is whole for its users", 60, || case.vault.status().is_healthy()).await;
    case.setup.bao.await_active();
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.without == Duration::ZERO, "{seen:?}");
}

/// The client knows one member only, and that is not the active one.
async fn on_a_standby(ttl: &str) -> Case {
    let setup = Setup::cluster_with_database();
    let standby = setup.bao.standby();
    Case::on(setup, &standby, ttl, false, |_| {}).await
}
