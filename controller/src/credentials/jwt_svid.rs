//! A JWT-SVID of the controller's own identity for an audience, from the Workload API.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spiffe::transport::Endpoint;
use svidgate_jwt_svid::unverified::Claims;
use svidgate_snapshot::{Credential, CredentialKind};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Publisher;
use crate::clock;
use crate::config::WantedSvid;
use crate::source::workload_api::{self, Pauses};

/// Keeps the SVID fresh until `stop`: fetches it, and again at four fifths of its life, a little earlier by chance so
/// that not all do so at once. Without one, it tries again after 1 to 30 s.
pub(super) async fn keep(
    endpoint: Endpoint,
    wanted: WantedSvid,
    publishers: Vec<Publisher>,
    stop: CancellationToken,
) {
    let mut pauses = Pauses::new();
    loop {
        let fetched = tokio::select! {
            () = stop.cancelled() => return,
            fetched = fetch(&endpoint, &wanted) => fetched,
        };
        let until = match fetched {
            Ok(svid) => {
                publishers.iter().for_each(|publisher| publisher.publish(svid.credential.clone()));
                let _ = pauses.after_failure(true);
                svid.refresh_at(fastrand::f64())
            }
            Err(reason) => {
                publishers.iter().for_each(|publisher| publisher.failed(reason.clone()));
                let pause = pauses.after_failure(false);
                clock::unix_millis().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
            }
        };
        if !sleep_until(until, &stop).await {
            return;
        }
    }
}

/// Whether it was not stopped. By the wall clock, by which the SVID ends: a machine may sleep, and a clock be set.
async fn sleep_until(until: u64, stop: &CancellationToken) -> bool {
    loop {
        let left = until.saturating_sub(clock::unix_millis());
        if left == 0 {
            return true;
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(Duration::from_millis(left).min(MAX_SLEEP)) => {}
        }
    }
}

async fn fetch(endpoint: &Endpoint, wanted: &WantedSvid) -> Result<Svid, String> {
    let id = wanted.spiffe_id.as_ref().map_or("", |id| id.as_str());
    let token = workload_api::jwt_svid(endpoint, &wanted.audience, id).await.map_err(|status| {
        // Its message is the agent's own; a token is in none.
        format!("the Workload API: {:?}: {}", status.code(), status.message())
    })?;
    Svid::read(token, wanted, clock::unix_millis())
}

struct Svid {
    credential: Credential,
    /// Unix milliseconds.
    from: u64,
    life_millis: u64,
}

impl Svid {
    /// What is needed of the token. Nobody here verifies it: the Workload API is who vouches, and who is called decides.
    fn read(token: Zeroizing<String>, wanted: &WantedSvid, now: u64) -> Result<Self, String> {
        let bad = |what: &str| format!("the Workload API gave a token {what}");
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims =
            claims.and_then(|bytes| Claims::parse(&bytes).ok()).ok_or_else(|| bad("that cannot be read"))?;
        let for_it = claims.audiences().is_some_and(|all| all.contains(&wanted.audience));
        if !for_it {
            return Err(bad("for another audience"));
        }
        if wanted.spiffe_id.as_ref().is_some_and(|id| claims.subject() != Some(id.as_str())) {
            return Err(bad("of another identity"));
        }
        let not_after = claims.expires_at().ok_or_else(|| bad("without an end"))?.floor.as_secs();
        let credential = Credential::new(CredentialKind::JwtSvid, token.as_bytes().to_vec(), Some(not_after))
            .map_err(|error| bad(&format!("that {error}")))?;
        let issued = claims.issued_at().map(|at| at.floor.as_secs().saturating_mul(1000));
        // What lies in the future was told by another clock.
        let from = issued.unwrap_or(now).min(now);
        let life_millis = not_after.saturating_mul(1000).saturating_sub(from);
        Ok(Self { credential, from, life_millis })
    }

    /// Between 75 and 80 % of its life; `chance` is from 0 to 1. Never at once: a token with hardly any life would be
    /// fetched in a loop.
    fn refresh_at(&self, chance: f64) -> u64 {
        let twentieth = self.life_millis.checked_div(20).unwrap_or(0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of it"
        )]
        let earlier = (twentieth as f64 * chance.clamp(0.0, 1.0)) as u64;
        let at = self.from.saturating_add(twentieth.saturating_mul(16)).saturating_sub(earlier);
        at.max(clock::unix_millis().saturating_add(MIN_PAUSE_MILLIS))
    }
}

const MAX_SLEEP: Duration = Duration::from_secs(5);
const MIN_PAUSE_MILLIS: u64 = 500;
