//! What is counted: one verification, one hit, one decision, one request.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, TRUST_DOMAIN, Token, jwks};
use svidgate_jwt_svid::{
    CacheUse, RustCrypto, SignatureVerifier, TokenCache, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifyError,
};
use svidgate_plugin::config::Config;
use svidgate_plugin::crypto::{Backend, Crypto, HostError, SignatureHost};
use svidgate_plugin::request::Court;
use svidgate_plugin::trust::Trust;
use svidgate_policy::{Connection, Headers, Judge};
use svidgate_snapshot::{Observed, Snapshot, TrustBundle};

/// The names of the calls, in the order in which [`make`] makes them.
pub(crate) const NAMES: [&str; 8] = [
    "verification, ES256, never seen",
    "verification, RS256 of 2048 bits, never seen",
    "verification, ES256, never seen, the host checks the signature",
    "verification, RS256 of 2048 bits, never seen, the host checks the signature",
    "verification, ES256, in the cache",
    "verification, RS256 of 2048 bits, in the cache",
    "decision by rules, the token being verified",
    "request, ES256, in the cache: decision and headers",
];

/// Makes each call once, after what a worker has done by then anyway: it is configured, has bundles, and has served others.
pub(crate) fn make() {
    let world = World::new();
    let [es256, rs256] = [Key::p256("es256"), Key::rsa(RsaKey::Bits2048, "rs256")];
    let token = |key: &Key, jti: &str| Token::new(key).claim("jti", json!(jti)).sign(key);
    let host = Crypto::new(Backend::Host, Believing);
    for key in [&es256, &rs256] {
        world.verify(&token(key, "earlier"), &RustCrypto, CacheUse::Miss);
        world.verify(&token(key, "earlier, by the host"), &host, CacheUse::Miss);
    }
    let [first, second] = [token(&es256, "measured"), token(&rs256, "measured")];
    measured(&|| world.verify(&first, &RustCrypto, CacheUse::Miss));
    measured(&|| world.verify(&second, &RustCrypto, CacheUse::Miss));
    for key in [&es256, &rs256] {
        let token = token(key, "measured, by the host");
        measured(&|| world.verify(&token, &host, CacheUse::Miss));
    }
    measured(&|| world.verify(&first, &RustCrypto, CacheUse::Hit));
    measured(&|| world.verify(&second, &RustCrypto, CacheUse::Hit));

    let authorization = [b"Bearer ", first.as_slice()].concat();
    let headers = headers(&authorization);
    let known = Known(world.verified(&first));
    world.decide(&headers, &known);
    measured(&|| world.decide(&headers, &known));
    world.request(&headers);
    measured(&|| world.request(&headers));
}

/// The function that valgrind counts.
#[inline(never)]
fn measured(call: &dyn Fn()) {
    black_box(call)();
}

struct World {
    config: Config,
    judge: Judge,
    trust: Trust,
    verifier: Verifier,
    cache: RefCell<TokenCache>,
}

impl World {
    fn new() -> Self {
        let config = Config::parse(settings().to_string().as_bytes()).expect("good settings");
        let mut trust = Trust::default();
        trust.adopt(snapshot(), NOW_MILLIS).expect("a good snapshot");
        Self {
            judge: Judge::new(config.settings.clone()),
            verifier: config.verifier.clone(),
            cache: RefCell::new(TokenCache::new(config.token_cache, 7)),
            trust,
            config,
        }
    }

    fn verify(&self, token: &[u8], signatures: &impl SignatureVerifier, expected: CacheUse) {
        let bundles = self.trust.bundles().expect("bundles");
        let (verified, cache_use) =
            self.cache.borrow_mut().verify(token, &self.verifier, bundles, signatures, UnixTime(NOW));
        assert!(verified.is_ok() && cache_use == expected, "{verified:?} {cache_use:?}");
    }

    fn verified(&self, token: &[u8]) -> Rc<VerifiedSvid> {
        let bundles = self.trust.bundles().expect("bundles");
        let verified = self.verifier.verify(token, bundles, &RustCrypto, UnixTime(NOW));
        Rc::new(verified.expect("a good token"))
    }

    fn decide(&self, headers: &Headers<'_>, trust: &impl svidgate_policy::Trust) {
        let verdict = self.judge.decide(headers, &Connection::default(), trust, NOW_MILLIS);
        assert!(verdict.denial().is_none(), "{:?}", verdict.denial());
        drop(black_box(verdict));
    }

    /// As the plugin does it, without its way through Envoy.
    fn request(&self, headers: &Headers<'_>) {
        let court = Court {
            trust: &self.trust,
            cache: &self.cache,
            verifier: &self.config.verifier,
            crypto: &RustCrypto,
            cache_use: Cell::new(None),
        };
        let verdict = self.judge.decide(headers, &Connection::default(), &court, NOW_MILLIS);
        assert!(verdict.denial().is_none(), "{:?}", verdict.denial());
        assert_eq!(court.cache_use.get(), Some(CacheUse::Hit));
        drop(black_box(self.judge.edits(headers, &verdict)));
    }
}

/// A host that costs nothing: what is left is our own part of a verification.
#[derive(Debug)]
struct Believing;

impl SignatureHost for Believing {
    fn verify_signature(&self, _arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        // Protobuf: field 1, true.
        Ok(vec![8, 1])
    }
}

/// Takes every token for this one.
struct Known(Rc<VerifiedSvid>);

impl svidgate_policy::Trust for Known {
    fn is_empty(&self) -> bool {
        false
    }

    fn verify(&self, _token: &[u8], _now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError> {
        Ok(Rc::clone(&self.0))
    }

    fn is_revoked(&self, _caller: &VerifiedSvid) -> bool {
        false
    }

    fn is_stale(&self, _domain: &TrustDomain, _max: Duration, _now: u64) -> bool {
        false
    }
}

/// A few rules, of which the last but one is about the request.
fn settings() -> Value {
    let caller = "spiffe://example.org/ns/*/sa/web";
    json!({
        "audiences": [AUDIENCE],
        "rules": [
            {"name": "health", "match": {"methods": ["GET"], "paths": ["/healthz"]}, "require": "none"},
            {"name": "registry", "match": {"grpc": [{"service": "hive.Registry"}]}, "require": "jwt",
             "spiffe_ids": [caller]},
            {"name": "partners", "match": {"hosts": ["*.partners.example.org"]}, "require": "jwt",
             "trust_domains": ["partner.example.net"]},
            {"name": "admin", "match": {"paths": ["/admin/**"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/admin"]},
            {"name": "orders", "match": {"methods": ["GET", "POST"], "paths": ["/v1/orders", "/v1/orders/{id}"]},
             "require": "jwt", "spiffe_ids": [caller, "spiffe://example.org/client"]},
            {"name": "rest", "match": {}, "require": "jwt", "spiffe_ids": ["spiffe://example.org/other"]}
        ]
    })
}

fn snapshot() -> Snapshot {
    let keys = [Key::p256("es256"), Key::rsa(RsaKey::Bits2048, "rs256"), Key::p256("next")];
    let document = jwks(keys.iter().map(Key::jwk));
    let document = serde_json::from_slice(&document).expect("JSON");
    let bundle = TrustBundle::new(&document, None, None, "workload_api").expect("a bundle");
    let domains = [TRUST_DOMAIN, "partner.example.net"].map(|name| TrustDomain::parse(name).expect("a name"));
    let trust: BTreeMap<_, _> = domains.into_iter().map(|domain| (domain, bundle.clone())).collect();
    Snapshot::new(trust, Observed { at: NOW_MILLIS, ..Observed::default() }).expect("a snapshot")
}

/// What a browser's request has by the time it gets to the filter.
fn headers(authorization: &[u8]) -> Headers<'_> {
    let pairs: [(&str, &[u8]); 12] = [
        (":authority", b"api.example.org"),
        (":path", b"/v1/orders/4711?expand=lines"),
        (":method", b"GET"),
        (":scheme", b"https"),
        ("user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", b"application/json"),
        ("accept-encoding", b"gzip, deflate, br"),
        ("accept-language", b"en-US,en;q=0.5"),
        ("authorization", authorization),
        ("x-forwarded-for", b"192.0.2.1"),
        ("x-forwarded-proto", b"https"),
        ("x-request-id", b"6f1c9f3e-6f6f-4c0a-9b5e-3a9d3b6f7a11"),
    ];
    Headers::new(pairs.into_iter().map(|(name, value)| (name.as_bytes(), value)).collect())
}

const NOW_MILLIS: u64 = NOW * 1_000;

#[cfg(test)]
mod tests {
    #[test]
    fn every_call_does_what_its_name_says() {
        super::make();
    }
}
