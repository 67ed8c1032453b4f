//! `svidgate dev` and `svidgate token` as processes: what they print, how they end, what they leave behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use spiffe::JwtSvid;

const BACKEND: &str = "backend.example.org";

/// A running `svidgate dev run`, killed when the test ends before it does.
struct Dev {
    child: Child,
    endpoint: String,
}

fn svidgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
    command.args(arguments);
    for name in ["SPIFFE_ENDPOINT_SOCKET", "SVIDGATE_DEV_ADMIN_SOCKET"] {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str], endpoint: &str) -> Output {
    svidgate(arguments).env("SPIFFE_ENDPOINT_SOCKET", endpoint).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "an error leaves standard output to the next in the pipe");
    String::from_utf8(output.stderr.clone()).unwrap()
}

impl Dev {
    fn start(socket: &Path) -> Self {
        let socket = socket.display().to_string();
        let mut child = svidgate(&["dev", "run", "--socket", &socket, "--spiffe-endpoint-env"])
            .args(["--federated", "other.org", "--entry", "spiffe://example.org/api,hint=internal"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Ends with the process if it fails; the line comes when both sockets serve.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim_end().strip_prefix("export SPIFFE_ENDPOINT_SOCKET=").unwrap().to_owned();
        assert_eq!(endpoint, format!("unix://{socket}"));
        Self { child, endpoint }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(arguments, &self.endpoint)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&stdout(&self.run(arguments))).unwrap()
    }

    fn end(mut self, signal: &str) -> ExitStatus {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn states(answer: &Value) -> Vec<(&str, &str)> {
    let keys = answer["keys"].as_array().unwrap();
    keys.iter().map(|key| (key["state"].as_str().unwrap(), key["key_type"].as_str().unwrap())).collect()
}

#[test]
fn token_prints_the_token_alone_in_the_form_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("s"));
    let raw = stdout(&dev.run(&["token", "--audience", BACKEND, "--audience", "second"]));
    let svid = JwtSvid::parse_insecure(raw.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(svid.spiffe_id().to_string(), "spiffe://example.org/client");
    assert_eq!(svid.audience(), [BACKEND, "second"]);

    let header = stdout(&dev.run(&["token", "--audience", BACKEND, "--format", "header"]));
    let token = header.strip_prefix("authorization: Bearer ").unwrap();
    JwtSvid::parse_insecure(token.trim_end()).unwrap();

    let api = "spiffe://example.org/api";
    let json = dev.json(&["token", "--audience", BACKEND, "--spiffe-id", api, "--format", "json"]);
    assert_eq!((&json["spiffe_id"], &json["hint"]), (&api.into(), &"internal".into()));
    assert_eq!(json["audience"], serde_json::json!([BACKEND]));
    let token = JwtSvid::parse_insecure(json["token"].as_str().unwrap()).unwrap();
    assert_eq!(json["expires_at"].as_i64().unwrap(), token.expiry().unix_timestamp());
}

#[test]
fn token_explains_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("s"));
    let text = stderr(&svidgate(&["token", "--audience", BACKEND]).output().unwrap());
    assert!(text.contains("SPIFFE_ENDPOINT_SOCKET") && text.contains("--socket"), "{text}");
    let unknown = "spiffe://example.org/unknown";
    let text = stderr(&dev.run(&["token", "--audience", BACKEND, "--spiffe-id", unknown]));
    assert!(text.contains("registration entry") && text.contains(unknown), "{text}");
}

#[test]
fn keys_are_rotated_shown_and_revoked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("s"));
    let rotated = dev.json(&["dev", "rotate", "--settle", "0s", "--json"]);
    assert_eq!(states(&rotated), [("active", "es256"), ("old", "es256")]);
    let prepared = dev.json(&["dev", "rotate", "--phase", "prepare", "--key-type", "rs256", "--json"]);
    assert_eq!(states(&prepared), [("active", "es256"), ("prepared", "rs256"), ("old", "es256")]);
    assert!(stderr(&dev.run(&["dev", "rotate", "--phase", "prepare"])).contains("prepared already"));
    // What is prepared is taken; nothing is published besides.
    let rotated = dev.json(&["dev", "rotate", "--settle", "0s", "--json"]);
    assert_eq!(states(&rotated), [("active", "rs256"), ("old", "es256"), ("old", "es256")]);

    let revoked = dev.json(&["dev", "revoke", "--json"]);
    assert_eq!(revoked["changed"].as_array().unwrap().len(), 2);
    assert_eq!(states(&revoked), [("active", "rs256")]);
    let active = revoked["keys"][0]["kid"].as_str().unwrap();
    let replaced = dev.json(&["dev", "revoke", "--kid", active, "--json"]);
    assert_eq!(states(&replaced), [("active", "rs256")]);
    assert_ne!(replaced["keys"][0]["kid"], active);

    let other = dev.json(&["dev", "rotate", "--trust-domain", "other.org", "--settle", "0s", "--json"]);
    assert_eq!(states(&other), [("active", "es256"), ("old", "es256")]);
    let status = dev.json(&["dev", "status", "--json"]);
    let names: Vec<_> =
        status["trust_domains"].as_array().unwrap().iter().map(|d| &d["trust_domain"]).collect();
    assert_eq!(names, ["example.org", "other.org"]);
    assert!(stdout(&dev.run(&["dev", "status"])).contains("spiffe://example.org/api (hint internal)"));
}

#[test]
fn mint_signs_any_identity_lifetime_and_age() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("s"));
    let arguments = ["dev", "mint", "--spiffe-id", "spiffe://other.org/a", "--audience", BACKEND];
    let minted = stdout(&dev.run(&[&arguments[..], &["--ttl", "30s", "--issued-ago", "60s"]].concat()));
    let svid = JwtSvid::parse_insecure(minted.trim_end()).unwrap();
    assert_eq!(svid.spiffe_id().to_string(), "spiffe://other.org/a");
    let now = svidgate_controller::clock::unix_millis() / 1000;
    assert!(u64::try_from(svid.expiry().unix_timestamp()).unwrap() <= now - 30);
    let unknown = ["dev", "mint", "--spiffe-id", "spiffe://unknown.org/a", "--audience", BACKEND];
    assert!(stderr(&dev.run(&unknown)).contains("unknown.org"));
}

#[test]
fn it_ends_by_itself_on_a_signal_and_leaves_nothing() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let dev = Dev::start(&folder.path().join("s"));
        assert!(dev.end(signal).success(), "{signal}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{signal}");
    }
}

#[test]
fn sockets_of_a_killed_run_are_replaced_and_those_of_a_living_one_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    assert!(!Dev::start(&socket).end("KILL").success());
    assert!(socket.exists());
    let dev = Dev::start(&socket);
    let text = stderr(&svidgate(&["dev", "run", "--socket", socket.to_str().unwrap()]).output().unwrap());
    assert!(text.contains("another process"), "{text}");
    stdout(&dev.run(&["token", "--audience", BACKEND]));
}
