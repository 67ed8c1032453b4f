//! The circuit breaker of one Vault (checklist H4): after repeated failures nothing is sent for a while, then one probe.
//!
//! It is ours because the breakers on crates.io read the clock themselves: they cannot be tested with a paused one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open at first; doubled each time that the probe fails.
    pub open_for: Duration,
    /// The longest that it stays open.
    pub open_at_most: Duration,
}

impl Default for BreakerSettings {
    /// 5 failures, 5 s, at most 60 s.
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(5), open_at_most: Duration::from_secs(60) }
    }
}

/// As health and metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests are sent.
    Closed,
    /// Nothing is sent.
    Open,
    /// One request is sent, or the next one will be, to see whether Vault is well again.
    HalfOpen,
}

impl BreakerState {
    /// `closed`, `open` or `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The breaker; clones share it.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
enum Inner {
    Closed { failures: u32 },
    Open { until: Instant, lasted: Duration },
    Probing { lasted: Duration },
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, inner: Arc::new(Mutex::new(Inner::Closed { failures: 0 })) }
    }

    /// Its state now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match &*self.lock() {
            Inner::Closed { .. } => BreakerState::Closed,
            Inner::Open { until, .. } if Instant::now() < *until => BreakerState::Open,
            Inner::Open { .. } | Inner::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// Leave to send one request; else how long to wait before asking again.
    pub(crate) fn admit(&self) -> Result<Permit, Duration> {
        let mut inner = self.lock();
        let now = Instant::now();
        match *inner {
            Inner::Closed { .. } => Ok(self.permit(false)),
            Inner::Open { until, lasted } if now >= until => {
                *inner = Inner::Probing { lasted };
                Ok(self.permit(true))
            }
            Inner::Open { until, .. } => Err(until.saturating_duration_since(now)),
            Inner::Probing { .. } => Err(WHILE_PROBING),
        }
    }

    fn permit(&self, probe: bool) -> Permit {
        Permit { breaker: self.clone(), probe, used: false }
    }

    fn succeeded(&self, probe: bool) {
        let mut inner = self.lock();
        // A late success of a request from before it opened says nothing about now.
        if probe || matches!(*inner, Inner::Closed { .. }) {
            *inner = Inner::Closed { failures: 0 };
        }
    }

    fn failed(&self, probe: bool) {
        let mut inner = self.lock();
        match *inner {
            Inner::Closed { failures } => {
                let failures = failures.saturating_add(1);
                *inner = if failures >= self.settings.failures {
                    self.open(self.settings.open_for)
                } else {
                    Inner::Closed { failures }
                };
            }
            Inner::Probing { lasted } if probe => *inner = self.open(lasted.saturating_mul(2)),
            Inner::Probing { .. } | Inner::Open { .. } => {}
        }
    }

    fn abandoned(&self, probe: bool) {
        let mut inner = self.lock();
        if let (Inner::Probing { lasted }, true) = (&*inner, probe) {
            *inner = Inner::Open { until: Instant::now(), lasted: *lasted };
        }
    }

    fn open(&self, lasts: Duration) -> Inner {
        let lasted = lasts.min(self.settings.open_at_most);
        // Up to a fifth more, so that replicas do not probe in step.
        let until = Instant::now() + lasted.mul_f64(1.0 + 0.2 * fastrand::f64());
        Inner::Open { until, lasted }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to send one request. Dropped without a word (the request was given up), it changes nothing.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Breaker,
    probe: bool,
    used: bool,
}

impl Permit {
    pub(crate) fn succeeded(mut self) {
        self.used = true;
        self.breaker.succeeded(self.probe);
    }

    pub(crate) fn failed(mut self) {
        self.used = true;
        self.breaker.failed(self.probe);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.used {
            self.breaker.abandoned(self.probe);
        }
    }
}

/// How long others wait while a probe is under way.
const WHILE_PROBING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings {
            failures: 3,
            open_for: Duration::from_secs(10),
            open_at_most: Duration::from_secs(15),
        })
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit().expect("leave").failed();
        }
    }

    async fn later(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn h04_it_opens_after_failures_in_a_row_only() {
        let breaker = breaker();
        fail(&breaker, 2);
        breaker.admit().expect("leave").succeeded();
        fail(&breaker, 2);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        let wait = breaker.admit().expect_err("open");
        assert!(wait >= Duration::from_secs(10) && wait <= Duration::from_secs(12), "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn h04_half_open_lets_one_probe_through_and_its_end_decides() {
        let breaker = breaker();
        fail(&breaker, 3);
        later(13).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        let probe = breaker.admit().expect("the probe");
        assert!(breaker.admit().is_err(), "one only");
        probe.failed();
        assert_eq!(breaker.state(), BreakerState::Open);
        // Twice as long, but not beyond the cap.
        later(14).await;
        assert_eq!(breaker.state(), BreakerState::Open);
        later(5).await;
        breaker.admit().expect("the next probe").succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn h04_a_probe_that_is_given_up_makes_room_for_another() {
        let breaker = breaker();
        fail(&breaker, 3);
        later(13).await;
        drop(breaker.admit().expect("the probe"));
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn h04_a_late_success_from_before_does_not_close_it() {
        let breaker = breaker();
        let early = breaker.admit().expect("leave");
        fail(&breaker, 3);
        early.succeeded();
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}
