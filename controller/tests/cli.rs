//! The binary as its users meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

fn svidgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("SVIDGATE_") || name.starts_with("SPIFFE_") {
            command.env_remove(name);
        }
    }
    command
}

fn output(arguments: &[&str]) -> Output {
    svidgate(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn help_and_version_are_no_errors_and_wrong_arguments_are_64() {
    for good in [&["--help"][..], &["--version"], &["run", "--help"], &["check", "--help"]] {
        let output = output(good);
        assert_eq!(output.status.code(), Some(0), "{good:?}");
        assert!(!output.stdout.is_empty());
    }
    for bad in [&["frobnicate"][..], &["check"], &["run", "--no-such-flag"], &[]] {
        assert_eq!(output(bad).status.code(), Some(64), "{bad:?}");
    }
}

#[test]
fn wrong_settings_end_run_with_64_and_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "c.yaml", "server: {mode: 1}\nlog: {level: loud}\n");
    let output = output(&["run", "--config", &file]);
    assert_eq!(output.status.code(), Some(64));
    let text = stderr(&output);
    for path in ["workload_api.socket: ", "server.mode: ", "log.level: "] {
        assert!(text.contains(path), "{text}");
    }
}

#[test]
fn check_reports_every_mistake_of_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let controller = write(folder.path(), "c.yaml", "workload_api: {socket: 'unix:///run/a.sock'}\n");
    let plugin = write(
        folder.path(),
        "p.json",
        r#"{"audiences": ["a"], "allowed_spiffe_ids": ["spiffe://a.test/x"]}"#,
    );
    let good = output(&["check", "--controller", &controller, "--plugin", &plugin]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));

    let controller = write(folder.path(), "bad.yaml", "serve: {}\n");
    let plugin = write(folder.path(), "bad.json", r#"{"audiences": [""], "x": 1}"#);
    let bad = output(&["check", "--controller", &controller, "--plugin", &plugin]);
    assert_eq!(bad.status.code(), Some(64));
    let text = stderr(&bad);
    for line in [
        "bad.yaml: workload_api.socket: ",
        "bad.yaml: serve: unknown field; did you mean `server`?",
        "bad.json: audiences[0]: ",
        "bad.json: rules: is required: rules, allowed_spiffe_ids or inbound",
        "bad.json: x: unknown field",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_controller_that_is_not_there_is_an_error_that_names_the_socket() {
    let output = output(&["status", "--socket", "/nonexistent/c.sock"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nonexistent/c.sock"));
}

#[test]
fn sigterm_ends_run_with_0_and_leaves_no_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    let mut controller = svidgate(&["run"])
        .env("SPIFFE_ENDPOINT_SOCKET", "unix:///nonexistent/agent.sock")
        .env("SVIDGATE_SERVER_SOCKET", &socket)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while output(&["status", "--socket", socket.to_str().unwrap()]).status.code() != Some(0) {
        assert!(tokio::time::Instant::now() < deadline, "no controller");
    }
    let pid = rustix::process::Pid::from_child(&controller);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = controller.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!socket.exists());
    let mut log = String::new();
    std::io::Read::read_to_string(&mut controller.stderr.take().unwrap(), &mut log).unwrap();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}
