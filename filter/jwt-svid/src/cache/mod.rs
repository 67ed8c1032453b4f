//! Tokens that were verified, so that the signature of each is checked once (B8, P2).

mod cost;
mod segments;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::bundle::BundleSet;
use crate::bytes::are_same;
use crate::error::VerifyError;
use crate::signature::SignatureVerifier;
use crate::svid::VerifiedSvid;
use crate::unix_time::UnixTime;
use crate::verifier::Verifier;
use segments::{Segment, Segments};

/// How much a [`TokenCache`] holds. 0 of either turns it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// The most tokens. Default 4096.
    pub max_entries: usize,
    /// The most bytes: tokens, an upper estimate of their claims, and what holds them together. Default 8 MiB, room
    /// for some 3500 tokens of usual size. A token that would take more than a fifth of it is not kept.
    pub max_bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { max_entries: 4096, max_bytes: 8 << 20 }
    }
}

/// What a [`TokenCache`] did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// The token was there and is still good; no signature was checked.
    Hit,
    /// The token was read and verified in full.
    Miss,
    /// The same, because the cache is off.
    Off,
}

/// A bounded cache of verified tokens, for one thread.
///
/// Not a store of decisions: a kept token is put to [`Verifier::revalidate`] at each use, and whoever asks still
/// authorizes each request, by its rule, binding and revocation (P2). Refusals are never kept, and never given from
/// what is kept. `Debug` shows no token (V16).
///
/// # Costs
/// Beside hashing and comparing the token, operations take constant time, amortized. A hit allocates nothing.
///
/// # What an attacker can do
/// Only tokens that verified come in, so each entry costs a valid token. A flood of them, each used once, turns over
/// what is not protected, a fifth of the cache or what is free; an entry's second use moves it into the protected
/// rest, from which only other entries used twice displace it. Who is new during a flood may be verified in full until
/// two of its requests come close enough together.
///
/// The hash is SipHash-1-3, most of a hit's cost: for a token of 1 KB some 0.25 µs natively and 0.7 µs as Wasm, where
/// a P-256 signature takes a thousand times that. Who guesses the seed, and has many valid tokens that collide, can
/// make look-ups slow but not wrong: tokens are compared whole.
///
/// ```
/// use svidgate_jwt_svid::{
///     Audiences, BundleSet, CacheLimits, CacheUse, RustCrypto, TokenCache, UnixTime, Verifier, VerifierConfig,
/// };
///
/// let mut cache = TokenCache::new(CacheLimits::default(), 0x5eed);
/// let verifier = Verifier::new(VerifierConfig::new(Audiences::new(["backend.example.org"])?))?;
/// let now = UnixTime(1_700_000_000);
/// let (result, cache_use) = cache.verify(b"not.a.token", &verifier, &BundleSet::new(), &RustCrypto, now);
/// assert!(result.is_err() && cache_use == CacheUse::Miss && cache.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenCache {
    limits: CacheLimits,
    hasher: SipHasher13,
    /// Slots in `segments`, by the hash of the token.
    index: HashTable<usize>,
    segments: Segments<Kept>,
}

struct Kept {
    hash: u64,
    token: Box<[u8]>,
    svid: Rc<VerifiedSvid>,
}

impl TokenCache {
    /// An empty cache. `seed` keys its hash and should differ between processes and be hard to guess.
    #[must_use]
    pub fn new(limits: CacheLimits, seed: u64) -> Self {
        let share = CacheLimits {
            max_entries: limits.max_entries.saturating_sub(unprotected(limits.max_entries)),
            max_bytes: limits.max_bytes.saturating_sub(unprotected(limits.max_bytes)),
        };
        Self {
            limits,
            hasher: SipHasher13::new_with_keys(seed, !seed),
            index: HashTable::new(),
            segments: Segments::new(share),
        }
    }

    /// Does what [`Verifier::verify`] does, with the same result, but skips the signature of a token that this
    /// cache saw verified by a key that is still in its bundle.
    ///
    /// One cache may serve many verifiers: all that depends on a verifier's demands, on the bundles or on the
    /// time is asked each time. The one difference: of a token that is kept, a backend that has become unavailable
    /// is not noticed.
    ///
    /// # Errors
    /// Those of [`Verifier::verify`], always from a full verification. A token that has expired, or whose key or
    /// bundle has gone or changed, is dropped.
    pub fn verify(
        &mut self,
        token: &[u8],
        verifier: &Verifier,
        bundles: &BundleSet,
        crypto: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> (Result<Rc<VerifiedSvid>, VerifyError>, CacheUse) {
        let full = || verifier.verify(token, bundles, crypto, now).map(Rc::new);
        if self.is_off() {
            return (full(), CacheUse::Off);
        }
        // V2: refused before anything is done with it, though another verifier may have let it in.
        if token.len() > verifier.config().max_token_bytes {
            return (full(), CacheUse::Miss);
        }
        let hash = self.hasher.hash(token);
        if let Some(slot) = self.find(hash, token)
            && let Some(kept) = self.segments.get(slot)
        {
            match verifier.revalidate(&kept.svid, bundles, now) {
                Ok(()) => {
                    let svid = Rc::clone(&kept.svid);
                    self.segments.touch(slot);
                    return (Ok(svid), CacheUse::Hit);
                }
                Err(error) if is_for_good(error) => self.drop_slot(slot),
                Err(_) => {}
            }
        }
        let result = full();
        if let Ok(svid) = &result {
            self.insert(hash, token, Rc::clone(svid), now);
        }
        (result, CacheUse::Miss)
    }

    /// Forgets a token, one that was revoked for example. Whether it was there.
    pub fn remove(&mut self, token: &[u8]) -> bool {
        let found = self.find(self.hasher.hash(token), token);
        if let Some(slot) = found {
            self.drop_slot(slot);
        }
        found.is_some()
    }

    /// The number of tokens kept, expired ones that were not met since among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether no token is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is kept, in bytes, as [`CacheLimits::max_bytes`] counts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.segments.bytes()
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> CacheLimits {
        self.limits
    }

    fn is_off(&self) -> bool {
        self.limits.max_entries == 0 || self.limits.max_bytes == 0
    }

    /// The whole token counts; the hash only says where to look.
    fn find(&self, hash: u64, token: &[u8]) -> Option<usize> {
        let is_same = |slot: &usize| {
            self.segments.get(*slot).is_some_and(|kept| kept.hash == hash && are_same(&kept.token, token))
        };
        self.index.find(hash, is_same).copied()
    }

    /// Not public: it believes that the SVID is that of this token (V15).
    fn insert(&mut self, hash: u64, token: &[u8], svid: Rc<VerifiedSvid>, now: UnixTime) {
        if let Some(slot) = self.find(hash, token) {
            self.drop_slot(slot);
        }
        let bytes = cost::of(token, &svid);
        if self.is_off() || bytes > unprotected(self.limits.max_bytes) {
            return;
        }
        self.drop_expired(now);
        while self.len() >= self.limits.max_entries
            || self.bytes().saturating_add(bytes) > self.limits.max_bytes
        {
            // There always is one: what is protected leaves room for a newcomer.
            let Some(slot) = self.segments.oldest(Segment::Probation) else { return };
            self.drop_slot(slot);
        }
        let slot = self.segments.add(Kept { hash, token: token.into(), svid }, bytes);
        let segments = &self.segments;
        self.index.insert_unique(hash, slot, |slot| segments.get(*slot).map_or(0, |kept| kept.hash));
    }

    /// Takes away what has expired at the ends of both segments, a few for each newcomer, so that dead tokens do not
    /// stay until there is need of room.
    fn drop_expired(&mut self, now: UnixTime) {
        for segment in [Segment::Probation, Segment::Probation, Segment::Protected, Segment::Protected] {
            if let Some(slot) = self.segments.oldest(segment)
                && self.segments.get(slot).is_some_and(|kept| kept.svid.expires_at() <= now)
            {
                self.drop_slot(slot);
            }
        }
    }

    fn drop_slot(&mut self, slot: usize) {
        if let Some(kept) = self.segments.remove(slot)
            && let Ok(entry) = self.index.find_entry(kept.hash, |other| *other == slot)
        {
            entry.remove();
        }
    }
}

/// The part of a limit that what is protected never takes: a fifth. Shares around it serve mixed loads alike; with
/// much more, a flood would reach entries that are used, with much less, new callers would be driven out before
/// their second request.
fn unprotected(limit: usize) -> usize {
    limit.div_ceil(5)
}

/// Whether a kept token that fails so is of no more use. Another failure is one verifier's: it wants another
/// audience, say, and the next one may take the token.
fn is_for_good(error: VerifyError) -> bool {
    matches!(
        error,
        VerifyError::TrustDomainUnknown
            | VerifyError::KeyUnknown
            | VerifyError::KeyAlgorithmMismatch
            | VerifyError::Expired
    )
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("limits", &self.limits)
            .field("entries", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
