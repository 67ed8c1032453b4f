use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::holds::{Hold, Holds};
use crate::clock::{Life, Moment, SharedClock};
use crate::secret::Secrets;

/// A life that renewals make longer.
#[derive(Debug)]
pub(crate) struct LiveLife {
    known: Mutex<Known>,
    clock: SharedClock,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    life: Life,
    /// Whether it was cut because the answer to the last renewal was lost.
    in_doubt: bool,
}

impl LiveLife {
    pub(crate) fn new(life: Life, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { known: Mutex::new(Known { life, in_doubt: false }), clock })
    }

    pub(crate) fn set(&self, life: Life) {
        *self.lock() = Known { life, in_doubt: false };
    }

    /// After a renewal. It is counted from before the request, so a slow answer makes it look shorter than it is: where
    /// the answer fits with the end that was known, nothing was extended and that end stays.
    pub(crate) fn renewed(&self, life: Life) {
        let now = Moment::now(&*self.clock);
        let mut held = self.lock();
        held.in_doubt = false;
        if let (Some(known), Some(told), Some(lasts)) =
            (held.life.remaining(now), life.remaining(now), life.lasts())
            && told < known
            && known <= lasts
        {
            return;
        }
        held.life = life;
    }

    /// After a renewal whose answer was lost. It may have cut the life: near the maximum Vault grants whole seconds, up to
    /// one less than were left. However many are lost, each is counted from the same maximum, so only the first one
    /// counts; whether this is it.
    pub(crate) fn may_be_cut(&self) -> bool {
        let now = Moment::now(&*self.clock);
        let mut held = self.lock();
        if std::mem::replace(&mut held.in_doubt, true) {
            return false;
        }
        if let Some(left) = held.life.remaining(now) {
            held.life = Life::new(now, left.saturating_sub(ROUNDING));
        }
        true
    }

    pub(crate) fn remaining(&self) -> Option<Duration> {
        let life = self.lock().life;
        life.remaining(Moment::now(&*self.clock))
    }

    pub(crate) fn end(&self) -> Option<SystemTime> {
        let life = self.lock().life;
        life.end(Moment::now(&*self.clock))
    }

    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.lock().life.lasts()
    }

    pub(crate) fn ended(&self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a credential ends: with its own life, and with the token it hangs on.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) own: Arc<LiveLife>,
    pub(crate) token: Option<Arc<LiveLife>>,
}

impl Ends {
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let token = self.token.as_ref().and_then(|life| life.remaining());
        match (self.own.remaining(), token) {
            (Some(own), Some(token)) => Some(own.min(token)),
            (own, token) => own.or(token),
        }
    }

    pub(crate) fn end(&self) -> Option<SystemTime> {
        let token = self.token.as_ref().and_then(|life| life.end());
        self.own.end().into_iter().chain(token).min()
    }

    pub(crate) fn ended(&self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }
}

/// A credential as it was published: everything that belongs together, at once (checklist H12).
pub struct Credential {
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) version: Option<u64>,
    pub(crate) secrets: Secrets,
    pub(crate) ends: Ends,
    pub(crate) holds: Holds,
}

impl Credential {
    /// The name it is kept under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counted from 1; grows when the content changes, not when its life is extended.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Version of a KV secret when this content was first read.
    #[must_use]
    pub const fn version(&self) -> Option<u64> {
        self.version
    }

    /// The secrets; `None` once they have ended.
    #[must_use]
    pub fn secrets(&self) -> Option<&Secrets> {
        (!self.ends.ended()).then_some(&self.secrets)
    }

    /// What is left; `None` without an end. It grows with each renewal.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.ends.remaining()
    }

    /// Asks that it be kept alive in Vault for as long as the answer lives, also after it was replaced. Without it, what was
    /// replaced is revoked after the grace period.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.holds.hold()
    }

    /// When it ends by the wall clock, as of now; `None` without an end.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.ends.end()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// Vault's durations are whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn h11_a_slow_answer_about_an_end_that_stays_does_not_bring_it_nearer() {
        let clock: SharedClock = Arc::new(SystemClock);
        let begun = Moment::now(&*clock);
        let live = LiveLife::new(Life::new(begun, s(60)), clock.clone());
        let near = |left: Option<Duration>, seconds: u64| {
            left.is_some_and(|left| left <= s(seconds) && left > s(seconds).saturating_sub(s(1)))
        };
        tokio::time::advance(s(48)).await;
        let begun = Moment::now(&*clock);
        tokio::time::advance(s(5)).await;
        // Vault answered after 4 s: 8 s are left then. They end where the 60 s end.
        live.renewed(Life::new(begun, s(8)));
        assert!(near(live.remaining(), 7), "{:?}", live.remaining());
        // It was shortened: that counts.
        live.renewed(Life::new(Moment::now(&*clock), s(3)));
        assert!(near(live.remaining(), 3), "{:?}", live.remaining());
        // It was extended.
        live.renewed(Life::new(Moment::now(&*clock), s(60)));
        assert!(near(live.remaining(), 60), "{:?}", live.remaining());
    }
}
