//! What a cache of tokens takes from the allocator, against what it counts.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, CacheLimits, CacheUse, RustCrypto, TokenCache, TrustDomain,
    UnixTime, Verifier, VerifierConfig,
};

#[test]
fn b08_a_hit_allocates_nothing() {
    let mut world = World::new();
    let token = Token::new(&world.key).sign(&world.key);
    assert_eq!(world.ask(&token), CacheUse::Miss);
    for _ in 0..3 {
        let before = USED.get();
        let cache_use = world.ask(&token);
        let after = USED.get();
        assert_eq!(cache_use, CacheUse::Hit);
        assert_eq!(after.allocations, before.allocations);
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
        let before = USED.get();
        for token in &tokens {
            assert_eq!(world.ask(token), CacheUse::Miss);
        }
        let held = usize::try_from(USED.get().live - before.live).unwrap();
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
    let before = USED.get();
    for token in rest {
        world.ask(token);
    }
    assert_eq!(USED.get().live, before.live);
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

#[derive(Clone, Copy, Debug)]
struct Used {
    /// Bytes held, less those that this thread gave back for others.
    live: i64,
    allocations: u64,
}

thread_local! {
    /// What this thread uses; tests beside it are other threads.
    static USED: Cell<Used> = const { Cell::new(Used { live: 0, allocations: 0 }) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without; it hands everything on to the system's"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(freed: usize, taken: usize) {
    let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    // At the end of a thread its storage is gone, and nothing is measured any more.
    let _ = USED.try_with(|used| {
        let Used { live, allocations } = used.get();
        used.set(Used {
            live: live + signed(taken) - signed(freed),
            allocations: allocations + u64::from(taken > 0),
        });
    });
}
