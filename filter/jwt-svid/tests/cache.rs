//! What a cache of tokens takes from the allocator, against what it counts.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use serde_json::{Value, json};
use svidgate_allocations::{Counting, used};
use svidgate_forge::{AUDIENCE, Key, NOW, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, CacheLimits, CacheUse, RustCrypto, TokenCache, TrustDomain,
    UnixTime, Verifier, VerifierConfig,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn b08_a_hit_allocates_nothing() {
    let mut world = World::new();
    let token = Token::new(&world.key).sign(&world.key);
    assert_eq!(world.ask(&token), CacheUse::Miss);
    for _ in 0..3 {
        let before = used();
        let cache_use = world.ask(&token);
        let after = used();
        assert_eq!(cache_use, CacheUse::Hit);
        assert_eq!(after.count, before.count);
    }
}

#[test]
fn b08_the_bytes_counted_are_at_least_those_held_and_less_than_three_times_as_many() {
    let list = |value: Value, count: usize| json!(vec![value; count]);
    for (name, claims) in [
        ("none", json!(0)),
        ("texts", list(json!("0123456789"), 300)),
        ("numbers", list(json!(0), 900)),
        ("objects of one member", list(json!({"a": 0}), 400)),
        ("arrays of one", list(json!([0]), 400)),
        ("one large object", (0..500).map(|index| (index.to_string(), json!(index))).collect()),
    ] {
        let mut world = World::new();
        let tokens: Vec<_> = (0..20)
            .map(|index| {
                Token::new(&world.key).claim("x", claims.clone()).claim("jti", json!(index.to_string()))
            })
            .map(|token| token.sign(&world.key))
            .collect();
        let before = used();
        for token in &tokens {
            assert_eq!(world.ask(token), CacheUse::Miss);
        }
        let held = usize::try_from(used().live - before.live).unwrap();
        assert_eq!(world.cache.len(), tokens.len(), "{name}");
        let counted = world.cache.bytes();
        assert!((held..3 * held).contains(&counted), "{name}: {counted} counted, {held} held");
    }
}

#[test]
fn b08_what_was_evicted_is_given_back() {
    let mut world = World::new();
    world.cache = TokenCache::new(CacheLimits { max_entries: 8, max_bytes: 1 << 20 }, 7);
    let tokens: Vec<_> = (0..64)
        .map(|index| Token::new(&world.key).claim("jti", json!(format!("{index:02}"))).sign(&world.key))
        .collect();
    let (full, rest) = tokens.split_at(8);
    for token in full {
        world.ask(token);
    }
    let before = used();
    for token in rest {
        world.ask(token);
    }
    assert_eq!(used().live, before.live);
}

struct World {
    key: Key,
    bundles: BundleSet,
    verifier: Verifier,
    cache: TokenCache,
}

impl World {
    fn new() -> Self {
        let key = Key::p256("key-1");
        let bundle = Bundle::from_jwks(&jwks([key.jwk()]), &BundleLimits::default()).unwrap();
        let mut config = VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap());
        config.max_token_bytes = 1 << 16;
        Self {
            key,
            bundles: BundleSet::from_iter([(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)]),
            verifier: Verifier::new(config).unwrap(),
            cache: TokenCache::new(CacheLimits { max_bytes: 1 << 28, ..CacheLimits::default() }, 7),
        }
    }

    fn ask(&mut self, token: &[u8]) -> CacheUse {
        let now = UnixTime(NOW);
        let (result, cache_use) = self.cache.verify(token, &self.verifier, &self.bundles, &RustCrypto, now);
        assert!(result.is_ok(), "{result:?}");
        cache_use
    }
}
