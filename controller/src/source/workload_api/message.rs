use std::collections::BTreeMap;

use svidgate_jwt_svid::{Bundle, TrustDomain};
use thiserror::Error;

use crate::source::Limits;
use crate::store::{Message, Refused};
use crate::workload_api::pb::JwtBundlesResponse;

/// Why a message was refused whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum MessageError {
    #[error("message has {actual} trust domains, more than the limit of {limit}")]
    TooManyTrustDomains { limit: usize, actual: usize },
}

/// Reads a message, bundle by bundle.
///
/// Refused one by one: names that are no trust domain, two names of one trust domain, JWK sets that do not parse
/// or exceed their limits. Not looked at: whether `spiffe_sequence` grew. The agent is the authority for its own
/// trust domain and a message is its full state (checklist B5); after a restore from a backup the sequence goes
/// back, and the keys of the restored server are the right ones.
pub(super) fn read(response: JwtBundlesResponse, limits: &Limits) -> Result<Message, MessageError> {
    let (limit, actual) = (limits.max_trust_domains, response.bundles.len());
    if actual > limit {
        return Err(MessageError::TooManyTrustDomains { limit, actual });
    }
    let mut message = Message::default();
    for (domain, entries) in by_trust_domain(response, &mut message.refused) {
        let mut refuse = |name: &str, reason: String| {
            message.refused.push(Refused {
                name: printable(name),
                trust_domain: Some(domain.clone()),
                reason,
            });
        };
        match entries.as_slice() {
            [(name, jwks)] => match Bundle::from_jwks(jwks, &limits.bundle) {
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
    Ok(message)
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
                name: printable(&name),
                trust_domain: None,
                reason: format!("not a trust domain: {error}"),
            }),
        }
    }
    entries
}

fn printable(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A trust domain has at most 255 bytes; the rest of a longer name tells nothing.
const MAX_NAME_CHARS: usize = 264;

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
        )
        .unwrap();
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
        )
        .unwrap();
        assert_eq!(message.bundles.keys().collect::<Vec<_>>(), [&domain("a.test")]);
        assert_eq!(message.refused.len(), 1);
    }

    #[test]
    fn a_trust_domain_under_two_names_is_refused_in_both() {
        let message = read(
            response(&[("spiffe://a.test", r#"{"keys":[]}"#), ("a.test", r#"{"keys":[]}"#)]),
            &Limits::default(),
        )
        .unwrap();
        assert!(message.bundles.is_empty());
        assert_eq!(message.refused.len(), 2);
    }

    #[test]
    fn b9_too_many_trust_domains_refuse_the_message_and_say_both_numbers() {
        let limits = Limits { max_trust_domains: 1, ..Limits::default() };
        let error = read(response(&[("a.test", "{}"), ("b.test", "{}")]), &limits).unwrap_err();
        assert_eq!(error.to_string(), "message has 2 trust domains, more than the limit of 1");
    }

    #[test]
    fn names_in_errors_are_bounded_and_printable() {
        let name = format!("a\n{}", "b".repeat(1000));
        let message = read(response(&[(&name, "{}")]), &Limits::default()).unwrap();
        assert_eq!(message.refused[0].name.chars().count(), 264);
        assert!(!message.refused[0].name.contains('\n'));
    }
}
