use std::collections::BTreeMap;
use std::sync::Arc;

use svidgate_jwt_svid::{Bundle, TrustDomain};
use svidgate_snapshot::{Observed, Revocations};

/// The bundles and revocations in force and what their sources say. Changes only by [`State::next`] and
/// [`State::revoking`], which read no clock.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// How things stand with the source.
    pub phase: Phase,
    /// When that began.
    pub since: u64,
    /// Why, in the words of the last error; `None` while all is well.
    pub detail: Option<String>,
    /// The bundles in force.
    pub trust: BTreeMap<TrustDomain, Held>,
    /// Bundles of the last message that were refused.
    pub refused: Vec<Refused>,
    /// Bundles that are good but for which the snapshot has no room; their trust domains are not in force.
    pub left_out: Vec<Refused>,
    /// Our own trust domain, as far as the source told it.
    pub own: Option<TrustDomain>,
    /// What is revoked; `None` while no list is configured.
    pub revoked: Option<Revoked>,
    /// What was counted since the start.
    pub counters: Counters,
    /// The bundles of [`Self::left_out`], for when there is room again.
    without_room: BTreeMap<TrustDomain, Held>,
    /// Last moment at which the source was known to stand behind the state; `None` before its first answer. No time
    /// that was ever given out is later, so that it need not be remembered apart.
    seen: Option<u64>,
}

/// How things stand with the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was heard yet.
    #[default]
    Connecting,
    /// The stream is open and its last message is in force: what is held holds now.
    Up,
    /// The stream is open, but no snapshot could be made of its last message. The one before stays in force.
    Unreadable,
    /// No stream. The last message stays in force; the source is tried again.
    Down,
    /// The source says that we have no identity. Nothing is in force; it is asked again.
    NoIdentity,
    /// The source refuses the call in a way that no retry can change. The last message stays in force.
    Stopped,
    /// There is no source: the settings name none, and nothing is in force.
    Off,
}

impl Phase {
    /// Its name in `/status`, `/health` and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Unreadable => "unreadable",
            Self::Down => "down",
            Self::NoIdentity => "no_identity",
            Self::Stopped => "stopped",
            Self::Off => "off",
        }
    }
}

/// A bundle in force.
#[derive(Clone, Debug)]
pub struct Held {
    /// The keys, and which entries were ignored.
    pub bundle: Arc<Bundle>,
    /// Whether the last message carried it. Otherwise that message's bundle was refused and this is an older one.
    pub current: bool,
    /// Last moment at which the source was known to stand behind it.
    seen: u64,
}

/// The list of revocations.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    /// What is revoked, by all sources together.
    pub list: Arc<Revocations>,
    /// When it last changed. Tokens that leave it because they expired change nothing.
    pub changed_at: u64,
    /// What is wrong with the file of revocations, while something is: its last good content stays in force.
    pub file_error: Option<String>,
    /// How often something else became wrong with it.
    pub file_errors: u64,
}

/// A bundle that was refused or left out.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The name under which it came, fit to be shown.
    pub name: String,
    /// The trust domain, if the name is one.
    pub trust_domain: Option<TrustDomain>,
    /// Why, with the limit and the actual value where a limit was the cause.
    pub reason: String,
}

/// Counts since the start of the controller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Messages of the source that were taken.
    pub messages: u64,
    /// Answers by which the source confirmed the state in force.
    pub confirmations: u64,
    /// Messages that were refused whole.
    pub refused_messages: u64,
    /// Bundles that were refused in messages that were taken.
    pub refused_bundles: u64,
    /// Streams that ended or could not be opened.
    pub disconnects: u64,
}

/// What a source reports.
#[derive(Debug)]
pub enum Event {
    /// A message: the full state of the source (checklist B5).
    Message(Message),
    /// A message arrived of which no snapshot can be made; why.
    Refused(String),
    /// The stream ended or could not be opened; why.
    Down(String),
    /// PermissionDenied.
    NoIdentity(String),
    /// The source refuses the call itself; why.
    Stopped(String),
    /// There is no source.
    Off,
}

/// The full state of the source at one moment.
#[derive(Debug, Default)]
pub struct Message {
    /// Bundles that can be used.
    pub bundles: BTreeMap<TrustDomain, Bundle>,
    /// Bundles that cannot. One bad bundle does not hold back the others: a federated trust domain must not be
    /// able to stop our own from rotating.
    pub refused: Vec<Refused>,
    /// Our own trust domain, if the source was asked and told it. It is the last that a full snapshot leaves out.
    pub own: Option<TrustDomain>,
}

impl State {
    /// The state after `event`.
    #[must_use]
    pub fn next(&self, event: Event, now: u64) -> Self {
        let mut next = self.clone();
        let counters = &mut next.counters;
        let (phase, detail) = match event {
            Event::Message(message) => {
                counters.messages = counters.messages.saturating_add(1);
                let refused = u64::try_from(message.refused.len()).unwrap_or(u64::MAX);
                counters.refused_bundles = counters.refused_bundles.saturating_add(refused);
                next.take(message, now);
                (Phase::Up, None)
            }
            Event::Refused(why) => {
                counters.refused_messages = counters.refused_messages.saturating_add(1);
                (Phase::Unreadable, Some(why))
            }
            Event::Down(why) => {
                counters.disconnects = counters.disconnects.saturating_add(1);
                (Phase::Down, Some(why))
            }
            Event::NoIdentity(why) => {
                counters.disconnects = counters.disconnects.saturating_add(1);
                next.take(Message::default(), now);
                (Phase::NoIdentity, Some(why))
            }
            Event::Stopped(why) => {
                counters.disconnects = counters.disconnects.saturating_add(1);
                (Phase::Stopped, Some(why))
            }
            Event::Off => (Phase::Off, None),
        };
        if phase != self.phase {
            next.since = now;
        }
        next.phase = phase;
        next.detail = detail;
        next.set_clock(now);
        next
    }

    /// The state with these revocations. Trust domains that were left out are tried again.
    pub(super) fn revoking(&self, revoked: Revoked, now: u64) -> Self {
        let mut next = self.clone();
        next.revoked = Some(revoked);
        next.trust.append(&mut next.without_room);
        next.left_out.clear();
        next.set_clock(now);
        next
    }

    /// A list that changed in the future could be replaced by none until then, and filters refuse what has such a time.
    fn set_clock(&mut self, now: u64) {
        if let Some(revoked) = &mut self.revoked {
            revoked.changed_at = not_after(revoked.changed_at, now);
        }
    }

    /// The state after the source gave `message` when it was asked again at `now`; `None` if that is not the state in
    /// force.
    pub(super) fn confirmed(&self, message: Message, now: u64) -> Option<Self> {
        let mut again = self.clone();
        again.take(message, now);
        again.counters.confirmations = self.counters.confirmations.saturating_add(1);
        again.set_clock(now);
        (self.phase == Phase::Up).then_some(again)
    }

    /// Whether the same is in force.
    pub(super) fn enforces_the_same_as(&self, other: &Self) -> bool {
        let enforced = |state: &Self| {
            let held = state.trust.iter();
            held.map(|(domain, held)| (domain.clone(), held.current, Arc::clone(&held.bundle)))
                .collect::<Vec<_>>()
        };
        enforced(self) == enforced(other)
    }

    /// When the source was last known to stand behind the state (checklist P12): what it said or confirmed then. It
    /// stands still while the source says nothing. `None` before the first answer of the source.
    #[must_use]
    pub fn observed(&self) -> Option<Observed> {
        let domains = self.trust.iter().map(|(domain, held)| (domain.clone(), held.seen)).collect();
        let revoked = self.revoked.as_ref().map(|revoked| revoked.changed_at);
        Some(Observed { at: self.seen?, domains, revoked })
    }

    /// Takes a trust domain out of force because there is no room for it; why.
    pub(super) fn leave_out(&mut self, domain: &TrustDomain, reason: String) {
        if let Some(held) = self.trust.remove(domain) {
            self.without_room.insert(domain.clone(), held);
            let (name, trust_domain) = (domain.to_string(), Some(domain.clone()));
            self.left_out.push(Refused { name, trust_domain, reason });
        }
    }

    fn take(&mut self, message: Message, now: u64) {
        let seen = self.seen.map_or(now, |last| later(last, now));
        let mut before = std::mem::take(&mut self.trust);
        for (domain, bundle) in message.bundles {
            self.trust.insert(domain, Held { bundle: Arc::new(bundle), current: true, seen });
        }
        for domain in message.refused.iter().filter_map(|refused| refused.trust_domain.as_ref()) {
            // Last known good (checklist B5).
            if let Some(held) = before.remove(domain).filter(|_| !self.trust.contains_key(domain)) {
                let seen = held.seen.min(seen);
                self.trust.insert(domain.clone(), Held { current: false, seen, ..held });
            }
        }
        self.refused = message.refused;
        self.left_out.clear();
        self.without_room.clear();
        self.own = message.own.or(self.own.take());
        self.seen = Some(seen);
    }
}

/// `now`, unless the clock was set back a little since `last`, the latest time that was given out: filters refuse a
/// state that is older than the one they hold. A clock that was set back by more was wrong before, and its times with
/// it.
fn later(last: u64, now: u64) -> u64 {
    if last.saturating_sub(now) <= SMALL_STEP_MILLIS { last.max(now) } else { now }
}

/// `moment`, or `now` if `moment` lies in the future by more than a clock may have been set back in passing.
pub(crate) fn not_after(moment: u64, now: u64) -> u64 {
    if moment.saturating_sub(now) <= SMALL_STEP_MILLIS { moment } else { now }
}

/// What time synchronization does to a clock in passing.
const SMALL_STEP_MILLIS: u64 = 60_000;
