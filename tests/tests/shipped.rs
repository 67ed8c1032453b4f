//! What people copy is safe as it stands.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::process::Command;

use serde_json::Value;
use svidgate_tests::{Folder, Programs};

/// Every shipped file with the plugin in it, by its name.
fn bootstraps() -> Vec<(String, String, Value)> {
    let folder = std::fs::read_dir(Programs::shipped("envoy")).expect("the folder envoy");
    folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a text");
            let config = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.display().to_string(), text, config)
        })
        .filter(|(_, _, config): &(_, _, Value)| config.get("static_resources").is_some())
        .collect()
}

#[test]
fn every_shipped_bootstrap_has_the_guard_right_behind_the_plugin() {
    let bootstraps = bootstraps();
    assert!(!bootstraps.is_empty());
    for (name, _, config) in bootstraps {
        let mut plugins = 0;
        for listener in config["static_resources"]["listeners"].as_array().expect("listeners") {
            let filters = &listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
            let filters = filters.as_array().expect("http_filters");
            for (position, filter) in
                filters.iter().enumerate().filter(|(_, filter)| filter["name"] == "svidgate")
            {
                plugins += 1;
                assert_eq!(filter["typed_config"]["config"]["failure_policy"], "FAIL_RELOAD", "{name}");
                let guard = &filters.get(position + 1).expect("a filter behind the plugin")["typed_config"];
                assert!(
                    guard["@type"].as_str().expect("a type").ends_with("rbac.v3.RBAC"),
                    "{name}: {guard}"
                );
                assert_eq!(guard["rules"]["action"], "ALLOW", "{name}");
                let policies = guard["rules"]["policies"].as_object().expect("policies");
                for policy in policies.values() {
                    let principals = policy["principals"].as_array().expect("principals");
                    for principal in principals {
                        let mark = &principal["filter_state"];
                        assert_eq!(mark["key"], "wasm.svidgate", "{name}");
                        assert_eq!(mark["string_match"]["exact"], "verified", "{name}");
                    }
                }
            }
        }
        assert_eq!(plugins, 1, "{name}");
    }
}

#[test]
fn envoy_takes_every_shipped_bootstrap_with_nothing_but_the_plugins_path_changed() {
    let folder = Folder::new();
    for (name, text, _) in bootstraps() {
        let plugin = Programs::wasm();
        let text = text.replace("/etc/envoy/svidgate.wasm", &plugin.display().to_string());
        let file = folder.path().join("bootstrap.yaml");
        std::fs::write(&file, text).expect("a file");
        let checked = Command::new(Programs::envoy()).args(["--mode", "validate", "-c"]).arg(&file).output();
        let checked = checked.expect("Envoy runs");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
