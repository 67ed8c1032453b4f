//! Faults of a real OpenBao and of the way to it: what the client does, and what a consumer sees that uses each credential
//! at once. docs/vault-faults.md has the table.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use svidgate_vault::{BreakerState, Health};
use svidgate_vault_tests::{Case, Trouble, until};
use tokio::time::{Instant, sleep};

#[tokio::test(flavor = "multi_thread")]
async fn h03_h04_sealed_and_unsealed() {
    let mut case = Case::start("8s", false, |_| {}).await;
    case.setup.bao.seal();
    let mut said = String::new();
    until("the failure is visible", 40, || {
        said = case.error();
        said.contains("sealed")
    })
    .await;
    case.is_withdrawn().await;
    until("the breaker opens", 60, || case.vault.status().breaker == BreakerState::Open).await;
    let open = format!("vault_circuit_breaker_state{{address=\"{}/\",state=\"open\"}} 1.0", case.proxy.url());
    until("metrics show it", 20, || case.metric(&open)).await;
    assert_eq!(case.setup.client().await.health().await.expect("an answer"), Health::Sealed);
    case.setup.bao.unseal();
    case.comes_back().await;
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.breaker_opened_and_closed(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_h07_restarted_with_its_storage_lost() {
    let mut case = Case::start("8s", false, |_| {}).await;
    case.setup.bao.lose_storage();
    // It answers, and knows nothing: no token, no login, no lease.
    case.is_withdrawn().await;
    assert!(case.proxy.count("POST auth/approle/login") <= 20, "{:?}", case.proxy.asked());
    // A login that came while half of it is restored would be refused with 400, which is final.
    case.proxy.make(Trouble::Refuse);
    case.setup.restore("8s", "8s");
    case.proxy.make(Trouble::None);
    case.comes_back().await;
    assert_eq!(case.vault.status().token.logins, 2);
    let seen = case.end().await;
    assert!(seen.refused.is_empty(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_token_that_is_revoked_under_us() {
    let mut case = Case::start("1h", true, |_| {}).await;
    let revoked = Instant::now();
    case.setup.bao.write("sys/leases/revoke-prefix/auth/approle", &serde_json::json!({}));
    case.comes_back().await;
    // The user went with the token. Whoever is refused says so, and there is another one at once.
    let took = revoked.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(case.vault.status().token.logins, 2);
    let seen = case.end().await;
    assert!(seen.refused.iter().all(|revision| *revision == 1), "{seen:?}");
    assert_eq!(seen.without, Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_answers_that_take_five_seconds() {
    let mut case = Case::start("1m", false, |_| {}).await;
    case.proxy.make(Trouble::Slow(Duration::from_secs(5)));
    case.comes_back().await;
    case.proxy.make(Trouble::None);
    let seen = case.end().await;
    assert!(seen.refused.is_empty(), "{seen:?}");
    assert_eq!((seen.without, seen.breaker), (Duration::ZERO, vec![BreakerState::Closed]));
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_h10_answers_that_take_longer_than_a_request_may() {
    let mut case =
        Case::start("8s", false, |settings| settings.request_timeout = Duration::from_secs(2)).await;
    case.proxy.make(Trouble::Slow(Duration::from_secs(5)));
    case.is_withdrawn().await;
    until("the breaker opens", 60, || case.vault.status().breaker == BreakerState::Open).await;
    case.proxy.make(Trouble::None);
    case.comes_back().await;
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.breaker_opened_and_closed(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_connections_that_are_cut_before_within_and_after_an_answer() {
    let mut case = Case::start("8s", false, |_| {}).await;
    for trouble in [Trouble::CutBefore, Trouble::CutAfter, Trouble::Half] {
        case.proxy.make(trouble);
        case.is_withdrawn().await;
        sleep(Duration::from_secs(6)).await;
        // Each attempt whose answer was lost may have made a user: there are few, and they end by themselves.
        let made = case.setup.bao.leases("database/creds/app").len();
        assert!(made <= 5, "{trouble:?}: {made} leases");
        case.proxy.make(Trouble::None);
        case.comes_back().await;
    }
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.breaker_opened_and_closed(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h03_a_storm_of_429() {
    for retry_after in [Some(3), None] {
        let mut case = Case::start("8s", false, |_| {}).await;
        let before = case.proxy.asked().len();
        case.proxy.make(Trouble::TooMany(retry_after));
        case.is_withdrawn().await;
        sleep(Duration::from_secs(10)).await;
        let asked = case.proxy.asked().len() - before;
        assert!((1..=12).contains(&asked), "{asked} requests in about 20 s, Retry-After {retry_after:?}");
        case.proxy.make(Trouble::None);
        case.comes_back().await;
        let seen = case.end().await;
        // It is an answer: Vault is well.
        assert_eq!((seen.refused.len(), seen.breaker), (0, vec![BreakerState::Closed]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_nobody_listens() {
    let mut case = Case::start("8s", false, |_| {}).await;
    case.proxy.make(Trouble::Refuse);
    case.is_withdrawn().await;
    until("the breaker opens", 60, || case.vault.status().breaker == BreakerState::Open).await;
    case.proxy.make(Trouble::None);
    case.comes_back().await;
    let seen = case.end().await;
    assert!(seen.refused.is_empty() && seen.breaker_opened_and_closed(), "{seen:?}");
}
