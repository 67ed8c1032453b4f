use svidgate_snapshot::{ETag, http};

use crate::config::Controller;
use crate::outgoing::Wanted;
use crate::shared_data::SharedData;
use crate::subscription::backoff::Backoff;
use crate::subscription::board::Board;
use crate::subscription::keys::Keys;
use crate::subscription::lease::Lease;
use crate::trust::{Adopted, LIMITS, Refusal, Trust};

/// One VM's part in keeping the process subscribed. Only the holder of the lease talks to the controller; the others
/// stand by. Times are Unix milliseconds.
#[derive(Debug)]
pub struct Subscriber {
    keys: Keys,
    wait_seconds: u64,
    /// Parameters of the query besides the wait.
    asks_for: Option<String>,
    lease: Option<Lease>,
    held: Option<ETag>,
    behind: bool,
    in_flight: bool,
    backoff: Backoff,
}

/// A request to send to the controller.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// `:path` with the query.
    pub path: String,
    /// Headers besides the pseudo-headers.
    pub headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub enum Response<'a> {
    /// No answer: connection refused, reset, timed out.
    Failed,
    /// An answer without a body of interest.
    Status(u16),
    /// A `200` with a body within the limits.
    Snapshot(&'a [u8]),
    /// A `200` whose body was not read because it is larger than [`LIMITS`] allows.
    TooLarge,
}

impl Subscriber {
    /// A subscriber to `controller` that has not yet joined the others.
    #[must_use]
    pub fn new(keys: Keys, controller: &Controller) -> Self {
        let wait_seconds =
            controller.wait.as_secs().clamp(*http::WAIT_SECONDS.start(), *http::WAIT_SECONDS.end());
        Self {
            keys,
            wait_seconds,
            asks_for: None,
            lease: None,
            held: None,
            behind: false,
            in_flight: false,
            backoff: Backoff::default(),
        }
    }

    /// The same, asking for credentials as well.
    #[must_use]
    pub fn asking_for(self, credentials: Option<&Wanted>) -> Self {
        Self { asks_for: credentials.map(Wanted::query), ..self }
    }

    /// To be called at every tick: keeps or takes the lease, repairs the board, and says what to send, if anything.
    pub fn tick(
        &mut self,
        shared: &impl SharedData,
        board: &Board,
        trust: &mut Trust,
        node: &str,
        now: u64,
    ) -> Option<Request> {
        if self.lease.is_none() {
            self.lease = Lease::join(shared, &self.keys);
        }
        let lease = self.lease.as_ref()?;
        if !lease.tick(shared, now) {
            // What the controller told us before may not be what another VM has brought into force since.
            self.held = None;
            return None;
        }
        if board.epoch(shared).is_none() && trust.snapshot().is_some() {
            trust.post(shared, board, lease.id(), now);
        }
        self.next(trust, node, now)
    }

    /// The next request, if it is time for one.
    fn next(&mut self, trust: &Trust, node: &str, now: u64) -> Option<Request> {
        if self.in_flight || !self.backoff.is_over(now) {
            return None;
        }
        let mut headers = vec![
            (http::NODE_HEADER, bounded(node)),
            (http::INSTANCE_HEADER, self.keys.instance().to_owned()),
            (http::PLUGIN_VERSION_HEADER, crate::VERSION.to_owned()),
        ];
        if let Some(snapshot) = trust.snapshot() {
            headers.push((http::REVISION_HEADER, snapshot.revision().to_string()));
            let held = self.held.get_or_insert_with(|| snapshot.etag());
            headers.push(("if-none-match", held.to_string()));
        }
        let wait = if self.behind { BEHIND_WAIT_SECONDS.min(self.wait_seconds) } else { self.wait_seconds };
        let mut path = format!("{}?{}={wait}", http::SNAPSHOT_PATH, http::WAIT_PARAMETER);
        if let Some(asks_for) = &self.asks_for {
            path.push('&');
            path.push_str(asks_for);
        }
        Some(Request { path, headers })
    }

    /// To be called when the request of [`Self::tick`] was handed to Envoy, or could not be.
    pub fn sent(&mut self, ok: bool, now: u64) {
        self.in_flight = ok;
        if !ok {
            self.backoff.failed(now);
        }
    }

    /// Takes an answer in. `Ok(None)` when it had nothing new. The caller then ticks again: the next request goes out
    /// at once after a success and after a pause otherwise.
    ///
    /// # Errors
    /// A [`Refusal`] when the snapshot is bad; the last good state stays in force.
    pub fn received(
        &mut self,
        response: &Response<'_>,
        shared: &impl SharedData,
        board: &Board,
        trust: &mut Trust,
        now: u64,
    ) -> Result<Option<Adopted>, Refusal> {
        self.in_flight = false;
        let taken = match response {
            Response::Status(304) => Ok(None),
            Response::Failed | Response::Status(_) => {
                self.backoff.failed(now);
                return Ok(None);
            }
            Response::TooLarge => Err(Refusal::Snapshot("too_large")),
            Response::Snapshot(bytes) => self.take(bytes, shared, board, trust, now).map(Some),
        };
        match taken {
            Ok(_) => self.backoff.succeeded(),
            Err(_) => self.backoff.failed(now),
        }
        taken
    }

    /// Whether a request of this VM is open at the controller.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.in_flight
    }

    /// Largest body that is worth reading.
    #[must_use]
    pub fn max_body_bytes() -> usize {
        LIMITS.max_bytes.saturating_add(LIMITS.max_credentials_bytes).saturating_add(AROUND_CREDENTIALS)
    }

    /// Gives the lease back: this VM's plugin instance ends.
    pub fn leave(&mut self, shared: &impl SharedData) {
        if let Some(lease) = self.lease.take() {
            lease.release(shared);
        }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        shared: &impl SharedData,
        board: &Board,
        trust: &mut Trust,
        now: u64,
    ) -> Result<Adopted, Refusal> {
        let snapshot = Trust::decode(bytes)?;
        let etag = snapshot.etag();
        let adopted = trust.adopt(snapshot, now)?;
        // Remembered even where older parts were not taken: asking again would only bring the same answer at once. But
        // the controller then holds something that we do not enforce, so it is asked again soon, for newer times.
        self.held = Some(etag);
        self.behind = adopted == Adopted::PartlyOlder;
        match &self.lease {
            Some(lease) if !trust.post(shared, board, lease.id(), now) => {
                self.held = None;
                Err(Refusal::NotPosted)
            }
            _ => Ok(adopted),
        }
    }
}

/// A value as a header can carry it.
fn bounded(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(http::MAX_HEADER_BYTES).collect()
}

/// What stands around the credentials in a snapshot, with room.
const AROUND_CREDENTIALS: usize = 64;
/// How soon a controller whose state was older than ours is asked again.
const BEHIND_WAIT_SECONDS: u64 = 1;

#[cfg(test)]
mod tests;
