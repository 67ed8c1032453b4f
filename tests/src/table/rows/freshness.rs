//! Trust that is missing or old, and what `fail_open` makes of it.

use serde_json::{Value, json};

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, EXPIRED, FORGED, Mint, Signer};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |rule: &str, staleness: Value| {
        json!({
            "audiences": ["backend.example.org"],
            "max_staleness": staleness,
            "rules": [
                {"name": format!("{rule}-free"), "match": {"paths": ["/open"]}, "require": "none"},
                {"name": rule, "match": {}, "require": "jwt", "trust_domains": ["example.org", "stale.test"]},
            ],
        })
    };
    let hour = json!("1h");
    let by_domain = json!({"default": "1h", "trust_domains": {"stale.test": "3h"}});
    let mut stale_open = plugin("f-stale-open", hour.clone());
    stale_open["fail_open"] = json!(true);
    let mut alone = plugin("f-alone", hour.clone());
    alone["controller"] = json!({"cluster": "nobody"});
    let mut alone_open = plugin("f-alone-open", hour.clone());
    alone_open["controller"] = json!({"cluster": "nobody"});
    alone_open["fail_open"] = json!(true);
    vec![
        Config::new("stale", plugin("f-stale", hour)),
        Config::new("stale-by-domain", plugin("f-domain", by_domain)),
        Config::new("stale-open", stale_open),
        Config::new("alone", alone),
        Config::new("alone-open", alone_open),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    const STALE_ID: &str = "spiffe://stale.test/x";
    const STALE: Mint = Mint::by(Signer::Stale, |token, _| token.claim("sub", json!(STALE_ID)));
    vec![
        get("p12_a_fresh_bundle", "stale", "/").bearer(CLIENT).allow_as("f-stale", ID),
        get("p12_a_stale_bundle", "stale", "/").bearer(STALE).deny("f-stale", "trust_stale"),
        get("p12_a_bad_token_of_a_stale_bundle", "stale", "/")
            .bearer(Mint::by(Signer::Stranger, |token, _| {
                token.claim("sub", json!(STALE_ID)).header("kid", json!("stale-1"))
            }))
            .deny("f-stale", "signature_invalid"),
        get("p12_nothing_is_stale_where_nothing_is_asked", "stale", "/open").allow("f-stale-free"),
        get("p12_a_bound_for_a_trust_domain", "stale-by-domain", "/")
            .bearer(STALE)
            .allow_as("f-domain", STALE_ID),
        get("p12_fail_open_with_a_stale_bundle", "stale-open", "/")
            .bearer(STALE)
            .expect(Expect::failed_open("f-stale-open", "trust_stale")),
        get("p12_fail_open_never_for_a_false_token", "stale-open", "/")
            .bearer(FORGED)
            .deny("f-stale-open", "signature_invalid"),
        get("p12_fail_open_never_for_an_expired_token", "stale-open", "/")
            .bearer(EXPIRED)
            .deny("f-stale-open", "token_expired"),
        get("p12_fail_open_never_without_a_token", "stale-open", "/").deny("f-stale-open", "token_missing"),
        get("p12_fail_open_and_a_good_token", "stale-open", "/").bearer(CLIENT).allow_as("f-stale-open", ID),
        get("p12_no_trust_at_all", "alone", "/").bearer(CLIENT).deny("f-alone", "no_trust"),
        get("p12_no_trust_where_nothing_is_asked", "alone", "/open").allow("f-alone-free"),
        get("p12_fail_open_without_trust", "alone-open", "/")
            .bearer(CLIENT)
            .expect(Expect::failed_open("f-alone-open", "no_trust")),
        get("p12_fail_open_without_trust_nor_a_token", "alone-open", "/")
            .expect(Expect::failed_open("f-alone-open", "no_trust")),
        get("p12_fail_open_without_trust_cannot_know_that_a_token_is_expired", "alone-open", "/")
            .bearer(EXPIRED)
            .expect(Expect::failed_open("f-alone-open", "no_trust")),
        get("p08_fail_open_strips_identity_headers", "alone-open", "/")
            .bearer(CLIENT)
            .header("x-spiffe-id", ID)
            .expect(Expect::failed_open("f-alone-open", "no_trust").stripped(1)),
        get("p12_fail_open_without_trust_never_for_another_scheme", "alone-open", "/")
            .header("authorization", "Basic dXNlcjpwYXNz")
            .deny("f-alone-open", "scheme_not_bearer"),
    ]
}
