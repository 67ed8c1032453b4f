//! Revocation from the operator to what filters are given, over real sockets, by HTTP and by the command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Answer, DEADLINE, Setup, eventually, jwks, send};
use svidgate_forge::{Key, Token};
use svidgate_snapshot::{Limits, Revocations};
use tokio::time::timeout;

/// A controller with an admin socket and a file of revocations.
struct Revoking {
    setup: Setup,
    admin: PathBuf,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Revoking {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("list.yaml"), "").unwrap();
        Self::start_in(folder).await
    }

    async fn start_in(folder: tempfile::TempDir) -> Self {
        let path = |name: &str| folder.path().join(name);
        let (admin, file, state) = (path("admin.sock"), path("list.yaml"), path("state.json"));
        let setup = Setup::start_with(&[
            ("SVIDGATE_SERVER_ADMIN_SOCKET", admin.to_str().unwrap()),
            ("SVIDGATE_REVOCATIONS_FILE", file.to_str().unwrap()),
            ("SVIDGATE_REVOCATIONS_STATE_FILE", state.to_str().unwrap()),
        ])
        .await;
        setup.agent.bundles(&[("a.test", &jwks(&["1"])), ("example.org", &jwks(&["1"]))]);
        setup.snapshot_with(|snapshot| snapshot.trust().len() == 2).await;
        Self { setup, admin, file, folder }
    }

    async fn ask(&self, method: Method, body: &Value) -> Answer {
        send(&self.admin, method, "/v1/revocations", &body.to_string()).await
    }

    /// What filters are given.
    async fn given(&self) -> Revocations {
        given(&self.setup.get("/v1/snapshot").await)
    }

    /// Runs `svidgate revoke` with these words.
    async fn command(&self, words: &str, stdin: &str) -> Output {
        let (words, stdin, admin) = (words.to_owned(), stdin.to_owned(), self.admin.clone());
        tokio::task::spawn_blocking(move || command(&admin, &words, &stdin)).await.unwrap()
    }
}

fn command(admin: &Path, words: &str, stdin: &str) -> Output {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_svidgate"))
        .arg("revoke")
        .args(words.split(' '))
        .env("SVIDGATE_SERVER_ADMIN_SOCKET", admin)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// A request as a filter makes it that enforces `revision`.
async fn asking(socket: PathBuf, node: &'static str, revision: String, etag: String, wait: u64) -> Answer {
    let headers = [
        ("x-svidgate-node", node),
        ("x-svidgate-revision", revision.as_str()),
        ("if-none-match", etag.as_str()),
    ];
    support::get(&socket, &format!("/v1/snapshot?wait={wait}"), &headers).await
}

fn given(answer: &Answer) -> Revocations {
    answer.snapshot().revocations(&Limits::default()).unwrap()
}

fn kids(list: &Revocations) -> Vec<&str> {
    list.kids().map(|(_, kid)| kid).collect()
}

fn kid(kid: &str) -> Value {
    json!({"kids": [{"trust_domain": "a.test", "kid": kid}]})
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_revocation_answers_every_held_request_at_once() {
    let revoking = Revoking::start().await;
    let first = revoking.setup.get("/v1/snapshot").await;
    let held = [
        revoking.setup.held("n1", &first.etag(), 60).await,
        revoking.setup.held("n2", &first.etag(), 60).await,
    ];
    let answer = revoking.ask(Method::POST, &kid("k")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&answer["changed"], &answer["entries"]), (&json!(true), &json!(1)));
    for task in held {
        // Half of the wait: it is the change that answers.
        let pushed = timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
        assert_eq!(kids(&given(&pushed)), ["k"]);
        assert_eq!(pushed.snapshot().revision().as_str(), answer["revision"].as_str().unwrap());
    }
}

#[tokio::test]
async fn the_list_is_read_replaced_added_to_and_taken_from() {
    let revoking = Revoking::start().await;
    let list = json!({
        "kids": [{"trust_domain": "a.test", "kid": "k"}],
        "jtis": [{"trust_domain": "a.test", "jti": "j", "expires_at": "2099-01-01T00:00:00Z"}],
        "subjects": [{"spiffe_id": "spiffe://a.test/x", "issued_before": 1_764_072_000}],
    });
    assert_eq!(revoking.ask(Method::PUT, &list).await.status, StatusCode::OK);
    assert_eq!(revoking.given().await.len(), 3);
    let shown: Value = serde_json::from_slice(&revoking.ask(Method::GET, &json!(null)).await.body).unwrap();
    assert_eq!(shown["state"]["jtis"][0]["expires_at"], 4_070_908_800_u64);
    assert_eq!(shown["in_force"], json!({"kids": 1, "jtis": 1, "subjects": 1}));
    // What is shown can be put back.
    let again = revoking.ask(Method::PUT, &shown["state"]).await;
    assert_eq!(serde_json::from_slice::<Value>(&again.body).unwrap()["changed"], false);
    revoking.ask(Method::POST, &kid("l")).await;
    assert_eq!(kids(&revoking.given().await), ["k", "l"]);
    let gone = json!({"jtis": [{"trust_domain": "a.test", "jti": "j"}], "subjects": [{"spiffe_id": "spiffe://a.test/x"}]});
    assert_eq!(revoking.ask(Method::DELETE, &gone).await.status, StatusCode::OK);
    assert_eq!(revoking.ask(Method::DELETE, &gone).await.status, StatusCode::NOT_FOUND);
    assert_eq!(revoking.given().await.len(), 2);
    assert_eq!(revoking.ask(Method::PUT, &json!({})).await.status, StatusCode::OK);
    assert!(revoking.given().await.is_empty());
}

#[tokio::test]
async fn a_bad_body_changes_nothing_and_every_mistake_has_its_path() {
    let revoking = Revoking::start().await;
    revoking.ask(Method::POST, &kid("k")).await;
    let bad = json!({"kids": [{"trust_domain": "A", "kid": ""}], "subjects": [{"spiffe_id": "x", "issued_before": 1_764_072_000_000_u64}]});
    for method in [Method::PUT, Method::POST] {
        let answer = revoking.ask(method, &bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error = answer.text();
        for path in [
            "kids[0].trust_domain: ",
            "kids[0].kid: ",
            "subjects[0].spiffe_id: ",
            "subjects[0].issued_before: ",
        ] {
            assert!(error.contains(path), "{error}");
        }
    }
    let twice = send(&revoking.admin, Method::PUT, "/v1/revocations", r#"{"kids":[],"kids":[]}"#).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    let huge = "x".repeat(3 * 1024 * 1024);
    let huge = send(&revoking.admin, Method::PUT, "/v1/revocations", &huge).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(kids(&revoking.given().await), ["k"]);
}

#[tokio::test]
async fn when_full_the_answer_is_507_and_nothing_changes() {
    let revoking = Revoking::start().await;
    let many = |count: usize| {
        let kids: Vec<_> = (0..count).map(|n| json!({"trust_domain": "a", "kid": n.to_string()})).collect();
        json!({ "kids": kids })
    };
    assert_eq!(revoking.ask(Method::PUT, &many(10_000)).await.status, StatusCode::OK);
    let before = revoking.setup.json("/status").await["revision"].clone();
    let full = revoking.ask(Method::POST, &kid("one more")).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(
        full.text()
            .contains("there are 10001 revocations, more than the limit of 10000; nothing was changed")
    );
    // Long ones are bounded by their bytes.
    let long: Vec<_> = (0..1_000).map(|n| json!({"trust_domain": "a", "kid": format!("{n:0500}")})).collect();
    let full = revoking.ask(Method::PUT, &json!({ "kids": long })).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(full.text().contains("more than the limit of 524288"), "{}", full.text());
    assert_eq!(revoking.setup.json("/status").await["revision"], before);
    // Both trust domains are in force beside the full list.
    assert_eq!(revoking.setup.get("/v1/snapshot").await.snapshot().trust().len(), 2);
}

#[tokio::test]
async fn envoys_socket_changes_nothing_and_the_operators_is_his_alone() {
    let revoking = Revoking::start().await;
    let socket = &revoking.setup.socket;
    for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
        let answer = send(socket, method, "/v1/revocations", &kid("k").to_string()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert!(revoking.given().await.is_empty());
    let mode = std::fs::metadata(&revoking.admin).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let admin = revoking.admin.clone();
    revoking.setup.shutdown().await.unwrap();
    assert!(!admin.exists());
}

#[tokio::test]
async fn a_restart_takes_no_revocation_back() {
    let revoking = Revoking::start().await;
    revoking.ask(Method::POST, &kid("k")).await;
    let before = revoking.setup.get("/v1/snapshot").await;
    let folder = revoking.folder;
    revoking.setup.shutdown().await.unwrap();
    let revoking = Revoking::start_in(folder).await;
    let after = revoking.setup.get("/v1/snapshot").await;
    assert_eq!(kids(&given(&after)), ["k"]);
    assert_eq!(after.snapshot().observed().revoked, before.snapshot().observed().revoked);
}

#[tokio::test]
async fn the_file_is_followed_and_a_bad_one_shows_and_replaces_nothing() {
    let revoking = Revoking::start().await;
    std::fs::write(&revoking.file, "kids:\n  - {trust_domain: a.test, kid: k}\n").unwrap();
    eventually("the file is followed", || async { kids(&revoking.given().await) == ["k"] }).await;
    std::fs::write(&revoking.file, "kids:\n  - {trust_domain: a.test}\n").unwrap();
    eventually("the mistake shows", || async {
        let status = revoking.setup.json("/status").await;
        status["revocations"]["file_error"]
            .as_str()
            .is_some_and(|error| error.contains("list.yaml: kids[0].kid: is required"))
    })
    .await;
    assert_eq!(kids(&revoking.given().await), ["k"]);
    let health = revoking.setup.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    let health: Value = serde_json::from_slice(&health.body).unwrap();
    assert_eq!(
        (&health["status"], &health["checks"]["revocations"]["status"]),
        (&json!("degraded"), &json!("degraded"))
    );
    assert_eq!(health["checks"]["workload_api"]["status"], "healthy");
    assert!(health["checks"]["revocations"]["detail"].as_str().unwrap().contains("kids[0].kid"));
    let metrics = revoking.setup.get("/metrics").await.text();
    for line in [
        "svidgate_revocations{kind=\"kid\"} 1.0",
        "svidgate_revocations{kind=\"jti\"} 0.0",
        "svidgate_revocations{kind=\"subject\"} 0.0",
        "svidgate_revocations_file_bad 1.0",
        "svidgate_revocations_file_errors_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    std::fs::write(&revoking.file, "kids: []\n").unwrap();
    eventually("it is good again", || async { revoking.given().await.is_empty() }).await;
    assert_eq!(revoking.setup.json("/health").await["status"], "healthy");
}

#[tokio::test]
async fn the_command_revokes_a_token_from_standard_input_and_takes_it_back() {
    let revoking = Revoking::start().await;
    let key = Key::p256("1");
    let now = Duration::from_millis(svidgate_controller::clock::unix_millis()).as_secs();
    let token = Token::at(now, &key).claim("jti", json!("token-1")).sign(&key);
    let token = String::from_utf8(token).unwrap();
    let output = revoking.command("token", &format!("Authorization: Bearer {token}\n")).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(shown.contains("revoked token token-1 of example.org"), "{shown}");
    assert!(shown.contains("no Envoy has asked for a snapshot lately"), "{shown}");
    assert!(!shown.contains(token.split('.').next_back().unwrap()), "{shown}");
    let jtis: Vec<_> =
        revoking.given().await.jtis().map(|(_, jti, at)| (jti.to_owned(), at.as_secs())).collect();
    assert_eq!(jtis, [("token-1".to_owned(), now + 240)]);

    let output = revoking.command("subject spiffe://example.org/client", "").await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let listed = text(&revoking.command("list", "").await.stdout);
    assert!(
        listed.contains("token-1 of example.org") && listed.contains("spiffe://example.org/client"),
        "{listed}"
    );
    let json: Value = serde_json::from_slice(&revoking.command("list --json", "").await.stdout).unwrap();
    assert_eq!(json["state"]["jtis"][0]["jti"], "token-1");

    for words in
        ["remove jti --trust-domain example.org token-1", "remove subject spiffe://example.org/client"]
    {
        let output = revoking.command(words, "").await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert!(revoking.given().await.is_empty());
    let output = revoking.command("remove subject spiffe://example.org/client", "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("none of the entries is on the list"));
    let output = revoking.command("token", "no token").await;
    assert_eq!(output.status.code(), Some(1));
    let output = command(Path::new("/nonexistent/admin.sock"), "list", "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nonexistent/admin.sock"));
}

#[tokio::test]
async fn the_command_waits_until_every_subscriber_enforces_the_change() {
    let revoking = Revoking::start().await;
    let first = revoking.setup.get("/v1/snapshot").await;
    let old = first.snapshot().revision().as_str().to_owned();
    let ask = |node, revision: &str, etag: &str| {
        asking(revoking.setup.socket.clone(), node, revision.to_owned(), etag.to_owned(), 60)
    };
    // One that follows, as a filter does: it asks again with what it then enforces.
    let follower = tokio::spawn({
        let (first, socket) = (ask("follows", &old, &first.etag()), revoking.setup.socket.clone());
        async move {
            let pushed = first.await;
            let revision = pushed.snapshot().revision().as_str().to_owned();
            asking(socket, "follows", revision, pushed.etag(), 60).await
        }
    });
    let stays = ask("stays", &old, &first.etag());
    eventually("the first is held", || async { revoking.setup.held_by("follows").await == 1 }).await;
    let output = revoking.command("kid --trust-domain a.test k --wait 30s", "").await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("1 of 1 subscribers enforce it"), "{}", text(&output.stdout));

    // One that was pushed the change and never says that it took it.
    stays.await;
    let output = revoking.command("kid --trust-domain a.test l --wait 100ms", "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("of 2 subscribers enforce it"), "{}", text(&output.stdout));
    assert!(
        text(&output.stderr).contains("not all subscribers followed within 100ms: "),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stderr).contains("stays (seen "), "{}", text(&output.stderr));
    assert_eq!(kids(&revoking.given().await), ["k", "l"], "it is in force all the same");
    let _ = timeout(DEADLINE, follower).await.unwrap();
}

#[tokio::test]
async fn status_tells_when_a_new_key_is_held_by_all() {
    let revoking = Revoking::start().await;
    let setup = &revoking.setup;
    let enforcing = |node, answer: &Answer| {
        let revision = answer.snapshot().revision().as_str().to_owned();
        asking(setup.socket.clone(), node, revision, answer.etag(), 0)
    };
    let first = setup.get("/v1/snapshot").await;
    for node in ["n1", "n2", "n3"] {
        enforcing(node, &first).await;
    }
    setup.agent.bundles(&[("a.test", &jwks(&["1", "2"])), ("example.org", &jwks(&["1"]))]);
    let second = setup.snapshot_with(|snapshot| support::kids(snapshot, "a.test") == ["1", "2"]).await;
    enforcing("n1", &second).await;
    let holders = |status: &Value, kid: &str| {
        let key = status["keys"].as_array().unwrap().iter();
        let key = key.clone().find(|key| key["trust_domain"] == "a.test" && key["kid"] == kid).cloned();
        key.map(|key| (key["held_by"].as_u64().unwrap(), key["in_force"].as_bool().unwrap()))
    };
    let status = setup.json("/status").await;
    assert_eq!((holders(&status, "1"), holders(&status, "2")), (Some((3, true)), Some((1, true))));
    let n2 = status["subscribers"].as_array().unwrap().iter().find(|s| s["node"] == "n2").unwrap();
    assert!(n2["observed_age_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(n2["revocations"], 0);
    let held =
        status["revisions"].as_array().unwrap().iter().find(|r| r["revision"] == n2["revision"]).unwrap();
    assert_eq!((&held["kids"]["a.test"], &held["subscribers"]), (&json!(["1"]), &json!(2)));

    for node in ["n2", "n3"] {
        enforcing(node, &second).await;
    }
    assert_eq!(holders(&setup.json("/status").await, "2"), Some((3, true)));
    // The old key goes: it shows as long as anyone has it.
    setup.agent.bundles(&[("a.test", &jwks(&["2"])), ("example.org", &jwks(&["1"]))]);
    let third = setup.snapshot_with(|snapshot| support::kids(snapshot, "a.test") == ["2"]).await;
    assert_eq!(holders(&setup.json("/status").await, "1"), Some((3, false)));
    for node in ["n1", "n2", "n3"] {
        enforcing(node, &third).await;
    }
    assert_eq!(holders(&setup.json("/status").await, "1"), None);
}
