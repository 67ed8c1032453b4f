//! What is unsafe around a plugin on a way out.

use serde_json::json;

use super::{Broken, broken};
use crate::patch::{insert, remove, set};

pub(super) fn cases() -> Vec<Broken> {
    vec![
        broken(
            "a route by the header that the plugin sets",
            [set(
                "~.route_config.virtual_hosts[1].routes[0].match.headers",
                &json!([{"name": "X-Api-Key", "present_match": true}]),
            )],
            "credential_rerouted",
            "~.route_config.virtual_hosts[1].routes[0].match.headers[0]",
            "HttpProtocolOptions",
        ),
        broken(
            "a route by the caller's identity, with a plugin that judges callers too",
            [
                set(
                    "~.http_filters[0].typed_config.config.configuration.value",
                    &json!(
                        r#"{"audiences": ["a"], "allowed_spiffe_ids": ["spiffe://a.test/x"], "outgoing": [
                            {"match": {"clusters": ["billing"]}, "credential": "billing", "as": {"header": "x-key"}}],
                            "credentials": {"key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}}"#
                    ),
                ),
                set(
                    "~.http_filters[1].typed_config.rules.policies.has-its-credential.principals",
                    &json!([{"filter_state": {"key": "wasm.svidgate", "string_match": {"exact": "verified"}}}]),
                ),
                set(
                    "~.route_config.virtual_hosts[0].routes[0].match.headers",
                    &json!([{"name": "x-spiffe-id", "string_match": {"prefix": "spiffe://a.test/"}}]),
                ),
            ],
            "credential_rerouted",
            "~.route_config.virtual_hosts[0].routes[0].match.headers[0]",
            "HttpProtocolOptions",
        ),
        broken(
            "a mirror",
            [set(
                "~.route_config.virtual_hosts[0].routes[0].route.request_mirror_policies",
                &json!([{"cluster": "legacy"}]),
            )],
            "credential_mirrored",
            "~.route_config.virtual_hosts[0].routes[0].route.request_mirror_policies[0]",
            "take it out",
        ),
        broken(
            "a way in",
            [remove("static_resources.listeners[0].traffic_direction")],
            "not_judged",
            "~",
            "traffic_direction: OUTBOUND",
        ),
        broken(
            "a log that shows the key",
            [insert(
                "~.access_log",
                1,
                &json!({"name": "x", "typed_config": {"format": "%REQ(X-API-KEY)%"}}),
            )],
            "token_logged",
            "~.access_log[1].typed_config.format",
            "log the caller",
        ),
        broken(
            "settings that are wrong",
            [set(
                "~.http_filters[0].typed_config.config.configuration.value",
                &json!(r#"{"inbound": "not_judged"}"#),
            )],
            "plugin_config",
            "~.http_filters[0].typed_config.config.configuration.value",
            "",
        ),
    ]
}
