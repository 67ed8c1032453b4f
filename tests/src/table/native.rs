//! The rows before the judge that the plugin calls, natively: with the headers and the connection as Envoy gives them.
//!
//! What is rebuilt here of the plugin's glue is its order only: strip, judge, change headers, count. A row ends in the
//! same way on both sides or the suite fails.

mod envoy;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use svidgate_jwt_svid::{RustCrypto, TokenCache};
use svidgate_plugin::config::Config as PluginConfig;
use svidgate_plugin::metrics::{Counter, GrpcLabel, Status};
use svidgate_plugin::request::{Answer as PluginAnswer, Court, Form};
use svidgate_plugin::trust::Trust;
use svidgate_policy::{Edit, Headers, Judge, Verdict};

use super::call::Wire;
use super::client::GrpcWebStatus;
use super::config::Config;
use super::expect::{Answer, grpc_status};
use super::row::Row;
use super::run::Ran;
use super::trust;

use envoy::{connection, header_map};

/// A judge for each configuration.
pub struct Native {
    benches: BTreeMap<&'static str, Bench>,
}

struct Bench {
    config: Config,
    plugin: PluginConfig,
    judge: Judge,
    trust: Trust,
    cache: RefCell<TokenCache>,
}

/// What came of a row natively.
struct Outcome {
    counted: Vec<(String, u64)>,
    /// HTTP status, content type, and the gRPC status in the body of gRPC-Web.
    refused: Option<(u16, Option<String>, Option<i32>)>,
    /// Headers and trailers for the upstream.
    passed: Vec<(String, Vec<u8>)>,
}

type Pairs = Vec<(String, Vec<u8>)>;

impl Native {
    /// Judges by these configurations, with the trust that the table's controller gives at `now`.
    ///
    /// # Panics
    /// When the plugin would not take one of the configurations.
    pub fn new(configs: &[Config], now: u64) -> Self {
        let mut errors = Vec::new();
        let bench = |config: &Config| {
            let text = config.plugin.to_string();
            let plugin = match PluginConfig::parse(text.as_bytes()) {
                Ok(plugin) => plugin,
                Err(error) => {
                    errors.push(format!("configuration `{}`: {error}", config.name));
                    return None;
                }
            };
            let mut trust = Trust::default();
            if plugin.controller.cluster == "svidgate_controller" {
                trust.adopt(trust::snapshot(now), now * 1000).expect("the snapshot");
            }
            let judge = Judge::new(plugin.settings.clone());
            let cache = RefCell::new(TokenCache::new(plugin.token_cache, 7));
            Some((config.name, Bench { config: config.clone(), plugin, judge, trust, cache }))
        };
        let benches = configs.iter().filter_map(bench).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        Self { benches }
    }

    /// Runs a row natively, and says where it ends otherwise than the row says.
    pub fn mistakes(&self, row: &Row, wire: &Wire, at: u64) -> Vec<String> {
        self.compare(row, wire, at).0
    }

    /// The same, and where it ends otherwise than on the real Envoy.
    pub fn differences(&self, row: &Row, ran: &Ran) -> Vec<String> {
        let (mut mistakes, passed) = self.compare(row, &ran.wire, ran.at);
        if let (Some(seen), Some(passed)) = (&ran.seen, passed) {
            let real = comparable(&seen.headers);
            let native = comparable(&passed);
            if real != native {
                mistakes.push(format!("headers at the upstream: {real:?} really, {native:?} natively"));
            }
            let path = passed.iter().find(|(name, _)| name == ":path");
            let path = path.map(|(_, path)| String::from_utf8_lossy(path).into_owned());
            if path.as_ref().is_some_and(|path| *path != seen.target) {
                mistakes.push(format!("path at the upstream: {} really, {path:?} natively", seen.target));
            }
        }
        mistakes
    }

    fn compare(&self, row: &Row, wire: &Wire, at: u64) -> (Vec<String>, Option<Pairs>) {
        let bench = &self.benches[row.config];
        // Rows about two plugins in one chain are about Envoy, not about one judge.
        if row.expect.status.is_none() || bench.config.first.is_some() {
            return (Vec::new(), None);
        }
        let mut outcome = bench.judge(row, wire, at);
        let mut counted = BTreeMap::new();
        for _ in 1..row.call.times {
            add(&mut counted, std::mem::take(&mut outcome.counted));
            outcome = bench.judge(row, wire, at);
        }
        add(&mut counted, outcome.counted);
        let named = |name: &str| row.expect.counters.iter().any(|(counter, _)| *counter == name);
        counted.retain(|name, _| !name.contains("token_cache") || named(name));
        let counted: Vec<_> = counted.into_iter().collect();
        let mut mistakes = Vec::new();
        let wanted = row.growth();
        if counted != wanted {
            mistakes.push(format!("counted {counted:?}, not {wanted:?}"));
        }
        let wanted = match row.expect.answer {
            Answer::Plugin(status) => Some(match row.expect.grpc_web {
                Some(content_type) => (200, Some(content_type.to_owned()), Some(grpc_status(status))),
                None => (status, row.expect.body.then(|| "application/json".to_owned()), None),
            }),
            _ => None,
        };
        if outcome.refused != wanted {
            mistakes.push(format!("refused with {:?}, not {wanted:?}", outcome.refused));
        }
        let passed = outcome.refused.is_none().then_some(outcome.passed);
        (mistakes, passed)
    }
}

impl Bench {
    fn judge(&self, row: &Row, wire: &Wire, at: u64) -> Outcome {
        let map = header_map(row, wire, &self.config);
        let headers = headers(&map);
        let stripped = headers.names().filter(|name| self.judge.owns_header(name)).count();
        let connection = connection(row, &self.config);
        let court = Court {
            trust: &self.trust,
            cache: &self.cache,
            verifier: &self.plugin.verifier,
            crypto: &RustCrypto,
            cache_use: Cell::new(None),
        };
        let verdict = self.judge.decide(&headers, &connection, &court, at * 1000);
        let refused = verdict.outcome.as_ref().err().map(|denial| {
            let answer = PluginAnswer::new(*denial, &self.plugin.answers, Form::of(&headers));
            let content_type = answer.content_type.unwrap_or_default();
            let web = GrpcWebStatus::read(content_type, &answer.body).expect("a frame of gRPC-Web");
            (answer.status, answer.content_type.map(str::to_owned), web.map(|status| status.code))
        });
        let mut stripped = u64::try_from(stripped).expect("a small number");
        let mut passed: Pairs =
            map.iter().filter(|(name, _)| !self.judge.owns_header(name.as_bytes())).cloned().collect();
        for edit in self.judge.edits(&headers, &verdict) {
            apply(&mut passed, edit);
        }
        if refused.is_none() {
            for (name, value) in &wire.trailers {
                if self.judge.owns_header(name.as_bytes()) {
                    stripped += 1;
                } else {
                    passed.push(((*name).to_owned(), value.as_bytes().to_vec()));
                }
            }
        }
        let mut counted = self.counted(&verdict, stripped);
        let cached = court.cache_use.get().and_then(Counter::of_cache);
        counted.extend(cached.and_then(|counter| Some((counter.name(&self.plugin)?, 1))));
        Outcome { counted, refused, passed }
    }

    fn counted(&self, verdict: &Verdict<'_>, stripped: u64) -> Vec<(String, u64)> {
        let (rule, status) = (verdict.position, Status::of(verdict));
        let label = GrpcLabel::of(verdict);
        let mut counters = vec![Counter::Attempt(rule, status)];
        counters.extend(label.map(|label| Counter::GrpcAttempt(label, status)));
        if let Some(denial) = verdict.denial() {
            counters.push(Counter::Failure(rule, denial.reason()));
            counters.extend(label.map(|label| Counter::GrpcFailure(label, denial.reason())));
        }
        if status == Status::FailedOpen {
            counters.push(Counter::FailedOpen);
        }
        let name = |counter: Counter| counter.name(&self.plugin).expect("a counter of this configuration");
        let mut counted: Vec<_> = counters.into_iter().map(|counter| (name(counter), 1)).collect();
        if stripped > 0 {
            counted.push((name(Counter::HeaderStripped), stripped));
        }
        counted
    }
}

fn add(sum: &mut BTreeMap<String, u64>, counted: Vec<(String, u64)>) {
    for (name, by) in counted {
        *sum.entry(name).or_default() += by;
    }
}

fn headers(map: &Pairs) -> Headers<'_> {
    Headers::new(map.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect())
}

fn apply(headers: &mut Pairs, edit: Edit<'_>) {
    match edit {
        Edit::Remove(name) => headers.retain(|(found, _)| *found != name),
        Edit::Set(name, value) => {
            headers.retain(|(found, _)| *found != name);
            headers.push((name.to_owned(), value.into_owned()));
        }
    }
}

/// Headers that are the request's and ours, sorted; what Envoy and HTTP libraries add is not compared.
fn comparable(headers: &Pairs) -> Vec<(String, String)> {
    let foreign = |name: &str| {
        name.starts_with(':')
            || FOREIGN.contains(&name)
            || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let ours = headers.iter().filter(|(name, _)| !foreign(name));
    let mut pairs: Vec<_> = ours.map(|(name, value)| (name.clone(), text(value))).collect();
    pairs.sort();
    pairs
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const FOREIGN: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-client-cert",
    "x-request-id",
    "x-forwarded-proto",
];
const FOREIGN_PREFIXES: [&str; 3] = ["x-envoy-", "grpc-", "sec-websocket-"];
