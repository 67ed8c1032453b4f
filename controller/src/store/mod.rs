//! What the controller holds. The one place where state changes; everyone else reads or waits.

mod fit;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use svidgate_snapshot::{ETag, Limits, Revision};
use tokio::sync::watch;

pub use state::{Counters, Event, Held, Message, Phase, Refused, State};

/// The state, with the snapshot that follows from it. Times are Unix times in milliseconds.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    inner: Mutex<Inner>,
    changed: watch::Sender<Option<Arc<Encoded>>>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    revisions: u64,
    /// The snapshot as last encoded; none before the first message.
    encoded: Option<Arc<Encoded>>,
}

/// A snapshot ready to send. Every subscriber shares the same bytes.
#[derive(Debug)]
pub struct Encoded {
    /// Identity of the content with the time of its observation.
    pub etag: ETag,
    /// The body of the answer.
    pub bytes: Bytes,
}

impl Store {
    /// An empty store, which has nothing to give until the first event.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, inner: Mutex::default(), changed: watch::Sender::new(None) }
    }

    /// Takes an event in. Waiters wake exactly when the revision changes.
    ///
    /// Trust domains for which a snapshot within the limits has no room are left out, which shows in
    /// [`State::left_out`]. A state that makes no snapshot at all is not taken: the last good one stays in force, and
    /// the refusal shows in [`State::phase`].
    pub fn apply(&self, event: Event, now: u64) {
        let mut inner = self.lock();
        let mut next = inner.state.next(event, now);
        let encoded = match fit::encode(&mut next, now, &self.limits) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(%error, "the new state was refused; the last good one stays in force");
                next = inner.state.next(Event::Refused(error.to_string()), now);
                inner.encoded.clone()
            }
        };
        if next.phase != inner.state.phase {
            tracing::info!(
                phase = next.phase.as_str(),
                before = inner.state.phase.as_str(),
                "the source changed"
            );
        }
        complain(&inner.state, &next);
        inner.state = next;
        if revision_of(&inner.encoded) == revision_of(&encoded) {
            return;
        }
        inner.revisions = inner.revisions.saturating_add(1);
        inner.encoded.clone_from(&encoded);
        if let Some(encoded) = &encoded {
            tracing::info!(
                revision = encoded.etag.revision.short(),
                trust_domains = inner.state.trust.len(),
                bytes = encoded.bytes.len(),
                "a new revision is in force"
            );
        }
        // Under the lock, so that waiters see revisions in the order of the events.
        self.changed.send_replace(encoded);
    }

    /// The snapshot in force as of `now`; `None` before the first message.
    ///
    /// While a source stands behind the state, `observed` moves with the clock. It is written anew at most once a
    /// second, so that thousands of waits that end together share one encoding.
    #[must_use]
    pub fn snapshot(&self, now: u64) -> Option<Arc<Encoded>> {
        let mut inner = self.lock();
        let held = inner.encoded.clone()?;
        let age = inner.state.observed(now)?.at.abs_diff(held.etag.observed_at);
        // What does not move (the source is away) must end at its last moment, however small the difference.
        let fresh = age == 0 || (inner.state.phase == Phase::Up && age < REUSE_MILLIS);
        if fresh {
            return Some(held);
        }
        match fit::encode(&mut inner.state.clone(), now, &self.limits) {
            Ok(Some(encoded)) => {
                inner.encoded = Some(Arc::clone(&encoded));
                Some(encoded)
            }
            // Times of another width can push a snapshot over the limit; the held one still says the truth.
            Ok(None) | Err(_) => Some(held),
        }
    }

    /// Wakes with the snapshot at each change of revision.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Encoded>>> {
        self.changed.subscribe()
    }

    /// A copy of the state. Bundles are shared, so it is cheap.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// The revision in force.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.lock().encoded.as_ref().map(|encoded| encoded.etag.revision.clone())
    }

    /// How often the revision changed, the first one included.
    #[must_use]
    pub fn revisions(&self) -> u64 {
        self.lock().revisions
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves no half-written state: fields are replaced whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says once what has no room.
fn complain(before: &State, after: &State) {
    let names = |state: &State| state.left_out.iter().map(|bundle| bundle.name.clone()).collect::<Vec<_>>();
    let (known, left_out) = (names(before), names(after));
    if known == left_out {
        return;
    }
    match after.left_out.first() {
        None => tracing::info!("the snapshot has room for every trust domain again"),
        Some(first) => tracing::error!(
            count = left_out.len(),
            largest = first.name,
            reason = first.reason,
            "trust domains are left out of the snapshot; their tokens are refused"
        ),
    }
}

fn revision_of(encoded: &Option<Arc<Encoded>>) -> Option<&Revision> {
    encoded.as_ref().map(|encoded| &encoded.etag.revision)
}

/// How long a snapshot may be sent again with the same `observed` while the source is up.
const REUSE_MILLIS: u64 = 1000;

#[cfg(test)]
mod tests;
