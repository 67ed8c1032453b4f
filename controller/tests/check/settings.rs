//! `svidgate check --controller` and `--plugin` on wrong settings: each mistake with its path and what would be right.

use crate::patch::{Patch, patched, remove, set};
use crate::{stderr, svidgate_check};
use serde_json::{Value, json};

/// A change to good settings, the path that must be named, and words that say what would be right.
type Broken = (Patch, &'static str, &'static str);

#[test]
fn settings_of_the_controller_are_refused_with_path_and_mend() {
    let good = json!({
        "workload_api": {"socket": "unix:///run/spire/sockets/agent.sock"},
        "server": {"socket": "/run/svidgate/controller.sock", "mode": "0660"},
        "log": {"format": "json", "level": "info"},
    });
    let cases: Vec<Broken> = vec![
        (remove("workload_api.socket"), "workload_api.socket", "$SPIFFE_ENDPOINT_SOCKET"),
        (
            set("workload_api.socket", &json!("/run/agent.sock")),
            "workload_api.socket",
            "unix: with an absolute path",
        ),
        (
            set("workload_api.socket", &json!("unix:///run/../agent.sock")),
            "workload_api.socket",
            "no dot segments",
        ),
        (set("server.socket", &json!("controller.sock")), "server.socket", "expected an absolute path"),
        (set("server.mode", &json!(660)), "server.mode", "such as \"0660\""),
        (set("server.mode", &json!("0466")), "server.mode", "as in \"0600\""),
        (set("server.allowed_uids", &json!([])), "server.allowed_uids", "at least one item"),
        (set("log.level", &json!("loud")), "log.level", "expected error, warn, info, debug or trace"),
        (set("log.format", &json!("xml")), "log.format", "expected json or text"),
        (set("sever", &json!({})), "sever", "did you mean `server`?"),
    ];
    refused("--controller", &good, &cases);
}

#[test]
fn settings_of_the_plugin_are_refused_with_path_and_mend() {
    let good = json!({
        "controller": {"cluster": "svidgate_controller", "wait": "30s"},
        "audiences": ["backend.example.org"],
        "allowed_spiffe_ids": ["spiffe://example.org/client"],
    });
    let cases: Vec<Broken> = vec![
        (set("controller.wait", &json!("2h")), "controller.wait", "must be from 1s to 60s"),
        (set("controller.clustr", &json!("x")), "controller.clustr", "did you mean `cluster`?"),
        (set("audience", &json!(["x"])), "audience", "did you mean `audiences`?"),
        (set("audiences", &json!([])), "audiences", "must"),
        (set("algorithms", &json!(["ES256", "HS256"])), "algorithms[1]", "ES256"),
        (set("algorithms", &json!(["none"])), "algorithms[0]", "ES256"),
        (set("clock_skew", &json!(5)), "clock_skew", "such as"),
        (set("max_token_bytes", &json!(100)), "max_token_bytes", "512"),
        (set("max_staleness", &json!("10s")), "max_staleness", "must be at least"),
        (
            set("allowed_spiffe_ids[0]", &json!("Spiffe://example.org/x")),
            "allowed_spiffe_ids[0]",
            "spiffe://",
        ),
        (
            set("allowed_spiffe_ids[0]", &json!("spiffe://example.org")),
            "allowed_spiffe_ids[0]",
            "a path is needed",
        ),
    ];
    refused("--plugin", &good, &cases);
}

fn refused(option: &str, good: &Value, cases: &[Broken]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings");
    let check = |settings: &Value| {
        std::fs::write(&file, settings.to_string()).unwrap();
        svidgate_check(&[option.to_owned(), file.display().to_string()])
    };
    let output = check(good);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (patch, path, mend) in cases {
        let output = check(&patched(good, std::slice::from_ref(patch)));
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{path}: {text}");
        let line = text.lines().find(|line| line.contains(&format!(" {path}: ")));
        assert!(line.is_some_and(|line| line.contains(mend)), "{path}: {mend:?} is not in\n{text}");
    }
}
