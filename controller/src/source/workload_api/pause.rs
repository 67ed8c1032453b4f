use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// How long to wait before the next stream (checklist B6).
pub(crate) struct Pauses {
    backoff: ExponentialBackoff,
    last_clean_end: Option<Instant>,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { backoff: backoff(), last_clean_end: None }
    }

    /// None, unless streams end so fast that this would be a loop.
    pub(crate) fn after_clean_end(&mut self, now: Instant) -> Duration {
        let looping = self.last_clean_end.is_some_and(|last| now.duration_since(last) < MIN);
        self.last_clean_end = Some(now);
        if looping { self.after_failure(false) } else { Duration::ZERO }
    }

    /// 1 s to 30 s, doubling, with jitter; it begins anew after a stream that was `good`.
    pub(crate) fn after_failure(&mut self, good: bool) -> Duration {
        if good {
            self.backoff = backoff();
        }
        self.backoff.next().unwrap_or(MAX)
    }
}

fn backoff() -> ExponentialBackoff {
    // Jitter adds up to once the delay, so the delay itself ends at half of the maximum.
    ExponentialBuilder::new()
        .with_min_delay(MIN)
        .with_max_delay(MAX / 2)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .build()
}

const MIN: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b6_failures_back_off_from_1_to_30_seconds_with_jitter() {
        let mut pauses = Pauses::new();
        let taken: Vec<Duration> = (0..200).map(|_| pauses.after_failure(false)).collect();
        assert!(taken.iter().all(|pause| (MIN..=MAX).contains(pause)), "{taken:?}");
        assert!(taken[0] <= MIN * 2);
        assert!(taken[100] >= MAX / 2);
        assert_ne!(taken[100], taken[101], "no jitter");
        assert!(pauses.after_failure(true) <= MIN * 2, "a good stream begins anew");
    }

    #[test]
    fn b6_a_clean_end_reconnects_at_once_but_never_in_a_loop() {
        let mut pauses = Pauses::new();
        let start = Instant::now();
        assert_eq!(pauses.after_clean_end(start), Duration::ZERO);
        assert!(pauses.after_clean_end(start + Duration::from_millis(10)) >= MIN);
        assert_eq!(pauses.after_clean_end(start + Duration::from_secs(5)), Duration::ZERO);
    }
}
