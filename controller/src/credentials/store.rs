use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};
use svidgate_snapshot::{Credential, Credentials, NONCE_BYTES, SealedCredentials};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Asked, Keys};
use crate::clock;
use crate::config::{CredentialEntry, CredentialSubscriber};

/// The credentials in force, by name. Times are Unix times in milliseconds, but for the ends of credentials, which are
/// in seconds.
#[derive(Debug)]
pub struct Store {
    keys: Keys,
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    slots: BTreeMap<String, Slot>,
    /// No time of a change that was given out is later.
    last_change: u64,
    /// What was sealed, by the id of its key and the names it is about.
    sealed: HashMap<(String, BTreeSet<String>), Arc<SealedCredentials>>,
    refused: u64,
    last_complaint: Option<u64>,
}

#[derive(Debug)]
struct Slot {
    source: &'static str,
    subscribers: Vec<CredentialSubscriber>,
    held: Held,
    changed_at: u64,
    error: Option<String>,
    fetched: u64,
    failed: u64,
}

#[derive(Debug)]
enum Held {
    /// The source has said nothing yet: whoever still has one of before may go on with it.
    Unknown,
    /// There is none.
    Nothing,
    Good(Arc<Credential>),
}

/// Where a source puts what it fetched.
#[derive(Clone, Debug)]
pub struct Publisher {
    store: Arc<Store>,
    name: String,
}

/// A credential as it is shown: never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialStatus {
    /// Its name.
    pub name: String,
    /// Where it comes from, such as `jwt_svid`.
    pub source: String,
    /// How it is.
    pub state: CredentialState,
    /// First second at which it may not be sent any more, Unix time; none without an end.
    pub not_after: Option<u64>,
    /// When it last changed.
    pub changed_at: String,
    /// What is wrong with its source, while something is.
    pub error: Option<String>,
    /// How often it was fetched.
    pub fetched: u64,
    /// How often it could not be fetched.
    pub failed: u64,
}

/// How a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    /// It is there.
    Held,
    /// Nothing was fetched yet.
    Pending,
    /// There is none: it ended before another could be fetched, or was taken away.
    Missing,
}

impl Store {
    /// A store for these credentials, of which nothing is known at first.
    #[must_use]
    pub fn new(entries: &BTreeMap<String, CredentialEntry>, keys: Keys, now: u64) -> Self {
        let slot = |entry: &CredentialEntry| Slot {
            source: entry.source.as_str(),
            subscribers: entry.subscribers.clone(),
            held: Held::Unknown,
            changed_at: now,
            error: None,
            fetched: 0,
            failed: 0,
        };
        let slots = entries.iter().map(|(name, entry)| (name.clone(), slot(entry))).collect();
        let inner =
            Inner { slots, last_change: now, sealed: HashMap::new(), refused: 0, last_complaint: None };
        Self { keys, inner: Mutex::new(inner), changed: watch::Sender::new(()) }
    }

    /// Where to put the credential of that name; `None` when the configuration has none of it.
    #[must_use]
    pub fn publisher(self: &Arc<Self>, name: &str) -> Option<Publisher> {
        let known = self.lock().slots.contains_key(name);
        known.then(|| Publisher { store: Arc::clone(self), name: name.to_owned() })
    }

    /// What a subscriber may have of what it asks for, sealed with the key that it names; `None` when nothing can be said
    /// to it, for it names no key of ours. `uid` is the user of its process, where the kernel told it.
    ///
    /// The same state gives the same bytes, and after a restart or in another process with the same credentials the same
    /// revision.
    pub fn given(&self, asked: &Asked, uid: Option<u32>) -> Option<Arc<SealedCredentials>> {
        let (key_name, key) = self.keys.by_id(&asked.key_id)?;
        let mut inner = self.lock();
        let names = inner.given(asked, uid, key_name);
        let slots: Vec<(&String, &Slot)> =
            names.iter().filter_map(|name| inner.slots.get_key_value(name)).collect();
        let changed_at = slots.iter().map(|(_, slot)| slot.changed_at).max().unwrap_or_default();
        let place = (asked.key_id.clone(), names.clone());
        if let Some(sealed) = inner.sealed.get(&place).filter(|sealed| sealed.changed_at() == changed_at) {
            return Some(Arc::clone(sealed));
        }
        let mut credentials = Credentials::default();
        for (name, slot) in slots {
            match &slot.held {
                Held::Unknown => credentials.add_unknown(name),
                Held::Good(credential) => credentials.add(name, Credential::clone(credential)),
                Held::Nothing => true,
            };
        }
        let mut nonce = [0; NONCE_BYTES];
        let sealed = OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                SealedCredentials::seal(&credentials, key, changed_at, nonce)
                    .map_err(|error| error.to_string())
            })
            .map_err(|error| tracing::error!(%error, "credentials could not be sealed"))
            .ok()?;
        let sealed = Arc::new(sealed);
        if inner.sealed.len() >= MAX_SEALED {
            inner.sealed.clear();
        }
        inner.sealed.insert(place, Arc::clone(&sealed));
        Some(sealed)
    }

    /// Notes what a subscriber asks for and will not be given.
    pub fn note_refusals(&self, asked: &Asked, uid: Option<u32>, now: u64) {
        let key = self.keys.by_id(&asked.key_id);
        let mut inner = self.lock();
        match key {
            None => inner.refuse(now, uid, "the key that a subscriber names is none of credential_keys"),
            Some((key, _)) if inner.given(asked, uid, key).len() < asked.names.len() => {
                inner.refuse(
                    now,
                    uid,
                    "a subscriber asks for a credential that it may not have, or that is not configured",
                );
            }
            Some(_) => {}
        }
    }

    /// Wakes at each change of any credential.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How each credential is.
    #[must_use]
    pub fn statuses(&self) -> Vec<CredentialStatus> {
        self.lock().slots.iter().map(|(name, slot)| slot.status(name)).collect()
    }

    /// How often a subscriber asked with a key that is none of ours, or for what it may not have.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Takes away what has ended. Returns when the next one ends, Unix seconds.
    pub fn expire(&self, now: u64) -> Option<u64> {
        let seconds = now.checked_div(1000).unwrap_or(0);
        let mut inner = self.lock();
        let ended: Vec<String> = inner
            .slots
            .iter()
            .filter(|(_, slot)| slot.credential().is_some_and(|held| !held.is_good_at(seconds)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ended {
            tracing::error!(credential = name, "the credential ended before another could be fetched");
            inner.put(name, Held::Nothing, now);
        }
        let next = inner.slots.values().filter_map(|slot| slot.credential()?.not_after()).min();
        drop(inner);
        if !ended.is_empty() {
            self.changed.send_replace(());
        }
        next
    }

    fn put(&self, name: &str, held: Held, now: u64) {
        let is_new = {
            let mut inner = self.lock();
            let same = inner.slots.get(name).is_some_and(|slot| slot.held.is(&held));
            if !same {
                inner.put(name, held, now);
            }
            !same
        };
        if is_new {
            self.changed.send_replace(());
        }
    }

    fn note(&self, name: &str, note: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.lock().slots.get_mut(name) {
            note(slot);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, name: &str, held: Held, now: u64) {
        // A filter takes the later of two, so two changes have two times. A clock that was set back by much was wrong
        // before, and filters give up what lies in the future.
        let after = self.last_change.saturating_add(1);
        if after.saturating_sub(now) <= SMALL_STEP_MILLIS {
            self.last_change = after.max(now);
        } else {
            self.last_change = now;
            // Or those that change from now on would count as older than those that changed before.
            for slot in self.slots.values_mut() {
                slot.changed_at = slot.changed_at.min(now.saturating_sub(1));
            }
            self.sealed.clear();
        }
        if let Some(slot) = self.slots.get_mut(name) {
            slot.changed_at = self.last_change;
            slot.held = held;
        }
    }

    /// The names of those that a subscriber with this user and key may have.
    fn given(&self, asked: &Asked, uid: Option<u32>, key: &str) -> BTreeSet<String> {
        let may_have = |name: &&String| {
            let subscribers = self.slots.get(*name).map(|slot| slot.subscribers.iter()).into_iter().flatten();
            subscribers
                .filter(|subscriber| uid == Some(subscriber.uid))
                .any(|subscriber| subscriber.key.as_deref().is_none_or(|wanted| wanted == key))
        };
        asked.names.iter().filter(may_have).cloned().collect()
    }

    fn refuse(&mut self, now: u64, uid: Option<u32>, why: &str) {
        self.refused = self.refused.saturating_add(1);
        if self.last_complaint.is_none_or(|last| now.abs_diff(last) >= COMPLAINT_MILLIS) {
            self.last_complaint = Some(now);
            tracing::warn!(uid, "{why}");
        }
    }
}

impl Held {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) | (Self::Unknown, Self::Unknown) => true,
            (Self::Good(one), Self::Good(two)) => one == two,
            _ => false,
        }
    }
}

impl Slot {
    fn credential(&self) -> Option<&Credential> {
        match &self.held {
            Held::Good(credential) => Some(credential),
            Held::Unknown | Held::Nothing => None,
        }
    }

    fn status(&self, name: &str) -> CredentialStatus {
        CredentialStatus {
            name: name.to_owned(),
            source: self.source.to_owned(),
            state: match self.held {
                Held::Unknown => CredentialState::Pending,
                Held::Nothing => CredentialState::Missing,
                Held::Good(_) => CredentialState::Held,
            },
            not_after: self.credential().and_then(Credential::not_after),
            changed_at: clock::rfc3339(self.changed_at),
            error: self.error.clone(),
            fetched: self.fetched,
            failed: self.failed,
        }
    }
}

impl Publisher {
    /// The name under which it is published.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a credential in force, and tells its subscribers at once if it is another one. One that has ended already is
    /// taken as a failure.
    pub fn publish(&self, credential: Credential) {
        let now = clock::unix_millis();
        if !credential.is_good_at(now.checked_div(1000).unwrap_or(0)) {
            self.failed("what was fetched has ended already");
            return;
        }
        self.store.note(&self.name, |slot| {
            slot.fetched = slot.fetched.saturating_add(1);
            slot.error = None;
        });
        self.store.put(&self.name, Held::Good(Arc::new(credential)), now);
    }

    /// Notes that it could not be fetched; why, without a word of the secret. What is in force stays until it ends.
    pub fn failed(&self, why: impl Into<String>) {
        let why = why.into();
        self.store.note(&self.name, |slot| {
            slot.failed = slot.failed.saturating_add(1);
            if slot.error.as_ref() != Some(&why) {
                tracing::warn!(credential = self.name, reason = why, "the credential could not be fetched");
            }
            slot.error = Some(why);
        });
    }

    /// Takes the credential away at once, because there is none any more.
    pub fn withdraw(&self, why: impl Into<String>) {
        self.failed(why);
        self.store.put(&self.name, Held::Nothing, clock::unix_millis());
    }
}

/// Takes away each credential when it ends, until `stop`.
pub(super) async fn expire(store: Arc<Store>, stop: CancellationToken) {
    let mut changes = store.changes();
    loop {
        changes.mark_unchanged();
        let now = clock::unix_millis();
        let next = store.expire(now);
        // Not longer at a time: the wall clock may be set, and stands for no steady one.
        let wait = next.map_or(MAX_SLEEP, |next| {
            Duration::from_millis(next.saturating_mul(1000).saturating_sub(now)).clamp(MIN_SLEEP, MAX_SLEEP)
        });
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

const SMALL_STEP_MILLIS: u64 = 60_000;
const COMPLAINT_MILLIS: u64 = 10_000;
/// Each is a list of names under a key; a fleet has a few.
const MAX_SEALED: usize = 1024;
const MIN_SLEEP: Duration = Duration::from_millis(10);
const MAX_SLEEP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
