//! The order of rules, what they match on, and what each asks for.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, EXPIRED, Mint, OTHER, PARTNER, WEB};
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "r-health", "match": {"methods": ["GET"], "paths": ["/healthz"]}, "require": "none"},
            {"name": "r-item", "match": {"paths": ["/items/{id}"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/client"]},
            {"name": "r-first", "match": {"paths": ["/twice/**"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/admin"]},
            {"name": "r-second", "match": {"paths": ["/twice/b"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/client"]},
            {"name": "r-reports", "match": {"paths": ["/reports/**"]}, "require": "jwt",
             "trust_domains": ["example.org"], "audiences": ["reports.example.org"]},
            {"name": "r-fresh", "match": {"paths": ["/fresh"]}, "require": "jwt",
             "trust_domains": ["example.org"], "max_token_age": "2m"},
            {"name": "r-either", "match": {"paths": ["/either"]}, "require": "either",
             "trust_domains": ["example.org"]},
            {"name": "r-static", "match": {"paths": ["/static/**"]}, "require": "none"},
            {"name": "r-write", "match": {"methods": ["POST", "PUT"], "paths": ["/write"]}, "require": "jwt",
             "trust_domains": ["example.org", "partner.test"]},
        ],
    });
    vec![Config::new("rules", plugin)]
}

pub(super) fn rows() -> Vec<Row> {
    const CLIENT_ID: &str = "spiffe://example.org/client";
    const ADMIN_ID: &str = "spiffe://example.org/admin";
    vec![
        get("p01_a_rule_that_asks_for_nothing", "rules", "/healthz").allow("r-health"),
        get("p01_a_rule_that_asks_for_nothing_leaves_a_token_where_it_is", "rules", "/healthz")
            .bearer(EXPIRED)
            .expect(Expect::allow("r-health").token_stays()),
        get("p08_a_rule_that_asks_for_nothing_strips_identity_headers", "rules", "/healthz")
            .header("x-spiffe-id", ADMIN_ID)
            .expect(Expect::allow("r-health").stripped(1)),
        get("p01_no_match_denies", "rules", "/nothing/here").bearer(CLIENT).deny_unmatched("no_rule"),
        get("p01_no_match_denies_without_a_token_too", "rules", "/nothing/here").deny_unmatched("no_rule"),
        get("p01_no_match_denies_an_admin_too", "rules", "/").bearer(ADMIN).deny_unmatched("no_rule"),
        get("p01_the_first_rule_decides_for_good", "rules", "/twice/b")
            .bearer(ADMIN)
            .allow_as("r-first", ADMIN_ID),
        get("p01_the_first_rule_decides_for_bad", "rules", "/twice/b")
            .bearer(CLIENT)
            .deny("r-first", "caller_not_allowed"),
        get("p05_a_template_takes_one_segment", "rules", "/items/17")
            .bearer(CLIENT)
            .allow_as("r-item", CLIENT_ID),
        get("p05_a_template_takes_no_second_segment", "rules", "/items/17/x")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        get("p05_a_template_takes_no_empty_segment", "rules", "/items/")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        get("p05_a_prefix_ends_at_a_segment", "rules", "/statics/app.js").deny_unmatched("no_rule"),
        get("p05_a_prefix_takes_what_is_below", "rules", "/static/js/app.js").allow("r-static"),
        get("p05_a_prefix_takes_itself", "rules", "/static").allow("r-static"),
        get("p05_paths_have_a_case", "rules", "/Healthz").deny_unmatched("no_rule"),
        get("p05_the_query_is_not_judged", "rules", "/items/17?next=/healthz&x=/../y")
            .bearer(CLIENT)
            .allow_as("r-item", CLIENT_ID),
        get("p05_the_query_opens_no_rule", "rules", "/nothing?/healthz").deny_unmatched("no_rule"),
        get("p02_a_rule_has_audiences_of_its_own", "rules", "/reports/q1")
            .bearer(Mint::new(|token, _| token.claim("aud", json!("reports.example.org"))))
            .allow_as("r-reports", CLIENT_ID),
        get("p02_an_audience_of_another_rule_is_not_enough", "rules", "/reports/q1")
            .bearer(CLIENT)
            .deny("r-reports", "audience_mismatch"),
        get("p02_an_audience_of_one_rule_opens_no_other", "rules", "/items/17")
            .bearer(Mint::new(|token, _| token.claim("aud", json!("reports.example.org"))))
            .deny("r-item", "audience_mismatch"),
        get("v11_a_young_token_where_age_counts", "rules", "/fresh")
            .bearer(CLIENT)
            .allow_as("r-fresh", CLIENT_ID),
        get("v11_an_old_token_where_age_counts", "rules", "/fresh")
            .bearer(Mint::new(|token, now| token.claim("iat", json!(now - 180))))
            .deny("r-fresh", "token_age_refused"),
        get("v11_a_token_without_iat_where_age_counts", "rules", "/fresh")
            .bearer(Mint::new(|token, _| token.without_claim("iat")))
            .deny("r-fresh", "token_age_refused"),
        get("v11_a_token_of_the_future_where_age_counts", "rules", "/fresh")
            .bearer(Mint::new(|token, now| token.claim("iat", json!(now + 60))))
            .deny("r-fresh", "token_age_refused"),
        get("v11_an_old_token_where_age_does_not_count", "rules", "/items/1")
            .bearer(Mint::new(|token, now| token.claim("iat", json!(now - 180))))
            .allow_as("r-item", CLIENT_ID),
        get("p01_either_takes_a_token", "rules", "/either")
            .bearer(OTHER)
            .allow_as("r-either", "spiffe://example.org/other"),
        get("p01_either_takes_no_bad_token", "rules", "/either")
            .bearer(EXPIRED)
            .deny("r-either", "token_expired"),
        get("p01_either_takes_not_nothing", "rules", "/either").deny("r-either", "token_missing"),
        send("p06_a_method_of_the_rule", "rules", "POST", "/write")
            .bearer(WEB)
            .allow_as("r-write", "spiffe://example.org/ns/a/sa/web"),
        send("p06_another_method_of_the_rule", "rules", "PUT", "/write")
            .bearer(PARTNER)
            .allow_as("r-write", "spiffe://partner.test/web"),
        get("p06_a_method_that_no_rule_names", "rules", "/write").bearer(WEB).deny_unmatched("no_rule"),
        send("p06_methods_of_a_rule_bind_the_rule_that_asks_for_nothing", "rules", "POST", "/healthz")
            .deny_unmatched("no_rule"),
    ]
}
