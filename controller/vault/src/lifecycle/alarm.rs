use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::clock::{Moment, SharedClock};

/// Sleeps, and notices when the wall clock jumps meanwhile (checklist: at once after a suspended machine wakes up).
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: SharedClock,
    last: Moment,
    check: Duration,
    jump: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woke {
    InTime,
    ClockJumped,
}

impl Alarm {
    pub(crate) fn new(clock: SharedClock, check: Duration, jump: Duration) -> Self {
        let last = Moment::now(&*clock);
        Self { clock, last, check, jump }
    }

    /// Until `deadline`; for ever without one. May be dropped and called again.
    pub(crate) async fn until(&mut self, deadline: Option<Instant>) -> Woke {
        loop {
            let look = Instant::now() + self.check;
            sleep_until(deadline.map_or(look, |deadline| deadline.min(look))).await;
            let now = Moment::now(&*self.clock);
            let jumped = now.jump(self.last) > self.jump;
            self.last = now;
            if jumped {
                return Woke::ClockJumped;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Woke::InTime;
            }
        }
    }
}
