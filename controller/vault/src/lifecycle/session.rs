//! The token: login, renewal, another login when renewals no longer extend it (checklist H7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::{Alarm, Woke};
use super::children::Children;
use super::credential::LiveLife;
use super::retire;
use super::status::TokenBoard;
use super::timing::{AtShutdown, Timing};
use crate::client::Client;
use crate::clock::{Life, Moment};
use crate::error::{Error, Fault, SourceError};
use crate::login::{LoggedIn, Login, Prepared, Print};

/// A token in force.
#[derive(Debug)]
pub(crate) struct Session {
    /// Counted from 1, one for each login.
    pub(crate) generation: u64,
    /// Sends the token, on a connection that fits it.
    pub(crate) client: Client,
    pub(crate) life: Arc<LiveLife>,
    /// Counts renewals of the token, which move the end of all that hangs on it.
    pub(crate) renewals: watch::Sender<u64>,
    /// Whether we made the token, so that it is ours to revoke.
    pub(crate) ours: bool,
    /// Cancelled when the token was revoked, and all leases with it.
    pub(crate) gone: CancellationToken,
    renewable: bool,
    print: Print,
    /// Whom its connections trust.
    authorities: Option<Print>,
}

pub(crate) struct TokenKeeper {
    pub(crate) login: Login,
    pub(crate) client: Client,
    pub(crate) timing: Timing,
    pub(crate) stop: CancellationToken,
    pub(crate) sessions: watch::Sender<Option<Arc<Session>>>,
    /// Generations that were answered with 403.
    pub(crate) suspicions: mpsc::Receiver<u64>,
    pub(crate) children: Arc<Children>,
    pub(crate) board: TokenBoard,
    pub(crate) tasks: TaskTracker,
    pub(crate) generations: AtomicU64,
}

/// A login that was refused with 400.
struct Refused {
    print: Print,
    not_before: Instant,
}

/// Why another login is needed.
enum Over {
    Stopped,
    /// The token still lives, but renewals no longer extend it.
    Exhausted,
    /// Vault does not know it, or it has ended.
    Dead,
}

impl TokenKeeper {
    pub(crate) async fn run(mut self) {
        let mut old: Option<Arc<Session>> = None;
        let mut last_relogin: Option<Instant> = None;
        while let Some(session) = self.log_in(old.as_ref()).await {
            self.sessions.send_replace(Some(session.clone()));
            if let Some(old) = old.replace(session.clone()) {
                self.retire(old);
            }
            match self.keep(&session, &mut last_relogin).await {
                Over::Stopped => break,
                Over::Exhausted => {}
                Over::Dead => {
                    self.withdraw();
                    old = None;
                }
            }
        }
        self.end(old).await;
    }

    /// Tries until it works; `None` at the shutdown. `old` stays in force until its end.
    async fn log_in(&self, old: Option<&Arc<Session>>) -> Option<Arc<Session>> {
        let mut backoff = self.timing.backoff();
        let mut alarm = self.alarm();
        let mut refused: Option<Refused> = None;
        loop {
            let pause = self.log_in_once(old, &mut refused, &mut backoff).await;
            let pause = match pause {
                Ok(session) => return Some(session),
                Err(pause) => pause,
            };
            let mut until = Instant::now() + pause;
            let end = old.and_then(|old| old.life.remaining()).filter(|left| !left.is_zero());
            if let Some(left) = end {
                until = until.min(Instant::now() + left);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                _ = alarm.until(Some(until)) => {}
            }
            if old.is_some_and(|old| old.life.ended()) {
                self.withdraw();
            }
        }
    }

    async fn log_in_once(
        &self,
        old: Option<&Arc<Session>>,
        refused: &mut Option<Refused>,
        backoff: &mut ExponentialBackoff,
    ) -> Result<Arc<Session>, Duration> {
        let left = old.and_then(|old| old.life.remaining());
        let prepared = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.board.failed(&Error::new(crate::Operation::Login, Fault::Source(error)));
                return Err(self.timing.retry_in(backoff, left, None));
            }
        };
        if refused.as_ref().is_some_and(|r| r.print == prepared.print || Instant::now() < r.not_before) {
            // Final until something changes (checklist H2): nothing is sent. Nor is it each time when the source gives
            // another one each time.
            return Err(self.timing.check);
        }
        let authorities = self.client.authorities().await;
        let is_same = |old: &Arc<Session>| old.print == prepared.print && old.authorities == authorities;
        if self.login.brings_its_token() && old.is_some_and(|old| is_same(old) && !old.life.ended()) {
            // The same token again would be no new login.
            return Err(self.timing.check);
        }
        let begun = Moment::now(&**self.client.clock());
        let result = tokio::select! {
            () = self.stop.cancelled() => return Err(Duration::ZERO),
            result = prepared.send(&self.client) => result,
        };
        match result {
            Ok(logged_in) => Ok(self.session(logged_in, begun, prepared.print, authorities)),
            Err(error) => {
                self.board.failed(&error);
                if error.status() == Some(400) {
                    let not_before = Instant::now() + self.timing.retry_in(backoff, None, None);
                    *refused = Some(Refused { print: prepared.print, not_before });
                    return Err(self.timing.check);
                }
                Err(pause_after(&error, &self.timing, backoff, left))
            }
        }
    }

    async fn prepare(&self) -> Result<Prepared, SourceError> {
        let late = SourceError::new("what the login needs was not there in time");
        timeout(SOURCE_TIMEOUT, self.login.prepare()).await.unwrap_or(Err(late))
    }

    fn session(
        &self,
        logged_in: LoggedIn,
        begun: Moment,
        print: Print,
        authorities: Option<Print>,
    ) -> Arc<Session> {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let life = logged_in.lasts.map_or(Life::endless(begun), |lasts| Life::new(begun, lasts));
        let life = LiveLife::new(life, self.client.clock().clone());
        self.board.logged_in(life.clone());
        tracing::info!(vault = self.client.address(), generation, lasts = ?logged_in.lasts, "logged in to Vault");
        Arc::new(Session {
            generation,
            client: logged_in.client,
            life,
            renewals: watch::Sender::new(0),
            ours: logged_in.ours,
            gone: CancellationToken::new(),
            renewable: logged_in.renewable,
            print,
            authorities,
        })
    }

    /// Keeps the token alive for as long as that goes.
    async fn keep(&mut self, session: &Arc<Session>, last_relogin: &mut Option<Instant>) -> Over {
        let mut backoff = self.timing.backoff();
        let mut alarm = self.alarm();
        let announced = session.life.lasts();
        let mut due = session.life.remaining().map(|left| Instant::now() + self.timing.due_in(left));
        // When Vault is asked about a token that was refused elsewhere. A suspicion waits; it is never lost, as whoever had
        // it says so once only.
        let mut suspected: Option<Instant> = None;
        let mut look = interval(self.timing.check);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Over::Stopped,
                // Not only when the token is due: connections of all calls bear the certificate, and trust these
                // authorities. With others than Vault's no call would work until the token has ended.
                _ = look.tick() => {
                    let bound = self.login.binds_its_connection();
                    if self.trusts_others(session).await
                        || bound && self.is_bound_to_what_was(session).await
                    {
                        return Over::Exhausted;
                    }
                }
                Some(generation) = self.suspicions.recv() => {
                    if generation == session.generation && suspected.is_none() {
                        let early = last_relogin.map(|last| last + self.timing.min_relogin);
                        suspected = Some(early.unwrap_or_else(Instant::now));
                    }
                }
                () = at(suspected) => {
                    suspected = match self.is_refused(session).await {
                        Some(true) => {
                            *last_relogin = Some(Instant::now());
                            return Over::Dead;
                        }
                        Some(false) => None,
                        None => Some(Instant::now() + self.timing.min_relogin),
                    };
                }
                woke = alarm.until(due) => {
                    if woke == Woke::ClockJumped {
                        tracing::warn!("the wall clock has jumped: the token of Vault is renewed at once");
                    }
                    let (Some(left), Some(announced)) = (session.life.remaining(), announced) else { continue };
                    if left.is_zero() {
                        return Over::Dead;
                    }
                    if !session.renewable {
                        if woke == Woke::ClockJumped && due.is_some_and(|due| Instant::now() < due) {
                            continue;
                        }
                        return Over::Exhausted;
                    }
                    let renewed = tokio::select! {
                        () = self.stop.cancelled() => return Over::Stopped,
                        renewed = self.renew(session, announced, left) => renewed,
                    };
                    let pause = match renewed {
                        Ok(true) => {
                            backoff = self.timing.backoff();
                            self.timing.due_in(session.life.remaining().unwrap_or(announced))
                        }
                        Ok(false) => return Over::Exhausted,
                        Err(error) if error.is_forbidden() => {
                            *last_relogin = Some(Instant::now());
                            return Over::Dead;
                        }
                        Err(error) if error.status() == Some(400) => return Over::Exhausted,
                        Err(error) => {
                            pause_after(&error, &self.timing, &mut backoff, session.life.remaining())
                        }
                    };
                    let end = session.life.remaining().unwrap_or(announced).max(self.timing.floor);
                    due = Some(Instant::now() + pause.min(end));
                }
            }
        }
    }

    /// Whether the token is used with a client certificate that has been replaced meanwhile: that one will end, and Vault
    /// renews a token only for the certificate that it was made for.
    async fn is_bound_to_what_was(&self, session: &Session) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            prepared = self.prepare() => prepared.is_ok_and(|now| now.print != session.print),
        }
    }

    /// Whether its connections trust others than those that are to be trusted now.
    async fn trusts_others(&self, session: &Session) -> bool {
        let now = self.client.authorities().await;
        now.is_some() && now != session.authorities
    }

    /// Whether the renewal extended the life. The answer counts, not what was asked for.
    async fn renew(&self, session: &Session, announced: Duration, left: Duration) -> Result<bool, Error> {
        let begun = Moment::now(&**self.client.clock());
        let result = session.client.renew_self(Some(announced)).await;
        match result {
            Ok(auth) => {
                let lasts = Duration::from_secs(auth.lease_duration);
                session.life.renewed(Life::new(begun, lasts));
                session.renewals.send_modify(|count| *count = count.wrapping_add(1));
                let extended = Timing::extended(announced, left, lasts);
                self.client.metrics().token_renewed(if extended { "success" } else { "exhausted" });
                self.board.renewed();
                Ok(extended)
            }
            Err(error) => {
                self.client.metrics().token_renewed("error");
                self.board.failed(&error);
                Err(error)
            }
        }
    }

    /// Asks Vault about the token itself: a 403 elsewhere may be a policy that is missing. `None` when it does not say.
    async fn is_refused(&self, session: &Session) -> Option<bool> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            looked = session.client.lookup_self() => match looked {
                Ok(_) => Some(false),
                Err(error) => error.is_forbidden().then_some(true),
            },
        }
    }

    fn withdraw(&self) {
        if self.sessions.borrow().is_some() {
            self.sessions.send_replace(None);
            self.board.ended();
        }
    }

    fn retire(&self, old: Arc<Session>) {
        let (children, timing, stop) = (self.children.clone(), self.timing, self.stop.clone());
        self.tasks.spawn(retire::token(old, children, timing, stop));
    }

    async fn end(&self, session: Option<Arc<Session>>) {
        // Nobody gets a token any more that is about to be revoked.
        self.sessions.send_replace(None);
        if self.timing.at_shutdown == AtShutdown::Revoke
            && let Some(session) = session
        {
            retire::revoke_token(&session).await;
        }
    }

    fn alarm(&self) -> Alarm {
        Alarm::new(self.client.clock().clone(), self.timing.check, self.timing.jump)
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long to wait after `error`: while the circuit breaker is open, for as long as it says; it has pauses of its own
/// that grow.
pub(super) fn pause_after(
    error: &Error,
    timing: &Timing,
    backoff: &mut ExponentialBackoff,
    remaining: Option<Duration>,
) -> Duration {
    match error.fault() {
        Fault::CircuitOpen(wait) => timing.floor.mul_f64(fastrand::f64()) + (*wait).max(timing.floor),
        _ => timing.retry_in(backoff, remaining, error.retry_after()),
    }
}

/// For a token source that asks somebody else.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(10);
