//! Waiting: for a condition, with a deadline, and never for a fixed time.

#![allow(clippy::disallowed_methods, reason = "the one place of the harness that reads the clock and pauses")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Asks until `condition` gives a value, and returns it.
///
/// # Panics
/// When the deadline passes first; `what` says what was waited for.
pub fn poll<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    within(deadline, condition).unwrap_or_else(|| panic!("not within {deadline:?}: {what}"))
}

/// What `read` gives once it has given the same for `span`. Fails the test when it still changes after `deadline`.
pub fn settled<T: PartialEq>(what: &str, span: Duration, deadline: Duration, read: impl Fn() -> T) -> T {
    let mut last = (read(), Instant::now());
    poll(what, deadline, || {
        let value = read();
        if value != last.0 {
            last = (value, Instant::now());
        }
        (last.1.elapsed() >= span).then_some(())
    });
    last.0
}

/// As [`poll`], but leaves it to the caller what a passed deadline means.
pub fn within<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        // Asked once more after the deadline, so that a slow machine does not fail a condition that holds.
        let late = start.elapsed() >= deadline;
        if let Some(value) = condition() {
            return Some(value);
        }
        if late {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The time of day, for what carries dates: certificates and tokens.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The same in seconds since 1970, as tokens have it.
pub fn unix_seconds() -> u64 {
    now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// A moment, and the time since.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Short against everything that is waited for, long against the cost of asking.
const PAUSE: Duration = Duration::from_millis(10);
