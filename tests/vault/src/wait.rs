use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use svidgate_vault::{Credential, Timing};
use tokio::sync::watch;

/// Fails the test when it takes longer.
pub async fn within<T>(what: &str, seconds: u64, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(Duration::from_secs(seconds), future).await;
    result.unwrap_or_else(|_| panic!("not within {seconds} s: {what}"))
}

/// Polls; fails the test when it takes longer.
pub async fn until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    within(what, seconds, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// The next credential that is published.
pub async fn next(
    what: &str,
    seconds: u64,
    channel: &mut watch::Receiver<Option<Arc<Credential>>>,
) -> Arc<Credential> {
    within(what, seconds, async {
        loop {
            channel.changed().await.expect("the keeper runs");
            if let Some(credential) = channel.borrow_and_update().clone() {
                return credential;
            }
        }
    })
    .await
}

/// A member of a credential that has not ended.
pub fn text(credential: &Credential, name: &str) -> String {
    let secrets = credential.secrets().expect("it has not ended");
    secrets.text(name).expect("there is such a member").expose_secret().to_owned()
}

/// As in production, but for what a test would wait too long for.
pub fn timing() -> Timing {
    Timing {
        grace: Duration::from_secs(2),
        check: Duration::from_secs(1),
        max_retry: Duration::from_secs(5),
        min_reissue: Duration::from_secs(2),
        min_relogin: Duration::from_secs(2),
        ..Timing::default()
    }
}
