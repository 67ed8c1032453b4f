//! Audit: what would be refused passes, counted and marked, and with no identity.

use serde_json::json;

use crate::table::config::{Config, Tls};
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, EXPIRED, FORGED};
use crate::table::peers::Peer;
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let global = json!({
        "audiences": ["backend.example.org"],
        "mode": "audit",
        "rules": [
            {"name": "a-audit", "match": {"paths": ["/audit"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/client"]},
            {"name": "a-mtls", "match": {"paths": ["/mtls"]}, "require": "mtls",
             "spiffe_ids": ["spiffe://example.org/client"]},
            {"name": "a-enforce", "match": {"paths": ["/enforce"]}, "require": "jwt", "mode": "enforce",
             "spiffe_ids": ["spiffe://example.org/client"]},
        ],
    });
    let per_rule = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "b-audit", "match": {"paths": ["/audit/**"]}, "require": "jwt", "mode": "audit",
             "spiffe_ids": ["spiffe://example.org/client"]},
            {"name": "b-enforce", "match": {"paths": ["/enforce"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/client"]},
        ],
    });
    let all = json!({
        "audiences": ["backend.example.org"],
        "mode": "audit",
        "rules": [
            {"name": "c-audit", "match": {"paths": ["/audit"]}, "require": "jwt",
             "spiffe_ids": ["spiffe://example.org/client"]},
        ],
    });
    vec![
        Config::new("audit", global).tls(Tls::PlainCa),
        Config::new("audit-rule", per_rule),
        Config::new("audit-all", all),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    let at = |name| get(name, "audit", "/audit");
    vec![
        at("p07_audit_a_good_request_is_as_ever")
            .bearer(CLIENT)
            .expect(Expect::allow("a-audit").identity(ID).lacks("x-svidgate-audit")),
        at("p07_audit_no_token").audited("a-audit", "token_missing"),
        at("p07_audit_an_expired_token").bearer(EXPIRED).audited("a-audit", "token_expired"),
        at("p07_audit_a_forged_token").bearer(FORGED).audited("a-audit", "signature_invalid"),
        at("p07_audit_another_caller").bearer(ADMIN).audited("a-audit", "caller_not_allowed"),
        at("p08_audit_strips_identity_headers")
            .header("x-spiffe-id", ID)
            .header("x_spiffe_id", ID)
            .expect(Expect::audited("a-audit", "token_missing").stripped(2)),
        at("p08_audit_sets_its_own_mark")
            .header("x-svidgate-audit", "none")
            .expect(Expect::audited("a-audit", "token_missing").stripped(1)),
        get("p01_audit_no_rule", "audit", "/elsewhere").audited("none", "no_rule"),
        get("p05_audit_an_ambiguous_path", "audit-all", "/audit/%2e%2e/x").audited("none", "path_ambiguous"),
        get("p04_audit_a_bad_host", "audit-all", "/audit")
            .host("user@a.test")
            .audited("none", "host_invalid"),
        get("p05_an_ambiguous_path_may_be_that_of_a_rule_that_enforces", "audit", "/enforce;x")
            .deny_unmatched("path_ambiguous"),
        get("p05_any_ambiguous_path_is_refused_beside_a_rule_that_enforces", "audit", "/audit/%2e%2e/x")
            .deny_unmatched("path_ambiguous"),
        get("p04_a_bad_host_is_refused_beside_a_rule_that_enforces", "audit", "/enforce")
            .host("a..b")
            .deny_unmatched("host_invalid"),
        get("p10_audit_no_peer", "audit", "/mtls").audited("a-mtls", "peer_missing"),
        get("p10_audit_an_invalid_peer", "audit", "/mtls").peer(Peer::Two).audited("a-mtls", "peer_invalid"),
        get("p10_audit_a_good_peer", "audit", "/mtls").peer(Peer::Client).allow_as("a-mtls", ID),
        get("p07_audit_a_rule_that_enforces", "audit", "/enforce").deny("a-enforce", "token_missing"),
        send("p07_audit_a_post", "audit", "POST", "/audit").h2().audited("a-audit", "token_missing"),
        get("p07_audit_by_rule", "audit-rule", "/audit/x")
            .bearer(EXPIRED)
            .audited("b-audit", "token_expired"),
        get("p07_audit_by_rule_websocket", "audit-rule", "/audit/ws")
            .websocket()
            .audited("b-audit", "token_missing"),
        get("p07_enforced_by_default", "audit-rule", "/enforce")
            .bearer(EXPIRED)
            .deny("b-enforce", "token_expired"),
        get("p01_no_rule_is_enforced_by_default", "audit-rule", "/elsewhere").deny_unmatched("no_rule"),
        get("p05_an_ambiguous_path_is_enforced_by_default", "audit-rule", "/audit//x")
            .deny_unmatched("path_ambiguous"),
    ]
}
