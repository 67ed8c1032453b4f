//! `svidgate explain` as a process: where token, keys and demands come from, and what the exit status says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use svidgate_controller::dev::{Options, TrustDomainServer};
use svidgate_forge::{AUDIENCE, Key, NOW, Token, jwks};
use svidgate_jwt_svid::SpiffeId;

fn key() -> Key {
    Key::p256("key-1")
}

fn explain(arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
    command
        .arg("explain")
        .args(arguments)
        .env_remove("SPIFFE_ENDPOINT_SOCKET")
        .envs(environment.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends for wrong arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn the_exit_status_is_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "bundle.json", &jwks([key().jwk()]));
    let token = Token::new(&key()).sign(&key());
    let at = NOW.to_string();
    let keys = ["--bundle", &bundle, "--trust-domain", "example.org"];
    let ask = |more: &[&str], input: &[u8]| explain(&[&keys, more].concat(), &[], input);

    let valid = ask(&["--audience", AUDIENCE, "--at", &at], &token);
    assert_eq!(valid.status.code(), Some(0), "{}", stderr(&valid));
    assert!(stdout(&valid).starts_with("VALID: \"spiffe://example.org/client\"\n"));

    let expired = ask(&["--audience", AUDIENCE], &token);
    assert_eq!(expired.status.code(), Some(2));
    assert!(stdout(&expired).starts_with("REFUSED (token_expired): "));

    let open = ask(&["--at", "2023-11-14T22:13:20Z"], &token);
    assert_eq!(open.status.code(), Some(3));
    assert!(stdout(&open).starts_with("NOT REFUSED, BUT NOT PROVED"));

    let argument = String::from_utf8(token.clone()).unwrap();
    let json = ask(&["--audience", "x", "--audience", AUDIENCE, "--at", &at, "--json", &argument], b"");
    assert_eq!(json.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(report["verdict"], "valid");
    let dash =
        ask(&["--audience", AUDIENCE, "--at", &at, "-"], &[b"Bearer ", token.as_slice(), b"\n"].concat());
    assert_eq!(dash.status.code(), Some(0));
    for output in [&valid, &expired, &open, &json, &dash] {
        assert!(!stdout(output).contains(&argument));
        assert_eq!(stderr(output), "");
    }
}

#[test]
fn the_plugins_configuration_says_what_the_filter_demands() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "bundle.json", &jwks([key().jwk()]));
    let plugin = format!(
        r#"{{"audiences": ["{AUDIENCE}"], "allowed_spiffe_ids": ["spiffe://example.org/client"], "clock_skew": "60s"}}"#
    );
    let plugin = write(folder.path(), "plugin.json", plugin.as_bytes());
    let token = Token::new(&key()).sign(&key());
    let late = (NOW + 240 + 30).to_string();
    let ask = |more: &[&str]| {
        let usual =
            ["--bundle", &bundle, "--trust-domain", "example.org", "--plugin", &plugin, "--at", &late];
        explain(&[&usual, more].concat(), &[], &token).status.code()
    };
    assert_eq!(ask(&[]), Some(0));
    assert_eq!(ask(&["--skew", "30s"]), Some(2));
    assert_eq!(ask(&["--audience", "other"]), Some(2));
}

#[test]
fn the_rule_that_decides_a_request_is_shown_and_gives_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "bundle.json", &jwks([key().jwk()]));
    let plugin = serde_json::json!({"audiences": [AUDIENCE], "rules": [
        {"name": "health", "match": {"paths": ["/healthz"]}, "require": "none"},
        {"name": "orders", "match": {"methods": ["POST"], "paths": ["/orders"]}, "require": "jwt",
         "spiffe_ids": ["spiffe://example.org/client"]},
        {"name": "admin", "match": {"paths": ["/admin/**"]}, "require": "jwt",
         "spiffe_ids": ["spiffe://example.org/ns/*/admin"]},
        {"name": "bound", "match": {"paths": ["/bound"]}, "require": "both", "bind": "mtls",
         "spiffe_ids": ["spiffe://example.org/client"]},
        {"name": "other", "match": {"paths": ["/other"]}, "require": "jwt", "audiences": ["other"],
         "mode": "audit", "spiffe_ids": ["spiffe://example.org/client"]}]});
    let plugin = write(folder.path(), "plugin.json", plugin.to_string().as_bytes());
    let token = Token::new(&key()).sign(&key());
    let at = NOW.to_string();
    let usual = ["--bundle", &bundle, "--trust-domain", "example.org", "--plugin", &plugin];
    let ask = |at: &str, more: &[&str]| explain(&[&usual[..], &["--at", at], more].concat(), &[], &token);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["--path", "/orders", "--method", "POST"], 0, "rule: \"orders\" (rules[1])\n"),
        (&["--path", "/orders", "--method", "POST"], 0, "✓ passes"),
        (&["--path", "/orders"], 2, "rule: none is about this request\n    ✗ refused (no_rule)"),
        (&["--path", "/admin/x"], 2, "    ✗ refused (caller_not_allowed)"),
        (&["--path", "/admin/x"], 2, "of \"spiffe://example.org/ns/*/admin\"\n"),
        (&["--path", "/a/../b"], 2, "✗ refused (path_ambiguous)"),
        (&["--path", "/bound"], 3, "rule: \"bound\" (rules[3])"),
        (&["--path", "/bound"], 3, "– not judged: mTLS peer"),
        (&["--path", "/other"], 0, "✗ refused (audience_mismatch), which its mode only counts (audit)"),
    ];
    for (more, status, text) in cases {
        let output = ask(&at, &[&["--host", "api.example.org"], more].concat());
        assert_eq!(output.status.code(), Some(status), "{more:?} {}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains(text), "{more:?} {}", stdout(&output));
    }
    let late = (NOW + 10_000).to_string();
    let expired = ask(&late, &["--host", "a.test", "--path", "/orders", "--method", "POST", "--json"]);
    assert_eq!(expired.status.code(), Some(2));
    let report: Value = serde_json::from_str(&stdout(&expired)).unwrap();
    assert_eq!(report["rules"]["rules"][0]["reason"], "token_expired");
    assert_eq!(report["rules"]["rules"][0]["rules"][0], "\"orders\" (rules[1])");
    assert_eq!(ask(&late, &["--host", "a.test", "--path", "/healthz"]).status.code(), Some(0));

    let all = ask(&at, &["--json"]);
    assert_eq!(all.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&all)).unwrap();
    let rules: Vec<_> = report["rules"]["rules"].as_array().unwrap().iter().collect();
    let said: Vec<_> =
        rules.iter().map(|rule| (rule["verdict"].as_str().unwrap(), rule["reason"].as_str())).collect();
    assert_eq!(
        said,
        [
            ("passes", None),
            ("passes", None),
            ("refused", Some("caller_not_allowed")),
            ("not_judged", Some("peer_missing")),
            ("refused", Some("audience_mismatch")),
        ]
    );
    for wrong in [&["--host", "a.test"][..], &["--path", "/"], &["--method", "GET"]] {
        assert_eq!(ask(&at, wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn wrong_arguments_are_64_and_say_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = write(folder.path(), "bundle.json", b"{}");
    let plugin = write(folder.path(), "plugin.json", br#"{"audiences": []}"#);
    let with_bundle = ["--bundle", &bundle, "--trust-domain", "example.org"];
    let cases: [(&[&str], &str); 8] = [
        (&[], "where are the keys?"),
        (&["--bundle", &bundle], "--trust-domain"),
        (&["--bundle", &bundle, "--trust-domain", "Example.org"], "trust domain"),
        (&with_bundle, "the bundle has no keys member"),
        (&["--bundle", "/nonexistent", "--trust-domain", "example.org"], "/nonexistent: cannot be read"),
        (&["--socket", "/a", "--at", "noon"], "2026-01-31T12:00:00Z"),
        (&["--socket", "/a", "--skew", "10m"], "300s"),
        (&["--socket", "/a", "--plugin", &plugin], "audiences: "),
    ];
    for (arguments, text) in cases {
        let output = explain(arguments, &[], b"a.b.c");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(stderr(&output).contains(text), "{arguments:?}: {}", stderr(&output));
    }
    let good = write(folder.path(), "good.json", &jwks([key().jwk()]));
    let output = explain(&["--bundle", &good, "--trust-domain", "example.org"], &[], b" \n");
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("token: is empty"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_a_workload_api() {
    let folder = tempfile::tempdir().unwrap();
    let client = SpiffeId::parse("spiffe://example.org/client").unwrap();
    let dev =
        TrustDomainServer::start(Options::new(&client, &folder.path().join("agent.sock"))).await.unwrap();
    let api = spiffe::WorkloadApiClient::connect_to(dev.endpoint()).await.unwrap();
    let token = api.fetch_jwt_token([AUDIENCE], None).await.unwrap().into_bytes();
    let socket = dev.socket().display().to_string();

    let ask = |arguments: Vec<String>, environment: Vec<(String, String)>| {
        let token = token.clone();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let environment: Vec<_> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            explain(&arguments, &environment, &token)
        })
    };
    let audience = ["--audience".to_owned(), AUDIENCE.to_owned()];
    let by_flag =
        ask([&audience[..], &["--socket".to_owned(), socket.clone()]].concat(), vec![]).await.unwrap();
    assert_eq!(by_flag.status.code(), Some(0), "{}{}", stdout(&by_flag), stderr(&by_flag));
    assert!(stdout(&by_flag).contains(&format!("keys from unix://{socket}\n    example.org: ")));

    let variable = ("SPIFFE_ENDPOINT_SOCKET".to_owned(), format!("unix://{socket}"));
    let by_environment = ask(audience.to_vec(), vec![variable]).await.unwrap();
    assert_eq!(by_environment.status.code(), Some(0));

    let nobody =
        ask(vec!["--socket".to_owned(), "/nonexistent/agent.sock".to_owned()], vec![]).await.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("/nonexistent/agent.sock"));
}
