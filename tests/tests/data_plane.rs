//! What one request of the table cannot show: redirects inside of Envoy, data that comes early, log lines, and trust that
//! ages.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use svidgate_tests::table::config::Tls;
use svidgate_tests::table::mint::{CLIENT, PARTNER};
use svidgate_tests::table::{Config, Gateway, early_data, trust};
use svidgate_tests::{Address, Connection, Request, now, poll};

/// A configuration of this name for each change of the plugin's settings; the first is `basic`, which a gateway needs.
fn gateway(configs: impl IntoIterator<Item = Config>) -> Gateway {
    Gateway::start(&[vec![Config::new("basic", plugin("basic"))], configs.into_iter().collect()].concat())
}

fn plugin(rule: &str) -> Value {
    json!({
        "audiences": ["backend.example.org"],
        "rules": [{"name": rule, "match": {}, "require": "jwt", "spiffe_ids": [CLIENT_ID]}],
    })
}

fn connect(gateway: &Gateway, config: &str) -> Connection {
    Connection::open(&Address::Tcp(gateway.address(config))).expect("a connection to Envoy")
}

fn token() -> String {
    CLIENT.at(millis() / 1000)
}

fn millis() -> u64 {
    let since = now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(since.as_millis()).expect("a time of this age of the world")
}

/// A request that Envoy redirects inside goes through all filters again, as the plugin has left it: what the service
/// answered decides nothing, and a token that was removed is missing.
#[test]
fn p11_a_request_that_is_redirected_inside_is_judged_again() {
    let settings = |keeps_token: bool| {
        json!({
            "audiences": ["backend.example.org"],
            "upstream": {"token": if keeps_token { "forward" } else { "remove" }},
            "rules": [
                {"name": format!("{keeps_token}-way"), "match": {"paths": ["/redirect/**"]}, "require": "jwt",
                 "spiffe_ids": [CLIENT_ID]},
                {"name": format!("{keeps_token}-inner"), "match": {"paths": ["/inner"]}, "require": "jwt",
                 "spiffe_ids": [CLIENT_ID]},
                {"name": format!("{keeps_token}-admin"), "match": {"paths": ["/admin"]}, "require": "jwt",
                 "spiffe_ids": ["spiffe://example.org/admin"]},
                {"name": format!("{keeps_token}-open"), "match": {"paths": ["/open"]}, "require": "none"},
            ],
        })
    };
    fn redirects(manager: &mut Value) {
        let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().expect("routes");
        let inside = json!({
            "max_internal_redirects": 1,
            "redirect_response_codes": [302],
            // The service must not name the caller of the next request either.
            "response_headers_to_copy": ["x-spiffe-id"],
        });
        routes.last_mut().expect("a route")["route"]["internal_redirect_policy"] = inside;
    }
    let gateway = gateway([
        Config::new("removes", settings(false)).manager(redirects),
        Config::new("forwards", settings(true)).manager(redirects),
    ]);
    let cases = [
        ("removes", "inner", 401, "token_missing", "rule=.=false-inner;.;status=.=unauthenticated;.;"),
        ("forwards", "inner", 200, "", "rule=.=true-inner;.;status=.=allowed;.;"),
        ("forwards", "admin", 403, "caller_not_allowed", "rule=.=true-admin;.;status=.=forbidden;.;"),
        ("forwards", "nowhere", 403, "no_rule", "rule=.=none;.;status=.=forbidden;.;"),
        ("removes", "open", 200, "", "rule=.=false-open;.;status=.=allowed;.;"),
    ];
    for (config, to, status, reason, counted) in cases {
        let name = format!("{config}-{to}");
        let request = Request::bare("GET", &format!("/redirect/{to}"))
            .header("host", "api.example.org")
            .header("x-row", &name)
            .bearer(token());
        let answer = connect(&gateway, config).send(&request).expect("an answer");
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{name}: {answer:?}");
        let counter = format!("{counted}svidgate_auth_attempts_total");
        // What was counted in the same millisecond as another request comes with the next tick.
        let counted = || gateway.counters().get(&counter).copied().unwrap_or_default();
        let counted = poll("the request is counted", PATIENCE, || Some(counted()).filter(|count| *count > 0));
        assert_eq!(counted, 1, "{name}: {counter}");

        let seen = gateway.recorder().take("x-row", &name);
        let told: Vec<_> =
            seen.iter().map(|seen| (seen.target.as_str(), seen.values("x-spiffe-id"))).collect();
        let way = format!("/redirect/{to}");
        let first = (way.as_str(), vec![CLIENT_ID.as_bytes()]);
        let expected = match (to, status) {
            ("open", _) => vec![first, ("/open", vec![])],
            (_, 200) => vec![first, ("/inner", vec![CLIENT_ID.as_bytes()])],
            _ => vec![first],
        };
        assert_eq!(told, expected, "{name}");
    }
}

/// What a client sends before it knows the answer belongs to the refused request: it is no request of its own.
#[test]
fn p11_what_comes_behind_a_refused_upgrade_reaches_nobody() {
    let gateway = gateway([Config::new("chat", plugin("chat"))]);
    let upgrade = "GET /chat HTTP/1.1\r\nhost: api.example.org\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-row: early\r\n";
    let early = "GET /early HTTP/1.1\r\nhost: api.example.org\r\nx-row: early\r\n\r\n";
    let refused = connect(&gateway, "chat").send_raw(format!("{upgrade}\r\n{early}").as_bytes());
    assert_eq!(refused.expect("an answer").status, 401);
    let admitted = format!("{upgrade}authorization: Bearer {}\r\n\r\n{early}", token());
    let admitted = connect(&gateway, "chat").send_raw(admitted.as_bytes());
    assert_eq!(admitted.expect("an answer").status, 101);
    let seen = gateway.recorder().take("x-row", "early");
    assert_eq!(seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(), ["/chat"]);
}

/// Envoy gives out session tickets without early data (RFC 8446 §2.3), so no request is there before its handshake.
#[test]
fn p11_tls_takes_no_early_data() {
    let gateway = gateway([Config::new("tls", plugin("tls")).tls(Tls::PlainCa)]);
    let session = early_data::resume(gateway.address("tls")).expect("two connections");
    assert!(session.resumed, "the second connection must resume the first, or this shows nothing");
    assert_eq!(session.early_data_bytes, None, "Envoy offers early data");
}

#[test]
fn log_lines_for_refusals_come_at_their_level_and_in_their_share() {
    let logging = |rule: &str, refusals: Value| {
        let mut settings = plugin(rule);
        settings["log"] = json!({"refusals": refusals});
        settings
    };
    let cases = [
        ("log-all", json!({"level": "warn", "sample": 1.0}), SENT),
        ("log-half", json!({"level": "error", "sample": 0.5}), SENT / 2),
        ("log-none", json!({"level": "error", "sample": 0.0}), 0),
        ("log-off", json!({"level": "off", "sample": 1.0}), 0),
        // Envoy's own level is `info`.
        ("log-debug", json!({"level": "debug", "sample": 1.0}), 0),
        ("log-default", json!({}), SENT),
    ];
    let configs = cases.iter().map(|(name, refusals, _)| Config::new(name, logging(name, refusals.clone())));
    let gateway = gateway(configs);
    for (name, ..) in &cases {
        // One connection is one worker, whose share is counted apart.
        let mut connection = connect(&gateway, name);
        for _ in 0..SENT {
            let answer = connection.send(&Request::get("/").bearer("junk")).expect("an answer");
            assert_eq!(answer.status, 401, "{name}: {answer:?}");
        }
        // What is let in is not logged.
        assert_eq!(connection.send(&Request::get("/").bearer(token())).expect("an answer").status, 200);
    }
    // The last case's lines are the last ones.
    let lines = |name: &str| -> Vec<String> {
        let log = std::fs::read_to_string(gateway.log()).expect("Envoy's log");
        let ours = log.lines().filter(|line| line.contains(&format!("rule={name} ")));
        ours.map(str::to_owned).collect()
    };
    poll("the lines of the last case", PATIENCE, || (lines("log-default").len() == SENT).then_some(()));
    for (name, refusals, count) in &cases {
        let lines = lines(name);
        assert_eq!(lines.len(), *count, "{name}: {lines:?}");
        let level = match refusals["level"].as_str() {
            Some("warn") => "[warning]",
            Some("error") => "[error]",
            _ => "[info]",
        };
        assert!(lines.iter().all(|line| line.contains(level)), "{name}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains("request refused: ")), "{name}: {lines:?}");
    }
}

/// The bundle grows old and its callers are refused, however often the controller is asked and answers; only a later
/// observation mends that. The gauges tell of each trust domain that the settings name, and of no other.
#[test]
fn p12_staleness_counts_from_the_last_good_observation_and_the_gauges_tell_of_it() {
    let at = millis();
    let observed = at - HOUR + 8_000;
    let mut settings = plugin("stale");
    settings["max_staleness"] = json!("1h");
    settings["rules"][0]["spiffe_ids"] =
        json!([CLIENT_ID, "spiffe://partner.test/web", "spiffe://absent.test/x"]);
    let snapshot = trust::observed(at, &[("example.org", observed)]);
    let configs = [Config::new("basic", plugin("basic")), Config::new("stale", settings)];
    let gateway = Gateway::start_with(&configs, &snapshot);
    let age = |domain: &str| {
        let name = format!("trust_domain=.={domain};.;svidgate_trust_domain_bundle_age_seconds");
        gateway.counters().get(&name).copied()
    };

    // The gauge is between the ages before and after it was read, less the plugin's tick.
    let is_age_since = |domain: &str, since: u64| {
        let before = (millis() - since) / 1000;
        let told = age(domain)?;
        let after = (millis() - since) / 1000;
        (before.saturating_sub(2)..=after).contains(&told).then_some(told)
    };
    let first = poll("the age of the bundle", PATIENCE, || is_age_since("example.org", observed));
    poll("the age of another one", PATIENCE, || is_age_since("partner.test", at));
    assert_eq!(age("stale.test"), None, "a bundle of a trust domain that no setting names");
    assert_eq!(age("absent.test"), None, "a trust domain without a bundle");

    let mut connection = connect(&gateway, "stale");
    let mut ask = |token: &str| {
        let answer = connection.send(&Request::get("/").bearer(token)).expect("an answer");
        (answer.status, answer.reason())
    };
    poll("the bundle is too old", PATIENCE, || {
        // Attempts that say nothing good of the bundle.
        gateway.controller().give(b"junk");
        let (status, reason) = ask(&token());
        assert!([200, 503].contains(&status), "{status} {reason}");
        (status == 503).then(|| assert_eq!(reason, "trust_stale"))
    });
    assert!(millis() >= observed + HOUR, "refused before its time");
    assert_eq!(ask(&PARTNER.at(millis() / 1000)).0, 200, "another trust domain is fresh");
    poll("the gauge goes on", PATIENCE, || {
        is_age_since("example.org", observed).filter(|age| *age > first && *age >= HOUR / 1000)
    });
    let oldest = gateway.counters().get("svidgate_bundle_age_seconds").copied();
    assert!(
        oldest.is_some_and(|oldest| oldest >= 2 * HOUR / 1000),
        "the oldest is that of stale.test: {oldest:?}"
    );

    let confirmed = millis();
    gateway.controller().give(&trust::observed(confirmed, &[]));
    poll("a later observation mends it", PATIENCE, || (ask(&token()).0 == 200).then_some(()));
    poll("the gauge tells of it", PATIENCE, || is_age_since("example.org", confirmed));
}

const CLIENT_ID: &str = "spiffe://example.org/client";
const SENT: usize = 20;
/// In milliseconds.
const HOUR: u64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(30);
