//! Runs one row on the real Envoy, and says everything that is not as it should be.

use std::collections::BTreeMap;

use crate::hive::Hive;
use crate::poll::{unix_seconds, within};
use crate::recorder::Seen;

use super::call::{Protocol, Wire};
use super::client::{self, Reply, Target};
use super::config::Config;
use super::expect::{Answer, Expect, grpc_status};
use super::gateway::Gateway;
use super::row::Row;

/// What came of a row.
pub struct Ran {
    /// What was sent.
    pub wire: Wire,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What the upstream got, if it got anything.
    pub seen: Option<Seen>,
    /// What is not as the row says.
    pub mistakes: Vec<String>,
}

/// Sends the row's request to its configuration.
pub fn run(gateway: &Gateway, config: &Config, row: &Row) -> Ran {
    let at = unix_seconds();
    let wire = row.call.at(row.name, at);
    let target = Target { address: gateway.address(row.config), tls: config.tls, peer: row.call.peer };
    let before = gateway.counters();
    let reply = client::send(&target, &wire);
    let mut mistakes = Vec::new();

    let mut grown = Vec::new();
    let wanted = row.growth();
    let _ = within(PATIENCE, || {
        grown = growth(&before, &gateway.counters(), &row.expect);
        (grown == wanted).then_some(())
    });
    if grown != wanted {
        mistakes.push(format!("counted {grown:?}, not {wanted:?}"));
    }
    let mut seen = gateway.recorder().take("x-row", row.name);
    check_answer(row, &wire, &reply, &mut mistakes);
    let times = usize::try_from(row.call.times).unwrap_or(usize::MAX);
    match (row.expect.answer, seen.len()) {
        (Answer::Upstream, count) if count == times => check_upstream(row, &wire, &seen[0], &mut mistakes),
        (Answer::Upstream, count) => mistakes.push(format!("reached the upstream {count} times")),
        (_, 0) => {}
        _ => mistakes.push("reached the upstream".to_owned()),
    }
    Ran { wire, at, seen: seen.pop(), mistakes }
}

/// Counters that grew, but for those that say nothing about this one request.
fn growth(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    expect: &Expect,
) -> Vec<(String, u64)> {
    let named = |name: &str| expect.counters.iter().any(|(counter, _)| *counter == name);
    let grown = after.iter().map(|(name, value)| {
        let old = before.get(name).copied().unwrap_or_default();
        (name.clone(), value.saturating_sub(old))
    });
    let ours = grown.filter(|(name, by)| {
        let by_request = PER_REQUEST.iter().any(|counter| name.ends_with(counter));
        *by > 0 && (by_request || named(name))
    });
    ours.collect()
}

fn check_answer(row: &Row, wire: &Wire, reply: &anyhow::Result<Reply>, mistakes: &mut Vec<String>) {
    let expect = &row.expect;
    let reply = match (reply, expect.answer) {
        (Err(_), Answer::Nobody) => return,
        (Ok(reply), Answer::Nobody) => {
            return mistakes.push(format!("was answered {}: {}", reply.status, text(&reply.body)));
        }
        (Err(error), _) => return mistakes.push(format!("no answer: {error:#}")),
        (Ok(reply), _) => reply,
    };
    let http = match expect.answer {
        Answer::Upstream if wire.protocol == Protocol::H1 && reply.header("upgrade").is_some() => 101,
        Answer::Plugin(status) | Answer::Envoy(status) => status,
        Answer::Upstream | Answer::Nobody => 200,
    };
    match reply.grpc_status {
        None if reply.status != http => {
            return mistakes.push(format!("status {} {}, not {http}", reply.status, text(&reply.body)));
        }
        Some(status) => {
            let wanted = if http == 200 { 0 } else { grpc_status(http) };
            if status != wanted {
                mistakes.push(format!("gRPC status {status} {}, not {wanted}", text(&reply.body)));
            }
        }
        None => {}
    }
    if wire.protocol.is_grpc_stream() && http == 200 && reply.messages != Hive::PARTS {
        mistakes.push(format!("{} messages in the stream", reply.messages));
    }
    if let Some(content_type) = expect.grpc_web {
        // The client's library shows no content type, but it has taken it.
        let found = reply.header("content-type").unwrap_or_else(|| content_type.to_owned());
        if reply.status != 200 || found != content_type || reply.grpc_status.is_none() {
            mistakes.push(format!("status {} with {found}, not gRPC-Web's {content_type}", reply.status));
        }
    }
    if let Answer::Plugin(status) = expect.answer {
        check_refusal(expect, wire, reply, status, mistakes);
    }
}

fn check_refusal(expect: &Expect, wire: &Wire, reply: &Reply, status: u16, mistakes: &mut Vec<String>) {
    let challenge = reply.header("www-authenticate");
    match (&challenge, expect.challenge) {
        (Some(found), Some(wanted)) if !found.contains(wanted) => {
            mistakes.push(format!("challenge `{found}` without `{wanted}`"));
        }
        (None, Some(wanted)) => mistakes.push(format!("no challenge, not `{wanted}`")),
        (None, None) if status == 401 => mistakes.push("401 without a challenge".to_owned()),
        (Some(found), None) if matches!(status, 400 | 503) => {
            mistakes.push(format!("{status} with the challenge `{found}`"));
        }
        _ => {}
    }
    let bodiless = wire.method == "HEAD" || !expect.body;
    if bodiless && !reply.body.is_empty() {
        mistakes.push(format!("has the body {}", text(&reply.body)));
    }
    // gRPC clients give the message as body.
    if !bodiless && (reply.grpc_status.is_some() || reply.header("grpc-status").is_none()) {
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let (reason, error) = (body["reason"].as_str(), body["error"].as_str());
        if reason != expect.reason || error != expect.status {
            mistakes.push(format!("body {}, not {:?} {:?}", text(&reply.body), expect.status, expect.reason));
        }
    }
    let shown = [text(&reply.body), format!("{:?}", reply.headers)].concat();
    if wire.tokens.iter().any(|token| shown.contains(token.as_str())) {
        mistakes.push("the answer shows the token".to_owned());
    }
}

fn check_upstream(row: &Row, wire: &Wire, seen: &Seen, mistakes: &mut Vec<String>) {
    let expect = &row.expect;
    if row.call.query_token.is_none() && wire.method != "CONNECT" {
        let path = row.seen_path.unwrap_or(&wire.target);
        if seen.target != path {
            mistakes.push(format!("the upstream got {}, not {path}", seen.target));
        }
    }
    let identity: Vec<_> = expect.identity.into_iter().map(str::as_bytes).collect();
    let told: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| fold(name) == fold(expect.identity_header))
        .map(|(_, value)| value.as_slice())
        .collect();
    if told != identity {
        let told: Vec<_> = told.into_iter().map(text).collect();
        mistakes.push(format!("identity {told:?} at the upstream, not {:?}", expect.identity));
    }
    for (name, value) in &expect.has {
        let found = seen.values(name);
        if found != [value.as_bytes()] {
            let found: Vec<_> = found.into_iter().map(text).collect();
            mistakes.push(format!("{name} is {found:?} at the upstream, not {value:?}"));
        }
    }
    for name in &expect.lacks {
        if seen.headers.iter().any(|(found, _)| fold(found) == fold(name)) {
            mistakes.push(format!("{name} reaches the upstream"));
        }
    }
    let headers = seen.headers.iter().map(|(_, value)| text(value)).collect::<Vec<_>>().join("\n");
    let all = format!("{}\n{headers}", seen.target);
    let gets_token = wire.tokens.iter().any(|token| all.contains(token.as_str()));
    if gets_token != (expect.token_stays && !wire.tokens.is_empty()) {
        mistakes.push(format!("the upstream gets the token: {gets_token}"));
    }
}

/// The header as an upstream may read it that takes any punctuation for `_`.
pub(super) fn fold(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Counters of which each request must move exactly those that the row names.
const PER_REQUEST: [&str; 4] =
    ["auth_attempts_total", "auth_failures_total", "svidgate_fail_open_total", "headers_stripped_total"];

/// A counter is there when the answer is, or shortly after.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
