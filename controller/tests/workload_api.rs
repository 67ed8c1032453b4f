//! What the controller makes of each thing a Workload API can say (checklist B1 to B9).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use hyper::StatusCode;
use serde_json::{Value, json};
use support::{Setup, eventually, jwk, jwks, kids, other_jwk};
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
    let setup = Setup::start().await;
    setup.agent.bundles(bundles);
    setup.snapshot_with(|snapshot| snapshot.trust().len() == bundles.len()).await;
    setup
}

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
    let setup = start_with(&[("a.test", &jwks(&["1"])), ("b.test", &jwks(&["1"]))]).await;
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
    let times = |answer: &support::Answer| -> Vec<u64> {
        answer.snapshot().observed().domains.values().copied().collect()
    };
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
    let mut setup = start_with(&[("a.test", &jwks(&["1"]))]).await;
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
        let calls = setup.agent.calls();
        setup.agent.fails(code);
        phase_is(&setup, "stopped").await;
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
async fn b9_a_message_beyond_the_limits_is_refused_whole() {
    let setup = start_with(&[("a.test", &jwks(&["1"]))]).await;
    let names: Vec<String> = (0..1001).map(|number| format!("td{number}.test")).collect();
    let empty = r#"{"keys":[]}"#;
    setup.agent.bundles(&names.iter().map(|name| (name.as_str(), empty)).collect::<Vec<_>>());
    phase_is(&setup, "unreadable").await;
    let status = setup.json("/status").await;
    let detail = status["workload_api"]["detail"].as_str().unwrap();
    assert!(detail.contains("1001") && detail.contains("1000"), "{detail}");
    let answer = setup.snapshot_with(|_| true).await;
    assert_eq!(kids(&answer.snapshot(), "a.test"), ["1"]);
    setup.agent.bundles(&[("a.test", &jwks(&["2"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["2"]).await;
    phase_is(&setup, "up").await;
}
