//! What rules mean together, and beside the top level.

use std::collections::BTreeMap;

use svidgate_config::Object;
use svidgate_jwt_svid::{Audiences, TrustDomain};

use svidgate_policy::{Callers, ClaimHeader};

use super::rule::{Require, RuleText};

/// Reports rules of one name, rules that look at tokens of no audience, rules whose peers have no identity, and claims
/// that callers cannot have; `None` when there are any. What is not known, because it was wrong itself, is not judged.
pub(super) fn check(
    object: &mut Object<'_>,
    rules: &[RuleText],
    audiences: Option<&Option<Audiences>>,
    peers: Option<&[TrustDomain]>,
    claims: &[ClaimHeader],
) -> Option<()> {
    let mut good = Some(());
    let mut names = BTreeMap::new();
    for (at, rule) in rules.iter().enumerate() {
        if let Some(before) = names.insert(rule.name.as_str(), at) {
            object.error(&format!("rules[{at}].name"), format!("is the name of rules[{before}] already"));
            good = None;
        }
    }
    let without = rules.iter().find(|rule| rule.require.looks_at_tokens() && rule.audiences.is_none());
    if let (Some(rule), Some(None)) = (without, audiences) {
        object.error("audiences", format!("is required: rule `{}` has none of its own", rule.name));
        good = None;
    }
    let by_peer = rules.iter().find(|rule| matches!(rule.require, Require::Mtls | Require::Either));
    for (at, claim) in claims.iter().enumerate().filter(|(_, claim)| claim.required) {
        if let Some(rule) = by_peer {
            let message = format!(
                "rule `{}` lets in peers by `{}`, which have no claims: each would be refused; leave `{}` optional",
                rule.name,
                rule.require.name(),
                claim.claim
            );
            object.error(&format!("upstream.claims[{at}].required"), message);
            good = None;
        }
    }
    for (at, rule) in rules.iter().enumerate() {
        for (name, domain) in foreign(rule, peers.unwrap_or_default()) {
            let message = format!("`{domain}` is not in `peer.trust_domains`: nobody could ever match");
            object.error(&format!("rules[{at}].{name}"), message);
            good = None;
        }
    }
    good
}

/// Trust domains in which a rule looks for peers, though peers of those have no identity.
fn foreign<'r>(rule: &'r RuleText, known: &[TrustDomain]) -> Vec<(&'static str, &'r TrustDomain)> {
    if known.is_empty() {
        return Vec::new();
    }
    let lists = [
        // With `bind` the caller is the peer.
        (rule.require == Require::Mtls || rule.bound).then_some(("", &rule.callers)),
        (rule.require == Require::Both).then_some(("peer_", &rule.peers)),
    ];
    lists
        .into_iter()
        .flatten()
        .flat_map(|(prefix, callers)| domains(prefix, callers))
        .filter(|(_, domain)| !known.contains(domain))
        .collect()
}

fn domains<'c>(
    prefix: &str,
    callers: &'c Callers,
) -> impl Iterator<Item = (&'static str, &'c TrustDomain)> + use<'c> {
    let (ids, whole) = if prefix.is_empty() {
        ("spiffe_ids", "trust_domains")
    } else {
        ("peer_spiffe_ids", "peer_trust_domains")
    };
    let of_ids = callers.spiffe_ids.iter().map(move |id| (ids, id.trust_domain()));
    of_ids.chain(callers.trust_domains.iter().map(move |domain| (whole, domain)))
}
