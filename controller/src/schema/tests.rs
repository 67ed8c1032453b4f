use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Settings, markdown};
use crate::config::{Config, Environment, load, read_yaml, yaml_from_str};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn validator(settings: Settings) -> jsonschema::Validator {
    let schema = settings.json_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Paths and messages of what the schema finds wrong.
fn found(settings: Settings, value: &Value) -> Vec<String> {
    validator(settings)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn read_plugin(value: &Value) -> Result<(), String> {
    svidgate_plugin::config::Config::from_value(value).map(drop).map_err(|errors| errors.to_string())
}

fn read_controller(value: &Value) -> Result<(), String> {
    Config::parse(value).map(drop).map_err(|errors| errors.to_string())
}

/// The configuration of the plugin in a bootstrap of ours.
fn shipped_plugin(bootstrap: &Path) -> Value {
    fn find(value: &Value) -> Option<&str> {
        match value {
            Value::Object(members) => match members.get("configuration").and_then(|found| found.get("value"))
            {
                Some(Value::String(text)) => Some(text),
                _ => members.values().find_map(find),
            },
            Value::Array(items) => items.iter().find_map(find),
            _ => None,
        }
    }
    let value = read_yaml(bootstrap).unwrap();
    serde_json::from_str(find(&value).unwrap()).unwrap()
}

#[test]
fn the_reference_in_the_tree_is_the_one_of_this_code() {
    let path = root().join("docs/configuration.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == markdown::reference(),
        "docs/configuration.md is not what the code says; mend it with\n  \
         cargo run -p svidgate-controller -- schema --markdown > docs/configuration.md"
    );
}

#[test]
fn examples_are_read_and_fit_the_schema() {
    let example = yaml_from_str("example", markdown::EXAMPLE).unwrap();
    let shipped = shipped_plugin(&root().join("envoy/envoy.yaml"));
    for value in [&example, &shipped] {
        assert_eq!(read_plugin(value), Ok(()));
        assert_eq!(found(Settings::Plugin, value), Vec::<String>::new());
    }
    let example = yaml_from_str("example", markdown::CONTROLLER_EXAMPLE).unwrap();
    let shipped = root().join("envoy/controller.yaml");
    load(Some(&shipped), &Environment::default()).unwrap();
    for value in [&example, &read_yaml(&shipped).unwrap(), &json!({})] {
        assert_eq!(found(Settings::Controller, value), Vec::<String>::new());
    }
    assert_eq!(read_controller(&example), Ok(()));
}

#[test]
fn the_examples_show_every_setting_but_those_that_exclude_each_other() {
    let page = markdown::reference();
    for shown in ["`rules[].match.grpc[]`", "`upstream.claims[]`", "`max_staleness`", "SVIDGATE_LOG_LEVEL"] {
        assert!(page.contains(shown), "{shown}");
    }
    // Links within the page lead somewhere.
    let anchors: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")))
        .map(markdown::anchor)
        .collect();
    for link in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert_eq!(anchors.iter().filter(|anchor| *anchor == link).count(), 1, "{link}");
    }
}

#[test]
fn what_is_wrong_for_the_schema_is_wrong_for_the_reading() {
    let plugin = yaml_from_str("example", markdown::EXAMPLE).unwrap();
    for (pointer, to) in [
        ("/audience", json!(["x"])),
        ("/audiences", json!([])),
        ("/audiences", json!(["x", "x"])),
        ("/algorithms/0", json!("none")),
        ("/clock_skew", json!(5)),
        ("/clock_skew", json!("5 s")),
        ("/max_token_bytes", json!(100)),
        ("/mode", json!("dry")),
        ("/fail_open", json!("true")),
        ("/max_staleness", json!({})),
        ("/max_staleness", json!(60)),
        ("/token_sources/2", json!({"cookie": "c", "query": "q"})),
        ("/token_sources/2", json!({})),
        ("/peer/source", json!("xfcc")),
        ("/rules", json!([])),
        ("/rules", json!(null)),
        ("/allowed_spiffe_ids", json!(["spiffe://example.org/x"])),
        ("/rules/0/name", json!("None")),
        ("/rules/0/name", json!("none")),
        ("/rules/0/require", json!(null)),
        ("/rules/0/match", json!(null)),
        ("/rules/0/match/paths", json!(["/x"])),
        ("/rules/0/spiffe_ids/0", json!("spiffe://example.org")),
        ("/rules/0/spiffe_ids/0", json!("spiffe://example.org/a*")),
        ("/rules/3/match/methods/0", json!("get")),
        ("/rules/3/match/paths/0", json!("v1")),
        ("/rules/3/unsafe_paths/0", json!("dots")),
        ("/upstream/claims/0/type", json!("text")),
        ("/upstream/spiffe_id_header", json!("X-Spiffe-Id")),
        ("/answers/realm", json!("a\"b")),
        ("/log/refusals/sample", json!(1.5)),
        ("/token_cache/entries", json!(-1)),
        ("/credentials/key", json!("short")),
        ("/outgoing", json!([])),
        ("/outgoing/0/match/clusters", json!([])),
        ("/outgoing/0/as", json!("digest")),
        ("/outgoing/1/as/header", json!("X-Api-Key")),
        ("/outgoing/1/existing", json!("merge")),
        ("/inbound", json!("not_judged")),
    ] {
        refused(Settings::Plugin, read_plugin, &plugin, pointer, to);
    }
    let controller = yaml_from_str("example", markdown::CONTROLLER_EXAMPLE).unwrap();
    for (pointer, to) in [
        ("/vault", json!({})),
        ("/vault/address", json!("vault:8200")),
        ("/vault/auth", json!({})),
        ("/vault/auth/token", json!({"file": "/t"})),
        ("/vault/auth/kubernetes/token", json!("hvs.secret")),
        ("/vault/auth/kubernetes/role", json!("a/b")),
        ("/vault/renew_at", json!(1.0)),
        ("/vault/at_shutdown", json!("forget")),
        ("/vault/fail_open", json!("no")),
        ("/secrets", json!({})),
        ("/secrets/orders_db/kv", json!({"path": "x"})),
        ("/secrets/orders_db/database/role", json!(null)),
        ("/secrets/kafka/kv/path", json!("/kafka")),
        ("/secrets/Upper", json!({"kv": {"path": "x"}})),
        ("/files", json!([])),
        ("/files/0/folder", json!("/run/app/other")),
        ("/files/0/mode", json!(600)),
        ("/files/0/postgres_uri/port", json!(0)),
        ("/files/0/hook/http", json!({"url": "http://127.0.0.1/"})),
        ("/files/0/hook/signal", json!("KILL")),
        ("/files/1/kafka_client/mechanism", json!("GSSAPI")),
        ("/files/2/contents", json!({})),
        ("/workload_api/socket", json!("/run/agent.sock")),
        ("/server/socket", json!("controller.sock")),
        ("/server/mode", json!(660)),
        ("/server/mode", json!("0400")),
        ("/server/allowed_uids", json!([])),
        ("/log/level", json!("loud")),
        ("/credential_keys/edge", json!("edge.key")),
        ("/credentials/legacy/subscribers", json!(null)),
        ("/credentials/legacy/subscribers/0/uid", json!("envoy")),
        ("/credentials/legacy/file/form", json!("yaml")),
        ("/credentials/legacy/jwt_svid", json!({"audience": "x"})),
        ("/credentials/billing/jwt_svid", json!(null)),
        ("/credentials/billing/subscribers/0/node", json!("n")),
    ] {
        refused(Settings::Controller, read_controller, &controller, pointer, to);
    }
}

/// The good value with one thing changed satisfies neither the schema nor the reading.
fn refused(
    settings: Settings,
    read: fn(&Value) -> Result<(), String>,
    good: &Value,
    pointer: &str,
    to: Value,
) {
    let mut value = good.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = to,
        parent => parent[name] = to,
    }
    assert!(!found(settings, &value).is_empty(), "the schema takes {pointer}: {value:#}");
    assert!(read(&value).is_err(), "the reading takes {pointer}: {value:#}");
}
