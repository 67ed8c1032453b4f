//! `svidgate check --envoy` on configurations that are right, and on each way of being wrong.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::patch::{Patch, insert, patched, remove, set};
use crate::{Found, findings, stderr, svidgate_check};
use serde_json::{Value, json};

/// One change to a good configuration, and what must be said of it: kind, path and words of the mend.
struct Broken {
    name: &'static str,
    patches: Vec<Patch>,
    kind: &'static str,
    at: &'static str,
    mend: &'static str,
}

fn broken(
    name: &'static str,
    patches: impl Into<Vec<Patch>>,
    kind: &'static str,
    at: &'static str,
    mend: &'static str,
) -> Broken {
    Broken { name, patches: patches.into(), kind, at, mend }
}

#[test]
fn what_we_ship_and_the_examples_have_no_finding() {
    let shipped = std::fs::read_dir(root().join("envoy")).unwrap().map(|entry| entry.unwrap().path());
    let shipped = shipped.filter(|path| std::fs::read_to_string(path).unwrap().contains("static_resources"));
    let mut good: Vec<Vec<PathBuf>> = shipped.map(|path| vec![path]).collect();
    assert!(!good.is_empty());
    good.push(vec![example("mtls.yaml")]);
    good.push(vec![example("config_dump.json")]);
    good.push(["lds.json", "ecds.json", "rds.json", "cds.json"].map(example).to_vec());
    for files in good {
        let output = check(&files, &["--strict"]);
        assert_eq!(output.status.code(), Some(0), "{files:?}\n{}", stderr(&output));
        assert_eq!(stderr(&output), "", "{files:?}");
    }
}

#[test]
fn each_hole_and_weakness_is_named_with_its_path_and_mend() {
    check_each("envoy/envoy.yaml", holes().into_iter().chain(weaknesses()));
}

#[test]
fn p06_what_mtls_needs_is_named_with_its_path_and_mend() {
    check_each("controller/tests/check/examples/mtls.yaml", of_mtls());
}

fn check_each(base: &str, cases: impl IntoIterator<Item = Broken>) {
    let base = read(&root().join(base));
    let failures: Vec<String> = cases.into_iter().filter_map(|case| check_one(&base, &case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Exactly this finding, and the exit status that goes with it.
fn check_one(base: &Value, case: &Broken) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    std::fs::write(&file, patched(base, &case.patches).to_string()).unwrap();
    let output = check(std::slice::from_ref(&file), &[]);
    let text = stderr(&output);
    let fault = |what: &str| Err(format!("{}: {what}:\n{text}", case.name));
    let found = findings(&text);
    let [Found { severity, kind, at, mend }] = &found[..] else { return fault("not one finding") };
    if kind != case.kind {
        return fault(&format!("expected {}", case.kind));
    }
    if *at != case.at.replace('~', MANAGER) {
        return fault(&format!("expected at {}", case.at));
    }
    if !mend.contains(case.mend) {
        return fault(&format!("{:?} is not in the mend", case.mend));
    }
    if output.status.code() != Some(if severity == "error" { 64 } else { 0 }) {
        return fault(&format!("exit status {:?}", output.status));
    }
    if check(&[file], &["--strict"]).status.code() != Some(64) {
        return fault("not an error with --strict");
    }
    Ok(())
}

fn holes() -> Vec<Broken> {
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
            [set(SETTINGS, &named_settings())],
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
            "settings with a mistake",
            [set(SETTINGS, &json!(r#"{"audiences": ["a"], "allowed_spiffe_ids": ["x"]}"#))],
            "plugin_config",
            SETTINGS,
            "svidgate check --plugin",
        ),
        broken(
            "settings of another type",
            [set(
                &wasm("configuration"),
                &json!({
            "@type": "type.googleapis.com/google.protobuf.BytesValue", "value": "e30="}),
            )],
            "plugin_config",
            "~.http_filters[0].typed_config.config.configuration",
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
    ]
}

fn weaknesses() -> Vec<Broken> {
    let lua = json!({"name": "script", "typed_config": {"@type": format!("{T}filters.http.lua.v3.Lua")}});
    let mut open = read(&root().join("envoy/envoy.yaml"))["static_resources"]["listeners"][0].clone();
    open["name"] = json!("open");
    let filters = &mut open["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    *filters = json!([filters[2]]);
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
    ]
}

fn of_mtls() -> Vec<Broken> {
    const TLS: &str = "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config";
    const COMMON: &str =
        "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context";
    let context = |name: &str| format!("{COMMON}.{name}");
    let peer = |value: Value| set("~.http_filters[1].typed_config.config.configuration.value.peer", &value);
    let proxy = || peer(json!({"source": "proxy_xfcc", "trusted_proxies": ["spiffe://example.org/ingress"]}));
    let details = |value: &str| set("~.forward_client_cert_details", &json!(value));
    vec![
        broken(
            "nobody sets the peer",
            [remove("~.http_filters[0]")],
            "peer_source",
            "~.http_filters[0]",
            "%DOWNSTREAM_PEER_URI_SAN%",
        ),
        broken(
            "the peer set too late",
            [
                remove("~.http_filters[0]"),
                insert(
                    "~.http_filters",
                    2,
                    &set_filter_state("svidgate.peer_uri_sans", "%DOWNSTREAM_PEER_URI_SAN%"),
                ),
            ],
            "peer_source",
            "~.http_filters[2]",
            "before the plugin",
        ),
        broken(
            "the client says who it is",
            [set("~.http_filters[0]", &set_filter_state("svidgate.peer_uri_sans", "%REQ(x-peer)%"))],
            "peer_forged",
            "~.http_filters[0].typed_config.on_request_headers[0]",
            "%DOWNSTREAM_PEER_URI_SAN%",
        ),
        broken(
            "Envoy's header without Envoy",
            [peer(json!({"source": "envoy_xfcc"})), details("FORWARD_ONLY")],
            "peer_header",
            "~.forward_client_cert_details",
            "SANITIZE_SET",
        ),
        broken(
            "Envoy's header without the URI",
            [peer(json!({"source": "envoy_xfcc"})), remove("~.set_current_client_cert_details")],
            "peer_header",
            "~",
            "{uri: true}",
        ),
        broken(
            "the proxy's header removed",
            [proxy(), remove("~.forward_client_cert_details")],
            "peer_header",
            "~",
            "FORWARD_ONLY",
        ),
        broken(
            "the proxy's header behind our own",
            [proxy(), details("APPEND_FORWARD")],
            "peer_hops",
            "~.forward_client_cert_details",
            "FORWARD_ONLY",
        ),
        broken(
            "no TLS",
            [remove("static_resources.listeners[0].filter_chains[0].transport_socket")],
            "peer_no_tls",
            "static_resources.listeners[0].filter_chains[0]",
            "DownstreamTlsContext",
        ),
        broken(
            "certificates not asked for",
            [remove(&format!("{TLS}.require_client_certificate"))],
            "peer_optional",
            TLS,
            "`require_client_certificate: true`",
        ),
        broken(
            "certificates not validated",
            [remove(&context("validation_context_sds_secret_config"))],
            "peer_not_validated",
            COMMON,
            "name: ALL",
        ),
        broken(
            "certificates validated by nobody",
            [
                remove(&context("validation_context_sds_secret_config")),
                set(&context("validation_context"), &json!({"trust_chain_verification": "ACCEPT_UNTRUSTED"})),
            ],
            "peer_not_validated",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context.trust_chain_verification",
            "take `trust_chain_verification` out",
        ),
        broken(
            "one CA for two trust domains",
            [
                remove(&context("validation_context_sds_secret_config")),
                set(&context("validation_context"), &json!({"trusted_ca": {"filename": "/ca.pem"}})),
            ],
            "peer_plain_ca",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context",
            "SPIFFECertValidatorConfig",
        ),
        broken(
            "SPIRE's own bundle for two trust domains",
            [set(&context("validation_context_sds_secret_config.name"), &json!("ROOTCA"))],
            "peer_plain_ca",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context_sds_secret_config",
            "name: ALL",
        ),
    ]
}

#[test]
fn the_second_plugin_of_a_chain_needs_a_mark_and_a_guard_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    let shipped = read(&root().join("envoy/envoy.yaml"));
    let config = patched(&shipped, &[insert("~.http_filters", 2, &plugin("svidgate-2"))]);
    std::fs::write(&file, config.to_string()).unwrap();
    let text = stderr(&check(&[file], &[]));
    let found: Vec<_> = findings(&text).into_iter().map(|found| (found.kind, found.at)).collect();
    let at = format!("{MANAGER}.http_filters[2]");
    assert_eq!(found, [("guard_missing".to_owned(), at.clone()), ("guard_shared".to_owned(), at)], "{text}");
}

#[test]
fn files_of_one_envoy_are_read_together() {
    let all = ["lds.json", "ecds.json", "rds.json", "cds.json"].map(example);
    for missing in 1..all.len() {
        let mut files = all.to_vec();
        files.remove(missing);
        let output = check(&files, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let found = findings(&stderr(&output));
        assert!(found.iter().any(|found| found.kind == "not_given"), "{}", stderr(&output));
    }
    // Without its listener a plugin can be checked, but nobody sees its guard.
    let output = check(&[example("ecds.json"), example("cds.json")], &[]);
    assert_eq!(findings(&stderr(&output)).len(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("nor is its guard"));
}

#[test]
fn holes_are_found_in_dumps_and_discovery_responses_too() {
    let folder = tempfile::tempdir().unwrap();
    let guardless = |name: &str, list: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, patched(&read(&example(name)), &[remove(&format!("{list}[1]"))]).to_string())
            .unwrap();
        file
    };
    let dump =
        "configs[2].static_listeners[0].listener.filter_chains[0].filters[0].typed_config.http_filters";
    let lds = "resources[0].filterChains[0].filters[0].typedConfig.httpFilters";
    let cases = [
        (vec![guardless("config_dump.json", dump)], dump),
        (
            vec![guardless("lds.json", lds), example("ecds.json"), example("rds.json"), example("cds.json")],
            lds,
        ),
    ];
    for (files, list) in cases {
        let output = check(&files, &[]);
        let found = findings(&stderr(&output));
        assert_eq!(found.len(), 1, "{}", stderr(&output));
        assert_eq!((found[0].kind.as_str(), &found[0].at), ("guard_missing", &format!("{list}[0]")));
        assert_eq!(output.status.code(), Some(64));
    }
}

#[test]
fn a_file_that_is_no_configuration_of_envoy_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    for (text, word) in [
        ("a: 1", "is no configuration of Envoy"),
        ("a: [", "f.yaml: "),
        ("{\"a\": 1, \"a\": 2}", "duplicate"),
    ] {
        let file = folder.path().join("f.yaml");
        std::fs::write(&file, text).unwrap();
        let output = check(&[file], &[]);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(stderr(&output).contains(word), "{text}: {}", stderr(&output));
    }
    let output = check(&[folder.path().join("none")], &[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("cannot be read"));
}

#[test]
fn v16_text_of_the_file_cannot_act_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    let lua = json!({"name": "\u{1b}[2J\u{202e}", "typed_config": {"@type": format!("{T}filters.http.lua.v3.Lua")}});
    let config = patched(&read(&root().join("envoy/envoy.yaml")), &[insert("~.http_filters", 1, &lua)]);
    std::fs::write(&file, config.to_string()).unwrap();
    let text = stderr(&check(&[file], &[]));
    assert!(
        text.contains("guard_distant") && !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text:?}"
    );
}

#[test]
fn a_token_in_the_settings_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    let secret = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2ln";
    let settings = json!(format!(r#"{{"audiences": ["a"], "allowed_spiffe_ids": ["{secret}"]}}"#));
    let config = patched(&read(&root().join("envoy/envoy.yaml")), &[set(SETTINGS, &settings)]);
    std::fs::write(&file, config.to_string()).unwrap();
    let text = stderr(&check(&[file], &[]));
    assert!(text.contains("allowed_spiffe_ids[0]") && !text.contains(secret), "{text}");
}

fn check(files: &[PathBuf], more: &[&str]) -> Output {
    let mut arguments: Vec<String> = more.iter().map(|&argument| argument.to_owned()).collect();
    for file in files {
        arguments.extend(["--envoy".to_owned(), file.display().to_string()]);
    }
    svidgate_check(&arguments)
}

fn plugin(name: &str) -> Value {
    let mut plugin = read(&root().join("envoy/envoy.yaml"))["static_resources"]["listeners"][0]["filter_chains"][0]
        ["filters"][0]["typed_config"]["http_filters"][0]
        .clone();
    plugin["name"] = json!(name);
    plugin
}

fn guard() -> Value {
    json!({"name": "guard", "typed_config": {"@type": format!("{T}filters.http.rbac.v3.RBAC"), "rules": {"policies": {
        "verified": {"permissions": [{"any": true}], "principals": [
            {"filter_state": {"key": "wasm.svidgate", "string_match": {"exact": "verified"}}}]}}}}})
}

fn set_filter_state(key: &str, format: &str) -> Value {
    json!({"name": "state", "typed_config": {"@type": format!("{T}filters.http.set_filter_state.v3.Config"),
        "on_request_headers": [{"object_key": key, "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": format}}}]}})
}

fn named_settings() -> Value {
    json!(r#"{"name": "edge", "audiences": ["a"], "allowed_spiffe_ids": ["spiffe://example.org/client"]}"#)
}

fn wasm(field: &str) -> String {
    format!("~.http_filters[0].typed_config.config.{field}")
}

fn principals() -> String {
    format!("{POLICIES}[\"verified-by-svidgate\"].principals")
}

fn read(path: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn example(name: &str) -> PathBuf {
    root().join("controller/tests/check/examples").join(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

const T: &str = "type.googleapis.com/envoy.extensions.";
/// `~` in a path.
const MANAGER: &str = crate::patch::MANAGER;
const PLUGIN: &str = "~.http_filters[0]";
const GUARD: &str = "~.http_filters[1]";
const SETTINGS: &str = "~.http_filters[0].typed_config.config.configuration.value";
const POLICIES: &str = "~.http_filters[1].typed_config.rules.policies";
const PRINCIPAL_0: &str =
    "~.http_filters[1].typed_config.rules.policies[\"verified-by-svidgate\"].principals[0]";
const PRINCIPAL_1: &str =
    "~.http_filters[1].typed_config.rules.policies[\"verified-by-svidgate\"].principals[1]";
const CONTROLLER: &str =
    "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address";
