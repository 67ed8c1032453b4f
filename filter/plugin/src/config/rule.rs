//! One rule: which requests it is about, and what it asks of them.
//!
//! Beyond the form of each setting, one that means nothing beside the others is a mistake (checklist P3): whoever wrote
//! it believed that it did something.

use std::time::Duration;

use svidgate_config::{Object, field, kind};
use svidgate_jwt_svid::Audiences;
use svidgate_policy::{Callers, Demands, IdPattern, Match, Mode, Oddities, Requirement, Rule};

use super::kinds;
use super::matching;

/// A rule as it was written; what it takes from the top level is not filled in.
#[derive(Clone, Debug)]
pub(super) struct RuleText {
    pub(super) name: String,
    pub(super) matches: Match,
    pub(super) require: Require,
    pub(super) callers: Callers,
    pub(super) peers: Callers,
    pub(super) audiences: Option<Audiences>,
    pub(super) max_token_age: Option<Duration>,
    pub(super) bound: bool,
    pub(super) mode: Option<Mode>,
    pub(super) admits: Oddities,
    pub(super) lets_preflights_pass: bool,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Require {
    None,
    Jwt,
    Mtls,
    Both,
    Either,
}

/// A field of [`Oddities`].
#[derive(Clone, Copy)]
enum Oddity {
    EncodedSeparators,
    Parameters,
    EmptySegments,
}

pub(super) fn read(object: &mut Object<'_>) -> Option<RuleText> {
    let name = object.required(
        field!(
            "name",
            "Unique name, in logs and as a label in metrics. `none` is taken: it counts what no rule matched."
        ),
        kinds::spelled(
            "1 to 64 of a-z, 0-9, `_`, `.`, `-`, the first a letter or digit, and not `none`",
            "^(?!none$)[a-z0-9][a-z0-9_.-]{0,63}$",
            64,
            |text| {
                text != "none"
                    && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b))
            },
        ),
    );
    let matches = object.required_object(
        field!(
            "match",
            "Which requests the rule is about. All conditions must hold; of each list one item must. `{}` is about \
             every request."
        ),
        "`{}` is about every request",
        matching::read,
    );
    let require = object.required(
        field!(
            "require",
            "`none`: nothing; a token is not looked at and stays where it is. `jwt`: a JWT-SVID. `mtls`: a peer \
             identity. `both`. `either`: a token that is there decides, even a bad one; the peer counts only without."
        ),
        kind::choice(&REQUIRE),
    );
    let callers = callers(object);
    let peers = peers(object);
    let audiences = object
        .list(
            field!(
                "audiences",
                "Names of this service of which the token must carry one, instead of the top level's `audiences`."
            ),
            kind::text(),
        )
        .and_then(|list| match list {
            Some(list) => super::noted(object, "audiences", Audiences::new(list)).map(Some),
            None => Some(None),
        });
    let max_token_age = object.optional(
        field!("max_token_age", "Longest time since the token was issued (`iat`, which it then must carry)."),
        kind::duration(MIN_AGE..=MAX_AGE),
    );
    let bind = object.optional(
        field!(
            "bind",
            "`mtls`: the token's `sub` must be the peer's SPIFFE ID, so that a stolen token is of no use."
        ),
        kind::choice(&[("mtls", ())]),
    );
    let mode = object.optional(
        field!("mode", "Whether a request that falls short is refused, or passes and is counted and marked. Absent: the top level's `mode`."),
        kind::choice(&super::MODES),
    );
    let unsafe_paths = object.list(
        field!(
            "unsafe_paths",
            "Oddities in a path that this rule admits. The path is then read in every way in which a server may read \
             it, and each must lead to this rule. Absent: none."
        ),
        kind::choice(&ODDITIES),
    );
    let preflight = object.default(
        field!(
            "cors_preflight",
            "`judge`: a CORS preflight is judged as any `OPTIONS` request. `allow`: it passes, with whatever headers and \
             body it has, to what answers it behind the guard, or to the service."
        ),
        "judge",
        kind::choice(&PREFLIGHTS),
    );
    let rule = RuleText {
        name: name?,
        matches: matches?,
        require: require?,
        callers: callers?,
        peers: peers?,
        audiences: audiences?,
        max_token_age: max_token_age?,
        bound: bind?.is_some(),
        mode: mode?,
        admits: admitted(&unsafe_paths?.unwrap_or_default()),
        lets_preflights_pass: preflight?,
    };
    check(object, &rule).then_some(rule)
}

impl RuleText {
    /// The rule for which `allowed_spiffe_ids` is short.
    pub(super) fn shorthand(ids: Vec<IdPattern>) -> Self {
        Self {
            name: "default".to_owned(),
            matches: Match::default(),
            require: Require::Jwt,
            callers: Callers { spiffe_ids: ids, trust_domains: Vec::new() },
            peers: Callers::default(),
            audiences: None,
            max_token_age: None,
            bound: false,
            mode: None,
            admits: Oddities::default(),
            lets_preflights_pass: false,
        }
    }
}

impl RuleText {
    /// The rule, with `common` where it names no audiences; `None` when it looks at tokens and there are none.
    pub(super) fn rule(self, common: Option<&Audiences>) -> Option<Rule> {
        let demands = |callers: Callers| {
            Some(Demands {
                callers,
                audiences: self.audiences.or_else(|| common.cloned())?,
                max_token_age: self.max_token_age.map(|age| age.as_secs()),
                bound_to_peer: self.bound,
            })
        };
        let require = match self.require {
            Require::None => Requirement::None,
            Require::Jwt => Requirement::Jwt(demands(self.callers)?),
            Require::Mtls => Requirement::Mtls(self.callers),
            Require::Both => {
                // Who is bound to the peer is the peer.
                let peers = if names_nobody(&self.peers) { self.callers.clone() } else { self.peers };
                Requirement::Both(demands(self.callers)?, peers)
            }
            Require::Either => Requirement::Either(demands(self.callers)?),
        };
        Some(Rule {
            name: self.name,
            matches: self.matches,
            require,
            mode: self.mode,
            admits: self.admits,
            lets_preflights_pass: self.lets_preflights_pass,
        })
    }
}

impl Require {
    /// Whether a token is looked at.
    pub(super) fn looks_at_tokens(self) -> bool {
        matches!(self, Self::Jwt | Self::Both | Self::Either)
    }

    pub(super) fn name(self) -> &'static str {
        REQUIRE.iter().find(|(_, require)| *require == self).map_or("", |(name, _)| name)
    }
}

fn admitted(oddities: &[Oddity]) -> Oddities {
    let mut admitted = Oddities::default();
    for oddity in oddities {
        match oddity {
            Oddity::EncodedSeparators => admitted.encoded_separators = true,
            Oddity::Parameters => admitted.parameters = true,
            Oddity::EmptySegments => admitted.empty_segments = true,
        }
    }
    admitted
}

fn callers(object: &mut Object<'_>) -> Option<Callers> {
    let ids = object.list(
        field!(
            "spiffe_ids",
            "Callers that may come in: the token's `sub`; the peer for `mtls`. One of these and of `trust_domains` is \
             enough."
        ),
        kinds::id_pattern(),
    );
    let trust_domains = object.list(
        field!("trust_domains", "Trust domains of which every workload may come in."),
        kinds::trust_domain(),
    );
    Some(Callers { spiffe_ids: ids?.unwrap_or_default(), trust_domains: trust_domains?.unwrap_or_default() })
}

fn peers(object: &mut Object<'_>) -> Option<Callers> {
    let ids = object.list(
        field!(
            "peer_spiffe_ids",
            "For `both`: who the peer of the connection may be. Needed there unless `bind` is `mtls`."
        ),
        kinds::id_pattern(),
    );
    let trust_domains = object.list(
        field!("peer_trust_domains", "For `both`: trust domains of which every workload may be the peer."),
        kinds::trust_domain(),
    );
    Some(Callers { spiffe_ids: ids?.unwrap_or_default(), trust_domains: trust_domains?.unwrap_or_default() })
}

fn names_nobody(callers: &Callers) -> bool {
    callers.spiffe_ids.is_empty() && callers.trust_domains.is_empty()
}

/// What the settings of a rule mean together; `false` when something was wrong.
fn check(object: &mut Object<'_>, rule: &RuleText) -> bool {
    let require = rule.require;
    let mut good = true;
    let mut wrong = |object: &mut Object<'_>, name: &str, message: String| {
        object.error(name, message);
        good = false;
    };

    let idle: &[&str] = match require {
        Require::None => &[
            "spiffe_ids",
            "trust_domains",
            "peer_spiffe_ids",
            "peer_trust_domains",
            "audiences",
            "max_token_age",
            "bind",
        ],
        Require::Jwt => &["peer_spiffe_ids", "peer_trust_domains"],
        Require::Mtls => &["peer_spiffe_ids", "peer_trust_domains", "audiences", "max_token_age", "bind"],
        Require::Both => &[],
        Require::Either => &["peer_spiffe_ids", "peer_trust_domains", "bind"],
    };
    for name in idle.iter().filter(|name| object.has(name)).collect::<Vec<_>>() {
        wrong(object, name, format!("means nothing where `require` is `{}`", require.name()));
    }
    if require != Require::None && names_nobody(&rule.callers) {
        wrong(
            object,
            "spiffe_ids",
            "is required, or `trust_domains`: otherwise nobody could ever come in".to_owned(),
        );
    }
    if require == Require::Both && names_nobody(&rule.peers) && !rule.bound {
        let message = "is required, or `peer_trust_domains`, or `bind`: who may the peer be?";
        wrong(object, "peer_spiffe_ids", message.to_owned());
    }
    let asks_for_peer = matches!(require, Require::Mtls | Require::Both) || rule.bound;
    if rule.matches.mtls == Some(false) && (asks_for_peer || require == Require::Either) {
        let message = "`false` leaves only requests without a peer, for which the rule asks";
        wrong(object, "match.mtls", message.to_owned());
    }
    if !rule.matches.grpc.is_empty() && object.has("unsafe_paths") {
        wrong(
            object,
            "unsafe_paths",
            "means nothing beside `match.grpc`: such paths have no oddities".to_owned(),
        );
    }
    let only_options =
        !rule.matches.methods.is_empty() && rule.matches.methods.iter().all(|m| m == "OPTIONS");
    if only_options && object.has("cors_preflight") {
        let message = "means nothing where only `OPTIONS` is matched: a preflight asks about another method";
        wrong(object, "cors_preflight", message.to_owned());
    }
    good
}

const REQUIRE: [(&str, Require); 5] = [
    ("none", Require::None),
    ("jwt", Require::Jwt),
    ("mtls", Require::Mtls),
    ("both", Require::Both),
    ("either", Require::Either),
];

const ODDITIES: [(&str, Oddity); 3] = [
    ("encoded_separators", Oddity::EncodedSeparators),
    ("parameters", Oddity::Parameters),
    ("empty_segments", Oddity::EmptySegments),
];

const PREFLIGHTS: [(&str, bool); 2] = [("judge", false), ("allow", true)];

/// Shorter than any clock agrees about.
const MIN_AGE: Duration = Duration::from_secs(1);
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
