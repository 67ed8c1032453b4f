//! The end of what was replaced: after a grace period, so that its users can change over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::children::Children;
use super::credential::Credential;
use super::session::Session;
use super::timing::{AtShutdown, Timing};
use crate::api::Lease;
use crate::clock::{Life, Moment};
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
        loop {
            children.left(old.generation).await;
            sleep(timing.grace).await;
            // What was under way when it was replaced may have come to hang on it since.
            if !children.any(old.generation) {
                return;
            }
        }
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
    match client.revoke_self().await {
        Ok(()) => session.gone.cancel(),
        Err(error) => tracing::warn!(%error, "a token of Vault could not be revoked: it ends by itself"),
    }
}

/// What another credential has replaced.
pub(super) struct Replaced {
    pub(super) credential: Arc<Credential>,
    pub(super) session: Arc<Session>,
    pub(super) lease: Lease,
    pub(super) announced: Duration,
}

/// Revokes the lease of a credential that another one under the same token has replaced: when nobody holds it any more
/// and the grace period is over. Cancels `gone` then.
pub(super) async fn lease(old: Replaced, gone: CancellationToken, timing: Timing, stop: CancellationToken) {
    let Replaced { credential, session, lease, announced } = old;
    let unused = async {
        loop {
            credential.holds.released().await;
            sleep(timing.grace).await;
            if !credential.holds.any() {
                return;
            }
        }
    };
    tokio::select! {
        () = unused => {}
        () = stay_alive(&credential, &session, &lease, announced, timing) => return,
        () = stop.cancelled() => {
            // Ours goes with its token.
            if timing.at_shutdown == AtShutdown::Leave || session.ours {
                return;
            }
        }
    }
    if revoke_lease(&session, &lease).await {
        gone.cancel();
    }
}

/// Renews what is still in use, for as long as that makes it live longer; returns when it has ended.
async fn stay_alive(
    credential: &Credential,
    session: &Session,
    lease: &Lease,
    announced: Duration,
    timing: Timing,
) {
    let mut renewable = lease.renewable;
    while let Some(left) = credential.ends.remaining().filter(|left| !left.is_zero()) {
        if !renewable {
            sleep(left).await;
            continue;
        }
        sleep(timing.due_in(left).min(left)).await;
        let left = credential.ends.own.remaining().unwrap_or_default();
        let begun = Moment::now(&**session.client.clock());
        match session.client.renew_lease(&lease.id, announced).await {
            Ok(renewed) => {
                credential.ends.own.renewed(Life::new(begun, renewed.lasts));
                renewable = renewed.renewable && Timing::extended(announced, left, renewed.lasts);
            }
            Err(error) => {
                if error.may_have_happened() {
                    credential.ends.own.may_be_cut();
                }
                renewable = error.is_transient();
            }
        }
    }
}

/// Lets a token that was replaced live on while somebody holds a credential that hangs on it, which is renewed as far as
/// that goes: until `children` is told.
pub(super) async fn with_its_token(
    old: Replaced,
    children: Arc<Children>,
    timing: Timing,
    stop: CancellationToken,
) {
    let Replaced { credential, session, lease, announced } = old;
    tokio::select! {
        () = credential.holds.released() => {}
        () = stay_alive(&credential, &session, &lease, announced, timing) => {}
        () = stop.cancelled() => {}
    }
    children.hangs_on(&Children::replaced(&credential), None);
}

/// Whether it is gone.
pub(super) async fn revoke_lease(session: &Session, lease: &Lease) -> bool {
    let client = session.client.with_retry(RetrySettings::default());
    let Err(error) = client.revoke_lease(&lease.id).await else { return true };
    if matches!(error.status(), Some(400 | 404)) {
        // Gone is gone.
        return true;
    }
    if error.is_forbidden() {
        // The policy `default` does not let anybody revoke leases.
        tracing::warn!(
            %error,
            "a lease of Vault was not revoked and ends by itself or with its token: \
             a policy must allow `update` on `sys/leases/revoke`"
        );
    } else {
        tracing::warn!(%error, "a lease of Vault could not be revoked: it ends by itself");
    }
    false
}
