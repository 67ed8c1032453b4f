//! What the controller makes of each thing a Workload API can say (checklist B1 to B9).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use hyper::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

use support::{Answer, Setup, eventually, jwk, jwks, kids, other_jwk};
use svidgate_controller::source::workload_api::Probe;
use tonic::Code;

async fn phase_is(setup: &Setup, phase: &str) {
    eventually(phase, || async { setup.json("/status").await["workload_api"]["phase"] == phase }).await;
}

async fn domain(setup: &Setup, name: &str) -> Value {
    let status = setup.json("/status").await;
    let domains = status["trust_domains"].as_array().unwrap().clone();
    domains.into_iter().find(|domain| domain["trust_domain"] == name).unwrap_or(Value::Null)
}

async fn start_with(bundles: &[(&str, &str)]) -> Setup {
    probing(Probe::default(), bundles).await
}

async fn probing(probe: Probe, bundles: &[(&str, &str)]) -> Setup {
    let setup = Setup::start_probing(&[], probe).await;
    setup.agent.bundles(bundles);
    setup.snapshot_with(|snapshot| snapshot.trust().len() == bundles.len()).await;
    setup
}

fn observed(answer: &Answer) -> u64 {
    answer.snapshot().observed().at
}

const OFTEN: Probe = Probe { interval: Duration::from_millis(50), timeout: Duration::from_secs(2) };

#[tokio::test]
async fn b2_two_keys_under_one_kid_are_not_used_and_show() {
    let keys = json!({"keys": [jwk("twice"), other_jwk("twice"), jwk("good"), {"kty": "EC"}]}).to_string();
    let setup = start_with(&[("a.test", &keys)]).await;
    let answer = setup.snapshot_with(|_| true).await;
    assert_eq!(kids(&answer.snapshot(), "a.test"), ["good"]);
    let domain = domain(&setup, "a.test").await;
    let ignored: Vec<&Value> =
        domain["ignored_keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert!(ignored.contains(&&json!("twice")) && ignored.contains(&&Value::Null), "{domain}");
    assert!(
        domain["ignored_keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| !key["reason"].as_str().unwrap().is_empty())
    );
}

#[tokio::test]
async fn b3_an_empty_set_of_keys_stays_a_trust_domain_without_keys() {
    let setup = start_with(&[("a.test", r#"{"keys":[]}"#)]).await;
    let answer = setup.snapshot_with(|_| true).await;
    assert_eq!(answer.snapshot().trust().len(), 1);
    assert!(kids(&answer.snapshot(), "a.test").is_empty());
}

#[tokio::test]
async fn b5_a_trust_domain_that_is_absent_from_a_message_is_dropped() {
    let setup = start_with(&[("a.test", &jwks(&["1"])), ("b.test", &jwks(&["1"]))]).await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    setup.snapshot_with(|snapshot| snapshot.trust().len() == 1).await;
    setup.agent.bundles(&[]);
    setup.snapshot_with(|snapshot| snapshot.trust().is_empty()).await;
    assert_eq!(setup.get("/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn b5_garbage_keeps_the_last_good_bundle_and_shows() {
    let setup = probing(OFTEN, &[("a.test", &jwks(&["1"])), ("b.test", &jwks(&["1"]))]).await;
    setup.agent.bundles(&[("a.test", "{\"keys\": [tru"), ("b.test", &jwks(&["2"]))]);
    let answer = setup.snapshot_with(|snapshot| kids(snapshot, "b.test") == ["2"]).await;
    assert_eq!(kids(&answer.snapshot(), "a.test"), ["1"]);
    assert_eq!(domain(&setup, "a.test").await["current"], false);
    assert_eq!(domain(&setup, "b.test").await["current"], true);
    let status = setup.json("/status").await;
    assert_eq!(status["refused_bundles"][0]["name"], "spiffe://a.test");
    let health = setup.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert!(health.text().contains("degraded"));

    // P12: nobody stands behind the old bundle any more, so its time stands still while the other's moves.
    let times =
        |answer: &Answer| -> Vec<u64> { answer.snapshot().observed().domains.values().copied().collect() };
    let before = times(&setup.get("/v1/snapshot").await);
    let after = setup.snapshot_with(|snapshot| {
        snapshot.observed().domains.values().copied().collect::<Vec<_>>()[1] > before[1]
    });
    assert_eq!(times(&after.await)[0], before[0]);
}

#[tokio::test]
async fn b5_permission_denied_drops_every_trust_domain_and_is_asked_again() {
    let setup = start_with(&[("a.test", &jwks(&["1"]))]).await;
    setup.agent.fails(Code::PermissionDenied);
    let answer = setup.snapshot_with(|snapshot| snapshot.trust().is_empty()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(setup.json("/status").await["workload_api"]["phase"], "no_identity");
    assert_eq!(setup.get("/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(setup.get("/readyz").await.status, StatusCode::OK);
    setup.agent.bundles(&[("a.test", &jwks(&["2"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["2"]).await;
    phase_is(&setup, "up").await;
}

#[tokio::test]
async fn b6_a_stream_that_ends_is_opened_again_and_nothing_is_lost_meanwhile() {
    let setup = start_with(&[("a.test", &jwks(&["1"]))]).await;
    let calls = setup.agent.calls();
    setup.agent.ends_streams();
    eventually("it was opened again", || async { setup.agent.calls() > calls }).await;
    setup.agent.bundles(&[("a.test", &jwks(&["1", "2"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1", "2"]).await;
}

#[tokio::test]
async fn b6_an_agent_that_dies_and_comes_back_is_found_again() {
    let mut setup = probing(OFTEN, &[("a.test", &jwks(&["1"]))]).await;
    setup.agent.down();
    phase_is(&setup, "down").await;
    let answer = setup.snapshot_with(|_| true).await;
    assert_eq!(kids(&answer.snapshot(), "a.test"), ["1"]);
    let health = setup.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert!(health.text().contains("degraded"));
    setup.agent.bundles(&[("a.test", &jwks(&["2"]))]);
    setup.agent.up();
    let answer = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["2"]).await;
    // P12: the time that stood still moves on.
    let observed = answer.snapshot().observed().at;
    setup.snapshot_with(|snapshot| snapshot.observed().at > observed).await;
}

#[tokio::test]
async fn b6_a_call_that_is_refused_for_good_is_not_repeated_and_fails_health() {
    for code in [Code::InvalidArgument, Code::Unimplemented] {
        let setup = start_with(&[("a.test", &jwks(&["1"]))]).await;
        setup.agent.fails(code);
        phase_is(&setup, "stopped").await;
        let calls = setup.agent.calls();
        let health = setup.get("/health").await;
        assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(health.text().contains(&format!("{code:?}")));
        assert_eq!(setup.agent.calls(), calls);
        // What was received stays, until filters find it too old.
        let answer = setup.snapshot_with(|_| true).await;
        assert_eq!(kids(&answer.snapshot(), "a.test"), ["1"]);
        setup.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn p12_times_move_only_while_the_agent_answers() {
    let setup = probing(OFTEN, &[("a.test", &jwks(&["1"]))]).await;
    let first = observed(&setup.get("/v1/snapshot").await);
    setup.snapshot_with(|snapshot| snapshot.observed().at > first).await;
    assert_eq!(setup.json("/status").await["workload_api"]["phase"], "up");

    // It hangs: the stream stays open, and nobody stands behind the state any more.
    setup.agent.hangs();
    phase_is(&setup, "down").await;
    let status = setup.json("/status").await;
    let detail = status["workload_api"]["detail"].as_str().unwrap();
    assert!(detail.contains("no answer to a call within 2s"), "{detail}");
    let hanging = setup.get("/v1/snapshot").await;
    assert_eq!(kids(&hanging.snapshot(), "a.test"), ["1"]);
    let metrics = setup.get("/metrics").await.text();
    let confirmations = "svidgate_workload_api_confirmations_total ";
    assert!(
        metrics.lines().any(|line| line.starts_with(confirmations) && !line.ends_with(" 0")),
        "{metrics}"
    );
    assert_eq!(observed(&setup.get("/v1/snapshot").await), observed(&hanging));

    setup.agent.bundles(&[("a.test", &jwks(&["2"]))]);
    let answer = setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["2"]).await;
    assert!(observed(&answer) > observed(&hanging));
}

#[tokio::test]
async fn p12_a_stream_that_lags_behind_the_agent_is_opened_anew() {
    let setup = probing(OFTEN, &[("a.test", &jwks(&["1"]))]).await;
    setup.agent.bundles_for_new_streams(&[("a.test", &jwks(&["2"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["2"]).await;
}

#[tokio::test]
async fn b9_a_federated_bundle_over_its_cap_is_refused_alone_and_ours_still_rotates() {
    let setup = start_with(&[("own.test", &jwks(&["1"])), ("partner.test", &jwks(&["p"]))]).await;
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let grown = jwks(&many.iter().map(String::as_str).collect::<Vec<_>>());
    setup.agent.bundles(&[("own.test", &jwks(&["2"])), ("partner.test", &grown)]);
    let answer = setup.snapshot_with(|snapshot| kids(snapshot, "own.test") == ["2"]).await;
    assert_eq!(kids(&answer.snapshot(), "partner.test"), ["p"], "its last good one");
    assert_eq!(domain(&setup, "partner.test").await["current"], false);
    let status = setup.json("/status").await;
    assert_eq!(status["refused_bundles"][0]["name"], "spiffe://partner.test");
    assert_eq!(status["refused_bundles"][0]["reason"], "the bundle has 65 keys, more than 64");
    assert!(setup.get("/health").await.text().contains("degraded"));
    let metrics = setup.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line == "svidgate_bundles_refused 1.0"), "{metrics}");
}

/// A message of about 6 MB, over the default limit of gRPC clients, with more trust domains than a snapshot holds.
/// Each of them is smaller than our own, which the agent names when it is asked.
#[tokio::test]
async fn b9_too_many_trust_domains_and_bytes_leave_out_others_and_ours_still_rotates() {
    let setup = start_with(&[("own.test", &jwks(&["1"]))]).await;
    setup.agent.identity("spiffe://own.test/svidgate");
    let names: Vec<String> = (0..1500).map(|number| format!("td{number}.test")).collect();
    let padded = format!(r#"{{"x":"{}","keys":[{}]}}"#, "x".repeat(4000), jwk("k"));
    let mut bundles: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), padded.as_str())).collect();
    let (first, second) = (jwks(&["2", "3", "4"]), jwks(&["3", "4", "5"]));
    bundles.push(("own.test", &first));
    setup.agent.bundles(&bundles);
    let answer = setup.snapshot_with(|snapshot| kids(snapshot, "own.test") == ["2", "3", "4"]).await;
    assert_eq!(answer.snapshot().trust().len(), 1000);
    let status = setup.json("/status").await;
    assert_eq!(status["workload_api"]["phase"], "up");
    assert_eq!(status["refused_bundles_total"], 501);
    let refused = status["refused_bundles"].as_array().unwrap();
    assert_eq!(refused.len(), 100);
    let reason = refused[0]["reason"].as_str().unwrap();
    assert!(reason.contains("1501") && reason.contains("1000") && refused[0]["left_out"] == true, "{reason}");
    let health = setup.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert!(health.text().contains("degraded"));
    let metrics = setup.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line == "svidgate_bundles_left_out 501.0"), "{metrics}");

    bundles.pop();
    bundles.push(("own.test", &second));
    setup.agent.bundles(&bundles);
    setup.snapshot_with(|snapshot| kids(snapshot, "own.test") == ["3", "4", "5"]).await;
}
