//! Envoy's own filters behind the plugin, by the identity that it has verified: RBAC on filter state, and dynamic
//! metadata that Envoy makes of the identity header.

use serde_json::{Value, json};

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, PARTNER, WEB};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |rule: &str| {
        json!({
            "audiences": ["backend.example.org"],
            "rules": [
                {"name": format!("{rule}-open"), "match": {"paths": ["/open"]}, "require": "none"},
                {"name": rule, "match": {}, "require": "jwt", "trust_domains": ["example.org", "partner.test"]},
            ],
        })
    };
    let state =
        |value: Value| json!({"filter_state": {"key": "wasm.svidgate_spiffe_id", "string_match": value}});
    let metadata = json!({"metadata": {
        "filter": "svidgate",
        "path": [{"key": "spiffe_id"}],
        "value": {"string_match": {"exact": CLIENT_ID}},
    }});
    vec![
        Config::new("rbac-exact", plugin("b-exact")).after([rbac(state(json!({"exact": CLIENT_ID})))]),
        Config::new("rbac-prefix", plugin("b-prefix"))
            .after([rbac(state(json!({"prefix": "spiffe://example.org/ns/a/"})))]),
        Config::new("rbac-metadata", plugin("b-metadata")).after([header_to_metadata(), rbac(metadata)]),
    ]
}

/// Lets pass whom `principal` means.
fn rbac(principal: Value) -> Value {
    json!({"name": "by-identity", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"by-identity": {
            "permissions": [{"any": true}],
            "principals": [principal],
        }}},
    }})
}

/// As docs/envoy.md has it: the header is the plugin's own word, because it removes whatever the client sends.
fn header_to_metadata() -> Value {
    json!({"name": "svidgate-metadata", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "request_rules": [{
            "header": "x-spiffe-id",
            "on_header_present": {"metadata_namespace": "svidgate", "key": "spiffe_id", "type": "STRING"},
        }],
    }})
}

pub(super) fn rows() -> Vec<Row> {
    const WEB_ID: &str = "spiffe://example.org/ns/a/sa/web";
    const ADMIN_ID: &str = "spiffe://example.org/admin";
    const PARTNER_ID: &str = "spiffe://partner.test/web";
    let allow = |rule, id| Expect::allow(rule).identity(id);
    let denied = |rule, id| Expect::allow(rule).identity(id).answered_by_envoy(403);
    vec![
        get("n_rbac_by_the_exact_identity", "rbac-exact", "/")
            .bearer(CLIENT)
            .expect(allow("b-exact", CLIENT_ID)),
        get("n_rbac_by_the_exact_identity_denies_another", "rbac-exact", "/")
            .bearer(ADMIN)
            .expect(denied("b-exact", ADMIN_ID)),
        get("n_rbac_by_the_exact_identity_denies_one_that_is_claimed_in_a_header", "rbac-exact", "/")
            .header("x-spiffe-id", CLIENT_ID)
            .bearer(ADMIN)
            .expect(denied("b-exact", ADMIN_ID).stripped(1)),
        get("n_rbac_by_the_exact_identity_denies_where_there_is_none", "rbac-exact", "/open")
            .bearer(CLIENT)
            .expect(Expect::allow("b-exact-open").answered_by_envoy(403)),
        get("n_rbac_by_the_exact_identity_behind_a_refusal", "rbac-exact", "/")
            .deny("b-exact", "token_missing"),
        get("n_rbac_by_a_prefix", "rbac-prefix", "/").bearer(WEB).expect(allow("b-prefix", WEB_ID)),
        get("n_rbac_by_a_prefix_denies_another", "rbac-prefix", "/")
            .bearer(CLIENT)
            .expect(denied("b-prefix", CLIENT_ID)),
        get("n_rbac_by_a_prefix_denies_another_trust_domain", "rbac-prefix", "/")
            .bearer(PARTNER)
            .expect(denied("b-prefix", PARTNER_ID)),
        get("n_rbac_by_metadata", "rbac-metadata", "/")
            .bearer(CLIENT)
            .expect(allow("b-metadata", CLIENT_ID).metadata(CLIENT_ID)),
        get("n_rbac_by_metadata_denies_another", "rbac-metadata", "/")
            .bearer(ADMIN)
            .expect(denied("b-metadata", ADMIN_ID).metadata(ADMIN_ID)),
        get("n_rbac_by_metadata_denies_one_that_is_claimed_in_a_header", "rbac-metadata", "/")
            .header("x-spiffe-id", CLIENT_ID)
            .bearer(ADMIN)
            .expect(denied("b-metadata", ADMIN_ID).stripped(1).metadata(ADMIN_ID)),
        get("n_rbac_by_metadata_denies_a_claim_where_nothing_is_asked", "rbac-metadata", "/open")
            .header("x-spiffe-id", CLIENT_ID)
            .expect(Expect::allow("b-metadata-open").stripped(1).answered_by_envoy(403)),
    ]
}

const CLIENT_ID: &str = "spiffe://example.org/client";
