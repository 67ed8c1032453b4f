use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::clock::LONGEST;

/// When to renew, retry and revoke.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Renew when this share of the lifetime is over (checklist B10).
    pub fraction: f64,
    /// Up to this share of the lifetime later, so that replicas do not come in step. Never earlier.
    pub jitter: f64,
    /// The shortest time between two runs for one credential: a lifetime too short for the fraction gets this
    /// (checklist H11).
    pub floor: Duration,
    /// First pause after a failure; it doubles, with jitter.
    pub min_retry: Duration,
    /// Longest pause that we choose.
    pub max_retry: Duration,
    /// Longest `Retry-After` that is believed.
    pub max_retry_after: Duration,
    /// How long replaced credentials, and the token they hang on, live on so that users of them can change over.
    pub grace: Duration,
    /// How often KV secrets are read that say nothing of a lifetime.
    pub poll: Duration,
    /// The shortest time between two credentials that are made for one name because somebody asked for it, or because it
    /// is not known whether the last one was made.
    pub min_reissue: Duration,
    /// The shortest time between two logins because of answers 403.
    pub min_relogin: Duration,
    /// How often the wall clock, and files that a refused login depends on, are looked at.
    pub check: Duration,
    /// A wall clock that has run away by more than this has jumped.
    pub jump: Duration,
    /// How long a shutdown may take for revoking.
    pub shutdown: Duration,
    /// What happens to token and leases at a shutdown.
    pub at_shutdown: AtShutdown,
}

/// What happens to token and leases at a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtShutdown {
    /// They are revoked: a restart leaves nothing behind in Vault or in databases.
    Revoke,
    /// They are left to end by themselves: what was handed out goes on working meanwhile.
    Leave,
}

impl Default for Timing {
    /// 80 % and up to 5 % later; retries from 1 s to 60 s; 30 s of grace; KV every 5 minutes; revoked at shutdown.
    fn default() -> Self {
        Self {
            fraction: 0.8,
            jitter: 0.05,
            floor: Duration::from_secs(1),
            min_retry: Duration::from_secs(1),
            max_retry: Duration::from_mins(1),
            max_retry_after: Duration::from_mins(5),
            grace: Duration::from_secs(30),
            poll: Duration::from_mins(5),
            min_reissue: Duration::from_secs(10),
            min_relogin: Duration::from_secs(30),
            check: Duration::from_secs(5),
            jump: Duration::from_secs(5),
            shutdown: Duration::from_secs(10),
            at_shutdown: AtShutdown::Revoke,
        }
    }
}

impl Timing {
    /// How long to wait with the renewal of what has `remaining` to live.
    pub(crate) fn due_in(&self, remaining: Duration) -> Duration {
        let share = self.fraction.clamp(0.0, 1.0) + self.jitter.clamp(0.0, 1.0) * fastrand::f64();
        remaining.min(LONGEST).mul_f64(share.min(LATEST.max(self.fraction.clamp(0.0, 1.0)))).max(self.floor)
    }

    /// As [`Timing::due_in`] for what has no end: spread a little around `poll`.
    pub(crate) fn poll_in(&self, poll: Duration) -> Duration {
        poll.min(LONGEST).mul_f64(1.0 + self.jitter.clamp(0.0, 1.0) * fastrand::f64()).max(self.floor)
    }

    /// When to look for what Vault changes by itself after `time`: right then, as what is held is wrong from that moment
    /// on, and no later than `poll`, as somebody may have it changed sooner.
    pub(crate) fn change_in(&self, time: Duration) -> Duration {
        time.saturating_add(self.poll_in(self.floor)).min(self.poll_in(self.poll))
    }

    /// How long to wait after a failure: the backoff, but short enough that several attempts fit into what remains
    /// (checklist H11), and as long as Vault asked for.
    pub(crate) fn retry_in(
        &self,
        backoff: &mut ExponentialBackoff,
        remaining: Option<Duration>,
        asked: Option<Duration>,
    ) -> Duration {
        let pause = backoff.next().unwrap_or(self.max_retry);
        let pause = remaining.filter(|left| !left.is_zero()).map_or(pause, |left| pause.min(left / 4));
        let asked = asked.unwrap_or_default().min(self.max_retry_after);
        pause.max(asked).max(self.floor)
    }

    pub(crate) fn backoff(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.min_retry)
            .with_max_delay(self.max_retry)
            .without_max_times()
            .with_jitter()
            .build()
    }

    /// Whether a renewal achieved something. Near the maximum lifetime Vault cuts the new lifetime so that the end stays
    /// where it was (checklist H7); the answer itself is a success.
    pub(crate) fn extended(announced: Duration, before: Duration, after: Duration) -> bool {
        let whole = after >= announced.mul_f64(0.9);
        whole || after > before.saturating_add(announced.mul_f64(0.1).max(Duration::from_secs(1)))
    }
}

/// Jitter never moves a renewal so near to the end that no second attempt fits.
const LATEST: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn b10_a_renewal_is_due_at_the_fraction_and_little_later_never_before() {
        let timing = Timing::default();
        for _ in 0..1000 {
            let due = timing.due_in(HOUR);
            assert!(due >= HOUR.mul_f64(0.8) && due <= HOUR.mul_f64(0.85), "{due:?}");
        }
    }

    #[test]
    fn h08_what_vault_changes_by_itself_is_read_right_after_the_change_however_far_that_is() {
        let timing = Timing { poll: 48 * HOUR, ..Timing::default() };
        for _ in 0..1000 {
            let due = timing.change_in(24 * HOUR);
            assert!(due >= 24 * HOUR + timing.floor && due <= 24 * HOUR + 2 * timing.floor, "{due:?}");
            let due = Timing::default().change_in(24 * HOUR);
            assert!(due <= Timing::default().poll.mul_f64(1.05), "it may be changed by hand: {due:?}");
        }
        assert!(timing.change_in(Duration::ZERO) >= timing.floor, "overdue");
    }

    #[test]
    fn h11_a_lifetime_without_measure_is_cut() {
        let timing = Timing { fraction: 1.0, poll: Duration::MAX, ..Timing::default() };
        for due in
            [timing.due_in(Duration::MAX), timing.poll_in(Duration::MAX), timing.change_in(Duration::MAX)]
        {
            assert!(due <= LONGEST.mul_f64(1.05), "{due:?}");
        }
    }

    #[test]
    fn h11_a_lifetime_too_short_gets_a_floor() {
        let timing = Timing::default();
        assert_eq!(timing.due_in(Duration::ZERO), timing.floor);
        assert_eq!(timing.due_in(Duration::from_millis(5)), timing.floor);
        let mut backoff = timing.backoff();
        assert!(timing.retry_in(&mut backoff, Some(Duration::from_millis(1)), None) >= timing.floor);
    }

    #[test]
    fn h11_retries_fit_into_what_remains_and_are_capped() {
        let timing = Timing::default();
        let mut backoff = timing.backoff();
        for _ in 0..100 {
            assert!(
                timing.retry_in(&mut backoff, Some(Duration::from_secs(20)), None) <= Duration::from_secs(5)
            );
        }
        let pause = timing.retry_in(&mut backoff, None, None);
        assert!(pause >= timing.max_retry && pause <= timing.max_retry * 2, "{pause:?}");
        let asked = Some(Duration::from_secs(90));
        assert!(
            timing.retry_in(&mut timing.backoff(), Some(Duration::from_secs(20)), asked)
                >= Duration::from_secs(90)
        );
        let endless = Some(Duration::from_hours(1000));
        assert_eq!(timing.retry_in(&mut timing.backoff(), None, endless), timing.max_retry_after);
    }

    #[test]
    fn h07_a_renewal_that_leaves_the_end_where_it_was_is_no_extension() {
        let minute = Duration::from_mins(1);
        assert!(Timing::extended(HOUR, 12 * minute, HOUR));
        assert!(Timing::extended(HOUR, 12 * minute, 30 * minute), "cut, yet longer");
        assert!(!Timing::extended(HOUR, 12 * minute, 12 * minute));
        assert!(!Timing::extended(HOUR, 12 * minute, 13 * minute), "by rounding");
        assert!(Timing::extended(HOUR, 59 * minute, HOUR), "renewed early, in full");
        assert!(!Timing::extended(Duration::from_secs(20), Duration::from_secs(4), Duration::from_secs(5)));
    }
}
