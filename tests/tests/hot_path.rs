//! What a request costs in calls of the host: Envoy's own trace says which the plugin makes.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
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
    let log = slice.envoy.process().log().to_owned();
    // The first may come within the millisecond of the one before.
    poll("a request with all calls is in Envoy's log", Duration::from_secs(10), || {
        admitted(&mut connection);
        let seen = calls(&std::fs::read_to_string(&log).expect("Envoy's log"));
        for calls in &seen {
            assert!(is_warm(calls), "{calls:?}");
        }
        seen.iter().any(|calls| *calls == WARM).then_some(())
    });
}

/// Whether these are the calls, of which some are made once in a millisecond only: the look at the board, and telling the
/// counts.
fn is_warm(calls: &[String]) -> bool {
    let once = ["proxy_get_shared_data", "proxy_increment_metric"];
    let mut calls = calls.iter().peekable();
    let as_wanted =
        WARM.iter().all(|wanted| calls.next_if(|call| call == wanted).is_some() || once.contains(wanted));
    as_wanted && calls.next().is_none()
}

/// For each request in the log that is there as a whole: the calls between `proxy_on_request_headers` and its return, on the
/// thread that made it.
fn calls(log: &str) -> Vec<Vec<String>> {
    let thread = |line: &str| line.split("][").nth(1).map(str::to_owned);
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut whole = Vec::new();
    for line in log.lines() {
        let Some(worker) = thread(line) else { continue };
        if line.contains("[host->vm] proxy_on_request_headers") {
            open.insert(worker, Vec::new());
        } else if line.contains("[host<-vm] proxy_on_request_headers") {
            whole.extend(open.remove(&worker));
        } else if let (Some(calls), Some((_, call))) =
            (open.get_mut(&worker), line.split_once("[vm->host] env."))
        {
            calls.push(call.split('(').next().unwrap_or_default().to_owned());
        }
    }
    whole
}
