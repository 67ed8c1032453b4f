//! An application works without a pause while its database credentials change: not one transaction fails, and no user
//! is left behind.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::sync::Arc;
use std::time::Duration;

use svidgate_vault::{Timing, Vault};
use svidgate_vault_tests::{Application, Setup, UserWatch, until};

#[tokio::test(flavor = "multi_thread")]
async fn h07_ten_rotations_of_a_database_user_under_work_and_no_transaction_fails() {
    let setup = Setup::with_database();
    let spec = setup.dynamic_role("8s", "8s");
    // The login ends on the way too: renewed, at its maximum, replaced.
    let login = setup.approle("10s", "25s");
    let users = UserWatch::start(setup.postgres()).await;
    let vault = Arc::new(Vault::start(&setup.client().await, login, timing()));
    let channel = vault.keep("db", spec).expect("a free name");
    let application =
        Application::start(&vault, "db", channel.clone(), setup.postgres(), WORKERS, None).await;

    let revision = || channel.borrow().as_ref().map_or(0, |credential| credential.revision());
    until("ten rotations", 240, || revision() > ROTATIONS || !application.done().failed.is_empty()).await;
    let done = application.stop().await;

    assert_eq!(done.failed, Vec::<String>::new());
    assert_eq!(done.refused_logins, 0, "a user is there before it is told, and goes after it was replaced");
    let by_each = (1..=ROTATIONS).map(|revision| done.committed.get(&revision).copied().unwrap_or(0));
    assert!(by_each.clone().all(|count| count > 10), "{:?}", done.committed);
    let status = vault.status();
    assert!(status.token.logins >= 2, "{status:?}");
    assert!(users.ever() > 10, "{}", users.ever());
    assert!(users.most().len() <= 2, "at one time: {:?}", users.most());

    Arc::into_inner(vault).expect("the application has ended").shutdown().await;
    until("no user is left", 5, || users.now().is_empty()).await;
    assert!(setup.bao.leases("database/creds/app").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn h07_ten_changes_of_a_static_password_under_work_and_no_transaction_fails() {
    let setup = Setup::with_database();
    // The shortest that OpenBao takes.
    let spec = setup.static_role("5s");
    let login = setup.approle("10s", "25s");
    let vault = Arc::new(Vault::start(&setup.client().await, login, timing()));
    let channel = vault.keep("db", spec).expect("a free name");
    // Connections are closed all the time, so that each password has to serve for new ones.
    let application =
        Application::start(&vault, "db", channel.clone(), setup.postgres(), WORKERS, Some(10)).await;

    let revision = || channel.borrow().as_ref().map_or(0, |credential| credential.revision());
    until("ten changes", 240, || revision() > ROTATIONS || !application.done().failed.is_empty()).await;
    let done = application.stop().await;

    assert_eq!(done.failed, Vec::<String>::new());
    let by_each = (1..=ROTATIONS).map(|revision| done.committed.get(&revision).copied().unwrap_or(0));
    assert!(by_each.clone().all(|count| count > 10), "{:?}", done.committed);
    assert!(vault.status().token.logins >= 2, "{:?}", vault.status());
    Arc::into_inner(vault).expect("the application has ended").shutdown().await;
}

/// As in production, but for a shorter grace period, which must fit into the last fifth of 8 s.
fn timing() -> Timing {
    Timing { grace: Duration::from_millis(1200), ..Timing::default() }
}

const WORKERS: usize = 4;
/// Credentials that were replaced.
const ROTATIONS: u64 = 10;
