//! One credential: fetched, renewed, fetched anew, published, withdrawn. One task each, so there is one request at a
//! time for it, however many ask.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::{Alarm, Woke};
use super::children::Children;
use super::credential::{Credential, Ends, LiveLife};
use super::holds::Holds;
use super::retire::{self, Replaced};
use super::session::{Session, pause_after};
use super::spec::{Fetched, Found, Next, Spec};
use super::status::Board;
use super::timing::{AtShutdown, Timing};
use crate::api::Lease;
use crate::clock::{Life, Moment, SharedClock};
use crate::error::{Error, Reason};
use crate::metrics::Metrics;

pub(crate) struct Keeper {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) timing: Timing,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) sessions: watch::Receiver<Option<Arc<Session>>>,
    pub(crate) suspicions: mpsc::Sender<u64>,
    pub(crate) published: watch::Sender<Option<Arc<Credential>>>,
    /// Counts extensions of the life of what is published.
    pub(crate) extensions: watch::Sender<u64>,
    pub(crate) asked_for: Arc<Notify>,
    pub(crate) children: Arc<Children>,
    pub(crate) board: Board,
    pub(crate) tasks: TaskTracker,
}

/// What is in force.
struct Held {
    credential: Arc<Credential>,
    session: Arc<Session>,
    /// Of the token that it hangs on, with a lease.
    renewals: watch::Receiver<u64>,
    lease: Option<Lease>,
    /// The lifetime when it was new.
    announced: Duration,
}

struct State {
    held: Option<Held>,
    revision: u64,
    due: Instant,
    /// After a failure nobody can make it try sooner by asking.
    not_before: Instant,
    /// The generation that a run was last made under.
    tried: u64,
    backoff: ExponentialBackoff,
    /// When something was last made in Vault, or may have been.
    made: Option<Instant>,
    /// When a 403 was reported, since the last success: one login may come of it, not more (checklist H2).
    suspected: Option<Instant>,
    /// Somebody wants another one.
    wanted: bool,
    /// What was replaced last.
    leaving: Option<Leaving>,
}

/// A credential that was replaced and may live on for its grace period.
struct Leaving {
    credential: Arc<Credential>,
    /// Cancelled when it was revoked.
    gone: CancellationToken,
}

impl Keeper {
    pub(crate) async fn run(mut self) {
        let mut state = State {
            held: None,
            revision: 0,
            due: Instant::now(),
            not_before: Instant::now(),
            tried: 0,
            backoff: self.timing.backoff(),
            made: None,
            suspected: None,
            wanted: false,
            leaving: None,
        };
        let mut alarm = Alarm::new(self.clock.clone(), self.timing.check, self.timing.jump);
        loop {
            self.withdraw_if_ended(&mut state);
            let session = self.sessions.borrow_and_update().clone();
            if let Some(session) = session.filter(|session| !session.life.ended()) {
                if self.hangs_on_older(&state, &session) && state.tried < session.generation {
                    state.due = Instant::now();
                }
                if state.due <= Instant::now() {
                    state.tried = session.generation;
                    let stop = self.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = self.once(&mut state, &session) => {}
                    }
                    continue;
                }
            }
            let wake = self.wake(&state);
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = self.sessions.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                () = token_renewed(&mut state.held) => {
                    // Where it would have ended with its token, its own end has moved.
                    self.extensions.send_modify(|count| *count = count.wrapping_add(1));
                }
                () = self.asked_for.notified() => {
                    let early = state.made.map_or(state.not_before, |made| made + self.timing.min_reissue);
                    state.wanted = true;
                    state.due = state.due.min(early.max(state.not_before));
                }
                woke = alarm.until(wake) => {
                    if woke == Woke::ClockJumped && state.held.is_some() {
                        state.due = Instant::now();
                    }
                }
            }
        }
        self.end(state).await;
    }

    /// When to look again without being told: at the next run if there is a session, and at the end of what is held.
    fn wake(&self, state: &State) -> Option<Instant> {
        // With a token that has ended nothing is run: a new one is told of.
        let run = self.sessions.borrow().as_ref().filter(|session| !session.life.ended()).map(|_| state.due);
        let left = state.held.as_ref().and_then(|held| held.credential.remaining());
        let end = left.map(|left| Instant::now() + left);
        match (run, end) {
            (Some(run), Some(end)) => Some(run.min(end)),
            (run, end) => run.or(end),
        }
    }

    /// Whether what is held goes with an older token, or nothing is held.
    fn hangs_on_older(&self, state: &State, session: &Session) -> bool {
        state
            .held
            .as_ref()
            .is_none_or(|held| held.lease.is_some() && held.session.generation < session.generation)
    }

    async fn once(&self, state: &mut State, session: &Arc<Session>) {
        let result = self.renew_or_fetch(state, session).await;
        self.metrics.ran(result.is_ok());
        match result {
            Ok(next) => {
                state.backoff = self.timing.backoff();
                state.suspected = None;
                self.board.set(None);
                state.due = Instant::now() + next;
            }
            Err(error) => {
                tracing::warn!(credential = self.name, %error, "a credential was not renewed");
                self.board.set(Some(error.to_string()));
                let suspects = state.suspected.is_none_or(|last| last.elapsed() >= SUSPECT_AGAIN);
                if error.is_forbidden() && suspects && self.suspicions.try_send(session.generation).is_ok() {
                    state.suspected = Some(Instant::now());
                }
                let left = state.held.as_ref().and_then(|held| held.credential.remaining());
                let mut pause = pause_after(&error, &self.timing, &mut state.backoff, left);
                if error.operation().creates() && error.may_have_happened() {
                    // Each attempt may leave something behind in Vault.
                    pause = pause.max(self.timing.min_reissue);
                }
                state.due = Instant::now() + pause;
                state.not_before = state.due;
            }
        }
    }

    /// How long until the next run.
    async fn renew_or_fetch(&self, state: &mut State, session: &Arc<Session>) -> Result<Duration, Error> {
        let mut gone = false;
        if !state.wanted
            && let Some(held) = &mut state.held
            && held.session.generation == session.generation
            && let Some(lease) = held.lease.clone().filter(|lease| lease.renewable)
        {
            match self.renew(held, session, &lease).await {
                Ok(Some(next)) => return Ok(next),
                // Nothing to extend any more, or the lease is gone: another one.
                Ok(None) => {}
                Err(error) if matches!(error.status(), Some(400 | 404)) => {
                    gone = error.reason() == Some(Reason::LeaseNotFound);
                }
                Err(error) => return Err(error),
            }
        }
        self.let_the_old_one_go(state).await;
        let fetched = self.fetch(state, session).await;
        if fetched.is_err() && gone {
            // Vault has said that it is void, and there is no other.
            self.withdraw(state);
        }
        fetched
    }

    /// Waits until what was replaced last is gone, so that no third one is made while two live; not for longer than its
    /// grace period, and not when what is in force was refused or would come too near its end.
    async fn let_the_old_one_go(&self, state: &mut State) {
        let Some(leaving) = state.leaving.take() else { return };
        let Some(held) = state.held.as_ref().filter(|_| !state.wanted) else { return };
        let mut pause = self.timing.grace;
        if let Some(left) = held.credential.remaining() {
            pause = pause.min(left.saturating_sub(self.timing.floor.max(left / 4)));
        }
        if let Some(left) = leaving.credential.remaining() {
            pause = pause.min(left);
        }
        let _ = timeout(pause, leaving.gone.cancelled()).await;
    }

    async fn renew(
        &self,
        held: &mut Held,
        session: &Session,
        lease: &Lease,
    ) -> Result<Option<Duration>, Error> {
        let begun = Moment::now(&*self.clock);
        let left = held.credential.ends.own.remaining().unwrap_or_default();
        let renewed = session.client.renew_lease(&lease.id, held.announced).await;
        if renewed.as_ref().is_err_and(Error::may_have_happened) && held.credential.ends.own.may_be_cut() {
            self.extensions.send_modify(|count| *count = count.wrapping_add(1));
        }
        let renewed = renewed?;
        held.credential.ends.own.renewed(Life::new(begun, renewed.lasts));
        self.extensions.send_modify(|count| *count = count.wrapping_add(1));
        // Of what remains: a slow answer took its part.
        let next = self.timing.due_in(held.credential.ends.own.remaining().unwrap_or(renewed.lasts));
        let extended = Timing::extended(held.announced, left, renewed.lasts);
        held.lease = Some(renewed);
        Ok(extended.then_some(next))
    }

    async fn fetch(&self, state: &mut State, session: &Arc<Session>) -> Result<Duration, Error> {
        let result = self.spec.fetch(&session.client, self.timing.poll).await;
        self.metrics.fetched(self.spec.kind(), result.is_ok());
        if !result.as_ref().is_err_and(|error| !error.may_have_happened()) {
            state.made = Some(Instant::now());
        }
        let found = match result? {
            Fetched::Found(found) => found,
            Fetched::Gone => {
                tracing::warn!(credential = self.name, "the secret was removed from Vault: it is withdrawn");
                self.withdraw(state);
                return Ok(self.timing.poll_in(self.timing.poll));
            }
        };
        state.wanted = false;
        let next = match found.next {
            Next::Lifetime(lasts) => {
                self.timing.due_in(found.life.remaining(Moment::now(&*self.clock)).unwrap_or(lasts))
            }
            Next::Poll(poll) => self.timing.poll_in(poll),
            Next::Change(time) => self.timing.change_in(time),
        };
        self.take(state, session, found);
        Ok(next)
    }

    /// Puts it in force, whole; what is in force already only lives on (checklist H12).
    fn take(&self, state: &mut State, session: &Arc<Session>, found: Found) {
        if let Some(held) = &mut state.held
            && found.lease.is_none()
            && held.lease.is_none()
            && held.credential.secrets.same_as(&found.secrets)
        {
            held.credential.ends.own.set(found.life);
            held.session = session.clone();
            self.extensions.send_modify(|count| *count = count.wrapping_add(1));
            return;
        }
        state.revision = state.revision.saturating_add(1);
        let announced = found.life.lasts().unwrap_or_default();
        let own = LiveLife::new(found.life, self.clock.clone());
        let token = found.lease.as_ref().map(|_| session.life.clone());
        let ends = Ends { own, token };
        let credential = Arc::new(Credential {
            name: self.name.clone(),
            revision: state.revision,
            version: found.version,
            secrets: found.secrets,
            ends: ends.clone(),
            holds: Holds::new(),
        });
        self.metrics.watch_expiry(&self.name, move || ends.remaining());
        // The old one first, so that its token does not look unused in between.
        self.let_live_with_its_token(state, session);
        self.published.send_replace(Some(credential.clone()));
        self.children.hangs_on(&self.name, found.lease.as_ref().map(|_| session.generation));
        tracing::info!(credential = self.name, revision = state.revision, "a credential is in force");
        let renewals = session.renewals.subscribe();
        let held = Held { credential, session: session.clone(), renewals, lease: found.lease, announced };
        if let Some(Held { credential, session: old, lease: Some(lease), announced, .. }) =
            state.held.replace(held)
        {
            let mut gone = old.gone.clone();
            // With another token it goes when that one is revoked.
            if old.generation == session.generation {
                gone = CancellationToken::new();
                let replaced = Replaced { credential: credential.clone(), session: old, lease, announced };
                self.tasks.spawn(retire::lease(replaced, gone.clone(), self.timing, self.stop.clone()));
            }
            state.leaving = Some(Leaving { credential, gone });
        }
    }

    /// What goes with another token ends when that is revoked; so that one waits for those who hold it.
    fn let_live_with_its_token(&self, state: &State, session: &Session) {
        if let Some(old) = &state.held
            && let Some(lease) = &old.lease
            && old.session.generation != session.generation
            && old.credential.holds.any()
        {
            self.children.hangs_on(&Children::replaced(&old.credential), Some(old.session.generation));
            let replaced = Replaced {
                credential: old.credential.clone(),
                session: old.session.clone(),
                lease: lease.clone(),
                announced: old.announced,
            };
            let (children, timing, stop) = (self.children.clone(), self.timing, self.stop.clone());
            self.tasks.spawn(retire::with_its_token(replaced, children, timing, stop));
        }
    }

    fn withdraw_if_ended(&self, state: &mut State) {
        if state.held.as_ref().is_some_and(|held| held.credential.ends.ended()) {
            tracing::warn!(credential = self.name, "a credential has ended and was not renewed in time");
            self.withdraw(state);
        }
    }

    fn withdraw(&self, state: &mut State) {
        if state.held.take().is_some() {
            self.published.send_replace(None);
            self.children.hangs_on(&self.name, None);
        }
    }

    async fn end(&self, mut state: State) {
        self.metrics.forget_expiry(&self.name);
        self.children.hangs_on(&self.name, None);
        if self.timing.at_shutdown == AtShutdown::Leave {
            return;
        }
        let held = state.held.take();
        if held.as_ref().is_some_and(|held| held.lease.is_some()) {
            // It is about to be revoked.
            self.published.send_replace(None);
        }
        if let Some(Held { session, lease: Some(lease), .. }) = held
            && !session.ours
        {
            retire::revoke_lease(&session, &lease).await;
        }
    }
}

/// For ever when nothing is held that hangs on a token.
async fn token_renewed(held: &mut Option<Held>) {
    let renewed = match held {
        Some(Held { renewals, lease: Some(_), .. }) => renewals.changed().await.is_ok(),
        _ => false,
    };
    if !renewed {
        std::future::pending().await
    }
}

/// A 403 that goes on for so long may have another cause than the first one had.
const SUSPECT_AGAIN: Duration = Duration::from_hours(1);
