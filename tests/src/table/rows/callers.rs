//! Who a rule means: IDs, patterns, trust domains.

use serde_json::json;

use crate::table::config::Config;
use crate::table::mint::{ADMIN, CLIENT, Mint, PARTNER, Signer, WEB};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let rule = |name: &str, path: &str, ids: &[&str]| json!({"name": name, "match": {"paths": [path]}, "require": "jwt", "spiffe_ids": ids});
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            rule("c-one", "/one", &["spiffe://example.org/ns/*/sa/web"]),
            rule("c-below", "/below", &["spiffe://example.org/ns/**"]),
            rule("c-list", "/list", &["spiffe://example.org/client", "spiffe://partner.test/web"]),
            {"name": "c-domain", "match": {"paths": ["/domain"]}, "require": "jwt", "trust_domains": ["partner.test"]},
            {"name": "c-mixed", "match": {"paths": ["/mixed"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/admin"], "trust_domains": ["partner.test"]},
        ],
    });
    vec![Config::new("callers", plugin)]
}

pub(super) fn rows() -> Vec<Row> {
    const WEB_ID: &str = "spiffe://example.org/ns/a/sa/web";
    vec![
        get("p09_a_star_is_one_segment", "callers", "/one").bearer(WEB).allow_as("c-one", WEB_ID),
        get("p09_a_star_is_not_two_segments", "callers", "/one")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/ns/a/b/sa/web"))))
            .deny("c-one", "caller_not_allowed"),
        get("p09_a_pattern_is_no_prefix", "callers", "/one")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/ns/a/sa/web2"))))
            .deny("c-one", "caller_not_allowed"),
        get("p09_a_pattern_takes_nothing_below", "callers", "/one")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/ns/a/sa/web/x"))))
            .deny("c-one", "caller_not_allowed"),
        get("p09_a_pattern_stays_in_its_trust_domain", "callers", "/one")
            .bearer(Mint::by(Signer::Partner, |token, _| {
                token.claim("sub", json!("spiffe://partner.test/ns/a/sa/web"))
            }))
            .deny("c-one", "caller_not_allowed"),
        get("p09_two_stars_take_all_below", "callers", "/below").bearer(WEB).allow_as("c-below", WEB_ID),
        get("p09_two_stars_do_not_take_the_parent", "callers", "/below")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/ns"))))
            .deny("c-below", "caller_not_allowed"),
        get("p09_two_stars_end_at_a_segment", "callers", "/below")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/nsx/a"))))
            .deny("c-below", "caller_not_allowed"),
        get("p09_ids_have_a_case", "callers", "/list")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/Client"))))
            .deny("c-list", "caller_not_allowed"),
        get("p09_a_list_of_two_trust_domains_own", "callers", "/list")
            .bearer(CLIENT)
            .allow_as("c-list", "spiffe://example.org/client"),
        get("p09_a_list_of_two_trust_domains_federated", "callers", "/list")
            .bearer(PARTNER)
            .allow_as("c-list", "spiffe://partner.test/web"),
        get("p09_a_trust_domain_takes_all_of_it", "callers", "/domain")
            .bearer(Mint::by(Signer::Partner, |token, _| {
                token.claim("sub", json!("spiffe://partner.test/x/y"))
            }))
            .allow_as("c-domain", "spiffe://partner.test/x/y"),
        get("p09_a_trust_domain_takes_no_other", "callers", "/domain")
            .bearer(CLIENT)
            .deny("c-domain", "caller_not_allowed"),
        get("p09_ids_and_trust_domains_add_up_id", "callers", "/mixed")
            .bearer(ADMIN)
            .allow_as("c-mixed", "spiffe://example.org/admin"),
        get("p09_ids_and_trust_domains_add_up_domain", "callers", "/mixed")
            .bearer(PARTNER)
            .allow_as("c-mixed", "spiffe://partner.test/web"),
        get("p09_ids_and_trust_domains_add_up_neither", "callers", "/mixed")
            .bearer(CLIENT)
            .deny("c-mixed", "caller_not_allowed"),
    ]
}
