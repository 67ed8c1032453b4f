//! Credentials on outgoing requests, through a real Envoy as it is shipped in `envoy/examples/egress.yaml`: they are there
//! across rotations under load, never past their end, never elsewhere, and in plain text nowhere.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "outgoing/attacks.rs"]
mod attacks;
#[path = "outgoing/rotation.rs"]
mod rotation;
#[path = "outgoing/site.rs"]
mod site;

use std::process::Command;

use serde_json::json;
use site::{API_KEY, BILLING, LEGACY, Site, ask};
use svidgate_tests::{Programs, Request, unix_seconds};

#[test]
fn the_recipe_gives_each_upstream_its_own_credential_and_check_finds_nothing() {
    let site = Site::start(|bootstrap| bootstrap);
    site.await_set(BILLING);
    site.await_set(LEGACY);
    let token = site.header(&ask(BILLING), "authorization").expect("a token");
    let claims = site::claims(token.strip_prefix("Bearer ").expect("a bearer token"));
    assert_eq!(claims["sub"], "spiffe://example.org/client");
    assert_eq!(claims["aud"], json!(["billing.example.org"]));
    assert_eq!(site.header(&ask(LEGACY), API_KEY).as_deref(), Some("key-0"));
    assert_eq!(site.header(&ask(LEGACY), "authorization"), None);

    let callers = ask(BILLING).bearer("the-caller's");
    assert_eq!(site.header_values(&callers, "authorization").len(), 1, "its own is replaced");
    assert!(site.header(&callers, "authorization").is_some_and(|value| !value.contains("caller")));
    let refused = site.envoy.send(&ask(LEGACY).header(API_KEY, "mine"));
    assert_eq!((refused.status, refused.reason().as_str()), (400, "outgoing_header_present"));

    let mut check = Command::new(Programs::svidgate());
    check.args(["check", "--strict", "--envoy"]).arg(Programs::shipped("envoy/examples/egress.yaml"));
    let output = check.output().expect("svidgate");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metric = |status: &str| {
        site.envoy
            .stats_like("svidgate_outgoing_total")
            .iter()
            .filter(|(name, _)| name.contains(status))
            .count()
    };
    assert!(metric("status=.=set") >= 2 && metric("status=.=outgoing_header_present") == 1);
}

#[test]
fn without_its_credential_and_past_its_end_no_request_leaves() {
    let mut site = Site::start(|bootstrap| bootstrap);
    site.await_set(LEGACY);
    // Far from any rotation: the end is in the file itself.
    let end = unix_seconds() + 4;
    site.write_key("short-lived", Some(end));
    site.await_value(LEGACY, API_KEY, "short-lived");
    site.controller.take().expect("a controller").kill();
    let reached = site.legacy.requests();
    let (status, reason) = site.await_refusal(LEGACY);
    assert_eq!((status, reason.as_str()), (503, "credential_expired"));
    assert!(unix_seconds() >= end);
    let before = site.legacy.requests();
    assert!(before >= reached);
    let grpc =
        Request::new("POST", "/a.B/C").header("content-type", "application/grpc").header("te", "trailers");
    let answer = site.envoy.send(&site::to(grpc, LEGACY));
    assert_eq!(answer.header("grpc-status").as_deref(), Some("14"));
    assert!(answer.header("grpc-message").is_some_and(|text| text.contains("credential_expired")));
    assert_eq!(site.legacy.requests(), before, "nothing leaves");
    // The JWT-SVID is still good, and needs no controller.
    assert_eq!(site.envoy.send(&ask(BILLING)).status, 200);
}

#[test]
fn a_key_that_is_not_the_controllers_opens_nothing_and_says_so() {
    let site = Site::start(|bootstrap| {
        bootstrap.plugin_config(|config| {
            config["credentials"]["key"] = json!("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        })
    });
    let (status, reason) = site.await_refusal(BILLING);
    assert_eq!((status, reason.as_str()), (503, "credential_missing"));
    let metrics = site.controller().ask("/metrics").text();
    assert!(metrics.contains("svidgate_credential_requests_refused_total"), "{metrics}");
    assert_eq!(site.billing.requests() + site.legacy.requests(), 0);
}
