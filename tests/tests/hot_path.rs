//! What a request costs in calls of the host: Envoy's own trace says which the plugin makes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::time::Duration;

use svidgate_tests::{AUDIENCE, CLIENT_ID, Connection, Dev, Request, Slice, poll};

/// The calls of one request that was let in with a token that is known already, in their order. `docs/hot-path.md` says
/// what each is for; one more or less is a decision, not an accident.
const WARM: &[&str] = &[
    "proxy_get_header_map_pairs",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_shared_data",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_set_property",
    "proxy_set_property",
    "proxy_set_property",
    "proxy_increment_metric",
    "proxy_increment_metric",
];

#[test]
fn a_warm_request_makes_these_calls_of_the_host_and_no_others() {
    let mut slice = Slice::<Dev>::start();
    let token = slice.workload.fresh_token(AUDIENCE, CLIENT_ID);
    let mut connection = slice.envoy.connect();
    let admitted = |connection: &mut Connection| {
        let answer = connection.send(&Request::get("/").bearer(&token)).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    // Verifies the token and defines the counters.
    for _ in 0..3 {
        admitted(&mut connection);
    }
    assert_eq!(slice.envoy.ask_admin("POST", "/logging?wasm=trace").status, 200);
    admitted(&mut connection);
    assert_eq!(slice.envoy.ask_admin("POST", "/logging?wasm=info").status, 200);
    let log = slice.envoy.process().log().to_owned();
    let calls = poll("the request is in Envoy's log", Duration::from_secs(10), || {
        calls(&std::fs::read_to_string(&log).expect("Envoy's log"))
    });
    assert_eq!(calls, WARM);
}

/// The calls between the one of `proxy_on_request_headers` and its return, on the thread that made it.
fn calls(log: &str) -> Option<Vec<String>> {
    let thread = |line: &str| line.split("][").nth(1).map(str::to_owned);
    let mut lines = log.lines().skip_while(|line| !line.contains("[host->vm] proxy_on_request_headers"));
    let worker = thread(lines.next()?)?;
    let mut calls = Vec::new();
    for line in lines.filter(|line| thread(line).as_ref() == Some(&worker)) {
        if line.contains("[host<-vm] proxy_on_request_headers") {
            return Some(calls);
        }
        if let Some((_, call)) = line.split_once("[vm->host] env.") {
            calls.push(call.split('(').next().unwrap_or_default().to_owned());
        }
    }
    None
}
