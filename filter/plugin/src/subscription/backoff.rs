/// When the controller may be asked again after failures. Times are Unix milliseconds.
///
/// Pauses double from a quarter of a second to two seconds: the controller is local, and every second without it is one
/// of refusals for an Envoy that has just started. A quarter of each pause is spread by the clock's low digits, so that
/// Envoys do not return in step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
    not_before: u64,
}

impl Backoff {
    /// Notes a failure.
    pub fn failed(&mut self, now: u64) {
        let pause = FIRST_PAUSE_MS.checked_shl(self.failures).unwrap_or(MAX_PAUSE_MS).min(MAX_PAUSE_MS);
        self.failures = self.failures.saturating_add(1).min(8);
        let spread = now.wrapping_mul(SPREAD) >> 32 & (pause >> 2);
        self.not_before = now.saturating_add(pause).saturating_sub(spread);
    }

    /// Notes a success: there is no pause any more.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Whether it is time to ask.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        now >= self.not_before
    }
}

const FIRST_PAUSE_MS: u64 = 250;
const MAX_PAUSE_MS: u64 = 2_000;
/// Odd constant of a multiplicative hash (Knuth).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_end_with_the_first_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_over(0));
        let mut now = 1_764_072_000_000;
        for most in [250, 500, 1_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000] {
            backoff.failed(now);
            assert!(!backoff.is_over(now + most * 3 / 4 - 1), "{most}");
            assert!(backoff.is_over(now + most), "{most}");
            now += most;
        }
        backoff.succeeded();
        assert!(backoff.is_over(now));
        backoff.failed(now);
        assert!(backoff.is_over(now + 250));
    }

    #[test]
    fn those_that_fail_within_a_second_do_not_return_in_step() {
        let returns = |at: u64| {
            let mut backoff = Backoff::default();
            for _ in 0..4 {
                backoff.failed(at);
            }
            backoff.not_before - at
        };
        let mut pauses: Vec<u64> = (0..1_000).map(returns).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 50, "{}", pauses.len());
    }
}
