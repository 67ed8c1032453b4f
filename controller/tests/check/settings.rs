//! `svidgate check --controller` and `--plugin` on wrong settings: each mistake with its path and what would be right.

use crate::patch::{Patch, patched, remove, set};
use crate::{findings, stderr, svidgate_check};
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

#[test]
fn rules_that_are_never_reached_or_overlapped_are_named_each_by_itself() {
    let rule = |name: &str, about: &Value, id: &str| json!({"name": name, "match": about, "require": "jwt", "spiffe_ids": [id]});
    let (web, admin) = ("spiffe://example.org/web", "spiffe://example.org/admin");
    let warn = |rules: &[Value], strict: bool| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = json!({"audiences": ["backend.example.org"], "rules": rules});
        std::fs::write(file.path(), settings.to_string()).unwrap();
        let mut arguments = vec!["--plugin".to_owned(), file.path().display().to_string()];
        arguments.extend(strict.then(|| "--strict".to_owned()));
        let output = svidgate_check(&arguments);
        let found =
            findings(&stderr(&output)).into_iter().map(|found| (found.kind, found.at)).collect::<Vec<_>>();
        (output.status.code(), found, stderr(&output))
    };
    let all = rule("all", &json!({"paths": ["/**"]}), web);
    let one = rule("one", &json!({"paths": ["/admin/**"]}), admin);
    let get = rule("get", &json!({"methods": ["GET"], "paths": ["/users/**"]}), web);
    let me = rule("me", &json!({"paths": ["/users/me"]}), admin);

    let (status, found, text) = warn(&[one.clone(), get.clone(), all.clone()], true);
    assert_eq!(
        (status, found),
        (Some(0), vec![]),
        "specific before general is how rules are written: {text}"
    );

    let unreachable = [("rule_unreachable".to_owned(), "rules[1]".to_owned())];
    let (status, found, text) = warn(&[all.clone(), one.clone()], false);
    assert_eq!((status, &found[..]), (Some(0), &unreachable[..]), "{text}");
    assert!(text.contains("rules[1] `one` is never reached: it is covered by rules[0] `all`"), "{text}");
    let (status, ..) = warn(&[all, one], true);
    assert_eq!(status, Some(64));

    let (status, found, text) = warn(&[get, me], false);
    let overlaps = [("rule_overlaps".to_owned(), "rules[1]".to_owned())];
    assert_eq!((status, &found[..]), (Some(0), &overlaps[..]), "{text}");
    assert!(text.contains("which comes first and decides `GET /users/me`"), "{text}");
}

#[test]
fn of_many_doubts_the_first_are_shown_and_the_rest_counted() {
    let rules: Vec<Value> = (0..40)
        .map(|n| {
            let paths = if n == 0 { "/**".to_owned() } else { format!("/{n}") };
            json!({"name": format!("r{n}"), "match": {"paths": [paths]}, "require": "none"})
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"audiences": ["a"], "rules": rules}).to_string()).unwrap();
    let output = svidgate_check(&["--plugin".to_owned(), file.path().display().to_string()]);
    let found = findings(&stderr(&output));
    assert_eq!(found.iter().filter(|found| found.kind == "rule_unreachable").count(), 20);
    assert_eq!(found.last().unwrap().kind, "rules_more");
    assert!(stderr(&output).contains("19 more rules"), "{}", stderr(&output));
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
