//! Whether the agent still stands behind what it said last.
//!
//! A stream on which nothing changes says nothing, and one of an agent that hangs looks the same. So the agent is asked
//! again from time to time, by a second call on the same connection that ends with its first message. Only an answer
//! that gives the state in force moves the times of observation; without one, the stream is given up and opened again.
//!
//! What this does not prove: an agent that is cut off from its SPIRE server goes on confirming the last state that it
//! got. The Workload API has no way to tell.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::{message, open};
use crate::clock;
use crate::source::Limits;
use crate::store::Store;

/// How the agent is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// From one answer to the next question.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Default for Probe {
    /// An agent that hangs is found within 20 s, a small part of the shortest `max_staleness`. For SPIRE's agent each
    /// call means that it attests the controller anew, so not more often.
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), timeout: Duration::from_secs(10) }
    }
}

/// Asks until there is a reason to open the stream anew, and returns it.
pub(super) async fn failure(channel: &Channel, probe: Probe, limits: &Limits, store: &Store) -> Status {
    let mut different = 0_u32;
    loop {
        sleep(probe.interval).await;
        match confirm(channel, probe, limits, store).await {
            Ok(true) => different = 0,
            Ok(false) => different = different.saturating_add(1),
            Err(status) => return status,
        }
        // Once may be a change that the stream brings just now.
        if different >= 2 {
            return unavailable("another call gives another state than the stream");
        }
    }
}

/// Whether the agent gives the state in force.
async fn confirm(channel: &Channel, probe: Probe, limits: &Limits, store: &Store) -> Result<bool, Status> {
    let asked = Instant::now();
    let answer = timeout(probe.timeout, open(channel.clone(), limits)).await;
    let answer =
        answer.map_err(|_| unavailable(format!("no answer to a call within {:?}", probe.timeout)))?;
    match answer {
        Ok((_, Some(response))) => {
            // The state is that of a moment between question and answer. A step of the clock in between counts as well.
            let took = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
            let at = clock::unix_millis().saturating_sub(took);
            Ok(store.confirm(message::read(response, limits), at))
        }
        Ok((_, None)) => Err(unavailable("a call ended without an answer")),
        // What an error means for the state in force is for the next stream to say.
        Err(status) => Err(unavailable(format!("a call failed: {:?}: {}", status.code(), status.message()))),
    }
}

fn unavailable(why: impl Into<String>) -> Status {
    Status::new(Code::Unavailable, why)
}
