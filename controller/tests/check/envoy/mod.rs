//! `svidgate check --envoy` on configurations that are right, and on each way of being wrong.

mod egress;
mod holes;
mod mtls;
mod weaknesses;

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
    let files = ["envoy", "envoy/examples"].map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let shipped = files.into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|path| {
        // The roll-out is meant to begin with audit; its own test knows.
        path.is_file()
            && !path.ends_with("rollout.yaml")
            && std::fs::read_to_string(path).unwrap().contains("static_resources")
    });
    let mut good: Vec<Vec<PathBuf>> = shipped.map(|path| vec![path]).collect();
    assert!(good.len() > 3, "{good:?}");
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
    check_each("envoy/envoy.yaml", holes::cases().into_iter().chain(weaknesses::cases()));
}

#[test]
fn what_would_take_a_credential_elsewhere_is_named_with_its_path_and_mend() {
    check_each("envoy/examples/egress.yaml", egress::cases());
}

#[test]
fn p06_what_mtls_needs_is_named_with_its_path_and_mend() {
    check_each("controller/tests/check/examples/mtls.yaml", mtls::cases());
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
fn settings_may_be_bytes_as_envoy_hands_them_on_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    let bytes =
        "eyJhdWRpZW5jZXMiOlsiYSJdLCJhbGxvd2VkX3NwaWZmZV9pZHMiOlsic3BpZmZlOi8vZXhhbXBsZS5vcmcvYyJdfQ==";
    let bytes = json!({"@type": "type.googleapis.com/google.protobuf.BytesValue", "value": bytes});
    let config = patched(&read(&root().join("envoy/envoy.yaml")), &[set(&wasm("configuration"), &bytes)]);
    std::fs::write(&file, config.to_string()).unwrap();
    let output = check(&[file], &["--strict"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
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

/// Good settings with these fields changed, as text.
fn settings(change: &Value) -> Value {
    let mut settings = json!({"audiences": ["a"], "allowed_spiffe_ids": ["spiffe://example.org/client"]});
    for (field, value) in change.as_object().unwrap() {
        settings[field] = value.clone();
    }
    json!(settings.to_string())
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
