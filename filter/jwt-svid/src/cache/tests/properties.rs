//! Any sequence of operations: limits hold, and results are those of a fresh verification.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

static TOKENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (first, second) = (Key::p256("key-1"), Key::p256("key-2"));
    let token = || Token::new(&first);
    std::vec![
        token().sign(&first),
        token().claim("jti", "a".into()).sign(&first),
        Token::new(&second).sign(&second),
        Token::at(NOW + 300, &first).sign(&first),
        token().claim("aud", "other".into()).sign(&first),
        token().without_claim("iat").claim("nbf", (NOW + 30).into()).sign(&first),
        token().claim("large", serde_json::json!(std::vec![BTreeMap::from([("a", 0)]); 50])).sign(&first),
        // Signed by the key that takes the place of another under its kid.
        token().sign(&second),
        Token::new(&Key::p384("key-1")).sign(&Key::p384("key-1")),
        b"not.a.token".to_vec(),
    ]
});

static BUNDLES: LazyLock<Vec<BundleSet>> = LazyLock::new(|| {
    let (first, second) = (Key::p256("key-1"), Key::p256("key-2"));
    std::vec![
        bundles(&[&first, &second]),
        bundles(&[&first]),
        bundles(&[&second.with_kid("key-1")]),
        bundles(&[&Key::p384("key-1"), &second]),
        bundles(&[]),
        BundleSet::new(),
    ]
});

static VERIFIERS: LazyLock<Vec<Verifier>> = LazyLock::new(|| {
    std::vec![
        verifier(),
        verifier_with(|config| config.audiences = Audiences::new(["other", "third"]).unwrap()),
        verifier_with(|config| config.max_age = Some(90)),
        verifier_with(|config| config.clock_skew = 0),
        verifier_with(|config| config.max_token_bytes = 400),
        verifier_with(|config| config.algorithms = AlgorithmSet::new([Algorithm::Es384]).unwrap()),
    ]
});

#[derive(Clone, Debug)]
enum Step {
    Verify { token: usize, verifier: usize, bundles: usize, now: u64 },
    Remove { token: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // The first of each more often, so that there are hits.
    let mostly_first = |len: usize| prop_oneof![2 => Just(0), 1 => 0..len];
    let now = prop_oneof![Just(0), Just(29), Just(100), Just(240), Just(245), 0..600_u64];
    prop_oneof![
        12 => (0..TOKENS.len(), mostly_first(VERIFIERS.len()), mostly_first(BUNDLES.len()), now)
            .prop_map(|(token, verifier, bundles, now)| Step::Verify { token, verifier, bundles, now: NOW.saturating_add(now) }),
        1 => (0..TOKENS.len()).prop_map(|token| Step::Remove { token }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn b08_any_sequence_gives_what_fresh_verification_gives(
        max_entries in 0..7_usize,
        max_bytes in prop_oneof![Just(0), 1..100_000_usize, Just(1 << 20)],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut cache = cache(max_entries, max_bytes);
        for step in steps {
            match step {
                Step::Verify { token, verifier, bundles, now } => {
                    let (token, verifier, bundles) = (&TOKENS[token], &VERIFIERS[verifier], &BUNDLES[bundles]);
                    let (result, cache_use) = cache.verify(token, verifier, bundles, &RustCrypto, UnixTime(now));
                    let fresh = verifier.verify(token, bundles, &RustCrypto, UnixTime(now));
                    prop_assert_eq!(cache_use == CacheUse::Off, max_entries == 0 || max_bytes == 0);
                    prop_assert!(cache_use != CacheUse::Hit || result.is_ok());
                    prop_assert_eq!(result.map(|svid| content(&svid)), fresh.map(|svid| content(&svid)));
                }
                Step::Remove { token } => {
                    cache.remove(&TOKENS[token]);
                    prop_assert!(!cache.remove(&TOKENS[token]));
                }
            }
            cache.check();
        }
    }

    #[test]
    fn b08_any_sequence_keeps_the_limits_and_confuses_no_tokens(
        max_entries in 1..40_usize,
        max_bytes in prop_oneof![1..60_000_usize, Just(1 << 20)],
        steps in prop::collection::vec((0..4_u8, 0..60_usize, 0..2000_usize), 1..300),
    ) {
        static SVID: LazyLock<VerifiedSvid> = LazyLock::new(|| VerifiedSvid::clone(&svid()));
        let mut cache = cache(max_entries, max_bytes);
        let mut last = HashMap::new();
        for (kind, number, padding) in steps {
            let token = format!("{number:0>width$}", width = number.saturating_mul(31).rem_euclid(500));
            match kind {
                0 => {
                    cache.remove(token.as_bytes());
                    last.remove(&token);
                }
                1 => {
                    let mut svid = SVID.clone();
                    svid.key_id = "k".repeat(padding);
                    let svid = Rc::new(svid);
                    cache.put(token.as_bytes(), &svid);
                    last.insert(token, svid);
                }
                _ => {
                    if let Some(svid) = cache.used(token.as_bytes()) {
                        prop_assert!(last.get(&token).is_some_and(|last| Rc::ptr_eq(&svid, last)));
                    }
                }
            }
            cache.check();
        }
    }
}

/// All that a verified SVID says.
fn content(svid: &VerifiedSvid) -> String {
    format!(
        "{:?}",
        (
            svid.spiffe_id(),
            svid.key_id(),
            svid.key_thumbprint,
            svid.algorithm(),
            svid.expires_at(),
            svid.claims()
        )
    )
}
