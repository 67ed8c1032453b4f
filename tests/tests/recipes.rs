//! Each recipe of `envoy/examples` does what docs/recipes.md says, on a real Envoy, with nothing changed but paths, ports,
//! and where certificates come from; and `svidgate check` finds nothing in it.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use svidgate_tests::poll;
use svidgate_tests::recipe::{Ask, Recipe};
use svidgate_tests::table::peers::Peer;

/// Recipes, and the files that they read.
const KNOWN: [&str; 6] =
    // The test of this one is outgoing.rs.
    [
        "egress.yaml",
        "gateway.yaml",
        "registry.yaml",
        "rollout-plugin.yaml",
        "rollout.yaml",
        "sidecar.yaml",
    ];

#[test]
fn every_file_of_the_folder_has_a_test_here() {
    let names: Vec<_> = Recipe::files()
        .iter()
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, KNOWN);
}

#[test]
fn registry_lets_each_caller_use_its_own_methods() {
    const WORKER: &str = "spiffe://neural-hive.local/ns/neural-hive-execution/sa/worker-agents";
    const ORCHESTRATOR: &str =
        "spiffe://neural-hive.local/ns/neural-hive-orchestration/sa/orchestrator-dynamic";
    const AUDIENCE: &str = "service-registry.neural-hive.local";
    let recipe = Recipe::start("registry", "neural-hive.local");
    assert_clean(&recipe);
    let token = |id| recipe.dev.mint(id, AUDIENCE, "5m", "0s");
    let (worker, orchestrator) = (token(WORKER), token(ORCHESTRATOR));
    let list = Ask::grpc("/hive.Registry/List");
    let delete = Ask::grpc("/hive.Registry/Delete");
    recipe.await_passes(&list.clone().bearer(&worker));
    assert_eq!(recipe.status(&list.clone().bearer(&orchestrator)), OK);
    assert_eq!(recipe.status(&delete.clone().bearer(&orchestrator)), OK);
    assert_eq!(recipe.status(&delete.clone().bearer(&worker)), PERMISSION_DENIED);
    assert_eq!(recipe.status(&list), UNAUTHENTICATED);
    let elsewhere = recipe.dev.mint(WORKER, "elsewhere.neural-hive.local", "5m", "0s");
    assert_eq!(recipe.status(&list.bearer(&elsewhere)), UNAUTHENTICATED);
    assert_eq!(recipe.status(&Ask::grpc("/hive.Admin/Drop").bearer(&orchestrator)), PERMISSION_DENIED);
    // The service here has no health service: that it says so shows that the call came through.
    let health =
        Ask::new("POST", "/grpc.health.v1.Health/Check").h2().header("content-type", "application/grpc");
    let reply = recipe.send(&health).expect("an answer from Envoy");
    assert_eq!(reply.header("grpc-status").as_deref(), Some("12"), "{reply:?}");
}

#[test]
fn gateway_serves_public_paths_browsers_and_known_clients_and_believes_no_header() {
    const AUDIENCE: &str = "api.example.org";
    let recipe = Recipe::start("gateway", "example.org");
    assert_clean(&recipe);
    let token = |id| recipe.dev.mint(id, AUDIENCE, "5m", "0s");
    let client = token("spiffe://example.org/client");
    let web = token("spiffe://example.org/ns/a/sa/web");
    let orders = |method| Ask::new(method, "/v1/orders");
    recipe.await_passes(&orders("GET").bearer(&client));
    assert_eq!(recipe.status(&orders("GET").bearer(&web)), 200);
    assert_eq!(recipe.status(&orders("POST").bearer(&client)), 200);
    assert_eq!(recipe.status(&orders("POST").bearer(&web)), 403);
    assert_eq!(recipe.status(&orders("GET")), 401);
    assert_eq!(recipe.status(&Ask::new("GET", "/")), 200);
    assert_eq!(recipe.status(&Ask::new("GET", "/admin").bearer(&client)), 403);
    let old = recipe.dev.mint("spiffe://example.org/client", AUDIENCE, "30m", "20m");
    assert_eq!(recipe.status(&orders("GET").bearer(&old)), 200);
    assert_eq!(recipe.status(&orders("POST").bearer(&old)), 401);

    let forged = |ask: Ask, mark: &str| {
        let ask = ask.header("x-spiffe-id", "spiffe://example.org/admin").header("x_spiffe.id", "x");
        ask.header("x-spiffe-trust-domain", "admin.test").header("x-mark", mark)
    };
    // Envoy itself refuses names with an underscore.
    assert_eq!(recipe.status(&forged(orders("GET").bearer(&client), "underscore")), 400);
    for (ask, identity) in [
        (Ask::new("GET", "/assets/app.js"), None),
        (orders("GET").bearer(&client), Some(("spiffe://example.org/client", "example.org"))),
    ] {
        let ask = ask.header("x-mark", "forged").header("x-spiffe-id", "spiffe://example.org/admin");
        let ask = ask.header("x-spiffe-trust-domain", "admin.test");
        assert_eq!(
            recipe.status(&ask.header("x-forwarded-client-cert", "URI=spiffe://example.org/admin")),
            200
        );
        let seen = recipe.upstream.recorder().take("x-mark", "forged").pop().expect("a request");
        let of = |name| seen.values(name).into_iter().map(String::from_utf8_lossy).collect::<Vec<_>>();
        assert_eq!(of("x-spiffe-id"), identity.map(|(id, _)| id).as_slice());
        assert_eq!(of("x-spiffe-trust-domain"), identity.map(|(_, domain)| domain).as_slice());
        assert!(of("authorization").is_empty() && of("x-forwarded-client-cert").is_empty(), "{seen:?}");
    }

    let preflight = |target: &str| {
        Ask::new("OPTIONS", target)
            .header("origin", "https://app.example.org")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
    };
    let reached = recipe.upstream.requests();
    let reply = recipe.send(&preflight("/v1/orders")).expect("an answer from Envoy");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some("https://app.example.org"));
    assert_eq!(recipe.status(&preflight("/v1/reports")), 403);
    let foreign = Ask::new("OPTIONS", "/v1/orders").header("origin", "https://evil.example");
    let foreign = recipe.send(&foreign.header("access-control-request-method", "POST")).expect("an answer");
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (200, None), "{foreign:?}");
    assert_eq!(recipe.upstream.requests(), reached, "Envoy answers preflights");

    let logged = |reason: &str| {
        poll("the access log has the request", PATIENCE, || {
            recipe.access_log().into_iter().find(|line| line["reason"] == reason)
        })
    };
    let line = logged("caller_not_allowed");
    assert_eq!((&line["rule"], &line["status"]), (&"orders-write".into(), &403.into()), "{line}");
    let admitted =
        recipe.access_log().into_iter().find(|line| line["spiffe_id"] == "spiffe://example.org/client");
    assert_eq!(admitted.expect("an admitted request in the access log")["rule"], "orders-read");
}

#[test]
fn sidecar_takes_a_token_from_its_own_peer_only() {
    let recipe = Recipe::start("sidecar", "example.org");
    assert_clean(&recipe);
    let web = recipe.dev.mint("spiffe://example.org/ns/a/sa/web", "backend.example.org", "5m", "0s");
    let other = recipe.dev.mint("spiffe://example.org/other", "backend.example.org", "5m", "0s");
    let ask = Ask::new("GET", "/items");
    recipe.await_passes(&ask.clone().peer(Peer::Web).bearer(&web));
    assert_eq!(recipe.status(&ask.clone().peer(Peer::Other).bearer(&web)), 401, "a stolen token");
    assert_eq!(
        recipe.status(&ask.clone().peer(Peer::Other).bearer(&other)),
        403,
        "a caller who is not listed"
    );
    assert_eq!(recipe.status(&ask.clone().peer(Peer::Web)), 401, "a certificate alone");
    assert_eq!(recipe.status(&Ask::new("GET", "/healthz").peer(Peer::Other)), 200);
    assert_eq!(recipe.status(&Ask::new("GET", "/healthz").peer(Peer::Partner)), 403);
    for peer in [None, Some(Peer::PartnerAsOwn), Some(Peer::Expired)] {
        let ask = ask.clone().bearer(&web);
        let ask = peer.into_iter().fold(ask, Ask::peer);
        assert!(recipe.send(&ask).is_err(), "{peer:?} gets an answer");
    }
}

#[test]
fn rollout_counts_first_enforces_rule_by_rule_and_goes_back_without_a_restart() {
    let recipe = Recipe::start("rollout", "example.org");
    let found = String::from_utf8(recipe.check().stderr).expect("text");
    let findings: Vec<_> =
        found.lines().filter(|line| line.contains("error[") || line.contains("warning[")).collect();
    assert!(
        !findings.is_empty() && findings.iter().all(|line| line.contains("warning[audit_mode]")),
        "{found}"
    );

    let token = recipe.dev.mint("spiffe://example.org/client", "backend.example.org", "5m", "0s");
    let (reports, orders) = (Ask::new("GET", "/v1/reports/1"), Ask::new("GET", "/v1/orders/1"));
    recipe.await_passes(&reports.clone().bearer(&token));
    assert_eq!(recipe.status(&reports), 401, "enforced already");
    for odd in ["/v1/reports/1;x", "/v1/reports;x/1", "/v1/reports/%2C"] {
        assert_eq!(recipe.status(&Ask::new("GET", odd)), 400, "enforced in any spelling: {odd}");
    }
    assert_eq!(recipe.status(&reports.clone().host("a..b")), 400, "enforced for any host");
    let reply = recipe.send(&orders.clone().header("x-mark", "audit")).expect("an answer from Envoy");
    assert_eq!(reply.status, 200, "only counted: {reply:?}");
    let seen = recipe.upstream.recorder().take("x-mark", "audit").pop().expect("a request");
    assert_eq!(seen.values("x-svidgate-audit"), [b"token_missing"]);
    assert!(seen.values("x-spiffe-id").is_empty());
    for line in [
        r#"svidgate_auth_attempts_total{rule="orders",status="audited"} 1"#,
        r#"svidgate_auth_failures_total{rule="orders",reason="token_missing"} 1"#,
        r#"svidgate_auth_attempts_total{rule="reports",status="unauthenticated"} 1"#,
    ] {
        poll(line, PATIENCE, || {
            let page = recipe.envoy.ask_admin("GET", "/stats/prometheus?filter=svidgate_auth").text();
            page.lines().any(|found| same_metric(found, line)).then_some(())
        });
    }

    let becomes = |status: i32| {
        poll("the new rules are in force", PATIENCE, || (recipe.status(&orders) == status).then_some(()));
    };
    recipe.replace("rollout-plugin.yaml", |text| text.replace(r#""mode": "audit""#, r#""mode": "enforce""#));
    becomes(401);
    assert_eq!(recipe.status(&orders.clone().bearer(&token)), 200);
    recipe.replace("rollout-plugin.yaml", |text| {
        text.replacen(r#""mode": "enforce""#, r#""mode": "audit""#, 1)
    });
    becomes(200);
}

fn assert_clean(recipe: &Recipe) {
    let checked = recipe.check();
    let text = [checked.stdout.as_slice(), &checked.stderr].concat();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&text));
}

/// Whether both lines have the same name, labels in any order, and value.
fn same_metric(found: &str, wanted: &str) -> bool {
    let parts = |line: &str| {
        let mut parts: Vec<_> = line.split(['{', '}', ',', ' ']).map(str::to_owned).collect();
        parts.sort();
        parts
    };
    parts(found) == parts(wanted)
}

const OK: i32 = 0;
const PERMISSION_DENIED: i32 = 7;
const UNAUTHENTICATED: i32 = 16;
const PATIENCE: Duration = Duration::from_secs(30);
