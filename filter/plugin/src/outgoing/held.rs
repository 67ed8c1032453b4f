use std::collections::{BTreeSet, VecDeque};

use svidgate_snapshot::{CredentialKey, Credentials, SealedCredentials, Snapshot, http};

use super::{Outgoing, OutgoingRule};

/// What a plugin instance asks the controller for.
#[derive(Clone, Debug)]
pub struct Wanted {
    names: BTreeSet<String>,
    key: CredentialKey,
}

impl Wanted {
    /// What the rules need.
    #[must_use]
    pub fn by(outgoing: &Outgoing) -> Self {
        let names = outgoing.rules().iter().map(|rule| rule.credential.clone()).collect();
        Self { names, key: outgoing.key().clone() }
    }

    /// As parameters of a query. Neither names nor ids have a character that would be escaped there.
    #[must_use]
    pub fn query(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        format!(
            "{}={}&{}={}",
            http::CREDENTIALS_PARAMETER,
            names.join(","),
            http::KEY_PARAMETER,
            self.key.id()
        )
    }
}

/// The credentials in force in this VM. A section that does not open never replaces them.
#[derive(Debug, Default)]
pub struct HeldCredentials {
    wanted: Option<Wanted>,
    now: Credentials,
    /// The section that they are from.
    from: Option<SealedCredentials>,
    /// Those of before, by which a header of ours is told from one of the caller when a request is tried again.
    before: VecDeque<Credentials>,
}

/// What a received snapshot has for us.
#[derive(Debug)]
pub enum Section {
    /// Nothing, or nothing that was asked for.
    None,
    /// Credentials, opened.
    Opened(Credentials),
    /// A section that did not open.
    Refused,
}

impl HeldCredentials {
    /// For a plugin with these needs; it holds nothing yet.
    #[must_use]
    pub fn new(wanted: Option<Wanted>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// The credentials in force.
    #[must_use]
    pub fn now(&self) -> &Credentials {
        &self.now
    }

    /// Opens what `received` carries, and takes off it what is not for us or does not open: nobody may be told later to
    /// take it for good. The section in force is known already.
    #[must_use]
    pub fn open(&self, received: Snapshot) -> (Snapshot, Section) {
        let odd = received.has_odd_credentials();
        let Some(wanted) = &self.wanted else { return (received.carrying(None), Section::None) };
        let Some(sealed) = received.credentials() else {
            return (received, if odd { Section::Refused } else { Section::None });
        };
        if self.from.as_ref() == Some(sealed) {
            return (received, Section::None);
        }
        match sealed.open(&wanted.key) {
            Some(opened) => (received, Section::Opened(opened)),
            None => (received.carrying(None), Section::Refused),
        }
    }

    /// Brings in force what `snapshot` carries, of which [`Self::open`] made `opened` if it is new. Whether that changed
    /// anything.
    pub fn take(&mut self, snapshot: &Snapshot, opened: Section) -> bool {
        let Some(sealed) = snapshot.credentials() else {
            if self.from.take().is_some() {
                self.replace(Credentials::default());
                return true;
            }
            return false;
        };
        let Section::Opened(opened) = opened else { return false };
        // The opened one may have been older than the one in force.
        if self.from.as_ref() == Some(sealed) {
            return false;
        }
        self.from = Some(sealed.clone());
        let next = opened.or_still(&self.now);
        let changed = next != self.now;
        if changed {
            self.replace(next);
        }
        changed
    }

    /// Whether `value` is what `rule` puts into its header now, or put there lately.
    pub(super) fn is_ours(&self, rule: &OutgoingRule, value: &[u8]) -> bool {
        let all = std::iter::once(&self.now).chain(&self.before);
        let ours = all.filter_map(|credentials| rule.carrier.value(credentials.get(&rule.credential)?));
        ours.fold(false, |found, ours| found | same(&ours, value))
    }

    fn replace(&mut self, next: Credentials) {
        if self.before.len() >= MAX_BEFORE {
            self.before.pop_back();
        }
        self.before.push_front(std::mem::replace(&mut self.now, next));
    }
}

/// In a time that does not tell where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Rotations during one request.
const MAX_BEFORE: usize = 4;
