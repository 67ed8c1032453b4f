//! What was revoked before its time: the section `revoked` of a snapshot.

mod json;

pub(crate) use json::check_size;

use std::collections::{BTreeMap, BTreeSet};

use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime, VerifiedSvid};

use crate::error::SnapshotError;
use crate::limits::Limits;

/// Keys, tokens and subjects whose tokens are refused although they verify.
///
/// None of it looks at a token's bytes: those of an ECDSA signature can be changed by anyone without making it
/// invalid (checklist V19). Looking up allocates nothing and grows with the logarithm of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    // No inner map is ever empty.
    kids: BTreeMap<TrustDomain, BTreeSet<String>>,
    jtis: BTreeMap<TrustDomain, BTreeMap<String, UnixTime>>,
    subjects: BTreeMap<SpiffeId, UnixTime>,
}

/// What of a token was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revoked {
    /// The key that signed it.
    Kid,
    /// The token itself, by its `jti`.
    Jti,
    /// All tokens of its subject that were issued before a moment.
    Subject,
}

/// How many entries of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationCounts {
    /// Keys.
    pub kids: usize,
    /// Tokens.
    pub jtis: usize,
    /// Subjects.
    pub subjects: usize,
}

impl Revocations {
    /// Whether a verified token is refused, and by which kind of entry.
    ///
    /// A token without `iat` of a subject that has an entry is refused: nobody knows when it was issued. Of `iat` and
    /// of the entry's moment whole seconds count, so a token of the very second of that moment is not refused.
    #[must_use]
    pub fn refuses(&self, svid: &VerifiedSvid) -> Option<Revoked> {
        if self.is_empty() {
            return None;
        }
        let (id, trust_domain) = (svid.spiffe_id(), svid.spiffe_id().trust_domain());
        if self.has_kid(trust_domain, svid.key_id()) {
            return Some(Revoked::Kid);
        }
        if svid.jwt_id().is_some_and(|jti| self.jti_expires_at(trust_domain, jti).is_some()) {
            return Some(Revoked::Jti);
        }
        let issued_before = self.subjects.get(id)?;
        svid.issued_at().is_none_or(|issued_at| issued_at < *issued_before).then_some(Revoked::Subject)
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kids.is_empty() && self.jtis.is_empty() && self.subjects.is_empty()
    }

    /// Entries of all kinds together.
    #[must_use]
    pub fn len(&self) -> usize {
        let counts = self.counts();
        counts.kids.saturating_add(counts.jtis).saturating_add(counts.subjects)
    }

    /// Entries of each kind.
    #[must_use]
    pub fn counts(&self) -> RevocationCounts {
        RevocationCounts {
            kids: self.kids.values().map(BTreeSet::len).fold(0, usize::saturating_add),
            jtis: self.jtis.values().map(BTreeMap::len).fold(0, usize::saturating_add),
            subjects: self.subjects.len(),
        }
    }

    /// Whether this key is revoked.
    #[must_use]
    pub fn has_kid(&self, trust_domain: &TrustDomain, kid: &str) -> bool {
        self.kids.get(trust_domain).is_some_and(|kids| kids.contains(kid))
    }

    /// When the revoked token with this `jti` expires, if there is one.
    #[must_use]
    pub fn jti_expires_at(&self, trust_domain: &TrustDomain, jti: &str) -> Option<UnixTime> {
        self.jtis.get(trust_domain)?.get(jti).copied()
    }

    /// The moment before which this subject's tokens are revoked, if there is one.
    #[must_use]
    pub fn subject_issued_before(&self, subject: &SpiffeId) -> Option<UnixTime> {
        self.subjects.get(subject).copied()
    }

    /// Every revoked key.
    pub fn kids(&self) -> impl Iterator<Item = (&TrustDomain, &str)> {
        self.kids.iter().flat_map(|(domain, kids)| kids.iter().map(move |kid| (domain, kid.as_str())))
    }

    /// Every revoked token, with its expiry.
    pub fn jtis(&self) -> impl Iterator<Item = (&TrustDomain, &str, UnixTime)> {
        let jtis = self.jtis.iter();
        jtis.flat_map(|(domain, jtis)| jtis.iter().map(move |(jti, at)| (domain, jti.as_str(), *at)))
    }

    /// Every revoked subject, with the moment before which its tokens are.
    pub fn subjects(&self) -> impl Iterator<Item = (&SpiffeId, UnixTime)> {
        self.subjects.iter().map(|(subject, issued_before)| (subject, *issued_before))
    }

    /// Revokes a key. Whether that is new.
    ///
    /// # Errors
    /// When `kid` is empty or has more than [`MAX_REVOKED_ID_BYTES`].
    pub fn add_kid(&mut self, trust_domain: TrustDomain, kid: &str) -> Result<bool, RevocationError> {
        check_id(kid)?;
        Ok(self.kids.entry(trust_domain).or_default().insert(kid.to_owned()))
    }

    /// Revokes a token until it expires; of two expiries the later one counts. Whether that changes anything.
    ///
    /// # Errors
    /// When `jti` is empty or has more than [`MAX_REVOKED_ID_BYTES`], or the time is past [`MAX_TIME`].
    pub fn add_jti(
        &mut self,
        trust_domain: TrustDomain,
        jti: &str,
        expires_at: UnixTime,
    ) -> Result<bool, RevocationError> {
        check_id(jti)?;
        check_time(expires_at)?;
        if self.jti_expires_at(&trust_domain, jti).is_some_and(|held| held >= expires_at) {
            return Ok(false);
        }
        self.jtis.entry(trust_domain).or_default().insert(jti.to_owned(), expires_at);
        Ok(true)
    }

    /// Revokes what was issued to a subject before a moment; of two moments the later one counts. Whether that changes
    /// anything.
    ///
    /// # Errors
    /// When the time is past [`MAX_TIME`].
    pub fn add_subject(
        &mut self,
        subject: SpiffeId,
        issued_before: UnixTime,
    ) -> Result<bool, RevocationError> {
        check_time(issued_before)?;
        if self.subject_issued_before(&subject).is_some_and(|held| held >= issued_before) {
            return Ok(false);
        }
        self.subjects.insert(subject, issued_before);
        Ok(true)
    }

    /// Takes everything of `others` in. Whether that changes anything.
    pub fn add_all(&mut self, others: &Self) -> bool {
        let before = self.clone();
        for (domain, kids) in &others.kids {
            self.kids.entry(domain.clone()).or_default().extend(kids.iter().cloned());
        }
        for (domain, jtis) in &others.jtis {
            let held = self.jtis.entry(domain.clone()).or_default();
            for (jti, at) in jtis {
                let latest = held.entry(jti.clone()).or_insert(*at);
                *latest = (*latest).max(*at);
            }
        }
        for (subject, at) in &others.subjects {
            let latest = self.subjects.entry(subject.clone()).or_insert(*at);
            *latest = (*latest).max(*at);
        }
        *self != before
    }

    /// Takes a key off the list. Whether it was there.
    pub fn remove_kid(&mut self, trust_domain: &TrustDomain, kid: &str) -> bool {
        let Some(kids) = self.kids.get_mut(trust_domain) else { return false };
        let removed = kids.remove(kid);
        if kids.is_empty() {
            self.kids.remove(trust_domain);
        }
        removed
    }

    /// Takes a token off the list. Whether it was there.
    pub fn remove_jti(&mut self, trust_domain: &TrustDomain, jti: &str) -> bool {
        let Some(jtis) = self.jtis.get_mut(trust_domain) else { return false };
        let removed = jtis.remove(jti).is_some();
        if jtis.is_empty() {
            self.jtis.remove(trust_domain);
        }
        removed
    }

    /// Takes a subject off the list. Whether it was there.
    pub fn remove_subject(&mut self, subject: &SpiffeId) -> bool {
        self.subjects.remove(subject).is_some()
    }

    /// Drops tokens that expired before `moment`: they are refused without an entry. Returns how many.
    pub fn drop_expired(&mut self, moment: UnixTime) -> usize {
        let before = self.len();
        self.jtis.retain(|_, jtis| {
            jtis.retain(|_, expires_at| *expires_at >= moment);
            !jtis.is_empty()
        });
        before.saturating_sub(self.len())
    }

    /// Whether the list is small enough for a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::TooManyRevocations`] or [`SnapshotError::RevocationsTooLarge`].
    pub fn check(&self, limits: &Limits) -> Result<(), SnapshotError> {
        self.to_raw(limits).map(|_| ())
    }
}

impl Revoked {
    /// Its name in logs and metrics: one of a closed set.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kid => "kid",
            Self::Jti => "jti",
            Self::Subject => "subject",
        }
    }
}

/// Why something is no entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// A `kid` or `jti` without text.
    #[error("must not be empty")]
    Empty,
    /// A `kid` or `jti` that no token has, or that would fill the list by itself.
    #[error("has {actual} bytes, more than the limit of {limit}")]
    TooLong {
        /// The most bytes.
        limit: usize,
        /// The bytes found.
        actual: usize,
    },
    /// Past the year 9999: most likely milliseconds.
    #[error("is past the year 9999; expected seconds since 1970, found {0}")]
    Time(u64),
}

/// The longest `kid` that a verified token can have (checklist V6); a token with a longer `jti` is revoked by its subject.
pub const MAX_REVOKED_ID_BYTES: usize = 512;
/// The end of the year 9999, as in tokens (checklist V12).
pub const MAX_TIME: UnixTime = UnixTime(253_402_300_799);

fn check_id(text: &str) -> Result<(), RevocationError> {
    match text.len() {
        0 => Err(RevocationError::Empty),
        actual if actual > MAX_REVOKED_ID_BYTES => {
            Err(RevocationError::TooLong { limit: MAX_REVOKED_ID_BYTES, actual })
        }
        _ => Ok(()),
    }
}

fn check_time(time: UnixTime) -> Result<(), RevocationError> {
    if time > MAX_TIME { Err(RevocationError::Time(time.as_secs())) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
