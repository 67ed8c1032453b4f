//! What is weaker than it could be, or cannot be judged.

use serde_json::json;

use super::*;

pub(super) fn cases() -> Vec<Broken> {
    let lua = json!({"name": "script", "typed_config": {"@type": format!("{T}filters.http.lua.v3.Lua")}});
    let mut open = read(&root().join("envoy/envoy.yaml"))["static_resources"]["listeners"][0].clone();
    open["name"] = json!("open");
    let filters = &mut open["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    *filters = json!([filters[2]]);
    let mut twin = read(&root().join("envoy/envoy.yaml"))["static_resources"]["listeners"][0].clone();
    twin["name"] = json!("twin");
    twin["address"]["socket_address"]["port_value"] = json!(1);
    twin["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]["config"]["configuration"]
        ["value"] = settings(&json!({"allowed_spiffe_ids": ["spiffe://example.org/other"]}));
    vec![
        broken(
            "a filter before the guard",
            [insert("~.http_filters", 1, &lua)],
            "guard_distant",
            "~.http_filters[1]",
            "behind the guard",
        ),
        broken(
            "plugin behind a matcher",
            [set(
                "~.http_filters[0].typed_config",
                &json!({
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {"name": "x", "typed_config": plugin("svidgate")["typed_config"]}}),
            )],
            "plugin_conditional",
            PLUGIN,
            "without a matcher",
        ),
        broken(
            "audit mode",
            [set(SETTINGS, &settings(&json!({"mode": "audit"})))],
            "audit_mode",
            SETTINGS,
            "write `enforce`",
        ),
        broken(
            "a rule in audit mode",
            [set(
                SETTINGS,
                &settings(&json!({"allowed_spiffe_ids": null, "rules": [
            {"name": "r", "match": {"paths": ["/**"]}, "require": "jwt", "trust_domains": ["example.org"], "mode": "audit"}]})),
            )],
            "audit_mode",
            SETTINGS,
            "write `enforce`",
        ),
        broken(
            "a rule that no request reaches",
            [set(
                SETTINGS,
                &settings(&json!({"allowed_spiffe_ids": null, "rules": [
            {"name": "all", "match": {"paths": ["/**"]}, "require": "none"},
            {"name": "one", "match": {"paths": ["/one"]}, "require": "jwt", "trust_domains": ["example.org"]}]})),
            )],
            "rule_unreachable",
            SETTINGS,
            "put the more specific rule first",
        ),
        broken(
            "a rule that an earlier one overlaps",
            [set(
                SETTINGS,
                &settings(&json!({"allowed_spiffe_ids": null, "rules": [
            {"name": "get", "match": {"methods": ["GET"], "paths": ["/users/**"]}, "require": "none"},
            {"name": "me", "match": {"paths": ["/users/me"]}, "require": "jwt", "trust_domains": ["example.org"]}]})),
            )],
            "rule_overlaps",
            SETTINGS,
            "put rules[1] before rules[0]",
        ),
        broken(
            "two listeners, two policies, one name",
            [insert("static_resources.listeners", 1, &twin)],
            "name_shared",
            "static_resources.listeners[1].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.config.configuration.value",
            "a `name` of its own",
        ),
        broken(
            "FAIL_CLOSED",
            [set(&wasm("failure_policy"), &json!(2))],
            "no_reload",
            "~.http_filters[0].typed_config.config.failure_policy",
            "FAIL_RELOAD",
        ),
        broken(
            "no failure_policy",
            [remove(&wasm("failure_policy"))],
            "no_reload",
            "~.http_filters[0].typed_config.config",
            "FAIL_RELOAD",
        ),
        broken(
            "no vm_id",
            [remove(&wasm("vm_config.vm_id"))],
            "vm_id_missing",
            "~.http_filters[0].typed_config.config.vm_config",
            "`vm_id: svidgate`",
        ),
        broken(
            "precompiled code",
            [set(&wasm("vm_config.allow_precompiled"), &json!(true))],
            "precompiled",
            "~.http_filters[0].typed_config.config.vm_config.allow_precompiled",
            "allow_precompiled: false",
        ),
        broken(
            "plugin as an access logger",
            [set(
                "static_resources.listeners[0].access_log",
                &json!([{
            "name": "x", "typed_config": {"@type": format!("{T}access_loggers.wasm.v3.WasmAccessLog"),
                "config": plugin("svidgate")["typed_config"]["config"]}}]),
            )],
            "plugin_elsewhere",
            "static_resources.listeners[0].access_log[0].typed_config.config",
            "http_filters",
        ),
        broken(
            "no merge_slashes",
            [remove("~.merge_slashes")],
            "slashes_not_merged",
            "~",
            "`merge_slashes: true`",
        ),
        broken(
            "escaped slashes kept",
            [set("~.path_with_escaped_slashes_action", &json!("KEEP_UNCHANGED"))],
            "escaped_slashes",
            "~.path_with_escaped_slashes_action",
            "REJECT_REQUEST",
        ),
        broken(
            "underscores let through",
            [remove("~.common_http_protocol_options")],
            "header_underscores",
            "~",
            "headers_with_underscores_action: REJECT_REQUEST",
        ),
        broken(
            "no use_remote_address",
            [remove("~.use_remote_address")],
            "remote_address",
            "~",
            "`use_remote_address: true`",
        ),
        broken(
            "token in the access log",
            [set(
                "~.access_log[0].typed_config.log_format.json_format.who",
                &json!("%REQ(X-USER?Authorization):20%"),
            )],
            "token_logged",
            "~.access_log[0].typed_config.log_format.json_format.who",
            "%FILTER_STATE(wasm.svidgate_spiffe_id:PLAIN)%",
        ),
        broken(
            "admin open",
            [set("admin.address.socket_address.address", &json!("0.0.0.0"))],
            "admin_open",
            "admin.address.socket_address.address",
            "127.0.0.1",
        ),
        broken(
            "0-RTT",
            [set(
                "static_resources.listeners[0].filter_chains[0].transport_socket",
                &json!({
            "name": "quic", "typed_config": {"@type": format!("{T}transport_sockets.quic.v3.QuicDownstreamTransport"),
                "downstream_tls_context": {}}}),
            )],
            "early_data",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config",
            "`enable_early_data: false`",
        ),
        broken(
            "a listener without the plugin",
            [insert("static_resources.listeners", 1, &open)],
            "not_judged",
            "static_resources.listeners[1].filter_chains[0].filters[0].typed_config",
            "put the plugin and its guard there",
        ),
        broken(
            "controller cluster from CDS",
            [
                remove("static_resources.clusters[0]"),
                set("dynamic_resources", &json!({"cds_config": {"ads": {}}})),
            ],
            "not_given",
            "~.http_filters[0].typed_config.config.configuration",
            "CDS response",
        ),
        broken(
            "routes from RDS",
            [remove("~.route_config"), set("~.rds", &json!({"route_config_name": "r"}))],
            "not_given",
            "~.rds",
            "RDS response",
        ),
        broken(
            "plugin from ECDS",
            [
                remove("~.http_filters[0].typed_config"),
                set(
                    "~.http_filters[0].config_discovery",
                    &json!({"config_source": {"ads": {}}, "type_urls": [format!("{T}filters.http.wasm.v3.Wasm")]}),
                ),
            ],
            "not_given",
            PLUGIN,
            "ECDS response",
        ),
        broken(
            "listeners from LDS",
            [
                remove("static_resources.listeners"),
                set("dynamic_resources", &json!({"lds_config": {"ads": {}}})),
            ],
            "not_given",
            "dynamic_resources.lds_config",
            "LDS response",
        ),
        broken(
            "virtual hosts from VHDS",
            [set("~.route_config.vhds", &json!({}))],
            "not_given",
            "~.route_config.vhds",
            "a dump",
        ),
        broken(
            "filter chains from xDS",
            [set("static_resources.listeners[0].fcds_config", &json!({"name": "x"}))],
            "not_given",
            "static_resources.listeners[0].fcds_config",
            "a dump",
        ),
    ]
}
