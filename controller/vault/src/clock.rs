//! Time, injected: tests choose the wall clock, and pause tokio's.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The wall clock. The steady clock is tokio's, which tests can pause.
pub trait Clock: Debug + Send + Sync {
    /// Time of day. It may jump in both directions.
    fn wall(&self) -> SystemTime;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one reader of the clock in this crate")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self { steady: Instant::now(), wall: clock.wall() }
    }

    /// Time since `earlier`, by the clock that says more: the steady one stands still while a machine is suspended, and
    /// the wall clock may be set back. Credentials end in Vault in both cases.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        steady.max(self.wall.duration_since(earlier.wall).unwrap_or_default())
    }

    /// By how much the wall clock has run away from the steady one since `earlier`, in either direction.
    #[must_use]
    pub fn jump(self, earlier: Self) -> Duration {
        let steady = self.steady.saturating_duration_since(earlier.steady);
        match self.wall.duration_since(earlier.wall) {
            Ok(wall) => wall.abs_diff(steady),
            Err(back) => back.duration().saturating_add(steady),
        }
    }
}

/// How long something lives that Vault gave: counted from the moment before it was asked for, so that it never ends
/// later here than there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    from: Moment,
    /// `None` has no end.
    lasts: Option<Duration>,
}

impl Life {
    /// From `from` for `lasts`, but not for longer than a hundred years: later moments have no place on the clock.
    #[must_use]
    pub const fn new(from: Moment, lasts: Duration) -> Self {
        let lasts = if lasts.as_secs() < LONGEST.as_secs() { lasts } else { LONGEST };
        Self { from, lasts: Some(lasts) }
    }

    /// Without an end.
    #[must_use]
    pub const fn endless(from: Moment) -> Self {
        Self { from, lasts: None }
    }

    /// As announced.
    #[must_use]
    pub const fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// What is left at `now`; zero when it has ended, `None` when it has no end.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Option<Duration> {
        self.lasts.map(|lasts| lasts.saturating_sub(now.since(self.from)))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn ended(&self, now: Moment) -> bool {
        self.remaining(now).is_some_and(|left| left.is_zero())
    }

    /// When it ends by the wall clock. The two clocks drift apart by a little all the time, which moves no end: who is
    /// told of it again is told the same.
    #[must_use]
    pub fn end(&self, now: Moment) -> Option<SystemTime> {
        let end = now.wall.checked_add(self.remaining(now)?)?;
        let told = self.from.wall.checked_add(self.lasts?)?;
        let apart = told.duration_since(end).unwrap_or_else(|earlier| earlier.duration());
        Some(if apart < DRIFT { told } else { end })
    }
}

/// Longer than anything lives, and short enough to be added to a moment.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const DRIFT: Duration = Duration::from_secs(1);

/// Shared between everything that reads the time.
pub type SharedClock = Arc<dyn Clock>;
