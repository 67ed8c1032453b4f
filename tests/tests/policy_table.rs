//! Who may call what, on a real Envoy and natively: see `svidgate_tests::table`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use svidgate_tests::table::mint::{CLIENT, Mint};
use svidgate_tests::table::trust::encoded_revoking;
use svidgate_tests::table::{Config, Gateway, Native, Row, access_log, configs, rows, run};
use svidgate_tests::{Request, poll, unix_seconds};

#[test]
fn every_row_ends_as_it_says_on_envoy_and_natively_alike() {
    let (configs, rows) = (configs(), rows());
    let by_name: BTreeMap<_, &Config> = configs.iter().map(|config| (config.name, config)).collect();
    let native = Native::new(&configs, unix_seconds());
    let mut gateway = Gateway::start(&configs);
    let mut mistakes = Vec::new();
    for row in &rows {
        let ran = run(&gateway, by_name[row.config], row);
        let differences = native.differences(row, &ran).into_iter().map(|text| format!("natively: {text}"));
        let both = ran.mistakes.iter().cloned().chain(differences);
        mistakes.extend(both.map(|mistake| format!("{}: {mistake}", row.name)));
    }
    mistakes.extend(access_log::mistakes(&gateway.access_log(), &rows));
    gateway.envoy().assert_healthy();
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn every_row_ends_as_it_says_natively() {
    let (configs, rows) = (configs(), rows());
    let native = Native::new(&configs, unix_seconds());
    let mut mistakes = Vec::new();
    for row in &rows {
        let found = native.mistakes(row, &row.call.at(row.name, unix_seconds()), unix_seconds());
        mistakes.extend(found.into_iter().map(|mistake| format!("{}: {mistake}", row.name)));
    }
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
}

#[test]
fn no_row_would_pass_with_the_opposite_end() {
    let (configs, rows) = (configs(), rows());
    let native = Native::new(&configs, unix_seconds());
    let chained = |row: &Row| configs.iter().any(|c| c.name == row.config && c.first.is_some());
    for row in rows.into_iter().filter(|row| row.expect.status.is_some() && !chained(row)) {
        let opposite = match row.expect.passes() {
            true => row.clone().deny(row.expect.rule, row.expect.reason.unwrap_or("token_missing")),
            false => row.clone().allow(row.expect.rule),
        };
        let found = native.mistakes(&opposite, &row.call.at(row.name, unix_seconds()), unix_seconds());
        assert!(!found.is_empty(), "{}", row.name);
    }
}

#[test]
fn b08_a_pushed_revocation_voids_cached_tokens_on_every_worker() {
    let configs: Vec<_> =
        configs().into_iter().filter(|config| ["basic", "cache"].contains(&config.name)).collect();
    let gateway = Gateway::start(&configs);
    let hits = || gateway.counters().get("svidgate_token_cache_hits_total").copied().unwrap_or_default();
    let token = Mint::new(|token, _| token.claim("jti", json!("to-be-stolen"))).at(unix_seconds());
    let other = CLIENT.at(unix_seconds());
    let mut workers = gateway.connection_to_each_worker("cache");
    for worker in &mut workers {
        let before = hits();
        for _ in 0..2 {
            let answer = worker.send(&Request::get("/").bearer(&token)).expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        // Counts of the same millisecond come with the next tick.
        let counted = poll("the requests are counted", Duration::from_secs(10), || {
            Some(hits()).filter(|hits| *hits > before)
        });
        assert_eq!(counted, before + 1, "the second time it was in the worker's cache");
    }

    gateway.controller().give(&encoded_revoking(unix_seconds(), "to-be-stolen"));
    for worker in &mut workers {
        poll("the token is refused", Duration::from_secs(10), || {
            let answer = worker.send(&Request::get("/").bearer(&token)).expect("an answer");
            (answer.status == 401).then(|| assert_eq!(answer.reason(), "token_revoked"))
        });
        let answer = worker.send(&Request::get("/").bearer(&other)).expect("an answer");
        assert_eq!(answer.status, 200, "other tokens go on: {answer:?}");
    }
}

#[test]
fn rows_have_distinct_names_and_there_are_enough() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    assert!(rows.len() >= 150, "{}", rows.len());
}
