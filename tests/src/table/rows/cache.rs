//! Tokens that have verified before: a hit says only that the token is good.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, EXPIRED, Mint, Signer};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |rule: &str| {
        json!({
            "audiences": ["backend.example.org"],
            "rules": [{"name": rule, "match": {}, "require": "jwt", "spiffe_ids": ["spiffe://example.org/client"]}],
        })
    };
    let mut off = plugin("y-off");
    off["token_cache"] = json!({"entries": 0});
    vec![Config::new("cache", plugin("y")), Config::new("cache-off", off)]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    // No other row sends these tokens.
    const TOKEN: Mint = Mint::new(|token, _| token.claim("jti", json!("cache-1")));
    const FALSE: Mint = Mint::by(Signer::Stranger, |token, _| token.claim("jti", json!("cache-2")));
    let used = |expect: Expect, misses, hits| {
        expect
            .counts("svidgate_token_cache_misses_total", misses)
            .counts("svidgate_token_cache_hits_total", hits)
    };
    vec![
        get("p02_the_second_time_is_a_hit", "cache", "/").bearer(TOKEN).times(3).expect(used(
            Expect::allow("y").identity(ID),
            1,
            2,
        )),
        get("p02_a_hit_is_authorized_anew", "cache", "/").bearer(ADMIN).times(2).expect(used(
            Expect::deny("y", "caller_not_allowed"),
            1,
            1,
        )),
        get("p02_a_false_token_is_never_a_hit", "cache", "/").bearer(FALSE).times(2).expect(used(
            Expect::deny("y", "signature_invalid"),
            2,
            0,
        )),
        get("p02_an_expired_token_is_never_a_hit", "cache", "/").bearer(EXPIRED).times(2).expect(used(
            Expect::deny("y", "token_expired"),
            2,
            0,
        )),
        get("p02_without_a_cache", "cache-off", "/").bearer(TOKEN).times(2).expect(used(
            Expect::allow("y-off").identity(ID),
            0,
            0,
        )),
        get("p08_every_time_identity_headers_are_stripped", "cache", "/")
            .bearer(Mint::new(|token, _| token.claim("jti", json!("cache-3"))))
            .header("x-spiffe-id", "spiffe://example.org/admin")
            .times(2)
            .expect(used(Expect::allow("y").identity(ID).stripped(1), 1, 1)),
    ]
}
