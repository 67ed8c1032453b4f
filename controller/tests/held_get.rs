//! The held GET and what the controller says about itself, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hyper::StatusCode;
use support::{DEADLINE, Setup, config, eventually, get, jwks, kids, try_get};
use svidgate_controller::source::workload_api::Probe;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_caller_without_a_revision_is_answered_at_once() {
    let setup = Setup::start().await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    let answer = timeout(DEADLINE / 2, setup.get("/v1/snapshot?wait=60")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.etag(), answer.snapshot().etag().to_string());
}

#[tokio::test]
async fn b5_a_rotation_answers_every_held_request_at_once() {
    let setup = Setup::start().await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    let first = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    let mut held = Vec::new();
    for number in 0..5 {
        held.push(setup.held(&format!("n{number}"), &first.etag(), 60).await);
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    setup.agent.bundles(&[("a.test", &jwks(&["1", "2"]))]);
    // Half of the wait: it is the change that answers.
    for task in held {
        let answer = timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(kids(&answer.snapshot(), "a.test"), ["1", "2"]);
    }
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_update_that_changes_nothing_answers_no_held_request() {
    let setup = Setup::start().await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    let first = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    let held = setup.held("n", &first.etag(), 60).await;
    let taken = || async {
        let metrics = setup.get("/metrics").await.text();
        let line = metrics.lines().find(|l| l.starts_with("svidgate_workload_api_messages_total")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = taken().await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    eventually("the update was taken", || async { taken().await > before }).await;
    assert_eq!(setup.held_by("n").await, 1);
    assert!(!held.is_finished());
}

#[tokio::test]
async fn the_end_of_a_wait_gives_newer_times_while_the_source_is_up_and_304_when_nothing_moved() {
    // Often enough for several answers within the wait.
    let probe = Probe { interval: Duration::from_millis(100), timeout: DEADLINE };
    let mut setup = Setup::start_probing(&[], probe).await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    let first = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    let answer = setup.held("n", &first.etag(), 5).await.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.snapshot().revision(), first.snapshot().revision());
    assert!(answer.snapshot().observed().at > first.snapshot().observed().at);

    setup.agent.down();
    eventually("the controller noticed", || async {
        setup.json("/status").await["workload_api"]["phase"] == "down"
    })
    .await;
    let last = setup.get("/v1/snapshot?wait=0").await;
    let answer = setup.held("n", &last.etag(), 1).await.await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(answer.etag(), last.etag());
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn no_state_yet_is_503_after_the_wait_and_an_answer_at_once_when_it_comes() {
    let mut setup = Setup::start().await;
    // A second controller whose agent is away from the start.
    setup.agent.down();
    let socket = setup.folder.path().join("late.sock");
    let stop = CancellationToken::new();
    let late = config(setup.agent.path(), &socket, &[]);
    let controller = tokio::spawn(svidgate_controller::run::until(late, stop.clone()));
    eventually("it serves", || async { UnixStream::connect(&socket).await.is_ok() }).await;

    let answer = get(&socket, "/v1/snapshot?wait=0", &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("error"));
    assert_eq!(get(&socket, "/readyz", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&socket, "/health", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&socket, "/livez", &[]).await.status, StatusCode::OK);

    let held = tokio::spawn({
        let socket = socket.clone();
        async move { get(&socket, "/v1/snapshot?wait=60", &[]).await }
    });
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    setup.agent.up();
    let answer = timeout(DEADLINE, held).await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(kids(&answer.snapshot(), "a.test"), ["1"]);
    assert_eq!(get(&socket, "/readyz", &[]).await.status, StatusCode::OK);
    assert_eq!(get(&socket, "/health", &[]).await.status, StatusCode::OK);
    stop.cancel();
    controller.await.unwrap().unwrap();
}

#[tokio::test]
async fn waits_out_of_range_are_refused_and_foreign_tags_mean_nothing() {
    let setup = Setup::start().await;
    setup.snapshot_with(|_| true).await;
    for wait in ["61", "-1", "x", "1.5"] {
        let answer = setup.get(&format!("/v1/snapshot?wait={wait}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wait}");
        assert!(answer.text().contains("from 0 to 60"), "{wait}");
    }
    for tag in ["*", "W/\"x\"", "\"abc\"", ""] {
        let answer = get(&setup.socket, "/v1/snapshot?wait=60", &[("if-none-match", tag)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{tag}");
    }
}

#[tokio::test]
async fn status_and_metrics_tell_who_enforces_what() {
    let setup = Setup::start().await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    let first = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    let revision = first.snapshot().revision().as_str().to_owned();
    let old = "0".repeat(64);
    for (instance, revision) in [("current", revision.as_str()), ("behind", old.as_str()), ("without", "")] {
        let headers = [
            ("x-svidgate-node", "node\u{9}1"),
            ("x-svidgate-instance", instance),
            ("x-svidgate-plugin-version", "0.1.0"),
            ("x-svidgate-revision", revision),
        ];
        get(&setup.socket, "/v1/snapshot", &headers).await;
    }
    let held = setup.held("holder", &first.etag(), 60).await;
    // Who says nothing of itself is no subscriber, but its request is open all the same.
    let unnamed = tokio::spawn({
        let (socket, etag) = (setup.socket.clone(), first.etag());
        async move { get(&socket, "/v1/snapshot?wait=60", &[("if-none-match", &etag)]).await }
    });
    eventually("both are held", || async { setup.json("/status").await["summary"]["held"] == 2 }).await;
    let status = setup.json("/status").await;
    assert_eq!(status["revision"], revision);
    assert_eq!(status["trust_domains"][0]["kids"], serde_json::json!(["1"]));
    assert!(status["trust_domains"][0]["observed_age_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(
        status["summary"],
        serde_json::json!({"subscribers": 4, "current": 1, "behind": 1, "without": 2, "held": 2})
    );
    let behind =
        status["subscribers"].as_array().unwrap().iter().find(|s| s["instance"] == "behind").unwrap();
    assert_eq!((&behind["node"], &behind["current"]), (&"node\u{fffd}1".into(), &false.into()));
    assert_eq!(behind["plugin_version"], "0.1.0");

    let metrics = setup.get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let metrics = metrics.text();
    for line in [
        "svidgate_held_requests 2.0",
        "svidgate_subscribers{state=\"current\"} 1.0",
        "svidgate_subscribers{state=\"behind\"} 1.0",
        "svidgate_subscribers{state=\"without\"} 2.0",
        "svidgate_workload_api_up 1.0",
        "svidgate_bundle_ignored_keys{trust_domain=\"a.test\"} 0.0",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }

    // A connection that ends is no held request any more.
    held.abort();
    unnamed.abort();
    eventually("the end was noticed", || async { setup.json("/status").await["summary"]["held"] == 0 }).await;
}

#[tokio::test]
async fn a_graceful_end_answers_held_requests_and_removes_the_socket() {
    let setup = Setup::start().await;
    let first = setup.snapshot_with(|_| true).await;
    let held = setup.held("n", &first.etag(), 60).await;
    let socket = setup.socket.clone();
    setup.shutdown().await.unwrap();
    let answer = timeout(DEADLINE, held).await.unwrap().unwrap();
    assert!([StatusCode::OK, StatusCode::NOT_MODIFIED].contains(&answer.status));
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_socket_has_its_mode_and_admits_only_listed_users() {
    let setup = Setup::start_with(&[("SVIDGATE_SERVER_MODE", "0600")]).await;
    let mode = std::fs::metadata(&setup.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    setup.get("/livez").await;

    // Nobody has this uid, so nobody is admitted.
    let setup = Setup::start_with(&[("SVIDGATE_SERVER_ALLOWED_UIDS", "4294967294")]).await;
    let stream = UnixStream::connect(&setup.socket).await.unwrap();
    try_get(stream, "/livez", &[]).await.unwrap_err();

    // The file's owner is us.
    let us = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&setup.socket).unwrap()).to_string();
    let setup = Setup::start_with(&[("SVIDGATE_SERVER_ALLOWED_UIDS", &us)]).await;
    assert_eq!(setup.get("/livez").await.status, StatusCode::OK);
}
