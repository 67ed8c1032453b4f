//! Ways by which requests pass that should not, or by which nothing works.

use serde_json::{Value, json};

use super::*;

pub(super) fn cases() -> Vec<Broken> {
    let other_wasm = json!({"name": "edge", "typed_config": {"@type": format!("{T}filters.http.wasm.v3.Wasm"),
        "config": {"name": "edge", "vm_config": {"vm_id": "svidgate", "code": {"local": {"filename": "/edge.wasm"}}}}}});
    let off = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true});
    let per_route =
        |rbac: Value| json!({"@type": format!("{T}filters.http.rbac.v3.RBACPerRoute"), "rbac": rbac});
    let tcp = json!({"socket_address": {"address": "127.0.0.1", "port_value": 9000}});
    vec![
        broken("no guard", [remove(GUARD)], "guard_missing", PLUGIN, "key: wasm.svidgate, string_match"),
        broken(
            "guard of another instance",
            [set(SETTINGS, &settings(&json!({"name": "edge"})))],
            "guard_missing",
            "~.http_filters[1].typed_config.rules.policies[\"verified-by-svidgate\"].principals[0].filter_state.key",
            "key: wasm.svidgate_edge, string_match",
        ),
        broken(
            "guard before the plugin",
            [remove(GUARD), insert("~.http_filters", 0, &guard())],
            "guard_misplaced",
            "~.http_filters[0]",
            "right behind the plugin: behind static_resources",
        ),
        broken(
            "guard behind the router",
            [remove(GUARD), insert("~.http_filters", 2, &guard())],
            "guard_misplaced",
            "~.http_filters[2]",
            "before the router",
        ),
        broken(
            "guard in shadow",
            [set(
                "~.http_filters[1].typed_config",
                &json!({
            "@type": format!("{T}filters.http.rbac.v3.RBAC"), "shadow_rules": guard()["typed_config"]["rules"]}),
            )],
            "guard_weak",
            "~.http_filters[1].typed_config.shadow_rules",
            "`rules` instead of `shadow_rules`",
        ),
        broken(
            "guard that logs",
            [set("~.http_filters[1].typed_config.rules.action", &json!("LOG"))],
            "guard_weak",
            "~.http_filters[1].typed_config.rules.action",
            "`action: ALLOW`",
        ),
        broken(
            "guard that denies, as a number",
            [set("~.http_filters[1].typed_config.rules.action", &json!(1))],
            "guard_weak",
            "~.http_filters[1].typed_config.rules.action",
            "`action: ALLOW`",
        ),
        broken(
            "guard with a second policy",
            [set(
                &format!("{POLICIES}.health"),
                &json!({
            "permissions": [{"url_path": {"path": {"exact": "/health"}}}], "principals": [{"any": true}]}),
            )],
            "guard_weak",
            "~.http_filters[1].typed_config.rules.policies.health.principals[0]",
            "`rules`",
        ),
        broken(
            "guard that lets everybody in",
            [insert(&principals(), 1, &json!({"any": true}))],
            "guard_weak",
            PRINCIPAL_1,
            "exactly this one",
        ),
        broken(
            "guard that one of two opens",
            [set(
                &format!("{}[0]", principals()),
                &json!({"or_ids": {"ids": [
            {"filter_state": {"key": "wasm.svidgate", "string_match": {"exact": "verified"}}},
            {"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}]}}),
            )],
            "guard_weak",
            PRINCIPAL_0,
            "exactly this one",
        ),
        broken(
            "guard that takes any mark",
            [set(&format!("{}[0].filter_state.string_match", principals()), &json!({"prefix": "ver"}))],
            "guard_weak",
            PRINCIPAL_0,
            "{exact: verified}",
        ),
        broken(
            "guard turned around",
            [set(
                &format!("{}[0]", principals()),
                &json!({"not_id": {"filter_state":
            {"key": "wasm.svidgate", "string_match": {"exact": "verified"}}}}),
            )],
            "guard_weak",
            PRINCIPAL_0,
            "{exact: verified}",
        ),
        broken(
            "guard with a matcher",
            [set("~.http_filters[1].typed_config.matcher", &json!({"matcher_tree": {}}))],
            "guard_weak",
            "~.http_filters[1].typed_config.matcher",
            "with `rules` alone",
        ),
        broken(
            "guard disabled",
            [set("~.http_filters[1].disabled", &json!(true))],
            "guard_off",
            "~.http_filters[1].disabled",
            "take `disabled` out",
        ),
        broken(
            "guard disabled on a virtual host",
            [set("~.route_config.virtual_hosts[0].typed_per_filter_config", &json!({"svidgate-guard": off}))],
            "guard_off",
            "~.route_config.virtual_hosts[0].typed_per_filter_config[\"svidgate-guard\"]",
            "take it out",
        ),
        broken(
            "guard emptied on a route",
            [set(
                "~.route_config.virtual_hosts[0].routes[0].typed_per_filter_config",
                &json!({"svidgate-guard": {"@type": format!("{T}filters.http.rbac.v3.RBACPerRoute")}}),
            )],
            "guard_off",
            "~.route_config.virtual_hosts[0].routes[0].typed_per_filter_config[\"svidgate-guard\"]",
            "take it out",
        ),
        broken(
            "guard replaced on a route",
            [set(
                "~.route_config.virtual_hosts[0].routes[0].typed_per_filter_config",
                &json!({"svidgate-guard": per_route(json!({"rules": {"policies": {"all": {"permissions": [{"any": true}],
                "principals": [{"any": true}]}}}}))}),
            )],
            "guard_weak",
            "~.route_config.virtual_hosts[0].routes[0].typed_per_filter_config[\"svidgate-guard\"]",
            "take it out",
        ),
        broken(
            "guard optional",
            [set("~.http_filters[1].is_optional", &json!(true))],
            "optional",
            "~.http_filters[1].is_optional",
            "take `is_optional` out",
        ),
        broken(
            "two guarded plugins, one mark",
            [insert("~.http_filters", 2, &plugin("svidgate-2")), insert("~.http_filters", 3, &guard())],
            "guard_shared",
            "~.http_filters[2]",
            "a `name` of its own",
        ),
        broken(
            "the mark set by another filter",
            [insert("~.http_filters", 0, &set_filter_state("wasm.svidgate", "verified"))],
            "mark_forged",
            "~.http_filters[0].typed_config.on_request_headers[0]",
            "take it out",
        ),
        broken(
            "plugin disabled",
            [set("~.http_filters[0].disabled", &json!(true))],
            "plugin_off",
            "~.http_filters[0].disabled",
            "`require: none`",
        ),
        broken(
            "plugin disabled on a weighted cluster",
            [set(
                "~.route_config.virtual_hosts[0].routes[0].route",
                &json!({"weighted_clusters": {"clusters": [{"name": "service", "weight": 1,
                "typed_per_filter_config": {"svidgate": off}}]}}),
            )],
            "plugin_off",
            "~.route_config.virtual_hosts[0].routes[0].route.weighted_clusters.clusters[0].typed_per_filter_config.svidgate",
            "`require: none`",
        ),
        broken(
            "plugin optional",
            [set("~.http_filters[0].is_optional", &json!(true))],
            "optional",
            "~.http_filters[0].is_optional",
            "take `is_optional` out",
        ),
        broken(
            "websockets around the plugin",
            [set(
                "~.upgrade_configs",
                &json!([{"upgrade_type": "websocket", "filters":
            [{"name": "envoy.filters.http.router", "typed_config": {"@type": format!("{T}filters.http.router.v3.Router")}}]}]),
            )],
            "upgrade_unjudged",
            "~.upgrade_configs[0]",
            "take `filters` out",
        ),
        broken(
            "FAIL_OPEN",
            [set(&wasm("failure_policy"), &json!("FAIL_OPEN"))],
            "wasm_fail_open",
            "~.http_filters[0].typed_config.config.failure_policy",
            "FAIL_RELOAD",
        ),
        broken(
            "fail_open of Envoy",
            [set(&wasm("fail_open"), &json!(true))],
            "wasm_fail_open",
            "~.http_filters[0].typed_config.config.fail_open",
            "FAIL_RELOAD",
        ),
        broken(
            "svidgate fails open",
            [set(SETTINGS, &settings(&json!({"fail_open": true})))],
            "plugin_fail_open",
            SETTINGS,
            "take `fail_open` out",
        ),
        broken(
            "settings with a mistake",
            [set(SETTINGS, &json!(r#"{"audiences": ["a"], "allowed_spiffe_ids": ["x"]}"#))],
            "plugin_config",
            SETTINGS,
            "svidgate check --plugin",
        ),
        broken(
            "settings as a Struct",
            [set(
                &wasm("configuration"),
                &json!({"@type": "type.googleapis.com/google.protobuf.Struct",
                "value": {"audiences": ["a"], "allowed_spiffe_ids": ["spiffe://example.org/client"]}}),
            )],
            "plugin_config",
            SETTINGS,
            "google.protobuf.StringValue",
        ),
        broken(
            "no settings",
            [remove(&wasm("configuration"))],
            "plugin_config",
            "~.http_filters[0].typed_config.config",
            "svidgate check --plugin",
        ),
        broken(
            "another plugin in the VM",
            [insert("~.http_filters", 0, &other_wasm)],
            "vm_shared",
            "~.http_filters[0].typed_config.config.vm_config.vm_id",
            "a vm_id of its own",
        ),
        broken(
            "no normalize_path",
            [remove("~.normalize_path")],
            "path_not_normalized",
            "~",
            "`normalize_path: true`",
        ),
        broken(
            "normalize_path false",
            [set("~.normalize_path", &json!(false))],
            "path_not_normalized",
            "~.normalize_path",
            "`normalize_path: true`",
        ),
        broken(
            "no controller cluster",
            [remove("static_resources.clusters[0]")],
            "controller_missing",
            "~.http_filters[0].typed_config.config.configuration",
            "pipe: {path: /run/svidgate/controller.sock}",
        ),
        broken(
            "controller over TCP",
            [set(CONTROLLER, &tcp)],
            "controller_untrusted",
            CONTROLLER,
            "Unix socket",
        ),
        broken(
            "controller on an abstract socket",
            [set(CONTROLLER, &json!({"pipe": {"path": "@svidgate"}}))],
            "controller_untrusted",
            "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.pipe.path",
            "only the controller's user",
        ),
        broken(
            "controller over TLS without a CA",
            [set(
                "static_resources.clusters[0].transport_socket",
                &json!({
            "typed_config": {"@type": format!("{T}transport_sockets.tls.v3.UpstreamTlsContext"),
                "common_tls_context": {"tls_certificates": [{}]}}}),
            )],
            "controller_untrusted",
            "static_resources.clusters[0].transport_socket.typed_config.common_tls_context",
            "match_typed_subject_alt_names",
        ),
        broken(
            "no plugin at all",
            [remove(PLUGIN), remove("~.http_filters[0]")],
            "no_plugin",
            "the whole file",
            "root_id",
        ),
        broken(
            "the mark set for the whole connection",
            [insert(
                "static_resources.listeners[0].filter_chains[0].filters",
                1,
                &json!({"name": "x", "typed_config": {"@type": format!("{T}filters.network.set_filter_state.v3.Config"),
                "on_new_connection": [{"object_key": "wasm.svidgate"}]}}),
            )],
            "mark_forged",
            "static_resources.listeners[0].filter_chains[0].filters[1].typed_config.on_new_connection[0]",
            "take it out",
        ),
    ]
}
