use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use svidgate_forge::{Key, NOW, RsaKey, Token, jwks};

use super::*;
use crate::testing::{AT, bundle, bundles, key, trust_domain, verifier, verifier_with};
use crate::{
    Algorithm, AlgorithmSet, Audiences, Bundle, BundleLimits, RustCrypto, SignatureError, VerificationKey,
};

#[cfg(not(target_arch = "wasm32"))]
mod flood;
#[cfg(not(target_arch = "wasm32"))]
mod properties;

const SEED: u64 = 7;

/// The default cache, asked by the default verifier with [`key`] in the bundle at [`AT`], unless told otherwise.
fn ask(cache: &mut TokenCache, token: &[u8]) -> (Result<Rc<VerifiedSvid>, VerifyError>, CacheUse) {
    cache.verify(token, &verifier(), &bundles(&[&key()]), &RustCrypto, AT)
}

fn cache(max_entries: usize, max_bytes: usize) -> TokenCache {
    TokenCache::new(CacheLimits { max_entries, max_bytes }, SEED)
}

fn signed() -> Vec<u8> {
    Token::new(&key()).sign(&key())
}

/// A cache that holds [`signed`].
fn warm() -> TokenCache {
    let mut cache = TokenCache::new(CacheLimits::default(), SEED);
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Miss);
    assert_eq!(cache.len(), 1);
    cache
}

fn svid() -> Rc<VerifiedSvid> {
    Rc::new(verifier().verify(&signed(), &bundles(&[&key()]), &RustCrypto, AT).unwrap())
}

/// Accepts nothing and does not count on being asked.
struct Refusing;

impl SignatureVerifier for Refusing {
    fn verify_signature(
        &self,
        _: &VerificationKey,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), SignatureError> {
        Err(SignatureError::Invalid)
    }
}

/// What the tests ask without verifying, so that they can have many tokens.
impl TokenCache {
    fn put(&mut self, token: &[u8], svid: &Rc<VerifiedSvid>) {
        self.insert(self.hasher.hash(token), token, Rc::clone(svid), AT);
    }

    /// Notes a use; gives back what is kept.
    fn used(&mut self, token: &[u8]) -> Option<Rc<VerifiedSvid>> {
        let slot = self.find(self.hasher.hash(token), token)?;
        self.segments.touch(slot);
        self.segments.get(slot).map(|kept| Rc::clone(&kept.svid))
    }

    fn find_token(&self, token: &str) -> Option<usize> {
        self.find(self.hasher.hash(token.as_bytes()), token.as_bytes())
    }

    /// The limits hold, and index, lists and sums agree.
    fn check(&self) {
        assert!(self.len() <= self.limits.max_entries && self.bytes() <= self.limits.max_bytes, "{self:?}");
        let kept = self.segments.check();
        assert_eq!(self.index.len(), kept.len());
        let mut bytes = 0;
        for slot in kept {
            let entry = self.segments.get(slot).unwrap();
            assert_eq!(self.find(self.hasher.hash(&entry.token), &entry.token), Some(slot));
            bytes = cost::of(&entry.token, &entry.svid).saturating_add(bytes);
        }
        assert_eq!(bytes, self.bytes());
    }
}

#[test]
fn b08_a_token_is_verified_once_and_then_kept() {
    let mut cache = warm();
    let (result, cache_use) = cache.verify(&signed(), &verifier(), &bundles(&[&key()]), &Refusing, AT);
    assert_eq!(cache_use, CacheUse::Hit);
    assert_eq!(result.unwrap().spiffe_id().as_str(), svidgate_forge::SUBJECT);
    cache.check();
}

#[test]
fn b08_a_hit_never_outlives_its_key() {
    let other = Key::p256("key-2");
    let elsewhere = BundleSet::from_iter([(trust_domain("other.org"), bundle(&[&key()]))]);
    for (bundles, expected) in [
        (bundles(&[&other]), VerifyError::KeyUnknown),
        (bundles(&[]), VerifyError::KeyUnknown),
        (BundleSet::new(), VerifyError::TrustDomainUnknown),
        (elsewhere, VerifyError::TrustDomainUnknown),
        (bundles(&[&other.with_kid("key-1")]), VerifyError::SignatureInvalid),
        (bundles(&[&Key::p384("key-1")]), VerifyError::KeyAlgorithmMismatch),
    ] {
        let mut cache = warm();
        let (result, cache_use) = cache.verify(&signed(), &verifier(), &bundles, &RustCrypto, AT);
        assert_eq!((result.unwrap_err(), cache_use), (expected, CacheUse::Miss));
        assert!(cache.is_empty(), "{expected}");
        cache.check();
    }
}

#[test]
fn b08_a_key_that_comes_back_has_its_tokens_verified_anew() {
    let mut cache = warm();
    let gone = cache.verify(&signed(), &verifier(), &bundles(&[]), &RustCrypto, AT);
    assert_eq!(gone.0.unwrap_err(), VerifyError::KeyUnknown);
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Miss);
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Hit);
}

#[test]
fn b08_a_key_bound_to_another_algorithm_voids_a_hit() {
    let rsa = Key::rsa(RsaKey::Bits2048, "k");
    let bound_to = |alg: &str| {
        let document = jwks([rsa.jwk_with(serde_json::json!({"alg": alg}))]);
        BundleSet::from_iter([(
            trust_domain("example.org"),
            Bundle::from_jwks(&document, &BundleLimits::default()).unwrap(),
        )])
    };
    let token = Token::new(&rsa).sign_as(&rsa, "RS256");
    let mut cache = cache(10, 1 << 20);
    let mut ask = |alg: &str| cache.verify(&token, &verifier(), &bound_to(alg), &RustCrypto, AT);
    assert!(ask("RS256").0.is_ok());
    assert_eq!(ask("RS256").1, CacheUse::Hit);
    let (result, cache_use) = ask("PS256");
    assert_eq!((result.unwrap_err(), cache_use), (VerifyError::KeyAlgorithmMismatch, CacheUse::Miss));
    assert_eq!(ask("RS256").1, CacheUse::Miss);
}

#[test]
fn b08_a_hit_that_has_expired_is_dropped_on_the_second_that_verification_says() {
    let mut cache = warm();
    let mut at = |now| cache.verify(&signed(), &verifier(), &bundles(&[&key()]), &RustCrypto, UnixTime(now));
    assert_eq!(at(NOW + 244).1, CacheUse::Hit);
    let (result, cache_use) = at(NOW + 245);
    assert_eq!((result.unwrap_err(), cache_use), (VerifyError::Expired, CacheUse::Miss));
    assert!(cache.is_empty());
}

#[test]
fn b08_what_expired_goes_when_something_new_comes() {
    let (mut cache, svid) = (warm(), svid());
    cache.put(b"used twice", &svid);
    cache.used(b"used twice");
    let later = UnixTime(NOW + 240);
    let hash = cache.hasher.hash(b"new");
    cache.insert(hash, b"new", svid, later);
    assert_eq!(cache.len(), 1);
    assert!(cache.find_token("new").is_some());
    cache.check();
}

#[test]
fn b08_refusals_are_not_kept() {
    let mut cache = cache(10, 1 << 20);
    let forged = Token::new(&key()).sign(&Key::p256("key-2"));
    for _ in 0..2 {
        let (result, cache_use) = ask(&mut cache, &forged);
        assert_eq!((result.unwrap_err(), cache_use), (VerifyError::SignatureInvalid, CacheUse::Miss));
    }
    assert!(cache.is_empty() && cache.bytes() == 0);
}

#[test]
fn b08_the_whole_token_is_the_key() {
    let token = signed();
    let mut cache = warm();
    for index in 0..token.len() {
        let mut other = token.clone();
        other[index] ^= 1;
        assert_eq!(ask(&mut cache, &other).1, CacheUse::Miss, "octet {index}");
    }
    for other in [&token[..token.len() - 1], &token[1..], b""] {
        assert_eq!(ask(&mut cache, other).1, CacheUse::Miss);
    }
}

#[test]
fn b08_tokens_of_one_hash_are_told_apart() {
    let mut cache = cache(100, 1 << 20);
    let svids = [svid(), svid()];
    for (token, svid) in [b"a", b"b"].into_iter().zip(&svids) {
        cache.insert(0, token, Rc::clone(svid), AT);
    }
    for (token, svid) in [b"a", b"b"].into_iter().zip(&svids) {
        let slot = cache.find(0, token).unwrap();
        assert!(Rc::ptr_eq(&cache.segments.get(slot).unwrap().svid, svid));
    }
    assert_eq!(cache.find(0, b"c"), None);
    let slot = cache.find(0, b"a").unwrap();
    cache.drop_slot(slot);
    assert_eq!(cache.find(0, b"a"), None);
    assert!(cache.find(0, b"b").is_some());
}

#[test]
fn p02_a_kept_token_meets_the_demands_of_each_verifier() {
    let mut cache = warm();
    let bundles = bundles(&[&key()]);
    for (demand, expected) in [
        (verifier_with(|config| config.max_age = Some(10)), VerifyError::TooOld),
        (
            verifier_with(|config| config.audiences = Audiences::new(["other"]).unwrap()),
            VerifyError::AudienceMismatch,
        ),
        (
            verifier_with(|config| config.algorithms = AlgorithmSet::new([Algorithm::Rs256]).unwrap()),
            VerifyError::AlgorithmNotAllowed(Algorithm::Es256),
        ),
        (
            verifier_with(|config| config.max_token_bytes = 100),
            VerifyError::TokenTooLarge { limit: 100, actual: signed().len() },
        ),
    ] {
        let (result, cache_use) = cache.verify(&signed(), &demand, &bundles, &RustCrypto, AT);
        assert_eq!((result.unwrap_err(), cache_use), (expected, CacheUse::Miss));
        // Another rule takes it still.
        assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Hit, "{expected}");
    }
}

#[test]
fn p02_a_removed_token_is_verified_anew() {
    let mut cache = warm();
    assert!(cache.remove(&signed()));
    assert!(!cache.remove(&signed()));
    assert_eq!((cache.len(), cache.bytes()), (0, 0));
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Miss);
}

#[test]
fn b08_a_cache_of_nothing_is_off() {
    for mut cache in [cache(0, 1 << 20), cache(10, 0)] {
        for _ in 0..2 {
            let (result, cache_use) = ask(&mut cache, &signed());
            assert!(result.is_ok());
            assert_eq!(cache_use, CacheUse::Off);
        }
        assert!(cache.is_empty());
    }
}

#[test]
fn b08_a_cache_of_one_keeps_the_last() {
    let (mut cache, svid) = (cache(1, 1 << 20), svid());
    for token in [b"a", b"b"] {
        cache.put(token, &svid);
        assert!(cache.used(token).is_some());
        cache.check();
    }
    assert!(cache.used(b"a").is_none());
}

#[test]
fn b08_what_takes_more_than_a_fifth_of_the_bytes_is_not_kept() {
    let svid = svid();
    let bytes = cost::of(b"token", &svid);
    for (max_bytes, is_kept) in [(5 * bytes, true), (5 * bytes - 5, false)] {
        let mut cache = cache(10, max_bytes);
        cache.put(b"token", &svid);
        assert_eq!(cache.used(b"token").is_some(), is_kept);
    }
}

#[test]
fn b08_a_flood_of_one_time_tokens_leaves_regular_callers_in() {
    let svid = svid();
    let bytes = cost::of(b"regular 000", &svid);
    // Once the number is the limit, once the bytes.
    for mut cache in [cache(500, 1 << 30), cache(1 << 30, 500 * bytes)] {
        let regular: Vec<String> = (0..390).map(|index| format!("regular {index:03}")).collect();
        for token in regular.iter().chain(&regular) {
            if cache.used(token.as_bytes()).is_none() {
                cache.put(token.as_bytes(), &svid);
            }
        }
        for round in 0..3 {
            for index in 0..100_000 {
                cache.put(format!("one-time {round} {index}").as_bytes(), &svid);
            }
            cache.check();
            for token in &regular {
                assert!(cache.used(token.as_bytes()).is_some(), "{token} in round {round}");
            }
        }
        assert!(cache.len() > 480, "the rest is used as well: {cache:?}");
    }
}

#[test]
fn b08_a_hit_protects_the_token() {
    let mut cache = cache(10, 1 << 20);
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Miss);
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Hit);
    let svid = svid();
    for index in 0..100 {
        cache.put(format!("{index}").as_bytes(), &svid);
    }
    assert_eq!(ask(&mut cache, &signed()).1, CacheUse::Hit);
}

#[test]
fn b08_a_newcomer_finds_room_though_all_that_is_kept_was_used_again() {
    let svid = svid();
    let bytes = cost::of(b"00", &svid);
    for mut cache in [cache(50, 1 << 30), cache(1 << 30, 50 * bytes)] {
        for index in 0..50 {
            cache.put(format!("{index:02}").as_bytes(), &svid);
        }
        for index in 0..50 {
            assert!(cache.used(format!("{index:02}").as_bytes()).is_some());
        }
        cache.put(b"50", &svid);
        assert!(cache.used(b"50").is_some());
        cache.check();
    }
}

#[test]
fn b08_the_least_recently_used_go_first() {
    let (mut cache, svid) = (cache(10, 1 << 20), svid());
    let tokens: Vec<String> = (0..10).map(|index| format!("{index}")).collect();
    for token in &tokens {
        cache.put(token.as_bytes(), &svid);
    }
    // 8 may be protected: the first two of the ten are demoted again, and newest on probation.
    for token in &tokens {
        assert!(cache.used(token.as_bytes()).is_some());
    }
    let mut gone = Vec::new();
    for new in ["a", "b"] {
        cache.put(new.as_bytes(), &svid);
        gone.extend(tokens.iter().filter(|token| cache.find_token(token).is_none()).cloned());
    }
    assert_eq!(gone, ["0", "0", "1"]);
    cache.check();
}

#[test]
fn b08_a_token_put_in_again_starts_anew() {
    let (mut cache, first, second) = (cache(10, 1 << 20), svid(), svid());
    cache.put(b"token", &first);
    cache.put(b"token", &second);
    assert_eq!(cache.len(), 1);
    assert!(Rc::ptr_eq(&cache.used(b"token").unwrap(), &second));
    cache.check();
}

#[test]
fn v16_debug_of_a_cache_shows_numbers_only() {
    let text = format!("{:?}", warm());
    assert!(text.starts_with("TokenCache { limits: CacheLimits {"), "{text}");
    for secret in [&*String::from_utf8(signed()).unwrap(), "eyJ", "spiffe", "key-1", "hasher", "seed"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn hashes_depend_on_the_seed() {
    let hashes: BTreeMap<u64, u64> = (0..100)
        .map(|seed| (TokenCache::new(CacheLimits::default(), seed).hasher.hash(b"token"), seed))
        .collect();
    assert_eq!(hashes.len(), 100);
}
