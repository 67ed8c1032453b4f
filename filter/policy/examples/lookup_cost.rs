//! Instructions that a decision costs by 10, 1,000 and 10,000 rules, counted by valgrind: `make bench-policy`. Writes the
//! page that it is given as an argument, or prints it; fails when a decision grows with the number of rules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    missing_docs,
    reason = "a development tool may stop at the first surprise"
)]

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use svidgate_callgrind::{count, is_measured};
use svidgate_jwt_svid::{TrustDomain, UnixTime, VerifiedSvid, VerifyError};
use svidgate_policy::{
    Connection, GrpcMethods, Headers, HostPattern, Judge, Match, Mode, Oddities, PathPattern, PeerSettings,
    Policy, Requirement, Rule, Settings, Staleness, Trust, Upstream,
};

/// What 10,000 rules may cost over 10 of them: names of more digits and a fuller table, never another rule.
const MANY_TO_FEW: f64 = 1.5;
/// What the worst that an operator can write may cost for each of its distinct rules at 10,000, over that at 1,000: no
/// more than its share.
const WORST_FOR_EACH: f64 = 1.5;

fn main() {
    if is_measured() {
        return run_all();
    }
    let counts = count("lookup_cost::measured", CASES.len() * SIZES.len(), None);
    let (page, over) = page(&counts);
    match std::env::args().nth(1) {
        Some(file) => std::fs::write(&file, page).unwrap_or_else(|error| panic!("{file}: {error}")),
        None => print!("{page}"),
    }
    assert!(over.is_empty(), "dearer than they may be: {over:#?}");
}

const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// A list of rules, and the request that is judged by it.
struct Case {
    name: &'static str,
    rule: fn(usize) -> Match,
    /// The request, from the number of rules: host, method, path.
    request: fn(usize) -> [String; 3],
    /// The position of the rule that must decide, from the number of rules.
    decides: fn(usize) -> Option<usize>,
    /// Whether the cost may grow as the number of rules does.
    is_worst: bool,
}

const CASES: [Case; 12] = [
    Case {
        name: "a host each",
        rule: |n| host(&format!("h{n}.example.org")),
        request: |rules| request(&format!("h{}.example.org", rules - 1), "GET", "/"),
        ..LAST
    },
    Case {
        name: "a host with all below it each",
        rule: |n| host(&format!("*.h{n}.example.org")),
        request: |rules| request(&format!("a.b.h{}.example.org", rules - 1), "GET", "/"),
        ..LAST
    },
    Case {
        name: "a path each",
        rule: |n| path(&format!("/v1/r{n}")),
        request: |rules| request(HOST, "GET", &format!("/v1/r{}", rules - 1)),
        ..LAST
    },
    Case {
        name: "a path template each",
        rule: |n| path(&format!("/v1/r{n}/{{id}}/items/**")),
        request: |rules| request(HOST, "GET", &format!("/v1/r{}/4711/items/1", rules - 1)),
        ..LAST
    },
    Case {
        name: "a gRPC method each, ten of a service",
        rule: |n| grpc(n),
        request: |rules| request(HOST, "POST", &format!("/hive.S{}/M{}", (rules - 1) / 10, rules - 1)),
        ..LAST
    },
    Case {
        name: "an HTTP method each",
        rule: |n| Match { methods: vec![format!("M{n}")], ..Match::default() },
        request: |rules| request(HOST, &format!("M{}", rules - 1), "/"),
        ..LAST
    },
    Case {
        name: "a path each, and none for the request",
        rule: |n| path(&format!("/v1/r{n}")),
        request: |_| request(HOST, "GET", "/v1/elsewhere"),
        decides: |_| None,
        ..LAST
    },
    Case {
        name: "all the same",
        rule: |_| path("/v1/orders"),
        request: |_| request(HOST, "GET", "/v1/orders"),
        decides: |_| Some(0),
        ..LAST
    },
    Case {
        name: "a host each; the request's has 120 labels",
        rule: |n| host(&format!("*.h{n}.example.org")),
        request: |_| request(&format!("{}example.org", "a.".repeat(118)), "GET", "/"),
        decides: |_| None,
        ..LAST
    },
    Case {
        name: "a path each; the request's has 1,000 segments",
        rule: |n| path(&format!("/r{n}/**")),
        request: |rules| request(HOST, "GET", &format!("/r{}{}", rules - 1, "/a".repeat(999))),
        ..LAST
    },
    Case {
        name: "worst: literal and wildcard at each segment, one decides",
        rule: |n| path(&crossed(n, "z")),
        request: |rules| request(HOST, "GET", &format!("{}/z", "/a".repeat(depth(rules)))),
        decides: |_| Some(0),
        is_worst: true,
    },
    Case {
        name: "worst: literal and wildcard at each segment, none decides",
        rule: |n| path(&crossed(n, "z")),
        request: |rules| request(HOST, "GET", &format!("{}/y", "/a".repeat(depth(rules)))),
        decides: |_| None,
        is_worst: true,
    },
];

/// The last rule decides, so that a walk through all of them would show.
const LAST: Case = Case {
    name: "",
    rule: |_| panic!("no rule"),
    request: |_| panic!("no request"),
    decides: |rules| Some(rules - 1),
    is_worst: false,
};

const HOST: &str = "api.example.org";

fn request(host: &str, method: &str, path: &str) -> [String; 3] {
    [host, method, path].map(str::to_owned)
}

fn host(text: &str) -> Match {
    Match { hosts: vec![HostPattern::parse(text).unwrap()], ..Match::default() }
}

fn path(text: &str) -> Match {
    Match { paths: vec![PathPattern::parse(text).unwrap()], ..Match::default() }
}

fn grpc(number: usize) -> Match {
    let methods = vec![format!("M{number}")];
    Match {
        grpc: vec![GrpcMethods { service: format!("hive.S{}", number / 10), methods }],
        ..Match::default()
    }
}

/// Segments that are `a` or `*` by the bits of `number`, as many as the list of rules needs; all of them match `/a/a/…`.
fn crossed(number: usize, end: &str) -> String {
    let depth = DEPTH.with(std::cell::Cell::get);
    let segments = (0..depth).map(|bit| if number >> bit & 1 == 1 { "/a" } else { "/*" });
    format!("{}/{end}", segments.collect::<String>())
}

/// How many segments make the rules distinct: 8, 512 and 8,192 of them, the others repeat the first.
fn depth(rules: usize) -> usize {
    usize::try_from(rules.ilog2()).unwrap()
}

thread_local! {
    static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Each call of [`measured`] is a number in valgrind's output, in this order.
fn run_all() {
    for case in &CASES {
        for rules in SIZES {
            DEPTH.set(depth(rules));
            let judge = judge((0..rules).map(|number| rule((case.rule)(number))).collect());
            let [host, method, path] = (case.request)(rules);
            let pairs = [(":authority", &host), (":method", &method), (":path", &path)];
            let headers =
                Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
            let verdict = judge.decide(&headers, &Connection::default(), &Nobody, 0);
            assert_eq!(verdict.position, (case.decides)(rules), "{}: {:?}", case.name, verdict.denial());
            assert_eq!(verdict.outcome.is_ok(), verdict.rule.is_some(), "{}", case.name);
            drop(verdict);
            measured(&judge, &headers);
        }
    }
}

#[inline(never)]
fn measured(judge: &Judge, headers: &Headers<'_>) {
    drop(black_box(black_box(judge).decide(headers, &Connection::default(), &Nobody, 0)));
}

fn rule(matches: Match) -> Rule {
    Rule {
        name: "rule".to_owned(),
        matches,
        require: Requirement::None,
        mode: None,
        admits: Oddities::default(),
        lets_preflights_pass: false,
    }
}

fn judge(rules: Vec<Rule>) -> Judge {
    Judge::new(Settings {
        policy: Policy::new(rules),
        mode: Mode::Enforce,
        fail_open: false,
        sources: Vec::new(),
        peer: PeerSettings::default(),
        upstream: Upstream {
            forward_token: false,
            spiffe_id_header: "x-spiffe-id".to_owned(),
            trust_domain_header: None,
            audit_header: "x-audit".to_owned(),
            claims: Vec::new(),
        },
        staleness: Staleness::default(),
        clock_skew: 5,
    })
}

/// No rule here asks for a token.
struct Nobody;

impl Trust for Nobody {
    fn is_empty(&self) -> bool {
        true
    }

    fn verify(&self, _token: &[u8], _now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError> {
        Err(VerifyError::TrustDomainUnknown)
    }

    fn is_revoked(&self, _caller: &VerifiedSvid) -> bool {
        true
    }

    fn is_stale(&self, _domain: &TrustDomain, _max: Duration, _now: u64) -> bool {
        true
    }
}

/// The page, and what is above its bound.
fn page(counts: &[u64]) -> (String, Vec<String>) {
    let mut rows = String::new();
    let mut over = Vec::new();
    for (case, row) in CASES.iter().zip(counts.chunks_exact(SIZES.len())) {
        let [few, some, many] = [row[0], row[1], row[2]];
        let growth = many as f64 / few as f64;
        rows += &format!("| {} | {few} | {some} | {many} | {growth:.2} |\n", case.name);
        let is_over = if case.is_worst {
            let distinct = |size: usize| (1_u64 << depth(size)) as f64;
            many as f64 / distinct(SIZES[2]) > WORST_FOR_EACH * some as f64 / distinct(SIZES[1])
        } else {
            growth > MANY_TO_FEW
        };
        if is_over {
            over.push(format!("{}: {row:?}", case.name));
        }
    }
    let page = TEXT
        .replace("ROWS\n", &rows)
        .replace("MANY_TO_FEW", &MANY_TO_FEW.to_string())
        .replace("WORST_FOR_EACH", &WORST_FOR_EACH.to_string());
    (page, over)
}

const TEXT: &str = include_str!("lookup_cost.md");
