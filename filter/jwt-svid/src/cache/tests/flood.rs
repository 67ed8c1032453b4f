//! A flood of distinct tokens that all verify: what an attacker with a valid identity, or a caller that asks for a new
//! token each time, does to the regular callers. Work is counted and no time is measured.
//!
//! A million tokens in a build with optimization (`make bench-cache-flood`), fewer without it.

use core::cell::Cell;

use super::*;

/// Takes every signature, and counts. Signing a million tokens is not what is tested.
#[derive(Default)]
struct Counting(Cell<u64>);

impl SignatureVerifier for Counting {
    fn verify_signature(
        &self,
        _: &VerificationKey,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), SignatureError> {
        self.0.set(self.0.get().strict_add(1));
        Ok(())
    }
}

struct Flooded {
    cache: TokenCache,
    verifier: Verifier,
    bundles: BundleSet,
    signatures: Counting,
    header: String,
    /// With [`JTI`] for what makes each token another one: to forge a million anew would take longer than to verify them.
    payload: String,
    /// How many entries there were at the most.
    most: usize,
}

impl Flooded {
    fn new(max_entries: usize, max_bytes: usize) -> Self {
        let header = String::from_utf8(signed()).unwrap();
        let payload = Token::new(&key()).claim("jti", JTI.into()).payload_bytes();
        Self {
            cache: cache(max_entries, max_bytes),
            verifier: verifier(),
            bundles: bundles(&[&key()]),
            signatures: Counting::default(),
            header: header.split('.').next().unwrap().into(),
            payload: String::from_utf8(payload).unwrap(),
            most: 0,
        }
    }

    fn token(&self, jti: &str) -> Vec<u8> {
        let payload = self.payload.replace(JTI, jti);
        let parts = [svidgate_forge::b64(payload.as_bytes()), svidgate_forge::b64(&[1; 64])];
        [self.header.as_str(), &parts[0], &parts[1]].join(".").into_bytes()
    }

    /// Whether it hit, and how many signatures that took. The limits hold after each request.
    fn ask(&mut self, token: &[u8]) -> (CacheUse, u64) {
        let before = self.signatures.0.get();
        let (result, cache_use) =
            self.cache.verify(token, &self.verifier, &self.bundles, &self.signatures, AT);
        assert!(result.is_ok(), "{result:?}");
        let limits = self.cache.limits;
        assert!(self.cache.len() <= limits.max_entries && self.cache.bytes() <= limits.max_bytes);
        self.most = self.most.max(self.cache.len());
        // The table doubles only when more than half of it is in use.
        assert!(self.cache.index.capacity() <= self.most.strict_mul(4).max(16));
        (cache_use, self.signatures.0.get().strict_sub(before))
    }

    /// How many entries a look-up of this token compares with, at most.
    fn compared(&self, token: &[u8]) -> usize {
        self.cache.index.iter_hash(self.cache.hasher.hash(token)).count()
    }
}

/// `flood` tokens, each used once, while `regular` callers come again now and then.
fn flood(max_entries: usize, max_bytes: usize, regular: usize, flood: u64) {
    let mut world = Flooded::new(max_entries, max_bytes);
    let regular: Vec<_> = (0..regular).map(|number| world.token(&format!("regular-{number}"))).collect();
    for expected in [(CacheUse::Miss, 1), (CacheUse::Hit, 0)] {
        for token in &regular {
            assert_eq!(world.ask(token), expected);
        }
    }
    for number in 0..flood {
        let token = world.token(&format!("one-time-{number}"));
        assert_eq!(world.ask(&token), (CacheUse::Miss, 1), "each of the flood costs one signature");
        assert!(world.compared(&token) <= MAX_COMPARED);
        // In the second half nobody comes for long.
        if number.is_multiple_of(flood / 16) && number < flood / 2 {
            for token in &regular {
                assert_eq!(world.ask(token), (CacheUse::Hit, 0), "after {number}");
                assert!(world.compared(token) <= MAX_COMPARED);
            }
        }
    }
    for token in &regular {
        assert_eq!(world.ask(token), (CacheUse::Hit, 0));
    }
    // The regular callers have no part in the signatures but for their first requests.
    let expected = flood.strict_add(u64::try_from(regular.len()).unwrap());
    assert_eq!(world.signatures.0.get(), expected);
    world.cache.check();
}

#[test]
fn b08_p02_a_million_distinct_tokens_cost_regular_callers_nothing() {
    let CacheLimits { max_entries, max_bytes } = CacheLimits::default();
    flood(max_entries, max_bytes, 2_000, COUNT);
}

#[test]
fn b08_p02_so_it_is_where_the_bytes_are_the_limit_and_where_the_entries_are() {
    flood(usize::MAX, 1 << 20, 200, COUNT / 10);
    flood(256, usize::MAX, 200, COUNT / 10);
}

const JTI: &str = "the-jti";

const COUNT: u64 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };

/// A table of 4096 slots tells entries apart by 7 more bits of the hash within each group that it looks into. More than
/// so many with the same bits in a row of groups is a matter of one in many billions, unless the hash is bad.
const MAX_COMPARED: usize = 16;
