//! The outcome as data; the terminal's text and the JSON are two views of it.

use serde::Serialize;
use svidgate_jwt_svid::{Fact, Outcome, RustCrypto, Step, UnixTime, VerifyError};

use super::demands::Demands;
use super::detail::{Looked, detail};
use super::keys::Keys;
use super::rules::RulesReport;
use super::token::Token;
use super::{advice, when};
use crate::cli::Failure;

/// What became of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Every step passed.
    Valid,
    /// A step failed.
    Refused,
    /// No step failed, but one was not checked.
    AudienceNotChecked,
}

/// The whole explanation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// The moment it was judged at, in seconds since 1970.
    pub(super) at: u64,
    pub(super) refusal: Option<Refusal>,
    pub(super) steps: Vec<StepLine>,
    pub(super) found: Found,
    pub(super) keys: KeysLine,
    /// What is no reason to refuse, but worth knowing.
    pub(super) notes: Vec<String>,
    /// What the plugin's rules say, where a plugin was given.
    pub(super) rules: Option<RulesReport>,
}

/// Why it was refused.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// The word of the closed list that callers and metrics get.
    pub(super) reason: &'static str,
    pub(super) step: &'static str,
    pub(super) error: String,
    pub(super) likely_cause: &'static str,
    pub(super) mend: &'static str,
}

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct StepLine {
    pub(super) step: &'static str,
    pub(super) outcome: Mark,
    pub(super) detail: String,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    Passed,
    Failed,
    /// The token was refused before.
    NotReached,
    /// The verifier was not told what to expect.
    NotChecked,
}

/// What the steps met in the token; unproved unless the verdict is [`Verdict::Valid`]. Times in seconds since 1970.
#[derive(Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) token_bytes: usize,
    pub(super) kid: Option<String>,
    pub(super) alg: Option<&'static str>,
    pub(super) sub: Option<String>,
    pub(super) trust_domain: Option<String>,
    pub(super) aud: Option<Vec<String>>,
    pub(super) exp: Option<u64>,
    pub(super) nbf: Option<u64>,
    pub(super) iat: Option<u64>,
    /// The key's algorithms.
    pub(super) key_algorithms: Option<Vec<&'static str>>,
    /// The audiences that were expected; none when that was left open.
    pub(super) expected_aud: Option<Vec<String>>,
    pub(super) clock_skew: u64,
    pub(super) max_token_bytes: usize,
    pub(super) max_age: Option<u64>,
}

/// The keys it was judged by.
#[derive(Debug, Serialize)]
pub(super) struct KeysLine {
    pub(super) origin: String,
    pub(super) trust_domains: Vec<DomainLine>,
    pub(super) refused: Vec<RefusedLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct DomainLine {
    pub(super) trust_domain: String,
    pub(super) kids: Vec<String>,
    /// Entries that cannot verify JWT-SVIDs, apart from those for X.509-SVIDs.
    pub(super) ignored: Vec<IgnoredLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct IgnoredLine {
    pub(super) kid: Option<String>,
    pub(super) reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusedLine {
    pub(super) name: String,
    pub(super) reason: String,
}

impl Report {
    pub(super) fn new(token: &Token, keys: &Keys, demands: &Demands, now: UnixTime) -> Result<Self, Failure> {
        let verifier = demands.verifier(&token.bytes).map_err(Failure::Other)?;
        let explanation = verifier.explain(&token.bytes, &keys.bundles, &RustCrypto, now);
        let facts = explanation.steps.iter().flat_map(|report| &report.facts);
        let found = Found::new(facts, demands);
        let keys = KeysLine::new(keys);

        let looked = Looked { token: &token.bytes, found: &found, keys: &keys, now };
        let steps = explanation.steps.iter().map(|report| {
            let outcome = match report.outcome {
                Outcome::Passed if report.step == Step::Audience && demands.audiences.is_none() => {
                    Mark::NotChecked
                }
                Outcome::Passed => Mark::Passed,
                Outcome::Failed(_) => Mark::Failed,
                Outcome::NotReached => Mark::NotReached,
            };
            let error = if let Outcome::Failed(error) = report.outcome { Some(error) } else { None };
            let detail = match outcome {
                Mark::NotReached => String::new(),
                _ => detail(report.step, error, outcome, &looked),
            };
            StepLine { step: report.step.as_str(), outcome, detail }
        });
        let steps: Vec<_> = steps.collect();
        let refusal = explanation.result.as_ref().err().map(|error| Refusal::new(*error, &steps));
        let verdict = match &refusal {
            Some(_) => Verdict::Refused,
            None if demands.audiences.is_none() => Verdict::AudienceNotChecked,
            None => Verdict::Valid,
        };
        let notes = notes(token, &found, now);
        Ok(Self { verdict, at: now.as_secs(), refusal, steps, found, keys, notes, rules: None })
    }
}

impl Refusal {
    fn new(error: VerifyError, steps: &[StepLine]) -> Self {
        Self {
            reason: error.reason().as_str(),
            step: steps.iter().find(|line| line.outcome == Mark::Failed).map_or("", |line| line.step),
            error: error.to_string(),
            likely_cause: error.likely_cause(),
            mend: advice::mend(error),
        }
    }
}

impl Found {
    fn new<'a>(facts: impl Iterator<Item = &'a Fact>, demands: &Demands) -> Self {
        let mut found = Self {
            expected_aud: demands.audiences.as_ref().map(|set| set.iter().map(str::to_owned).collect()),
            clock_skew: demands.clock_skew,
            max_token_bytes: demands.max_token_bytes,
            max_age: demands.max_age,
            ..Self::default()
        };
        for fact in facts {
            match fact {
                Fact::TokenBytes(bytes) => found.token_bytes = *bytes,
                Fact::KeyId(kid) => found.kid = Some(kid.clone()),
                Fact::Algorithm(algorithm) => found.alg = Some(algorithm.as_str()),
                Fact::Subject(subject) => found.sub = Some(subject.clone()),
                Fact::SpiffeId(id) => found.trust_domain = Some(id.trust_domain().to_string()),
                Fact::KeyAlgorithms(algorithms) => {
                    found.key_algorithms = Some(algorithms.iter().map(|one| one.as_str()).collect());
                }
                Fact::TokenAudiences(audiences) => found.aud = Some(audiences.clone()),
                Fact::ExpiresAt(moment) => found.exp = Some(moment.as_secs()),
                Fact::NotBefore(moment) => found.nbf = Some(moment.as_secs()),
                Fact::IssuedAt(moment) => found.iat = Some(moment.as_secs()),
                // The rest repeats the demands and the keys, which the report has from their sources.
                _ => {}
            }
        }
        found
    }
}

impl KeysLine {
    fn new(keys: &Keys) -> Self {
        let trust_domains = keys.bundles.iter().map(|(trust_domain, bundle)| DomainLine {
            trust_domain: trust_domain.to_string(),
            kids: bundle.kids().map(str::to_owned).collect(),
            ignored: bundle
                .ignored()
                .iter()
                .filter(|ignored| !ignored.reason.is_expected())
                .map(|ignored| IgnoredLine { kid: ignored.kid.clone(), reason: ignored.reason.to_string() })
                .collect(),
        });
        let refused = keys.refused.iter();
        Self {
            origin: keys.origin.clone(),
            trust_domains: trust_domains.collect(),
            refused: refused
                .map(|(name, reason)| RefusedLine { name: name.clone(), reason: reason.clone() })
                .collect(),
        }
    }

    /// The bundle of a trust domain.
    pub(super) fn domain(&self, name: &str) -> Option<&DomainLine> {
        self.trust_domains.iter().find(|domain| domain.trust_domain == name)
    }
}

fn notes(token: &Token, found: &Found, now: UnixTime) -> Vec<String> {
    let mut notes = Vec::new();
    if token.from_header {
        notes.push("the scheme Bearer in front of the token was taken off".to_owned());
    }
    if let Some(issued_at) = found.iat.map(UnixTime)
        && issued_at > now.saturating_add(found.clock_skew)
    {
        notes.push(format!(
            "it was issued in the future ({}): no reason to refuse it, but the clocks of issuer and verifier differ, \
             and other verifiers refuse such tokens",
            when::relative(issued_at, now)
        ));
    }
    notes
}
