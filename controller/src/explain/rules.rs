//! What the rules say of the token: the one that decides a given request, or each of them, judged by the filter's own
//! [`Judge`]. What no token tells, the peer of the connection, is not judged; nor are revocation and staleness.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use svidgate_jwt_svid::{RustCrypto, TrustDomain, UnixTime, VerifiedSvid, Verifier, VerifyError};
use svidgate_policy::{
    Callers, Connection, Demands, Headers, Judge, Match, Oddities, Passage, Policy, Reason, Requirement,
    Rule, Settings, TokenSource, Verdict as Judged,
};

use super::keys::Keys;
use super::printable::{list, quoted};

/// A request in whose place the token is judged.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

/// What rules say of the token.
#[derive(Debug, Serialize)]
pub(super) struct RulesReport {
    /// Whether this is the decision about a request, and not a list of all rules.
    pub(super) of_request: bool,
    pub(super) rules: Vec<RuleLine>,
    /// Rules that are not shown.
    pub(super) more: usize,
}

/// What rules that ask the same say.
#[derive(Debug, Serialize)]
pub(super) struct RuleLine {
    /// `NAME (rules[i])` of each; empty when no rule is about the request.
    pub(super) rules: Vec<String>,
    pub(super) demands: String,
    pub(super) verdict: Says,
    /// The word of the closed list; none when it passes.
    pub(super) reason: Option<&'static str>,
    /// Whether a refusal is only counted.
    pub(super) audited: bool,
}

/// Whether it lets the token in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Says {
    Passes,
    Refused,
    /// All that the token can show is good; the rest is the peer's.
    NotJudged,
}

/// Whom the judge asks: the keys at hand.
pub(super) struct AtHand<'a> {
    pub(super) keys: &'a Keys,
    pub(super) verifier: Verifier,
    pub(super) token: &'a [u8],
    pub(super) now: UnixTime,
}

impl svidgate_policy::Trust for AtHand<'_> {
    fn is_empty(&self) -> bool {
        self.keys.bundles.is_empty()
    }

    fn verify(&self, token: &[u8], now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError> {
        self.verifier.verify(token, &self.keys.bundles, &RustCrypto, now).map(Rc::new)
    }

    fn is_revoked(&self, _caller: &VerifiedSvid) -> bool {
        false
    }

    fn is_stale(&self, _domain: &TrustDomain, _max: Duration, _now: u64) -> bool {
        false
    }
}

impl AtHand<'_> {
    /// The rule that decides for the request, and how.
    pub(super) fn of_request(&self, settings: &Settings, request: &Request<'_>) -> RulesReport {
        let judge = Judge::new(Settings { sources: sources(), ..settings.clone() });
        let verdict = self.decide(&judge, request);
        let rules = verdict.rule.zip(verdict.position).map(|(rule, at)| name(rule, at));
        let demands = verdict.rule.map_or_else(String::new, |rule| describe(&rule.require));
        RulesReport {
            of_request: true,
            rules: vec![line(rules.into_iter().collect(), demands, &verdict)],
            more: 0,
        }
    }

    /// Each rule with whether the token is what it demands, whatever the request.
    pub(super) fn of_all(&self, settings: &Settings) -> RulesReport {
        let mut groups: Vec<(&Rule, Vec<String>)> = Vec::new();
        let mut more: usize = 0;
        for (at, rule) in settings.policy.rules().iter().enumerate() {
            let mode = |rule: &Rule| rule.mode.unwrap_or(settings.mode);
            let has_room = groups.len() < MAX_GROUPS;
            let same = groups
                .iter()
                .position(|(other, _)| other.require == rule.require && mode(other) == mode(rule));
            match same.and_then(|same| groups.get_mut(same)) {
                Some((_, names)) => names.push(name(rule, at)),
                None if has_room => groups.push((rule, vec![name(rule, at)])),
                None => more = more.saturating_add(1),
            }
        }
        let any = Request { host: "any.invalid", method: "GET", path: "/" };
        let rules = groups.into_iter().map(|(rule, names)| {
            let alone = Rule {
                name: String::new(),
                matches: Match::default(),
                require: rule.require.clone(),
                mode: rule.mode,
                admits: Oddities::default(),
                lets_preflights_pass: false,
            };
            let policy = Policy::new(vec![alone]);
            let judge = Judge::new(Settings { policy, sources: sources(), ..settings.clone() });
            line(names, describe(&rule.require), &self.decide(&judge, &any))
        });
        RulesReport { of_request: false, rules: rules.collect(), more }
    }

    fn decide<'j>(&self, judge: &'j Judge, request: &Request<'_>) -> Judged<'j> {
        let authorization = [b"Bearer ", self.token].concat();
        let pairs = [
            (&b":authority"[..], request.host.as_bytes()),
            (b":method", request.method.as_bytes()),
            (b":path", request.path.as_bytes()),
            (b"authorization", &authorization),
        ];
        let now = self.now.as_secs().saturating_mul(1000);
        judge.decide(&Headers::new(pairs.into()), &Connection::default(), self, now)
    }
}

/// The token comes by argument, wherever the plugin looks for it.
fn sources() -> Vec<TokenSource> {
    vec![TokenSource::Header { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) }]
}

fn name(rule: &Rule, at: usize) -> String {
    format!("{} (rules[{at}])", quoted(&rule.name))
}

fn line(rules: Vec<String>, demands: String, verdict: &Judged<'_>) -> RuleLine {
    let denial = verdict.denial();
    let says = match denial.map(svidgate_policy::Denial::reason) {
        None => Says::Passes,
        // Every demand on the token comes before those on the peer, which no token shows.
        Some(Reason::PeerMissing) => Says::NotJudged,
        Some(_) => Says::Refused,
    };
    let audited = matches!(verdict.outcome, Ok(Passage::Audited(_)));
    RuleLine { rules, demands, verdict: says, reason: denial.map(|denial| denial.reason().as_str()), audited }
}

fn describe(require: &Requirement) -> String {
    match require {
        Requirement::None => "nothing".to_owned(),
        Requirement::Jwt(demands) => token(demands),
        Requirement::Mtls(peers) => format!("an mTLS peer of {}", callers(peers)),
        Requirement::Both(demands, peers) => {
            format!("{}, and an mTLS peer of {}", token(demands), callers(peers))
        }
        Requirement::Either(demands) => {
            format!("{}, or without a token an mTLS peer of those", token(demands))
        }
    }
}

fn token(demands: &Demands) -> String {
    let age = demands.max_token_age.map_or_else(String::new, |age| format!(", at most {age} s old"));
    let bound = if demands.bound_to_peer { ", of the mTLS peer itself" } else { "" };
    format!("a token for {} of {}{age}{bound}", list(demands.audiences.iter()), callers(&demands.callers))
}

fn callers(callers: &Callers) -> String {
    let ids = callers.spiffe_ids.iter().map(ToString::to_string);
    let domains = callers.trust_domains.iter().map(|domain| format!("spiffe://{domain}/**"));
    let all: Vec<String> = ids.chain(domains).collect();
    list(all.iter().map(String::as_str))
}

impl RulesReport {
    /// Lines for a terminal.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.of_request {
            lines.push("  rules, as far as the token goes:".to_owned());
        }
        for line in &self.rules {
            let rules = match line.rules.as_slice() {
                [] => "none is about this request".to_owned(),
                names => names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", "),
            };
            let left = line.rules.len().saturating_sub(MAX_NAMES);
            let left = if left == 0 { String::new() } else { format!(" and {left} more") };
            lines.push(format!("  rule: {rules}{left}"));
            if !line.demands.is_empty() {
                lines.push(format!("    demands: {}", line.demands));
            }
            let audited = if line.audited { ", which its mode only counts (audit)" } else { "" };
            lines.push(match (line.verdict, line.reason) {
                (Says::Refused, Some(reason)) => format!("    ✗ refused ({reason}){audited}"),
                (Says::NotJudged, _) => "    – not judged: mTLS peer".to_owned(),
                _ => "    ✓ passes".to_owned(),
            });
        }
        if self.more > 0 {
            lines.push(format!(
                "  and {} more rules, not judged here: name a request by --host and --path",
                self.more
            ));
        }
        lines
    }
}

/// Most groups of rules that are judged and shown, and names in one.
const MAX_GROUPS: usize = 20;
const MAX_NAMES: usize = 10;
