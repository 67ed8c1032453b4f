//! What the controller holds. The one place where state changes; everyone else reads or waits.

mod fit;
mod history;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use svidgate_snapshot::{ETag, Limits, Observed, Revision, Snapshot, SnapshotError};
use tokio::sync::watch;

use history::History;
pub use history::Known;
pub(crate) use state::not_after;
pub use state::{Counters, Event, Held, Message, Phase, Refused, Revoked, State};

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
    history: History,
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

impl Encoded {
    /// A snapshot that trusts nobody, of a time before any: of a state that is held it changes nothing. `None` never.
    pub(crate) fn nothing() -> Option<Self> {
        let snapshot = Snapshot::new(BTreeMap::new(), Observed::default()).ok()?;
        let bytes = snapshot.encode(&Limits::default()).ok()?.into();
        Some(Self { etag: snapshot.etag(), bytes })
    }
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
        let encoded = match fit::encode(&mut next, &self.limits) {
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
        self.install(&mut inner, next, encoded);
    }

    /// Takes in what the source answered when it was asked again, as of `now`. Returns whether that is the state in
    /// force, which is thereby confirmed. Anything else is not taken: it may be older than what the stream brought
    /// meanwhile.
    pub fn confirm(&self, message: Message, now: u64) -> bool {
        let mut inner = self.lock();
        let Some(mut again) = inner.state.confirmed(message, now) else { return false };
        match fit::encode(&mut again, &self.limits) {
            Ok(encoded) if again.enforces_the_same_as(&inner.state) => {
                self.install(&mut inner, again, encoded);
                true
            }
            _ => false,
        }
    }

    /// Takes a list of revocations in, whole, with what its sources say.
    ///
    /// Trust domains for which it leaves no room are left out, which shows in [`State::left_out`], and come back when
    /// there is room again.
    ///
    /// # Errors
    /// When the list is over a limit of its own; then nothing changes.
    pub fn revoke(&self, revoked: Revoked, now: u64) -> Result<(), SnapshotError> {
        revoked.list.check(&self.limits)?;
        let mut inner = self.lock();
        let mut next = inner.state.revoking(revoked, now);
        let encoded = fit::encode(&mut next, &self.limits)?;
        self.install(&mut inner, next, encoded);
        Ok(())
    }

    /// The snapshot in force; `None` before the first message. Its times are those of the last confirmation.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Encoded>> {
        self.lock().encoded.clone()
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

    /// The recent revisions with what they hold, the one in force last.
    #[must_use]
    pub fn known(&self) -> Vec<Arc<Known>> {
        self.lock().history.list()
    }

    /// How often the revision changed, the first one included.
    #[must_use]
    pub fn revisions(&self) -> u64 {
        self.lock().revisions
    }

    fn install(&self, inner: &mut Inner, state: State, encoded: Option<Arc<Encoded>>) {
        complain(&inner.state, &state);
        let is_new = revision_of(&inner.encoded) != revision_of(&encoded);
        inner.state = state;
        inner.encoded.clone_from(&encoded);
        if is_new {
            inner.revisions = inner.revisions.saturating_add(1);
        }
        if let Some(encoded) = encoded.as_ref().filter(|_| is_new) {
            inner.history.remember(encoded.etag.revision.clone(), &inner.state);
        }
        if let Some(encoded) = encoded.as_ref().filter(|_| is_new) {
            tracing::info!(
                revision = encoded.etag.revision.short(),
                trust_domains = inner.state.trust.len(),
                bytes = encoded.bytes.len(),
                "a new revision is in force"
            );
        }
        // Under the lock, so that waiters see revisions in the order of the events.
        self.changed.send_if_modified(|shared| {
            *shared = encoded;
            is_new
        });
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

#[cfg(test)]
mod tests;
