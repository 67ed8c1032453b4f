//! The end of what was replaced: after a grace period, so that its users can change over.

use std::sync::Arc;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::children::Children;
use super::session::Session;
use super::timing::{AtShutdown, Timing};
use crate::api::Lease;
use crate::settings::RetrySettings;

/// Revokes a token that another one has replaced, once no credential in force hangs on it, and the grace period is over.
pub(super) async fn token(
    old: Arc<Session>,
    children: Arc<Children>,
    timing: Timing,
    stop: CancellationToken,
) {
    if !old.ours {
        return;
    }
    let unused = async {
        children.left(old.generation).await;
        sleep(timing.grace).await;
    };
    let left = old.life.remaining();
    tokio::select! {
        () = unused => {}
        // It ends by itself first, and what hangs on it too.
        () = async { match left { Some(left) => sleep(left).await, None => std::future::pending().await } } => return,
        () = stop.cancelled() => {
            if timing.at_shutdown == AtShutdown::Leave {
                return;
            }
        }
    }
    revoke_token(&old).await;
}

/// Revokes the token if it is ours, and with it all leases that hang on it.
pub(super) async fn revoke_token(session: &Session) {
    if !session.ours || session.life.ended() {
        return;
    }
    let client = session.client.with_retry(RetrySettings::default());
    if let Err(error) = client.revoke_self().await {
        tracing::warn!(%error, "a token of Vault could not be revoked: it ends by itself");
    }
}

/// Revokes a lease that another one under the same token has replaced, after the grace period.
pub(super) async fn lease(session: Arc<Session>, lease: Lease, timing: Timing, stop: CancellationToken) {
    tokio::select! {
        () = sleep(timing.grace) => {}
        () = stop.cancelled() => {
            // Ours goes with its token.
            if timing.at_shutdown == AtShutdown::Leave || session.ours {
                return;
            }
        }
    }
    revoke_lease(&session, &lease).await;
}

pub(super) async fn revoke_lease(session: &Session, lease: &Lease) {
    let client = session.client.with_retry(RetrySettings::default());
    match client.revoke_lease(&lease.id).await {
        Ok(()) => {}
        // Gone is gone, and so it is with its token.
        Err(error) if matches!(error.status(), Some(400 | 403 | 404)) => {}
        Err(error) => tracing::warn!(%error, "a lease of Vault could not be revoked: it ends by itself"),
    }
}
