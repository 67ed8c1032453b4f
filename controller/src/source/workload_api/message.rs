use std::collections::BTreeMap;

use svidgate_jwt_svid::{Bundle, BundleError, TrustDomain};
use thiserror::Error;

use crate::printable::escaped;
use crate::source::Limits;
use crate::store::{Message, Refused};
use crate::workload_api::pb::JwtBundlesResponse;

/// Why a bundle was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum BundleRefusal {
    #[error(transparent)]
    Document(#[from] BundleError),
    #[error("the bundle's usable keys have {actual} bytes, more than {limit}")]
    TooLarge { limit: usize, actual: usize },
}

/// Reads a message, bundle by bundle. Whatever is wrong with one does not hold back the others.
///
/// Refused one by one: names that are no trust domain, two names of one trust domain, JWK sets that do not parse
/// or exceed their limits. Not looked at: whether `spiffe_sequence` grew. The agent is the authority for its own
/// trust domain and a message is its full state (checklist B5); after a restore from a backup the sequence goes
/// back, and the keys of the restored server are the right ones.
pub(super) fn read(response: JwtBundlesResponse, limits: &Limits) -> Message {
    let mut message = Message::default();
    for (domain, entries) in by_trust_domain(response, &mut message.refused) {
        let mut refuse = |name: &str, reason: String| {
            message.refused.push(Refused { name: shown(name), trust_domain: Some(domain.clone()), reason });
        };
        match entries.as_slice() {
            [(name, jwks)] => match bundle(jwks, limits) {
                Ok(bundle) => {
                    message.bundles.insert(domain, bundle);
                }
                Err(error) => refuse(name, error.to_string()),
            },
            several => {
                for (name, _) in several {
                    refuse(name, "the message names this trust domain twice".to_owned());
                }
            }
        }
    }
    // A message has no order of its own.
    message.refused.sort_by(|a, b| a.name.cmp(&b.name));
    message
}

/// Whether the state in `response` comes near to what a snapshot holds, so that something may have to be left out.
pub(super) fn may_not_fit(response: &JwtBundlesResponse) -> bool {
    let limits = svidgate_snapshot::Limits::default();
    let bytes = response.bundles.iter().map(|(name, jwks)| {
        // The name comes twice in a snapshot.
        jwks.len().saturating_add(name.len().saturating_mul(2)).saturating_add(BYTES_BESIDE)
    });
    response.bundles.len() > limits.max_trust_domains / 2
        || bytes.fold(0, usize::saturating_add) > limits.max_bytes / 2
}

fn bundle(jwks: &[u8], limits: &Limits) -> Result<Bundle, BundleRefusal> {
    let bundle = Bundle::from_jwks(jwks, &limits.bundle)?;
    let (limit, actual) = (limits.max_jwks_bytes, bundle.jwks().to_string().len());
    if actual > limit { Err(BundleRefusal::TooLarge { limit, actual }) } else { Ok(bundle) }
}

type Entries = Vec<(String, Vec<u8>)>;

fn by_trust_domain(
    response: JwtBundlesResponse,
    refused: &mut Vec<Refused>,
) -> BTreeMap<TrustDomain, Entries> {
    let mut entries: BTreeMap<TrustDomain, Entries> = BTreeMap::new();
    for (name, jwks) in response.bundles {
        // The standard's key is the SPIFFE ID of the trust domain; go-spiffe takes the bare name as well.
        match TrustDomain::parse(name.strip_prefix("spiffe://").unwrap_or(&name)) {
            Ok(domain) => entries.entry(domain).or_default().push((name, jwks)),
            Err(error) => refused.push(Refused {
                name: shown(&name),
                trust_domain: None,
                reason: format!("not a trust domain: {error}"),
            }),
        }
    }
    entries
}

fn shown(name: &str) -> String {
    escaped(&name.chars().take(MAX_NAME_CHARS).collect::<String>())
}

/// A trust domain has at most 255 bytes; the rest of a longer name tells nothing.
const MAX_NAME_CHARS: usize = 264;

/// What a snapshot says of a trust domain beside its name and keys, roughly.
const BYTES_BESIDE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn response(entries: &[(&str, &str)]) -> JwtBundlesResponse {
        let bundles =
            entries.iter().map(|(name, jwks)| ((*name).to_owned(), jwks.as_bytes().to_vec())).collect();
        JwtBundlesResponse { bundles }
    }

    fn domain(name: &str) -> TrustDomain {
        TrustDomain::parse(name).unwrap()
    }

    #[test]
    fn b5_one_bad_bundle_does_not_hold_back_the_others() {
        let message = read(
            response(&[
                ("spiffe://a.test", r#"{"keys":[]}"#),
                ("spiffe://b.test", "not json"),
                ("spiffe://C.test", r#"{"keys":[]}"#),
                ("spiffe://d.test/path", r#"{"keys":[]}"#),
            ]),
            &Limits::default(),
        );
        assert_eq!(message.bundles.keys().collect::<Vec<_>>(), [&domain("a.test")]);
        let mut refused: Vec<_> =
            message.refused.iter().map(|r| (r.name.as_str(), r.trust_domain.is_some())).collect();
        refused.sort_unstable();
        assert_eq!(
            refused,
            [("spiffe://C.test", false), ("spiffe://b.test", true), ("spiffe://d.test/path", false)]
        );
    }

    #[test]
    fn b3_keys_must_be_present_and_may_be_empty() {
        let message = read(
            response(&[("spiffe://a.test", r#"{"keys":[]}"#), ("spiffe://b.test", "{}")]),
            &Limits::default(),
        );
        assert_eq!(message.bundles.keys().collect::<Vec<_>>(), [&domain("a.test")]);
        assert_eq!(message.refused.len(), 1);
    }

    #[test]
    fn a_trust_domain_under_two_names_is_refused_in_both() {
        let message = read(
            response(&[("spiffe://a.test", r#"{"keys":[]}"#), ("a.test", r#"{"keys":[]}"#)]),
            &Limits::default(),
        );
        assert!(message.bundles.is_empty());
        assert_eq!(message.refused.len(), 2);
    }

    #[test]
    fn b9_a_bundle_over_its_cap_is_refused_alone_and_says_both_numbers() {
        let key = |kid: String| {
            format!(
                r#"{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}"#
            )
        };
        let jwks = |kids: Vec<String>| {
            format!(r#"{{"keys":[{}]}}"#, kids.into_iter().map(key).collect::<Vec<_>>().join(","))
        };
        let many = jwks((0..65).map(|number| number.to_string()).collect());
        let large = jwks((0..64).map(|number| format!("{number:0200}")).collect());
        let limits = Limits { max_jwks_bytes: 16_384, ..Limits::default() };
        let few = jwks(vec!["1".to_owned()]);
        let message = read(response(&[("a.test", &many), ("b.test", &large), ("c.test", &few)]), &limits);
        assert_eq!(message.bundles.keys().collect::<Vec<_>>(), [&domain("c.test")]);
        let reasons: Vec<&str> = message.refused.iter().map(|refused| refused.reason.as_str()).collect();
        assert_eq!(reasons[0], "the bundle has 65 keys, more than 64");
        let actual = Bundle::from_jwks(large.as_bytes(), &Limits::default().bundle).unwrap().jwks();
        let actual = actual.to_string().len();
        assert!(actual > 16_384);
        assert_eq!(reasons[1], format!("the bundle's usable keys have {actual} bytes, more than 16384"));
        // With it the own trust domain is asked for in time.
        assert!(!may_not_fit(&response(&[("a.test", &many), ("b.test", &large)])));
        assert!(may_not_fit(&response(&[("a.test", &"x".repeat(600_000))])));
    }

    #[test]
    fn names_in_errors_are_bounded_and_printable() {
        let name = format!("a\n\u{202e}{}", "b".repeat(1000));
        let message = read(response(&[(&name, "{}")]), &Limits::default());
        assert_eq!(message.refused[0].name, format!("a\\u{{a}}\\u{{202e}}{}", "b".repeat(261)));
    }
}
