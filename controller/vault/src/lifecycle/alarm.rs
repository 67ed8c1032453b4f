use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::clock::{Moment, SharedClock};

/// Sleeps, and notices when the wall clock jumps meanwhile (checklist: at once after a suspended machine wakes up).
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: SharedClock,
    last: Moment,
    /// When the wall clock is looked at next, however often somebody waits meanwhile.
    look: Instant,
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
        Self { clock, last, look: Instant::now() + check, check, jump }
    }

    /// Until `deadline`; for ever without one. May be dropped and called again.
    pub(crate) async fn until(&mut self, deadline: Option<Instant>) -> Woke {
        loop {
            sleep_until(deadline.map_or(self.look, |deadline| deadline.min(self.look))).await;
            let now = Moment::now(&*self.clock);
            let jumped = now.jump(self.last) > self.jump;
            self.last = now;
            self.look = Instant::now() + self.check;
            if jumped {
                return Woke::ClockJumped;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Woke::InTime;
            }
        }
    }
}
