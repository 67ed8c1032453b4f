//! Methods, preflight requests, upgrades.

use serde_json::json;

use crate::table::call::Protocol;
use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, EXPIRED};
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "m-read", "match": {"methods": ["GET"], "paths": ["/read"]}, "require": "jwt",
             "trust_domains": ["example.org"]},
            {"name": "m-head", "match": {"methods": ["HEAD"], "paths": ["/head"]}, "require": "none"},
            {"name": "m-cors", "match": {"methods": ["PUT"], "paths": ["/cors"]}, "require": "jwt",
             "trust_domains": ["example.org"], "cors_preflight": "allow"},
            {"name": "m-judge", "match": {"methods": ["PUT", "OPTIONS"], "paths": ["/judge"]}, "require": "jwt",
             "trust_domains": ["example.org"]},
            {"name": "m-options", "match": {"methods": ["OPTIONS"], "paths": ["/first"]}, "require": "jwt",
             "trust_domains": ["example.org"]},
            {"name": "m-first", "match": {"methods": ["PUT"], "paths": ["/first"]}, "require": "jwt",
             "trust_domains": ["example.org"], "cors_preflight": "allow"},
            {"name": "m-chat", "match": {"methods": ["GET"], "paths": ["/chat"]}, "require": "jwt",
             "trust_domains": ["example.org"]},
        ],
    });
    let tunnel = json!({
        "audiences": ["backend.example.org"],
        "rules": [{"name": "n-tunnel", "match": {"hosts": ["api.example.org"], "methods": ["CONNECT"]},
                   "require": "jwt", "trust_domains": ["example.org"]}],
    });
    vec![Config::new("methods", plugin), Config::new("connect", tunnel)]
}

fn preflight(name: &'static str, target: &'static str, method: &'static str) -> Row {
    send(name, "methods", "OPTIONS", target)
        .header("origin", "https://app.example.org")
        .header("access-control-request-method", method)
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    vec![
        send("p06_a_rule_that_names_get_covers_head", "methods", "HEAD", "/read")
            .bearer(CLIENT)
            .allow_as("m-read", ID),
        send("p06_head_is_refused_as_get_is", "methods", "HEAD", "/read").deny("m-read", "token_missing"),
        get("p06_a_rule_that_names_head_does_not_cover_get", "methods", "/head").deny_unmatched("no_rule"),
        send("p06_head_by_a_rule_of_its_own", "methods", "HEAD", "/head").allow("m-head"),
        get("p06_methods_have_a_case", "methods", "/read")
            .h2()
            .edit(|call| call.method = "get")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        send("p06_a_method_in_lower_case_is_no_request_over_http1", "methods", "get", "/read").by_envoy(400),
        send("p06_an_unknown_method_is_another_method", "methods", "BREW", "/read")
            .h2()
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        preflight("p06_a_preflight_where_it_is_allowed", "/cors", "PUT").allow("m-cors"),
        preflight("p06_a_preflight_for_a_method_without_a_rule", "/cors", "DELETE").deny_unmatched("no_rule"),
        preflight("p06_a_preflight_is_no_free_pass", "/judge", "PUT").deny("m-judge", "token_missing"),
        preflight("p06_a_preflight_without_a_rule", "/read", "GET").deny_unmatched("no_rule"),
        send("p06_options_alone_is_no_preflight", "methods", "OPTIONS", "/cors").deny_unmatched("no_rule"),
        send("p06_options_with_an_origin_only_is_no_preflight", "methods", "OPTIONS", "/cors")
            .header("origin", "https://app.example.org")
            .deny_unmatched("no_rule"),
        preflight("p06_a_preflight_is_that_of_the_rule_that_it_announces", "/first", "PUT").allow("m-first"),
        preflight("p06_a_preflight_that_announces_two_methods", "/cors", "PUT")
            .header("access-control-request-method", "PUT")
            .deny_unmatched("no_rule"),
        get("p06_a_get_is_no_preflight", "methods", "/cors")
            .header("origin", "https://app.example.org")
            .header("access-control-request-method", "PUT")
            .deny_unmatched("no_rule"),
        preflight("p08_a_preflight_strips_identity_headers", "/cors", "PUT")
            .header("x-spiffe-id", "spiffe://example.org/admin")
            .expect(Expect::allow("m-cors").stripped(1)),
        send("p06_what_the_preflight_was_for_is_judged", "methods", "PUT", "/cors")
            .deny("m-cors", "token_missing"),
        send("p06_what_the_preflight_was_for_passes_with_a_token", "methods", "PUT", "/cors")
            .bearer(CLIENT)
            .allow_as("m-cors", ID),
        get("p11_a_websocket", "methods", "/chat?room=1").websocket().bearer(CLIENT).allow_as("m-chat", ID),
        get("p11_a_websocket_without_a_token", "methods", "/chat")
            .websocket()
            .deny("m-chat", "token_missing"),
        get("p11_a_websocket_with_a_bad_token", "methods", "/chat")
            .websocket()
            .bearer(EXPIRED)
            .deny("m-chat", "token_expired"),
        send("p11_a_websocket_over_h2", "methods", "CONNECT", "/chat?room=1")
            .edit(|call| call.protocol = Protocol::H2Websocket)
            .bearer(CLIENT)
            .allow_as("m-chat", ID),
        send("p11_a_websocket_over_h2_without_a_token", "methods", "CONNECT", "/chat")
            .edit(|call| call.protocol = Protocol::H2Websocket)
            .deny("m-chat", "token_missing"),
        send("p11_connect_has_no_path_to_judge", "methods", "CONNECT", "api.example.org:443")
            .host("api.example.org:443")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        send("p11_connect_over_h2_has_no_path_to_judge", "methods", "CONNECT", "")
            .h2()
            .host("api.example.org:443")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        send("p11_connect_by_a_rule_without_paths", "connect", "CONNECT", "api.example.org:443")
            .host("api.example.org:443")
            .bearer(CLIENT)
            .allow_as("n-tunnel", ID),
        send(
            "p11_connect_by_a_rule_without_paths_and_without_a_token",
            "connect",
            "CONNECT",
            "api.example.org:443",
        )
        .host("api.example.org:443")
        .deny("n-tunnel", "token_missing"),
        send("p11_connect_to_another_host", "connect", "CONNECT", "evil.test:443")
            .host("evil.test:443")
            .bearer(CLIENT)
            .deny_unmatched("no_rule"),
        get("p11_an_upgrade_that_nobody_offers", "methods", "/read")
            .header("connection", "Upgrade")
            .header("upgrade", "something")
            .bearer(CLIENT)
            .by_envoy(403),
    ]
}
