//! The plugin's configuration, read and checked whole. The same code serves `svidgate check` and `svidgate schema`.

mod kinds;
mod matching;
mod outgoing;
mod report;
mod rule;
mod sources;
mod staleness;
mod together;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use svidgate_config::{Errors, Object, field, kind, parse_json, read};
use svidgate_jwt_svid::{AlgorithmSet, Audiences, CacheLimits, Verifier, VerifierConfig};
use svidgate_policy::{Mode, Policy, Settings};

use crate::crypto::Backend;
use crate::outgoing::Outgoing;
use kinds::spelled;
use rule::RuleText;

pub use report::{Answers, Level, Log};

/// What one plugin instance enforces.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the instance, a-z, 0-9 and `_`, at most 32; empty for the only one. Part of the filter state keys.
    pub name: String,
    /// Where snapshots come from.
    pub controller: Controller,
    /// What every token must satisfy: its audiences are those of all rules together, and each rule judges its own.
    pub verifier: Verifier,
    /// Who may do what, and what the service is told.
    pub settings: Arc<Settings>,
    /// What a refused caller is told.
    pub answers: Answers,
    /// Which refusals are logged.
    pub log: Log,
    /// Verified tokens that are kept.
    pub token_cache: CacheLimits,
    /// Who checks signatures.
    pub crypto: Backend,
    /// Whether callers are judged at all. Not where the plugin stands in the way out of a workload only.
    pub judges_inbound: bool,
    /// What outgoing requests are given.
    pub outgoing: Option<Outgoing>,
    /// Fault to provoke, in test builds only.
    #[cfg(feature = "test-hooks")]
    pub test_fault: Option<String>,
}

/// The controller as Envoy knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Envoy cluster that leads to the controller.
    pub cluster: String,
    /// How long the controller may hold a request for a snapshot.
    pub wait: Duration,
}

impl Config {
    /// Reads the JSON text of the plugin configuration.
    ///
    /// # Errors
    /// Every mistake at once, with the path of each.
    pub fn parse(text: &[u8]) -> Result<Self, Errors> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Errors::one(
                "",
                "the plugin has no configuration; at least `audiences` and `allowed_spiffe_ids` are needed",
            ));
        }
        Self::from_value(&parse_json(text)?)
    }

    /// Reads a configuration that was parsed already, for example from YAML.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_value(value: &Value) -> Result<Self, Errors> {
        read(value, build)
    }

    /// What [`Self::parse`] reads.
    #[cfg(feature = "describe")]
    #[must_use]
    pub fn schema() -> svidgate_config::Schema {
        svidgate_config::describe(build)
    }
}

fn build(object: &mut Object<'_>) -> Option<Config> {
    let name = object.optional(
        field!(
            "name",
            "Name of this instance, where one Envoy has several plugins with different configurations. It is part of \
             the filter state keys: `wasm.svidgate_NAME` instead of `wasm.svidgate`."
        ),
        spelled(
            "1 to 32 of a-z, 0-9 and `_`, and not end in `rule`, `reason`, `spiffe_id`, `outgoing` or `outgoing_header` as \
             words of their own",
            "^(?!(.*_)?(rule|reason|spiffe_id|outgoing|outgoing_header)$)[a-z0-9_]{1,32}$",
            32,
            |text| {
                // Else the mark of one instance would be what another one tells the access log.
                let told = |end| text.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
                !TOLD.into_iter().any(told)
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            },
        ),
    );
    let controller = object.object(field!("controller", "Where trust bundles come from."), controller);
    let audiences = object
        .list(
            field!(
                "audiences",
                "Names of this service of which a token must carry one, byte for byte: for rules that name none of \
                 their own. Required if there are such."
            ),
            kind::text(),
        )
        .and_then(|list| match list {
            Some(list) => noted(object, "audiences", Audiences::new(list)).map(Some),
            None => Some(None),
        });
    let algorithms = object
        .list(
            field!("algorithms", "Signature algorithms that are taken. Absent: all of them."),
            kinds::algorithm(),
        )
        .and_then(|list| match list {
            Some(list) => noted(object, "algorithms", AlgorithmSet::new(list)),
            None => Some(AlgorithmSet::all()),
        });
    let clock_skew = object.default(
        field!("clock_skew", "How far clocks may be apart. Under NTP they differ by milliseconds."),
        "5s",
        kind::duration(Duration::ZERO..=MAX_SKEW),
    );
    let max_token_bytes = object.default(
        field!("max_token_bytes", "Longest token that is looked at. SPIRE's usual ones have around 1 KiB."),
        8192,
        kind::integer(512..=65536),
    );
    let max_staleness = staleness::read(object, controller.as_ref().map(|controller| controller.wait));
    let mode = object.default(
        field!(
            "mode",
            "`enforce`: what falls short is refused. `audit`: it passes without an identity, is counted, logged and \
             marked with `upstream.audit_header`. For rules without a mode of their own, and for what no rule matches."
        ),
        "enforce",
        kind::choice(&MODES),
    );
    let fail_open = object.default(
        field!(
            "fail_open",
            "For development only: lets pass what cannot be judged now (503 otherwise). A token found false is never \
             let through."
        ),
        false,
        kind::boolean(),
    );
    let token_sources = sources::token_sources(object);
    let peer = object
        .object(field!("peer", "Whose word on the peer of the connection (mTLS) counts."), sources::peer);
    let rules = object.objects(
        field!(
            "rules",
            "Who may do what. The first rule that matches decides; what none matches is refused."
        ),
        MAX_RULES,
        rule::read,
    );
    let allowed_spiffe_ids = object.list(
        field!(
            "allowed_spiffe_ids",
            "Short for one rule `default` that matches everything and requires a JWT-SVID of one of these callers."
        ),
        kinds::exact_id(),
    );
    let upstream =
        object.object(field!("upstream", "What the service behind the filter is told."), upstream::read);
    let answers = object
        .object(field!("answers", "What a refused caller is told, apart from the status."), report::answers);
    let log = object.object(field!("log", "What the plugin writes to Envoy's log."), report::log);
    let token_cache = object.object(
        field!(
            "token_cache",
            "Verified tokens that are kept in each worker, so that the signature of each is checked once. Rule, times \
             and revocation are judged for each request all the same."
        ),
        token_cache,
    );
    let crypto = object.default(
        field!(
            "crypto",
            "Who checks signatures. `host`: Envoy's own crypto (Envoy 1.30 or later), ten times as fast; what it has \
             not, RSA-PSS, or all of it in an older Envoy, is checked in the module. `wasm`: all in the module, for \
             hosts that stop on a function that they do not know (ngx_wasm_module)."
        ),
        Backend::Host.as_str(),
        kind::choice(&CRYPTO),
    );
    let inbound = object.optional(
        field!(
            "inbound",
            "`not_judged`: callers are not judged and no request is marked for the guard, so that a guard behind the plugin              refuses every request. For the way out of a workload, with `outgoing` alone; it must be said, so that              no rule that was left out by mistake opens anything."
        ),
        kind::choice(&[("not_judged", ())]),
    );
    let outgoing = outgoing::read(object);
    #[cfg(feature = "test-hooks")]
    let test_fault = object.optional("test_fault", kind::text());

    let one_of_both = object.exactly_one(&["rules", "allowed_spiffe_ids", "inbound"]);
    let judges_inbound = inbound.map(|not_judged| not_judged.is_none());
    let way_out = only_on_the_way_out(object, judges_inbound);
    let rules = match (rules, allowed_spiffe_ids) {
        (rules, Some(None)) => rules.map(Option::unwrap_or_default),
        (_, ids) => ids.flatten().map(|ids| vec![RuleText::shorthand(ids)]),
    };
    let headers = match (&upstream, &token_sources) {
        (Some(upstream), Some(sources)) => upstream::check(object, upstream, sources),
        _ => None,
    };
    let claims = upstream.as_ref().map_or(&[][..], |upstream| upstream.claims.as_slice());
    let peers = peer.as_ref().map(|peer| peer.trust_domains.as_slice());
    let together =
        rules.as_ref().and_then(|rules| together::check(object, rules, audiences.as_ref(), peers, claims));
    // The list is wrong, so there is no rule to name; but it means one that needs them.
    if rules.is_none() && object.has("allowed_spiffe_ids") && audiences == Some(None) {
        object.error("audiences", "is required");
    }
    one_of_both.and(headers).and(together).and(way_out)?;

    let (rules, audiences, clock_skew) = (rules?, audiences?, clock_skew?.as_secs());
    let every_audience = every_audience(&rules, audiences.as_ref())?;
    let rules = rules.into_iter().map(|rule| rule.rule(audiences.as_ref())).collect::<Option<_>>()?;
    let demands = VerifierConfig {
        clock_skew,
        max_token_bytes: usize::try_from(max_token_bytes?).ok()?,
        algorithms: algorithms?,
        ..VerifierConfig::new(every_audience)
    };
    Some(Config {
        name: name?.unwrap_or_default(),
        controller: controller?,
        verifier: noted(object, "", Verifier::new(demands))?,
        settings: Arc::new(Settings {
            policy: Policy::new(rules),
            mode: mode?,
            fail_open: fail_open?,
            sources: token_sources?,
            peer: peer?,
            upstream: upstream?,
            staleness: max_staleness?,
            clock_skew,
        }),
        answers: answers?,
        log: log?,
        token_cache: token_cache?,
        crypto: crypto?,
        judges_inbound: judges_inbound?,
        outgoing: outgoing?,
        #[cfg(feature = "test-hooks")]
        test_fault: test_fault?,
    })
}

/// Reports what means nothing where callers are not judged; `None` when there is any.
fn only_on_the_way_out(object: &mut Object<'_>, judges_inbound: Option<bool>) -> Option<()> {
    if judges_inbound? {
        return Some(());
    }
    let mut good = Some(());
    for name in ABOUT_CALLERS.into_iter().filter(|name| object.has(name)).collect::<Vec<_>>() {
        object.error(name, "means nothing where `inbound` is `not_judged`");
        good = None;
    }
    if !object.has("outgoing") {
        object.error("outgoing", "is required where `inbound` is `not_judged`: the plugin would do nothing");
        good = None;
    }
    good
}

/// The audiences of all rules together: a token for none of them is refused before its signature is checked.
fn every_audience(rules: &[RuleText], common: Option<&Audiences>) -> Option<Audiences> {
    let asking = rules.iter().filter(|rule| rule.require.looks_at_tokens());
    let all = asking.filter_map(|rule| rule.audiences.as_ref().or(common)).flat_map(Audiences::iter);
    Audiences::new(all).or_else(|_| Audiences::new([NO_AUDIENCE])).ok()
}

fn controller(object: &mut Object<'_>) -> Option<Controller> {
    let cluster = object.default(
        field!("cluster", "Envoy's cluster that leads to the controller's socket."),
        DEFAULT_CLUSTER,
        kind::text(),
    );
    let wait = object.default(
        field!(
            "wait",
            "How long the controller may hold a request for a snapshot. Long enough that an idle Envoy costs nothing, \
             short enough that the call of a dead worker ends soon."
        ),
        "30s",
        kind::duration(WAIT),
    );
    Some(Controller { cluster: cluster?, wait: wait? })
}

fn token_cache(object: &mut Object<'_>) -> Option<CacheLimits> {
    let entries = object.default(
        field!("entries", "Most tokens; 0 turns the cache off."),
        4096,
        kind::integer(0..=MAX_CACHE_ENTRIES),
    );
    let bytes = object.default(
        field!(
            "bytes",
            "Most bytes of tokens, their claims and what holds them together; 0 turns the cache off."
        ),
        8_388_608,
        kind::integer(0..=MAX_CACHE_BYTES),
    );
    Some(CacheLimits {
        max_entries: usize::try_from(entries?).ok()?,
        max_bytes: usize::try_from(bytes?).ok()?,
    })
}

fn noted<T, E: std::fmt::Display>(
    object: &mut Object<'_>,
    name: &'static str,
    result: Result<T, E>,
) -> Option<T> {
    result.map_err(|error| object.error(name, error.to_string())).ok()
}

/// Settings that are about callers.
const ABOUT_CALLERS: [&str; 12] = [
    "audiences",
    "algorithms",
    "clock_skew",
    "max_token_bytes",
    "max_staleness",
    "mode",
    "fail_open",
    "token_sources",
    "peer",
    "upstream",
    "token_cache",
    "crypto",
];
/// Name used in every example of ours.
pub const DEFAULT_CLUSTER: &str = "svidgate_controller";

/// What an instance tells access logs, as ends of its filter state keys.
const TOLD: [&str; 5] = ["rule", "reason", "spiffe_id", "outgoing", "outgoing_header"];
const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("audit", Mode::Audit)];
const CRYPTO: [(&str, Backend); 2] =
    [(Backend::Host.as_str(), Backend::Host), (Backend::Wasm.as_str(), Backend::Wasm)];
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const MAX_SKEW: Duration = Duration::from_secs(300);
/// Compiled into each worker's memory, some hundred bytes a rule.
const MAX_RULES: usize = 10_000;
const MAX_CACHE_ENTRIES: u64 = 1_000_000;
/// Of each worker, and beside the rest of a VM that can hold 4 GiB.
const MAX_CACHE_BYTES: u64 = 1 << 30;
/// For a plugin whose rules look at no token. No rule asks the verifier then.
const NO_AUDIENCE: &str = "nobody";

#[cfg(test)]
mod tests;
