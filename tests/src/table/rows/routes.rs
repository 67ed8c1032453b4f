//! Every way out of Envoy is behind the plugin, and no client chooses a route by an identity that it made up.

use serde_json::{Value, json};

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "z-open", "match": {"paths": ["/open"]}, "require": "none"},
            {"name": "z", "match": {}, "require": "jwt", "trust_domains": ["example.org"]},
        ],
    });
    vec![Config::new("routes", plugin).manager(routes)]
}

fn routes(manager: &mut Value) {
    let admin = json!([{"name": "x-spiffe-id", "string_match": {"exact": "spiffe://example.org/admin"}}]);
    manager["route_config"]["virtual_hosts"][0]["routes"] = json!([
        {"match": {"path": "/direct"}, "direct_response": {"status": 202}},
        {"match": {"path": "/moved"}, "redirect": {"path_redirect": "/elsewhere"}},
        {"match": {"prefix": "/", "headers": admin}, "direct_response": {"status": 299}},
        {"match": {"prefix": "/nowhere"}, "route": {"cluster": "nobody"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "echo"}},
    ]);
}

pub(super) fn rows() -> Vec<Row> {
    const ADMIN_ID: &str = "spiffe://example.org/admin";
    const CLIENT_ID: &str = "spiffe://example.org/client";
    let at = |name, target| get(name, "routes", target);
    let allow = |status, id| Expect::allow("z").identity(id).answered_by_envoy(status);
    vec![
        at("p11_a_direct_response", "/direct").bearer(CLIENT).expect(allow(202, CLIENT_ID)),
        at("p11_a_direct_response_without_a_token", "/direct").deny("z", "token_missing"),
        at("p11_a_redirect", "/moved").bearer(CLIENT).expect(allow(301, CLIENT_ID)),
        at("p11_a_redirect_without_a_token", "/moved").deny("z", "token_missing"),
        at("p11_a_service_that_is_down", "/nowhere").bearer(CLIENT).expect(allow(503, CLIENT_ID)),
        at("p11_a_service_that_is_down_without_a_token", "/nowhere").deny("z", "token_missing"),
        at("p08_a_route_by_the_verified_identity", "/x").bearer(ADMIN).expect(allow(299, ADMIN_ID)),
        at("p08_no_route_by_a_spoofed_identity", "/x")
            .header("x-spiffe-id", ADMIN_ID)
            .bearer(CLIENT)
            .expect(Expect::allow("z").identity(CLIENT_ID).stripped(1)),
        at("p08_no_route_by_a_spoofed_identity_where_nothing_is_asked", "/open")
            .header("x-spiffe-id", ADMIN_ID)
            .expect(Expect::allow("z-open").stripped(1)),
        at("p08_no_route_by_a_spoofed_identity_without_a_token", "/x")
            .header("x-spiffe-id", ADMIN_ID)
            .expect(Expect::deny("z", "token_missing").stripped(1)),
    ]
}
