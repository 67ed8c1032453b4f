use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use rsa::{BoxedUint, PublicKey};
use sha2::digest::FixedOutputReset;
use sha2::{Digest, Sha256, Sha384, Sha512};
use svidgate_jwt_svid::{Claim, JsonError, VerifyError};

use super::seen::{Seen, is_canonical_base64};
use super::{Disposition, JSONWEBTOKEN, JWT_COMPACT, SPIFFE, SPIRE};
use crate::json::Tree;

const EVERY: &[&str] = &[SPIRE, SPIFFE, JSONWEBTOKEN, JWT_COMPACT];
const PLAIN_JWT: &[&str] = &[JSONWEBTOKEN, JWT_COMPACT];

pub(super) const ALL: &[Disposition] = &[
    Disposition {
        name: "base64url in another spelling",
        peers: &[SPIRE],
        rule: "V3, RFC 7515 §2",
        why: "Go's decoder skips line breaks and ignores loose bits at the end, so a token has many spellings there.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::Base64(_)))
                && seen.parts.iter().any(|part| !is_canonical_base64(part))
        },
    },
    Disposition {
        name: "header member that a JWT-SVID must not have",
        peers: &[SPIRE, JSONWEBTOKEN, JWT_COMPACT],
        rule: "V4, JWT-SVID §2",
        why: "JWT-SVID allows alg, kid and typ only; JOSE libraries skip what they do not know, and much that they do.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::HeaderMemberRefused(_)))
                && seen.header.as_ref().is_some_and(|header| {
                    header.members().iter().any(|(name, _)| !["alg", "kid", "typ"].contains(&name.as_str()))
                })
        },
    },
    Disposition {
        name: "header member of the wrong type",
        peers: &[SPIRE, JSONWEBTOKEN, JWT_COMPACT],
        rule: "V4, V7, V12, RFC 7515 §4.1",
        why: "null counts as absent there, and a typ that is no string is not looked at.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::HeaderMemberType(_)))
                && ["alg", "kid", "typ"]
                    .iter()
                    .any(|name| seen.member(name).is_some_and(|value| value.text().is_none()))
        },
    },
    Disposition {
        name: "typ other than JWT and JOSE",
        peers: &[SPIRE, JSONWEBTOKEN, JWT_COMPACT],
        rule: "V7, JWT-SVID §2.3",
        why: "They do not look at typ, so a token of another kind, such as at+jwt, passes for an SVID.",
        applies: |seen| {
            seen.error == Some(VerifyError::TypeRefused)
                && seen.member("typ").and_then(Tree::text).is_some_and(|typ| !["JWT", "JOSE"].contains(&typ))
        },
    },
    Disposition {
        name: "member twice",
        peers: &[SPIFFE, JSONWEBTOKEN, JWT_COMPACT],
        rule: "V4, V12, RFC 7515 §4, RFC 7519 §4",
        why: "They see one of the two, at some depth at least; two readers may see different ones.",
        applies: |seen| {
            matches!(
                seen.error,
                Some(
                    VerifyError::HeaderJson(JsonError::DuplicateMember)
                        | VerifyError::ClaimsJson(JsonError::DuplicateMember)
                )
            ) && [&seen.header, &seen.payload].into_iter().flatten().any(Tree::has_duplicates)
        },
    },
    Disposition {
        name: "invalid UTF-8 in JSON",
        peers: &[SPIRE],
        rule: "V12, RFC 8259 §8.1",
        why: "Go puts U+FFFD in its place.",
        applies: |seen| match seen.error {
            Some(VerifyError::HeaderJson(JsonError::NotUtf8)) => {
                std::str::from_utf8(&seen.header_bytes).is_err()
            }
            Some(VerifyError::ClaimsJson(JsonError::NotUtf8)) => {
                std::str::from_utf8(&seen.payload_bytes).is_err()
            }
            _ => false,
        },
    },
    Disposition {
        name: "lone surrogate in JSON",
        peers: &[SPIRE, SPIFFE, JSONWEBTOKEN],
        rule: "V12, RFC 8259 §8.2",
        why: "Go puts U+FFFD in its place; the others do not look at claims that they do not use.",
        applies: |seen| {
            matches!(
                seen.error,
                Some(VerifyError::HeaderJson(JsonError::Syntax) | VerifyError::ClaimsJson(JsonError::Syntax))
            ) && [&seen.header_bytes, &seen.payload_bytes].into_iter().any(|bytes| {
                let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
                ["\\ud8", "\\udc"].iter().any(|escape| text.contains(escape))
            })
        },
    },
    Disposition {
        name: "number beyond the range of a double",
        peers: &[SPIFFE, JSONWEBTOKEN],
        rule: "V12, RFC 8259 §6",
        why: "They do not look at claims that they do not use; readers of the others overflow, each in its way.",
        applies: |seen| {
            seen.error == Some(VerifyError::ClaimsJson(JsonError::Syntax))
                && seen.payload.as_ref().is_some_and(has_infinite_number)
        },
    },
    Disposition {
        name: "JSON nested deeper than 16",
        peers: EVERY,
        rule: "V12",
        why: "They stop at 128 or 10,000; a JWT-SVID has no use for more than a few.",
        applies: |seen| {
            matches!(
                seen.error,
                Some(
                    VerifyError::HeaderJson(JsonError::TooDeep) | VerifyError::ClaimsJson(JsonError::TooDeep)
                )
            ) && [&seen.header, &seen.payload].into_iter().flatten().any(|tree| tree.depth() > 16)
        },
    },
    Disposition {
        name: "more than 1024 JSON values",
        peers: EVERY,
        rule: "V12",
        why: "They set no bound; ours keeps the cost of a refusal below that of a signature.",
        applies: |seen| {
            matches!(
                seen.error,
                Some(
                    VerifyError::HeaderJson(JsonError::TooManyValues)
                        | VerifyError::ClaimsJson(JsonError::TooManyValues)
                )
            ) && [&seen.header, &seen.payload].into_iter().flatten().any(|tree| tree.count() > 1024)
        },
    },
    Disposition {
        name: "registered claim of the wrong type",
        peers: EVERY,
        rule: "V12, RFC 7519 §4.1",
        why: "null counts as absent there, and claims that they do not use may be anything.",
        applies: |seen| {
            let Some(VerifyError::ClaimType(claim)) = seen.error else {
                return false;
            };
            seen.claim(claim.as_str()).is_some_and(|value| !is_of_type(claim, value))
        },
    },
    Disposition {
        name: "time before 1970 or after 9999",
        peers: EVERY,
        rule: "V12",
        why: "No issuer means it: times in milliseconds are a mistake, and beyond it implementations overflow.",
        applies: |seen| {
            let Some(VerifyError::TimeOutOfRange(claim)) = seen.error else {
                return false;
            };
            seen.time(claim.as_str()).is_some_and(|time| !(0.0..=253_402_300_799.0).contains(&time))
        },
    },
    Disposition {
        name: "sub that is no SPIFFE ID",
        peers: PLAIN_JWT,
        rule: "V8",
        why: "They know nothing of SPIFFE.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::SubjectInvalid(_) | VerifyError::SubjectMissing))
                && !seen.claim("sub").and_then(Tree::text).is_some_and(is_spiffe_id)
        },
    },
    Disposition {
        name: "trust domain in upper case",
        peers: &[SPIFFE],
        rule: "V8, SPIFFE-ID §2.1",
        why: "The spiffe crate lowers it; go-spiffe and we refuse it, so that an ID has one spelling.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::SubjectInvalid(_)))
                && seen.trust_domain().bytes().any(|byte| byte.is_ascii_uppercase())
                && seen.claim("sub").and_then(Tree::text).is_some_and(|sub| {
                    is_spiffe_id(&sub.replacen(
                        seen.trust_domain(),
                        &seen.trust_domain().to_ascii_lowercase(),
                        1,
                    ))
                })
        },
    },
    Disposition {
        name: "SPIFFE ID longer than allowed",
        peers: &[SPIRE, SPIFFE],
        rule: "V8, SPIFFE-ID §2.3",
        why: "They set no bound, or a larger one.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::SubjectInvalid(_)))
                && seen
                    .claim("sub")
                    .and_then(Tree::text)
                    .is_some_and(|sub| sub.len() > 2048 || seen.trust_domain().len() > 255)
        },
    },
    Disposition {
        name: "key of another trust domain",
        peers: PLAIN_JWT,
        rule: "V9",
        why: "They know nothing of trust domains: a kid that is known anywhere will do.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::TrustDomainUnknown | VerifyError::KeyUnknown))
                && seen.jwk().is_none()
        },
    },
    Disposition {
        name: "key that we leave out of the bundle",
        peers: &[SPIFFE, JSONWEBTOKEN, JWT_COMPACT],
        rule: "V13, V14, B2",
        why: "Two keys under one kid, RSA keys that are weak, too large or not minimal, and the like: we use none.",
        applies: |seen| {
            let (Some(jwk), Some(VerifyError::KeyUnknown)) = (seen.jwk(), seen.error) else {
                return false;
            };
            let ignored = seen.case.trust.bundles().iter().flat_map(|(_, bundle)| bundle.ignored());
            ignored.into_iter().any(|ignored| ignored.kid.as_deref() == jwk["kid"].as_str())
        },
    },
    Disposition {
        name: "key bound to another algorithm",
        peers: PLAIN_JWT,
        rule: "V13, RFC 7517 §4.4",
        why: "They do not look at the alg of a JWK.",
        applies: |seen| {
            seen.error == Some(VerifyError::KeyAlgorithmMismatch)
                && seen.jwk().is_some_and(|jwk| {
                    jwk["alg"].is_string() && jwk["alg"].as_str() != seen.member("alg").and_then(Tree::text)
                })
        },
    },
    Disposition {
        name: "within a minute of its time",
        peers: &[SPIRE],
        rule: "V11",
        why: "SPIRE always allows a minute on times; the check here allows none, and the default is five seconds.",
        applies: |seen| {
            let now = seen.now as f64;
            match seen.error {
                Some(VerifyError::Expired) => seen.time("exp").is_some_and(|exp| exp + 65.0 > now),
                Some(VerifyError::NotYetValid) => seen.time("nbf").is_some_and(|nbf| nbf - 65.0 < now),
                _ => false,
            }
        },
    },
    Disposition {
        name: "at the second of its expiry",
        peers: &[JWT_COMPACT],
        rule: "V11, RFC 7519 §4.1.4",
        why: "It accepts a token in the second named by exp, on or after which a token must not be accepted.",
        applies: |seen| {
            seen.case.to_the_second
                && seen.error == Some(VerifyError::Expired)
                && seen.time("exp").is_some_and(|exp| exp.floor() == seen.now as f64)
        },
    },
    Disposition {
        name: "a fraction of a second before its time",
        peers: &[JWT_COMPACT],
        rule: "V11, RFC 7519 §4.1.5",
        why: "It cuts the fraction of nbf off.",
        applies: |seen| {
            seen.case.to_the_second
                && seen.error == Some(VerifyError::NotYetValid)
                && seen.time("nbf").is_some_and(|nbf| nbf > seen.now as f64 && nbf.floor() == seen.now as f64)
        },
    },
    Disposition {
        name: "more than 8192 bytes",
        peers: EVERY,
        rule: "V2",
        why: "They set no bound; ours can be raised.",
        applies: |seen| {
            matches!(seen.error, Some(VerifyError::TokenTooLarge { .. })) && seen.case.token.len() > 8192
        },
    },
    Disposition {
        name: "RSA-PSS salt of another length",
        peers: &[SPIRE],
        rule: "V14, RFC 7518 §3.5",
        why: "go-jose lets Go find out the length of the salt; for JOSE it is that of the hash.",
        applies: |seen| {
            seen.error == Some(VerifyError::SignatureInvalid)
                && match seen.member("alg").and_then(Tree::text) {
                    Some("PS256") => has_other_salt::<Sha256>(seen),
                    Some("PS384") => has_other_salt::<Sha384>(seen),
                    Some("PS512") => has_other_salt::<Sha512>(seen),
                    _ => false,
                }
        },
    },
];

/// Whether the signature verifies with a salt of whatever length, and not with one as long as the hash.
fn has_other_salt<D>(seen: &Seen<'_>) -> bool
where
    D: Digest + FixedOutputReset,
    VerifyingKey<D>: Verifier<Signature>,
{
    let parse = || {
        let jwk = seen.jwk()?;
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
        let number = |name: &str| number(name).map(|octets| BoxedUint::from_be_slice_vartime(&octets));
        let key = PublicKey::new(number("n")?, number("e")?).ok()?;
        let (input, signature) = str::from_utf8(&seen.case.token).ok()?.rsplit_once('.')?;
        let signature = Signature::try_from(URL_SAFE_NO_PAD.decode(signature).ok()?.as_slice()).ok()?;
        let any = VerifyingKey::<D>::new_with_auto_salt_len(key.clone());
        let right = VerifyingKey::<D>::new(key);
        Some(
            any.verify(input.as_bytes(), &signature).is_ok()
                && right.verify(input.as_bytes(), &signature).is_err(),
        )
    };
    parse().unwrap_or(false)
}

fn has_infinite_number(tree: &Tree) -> bool {
    match tree {
        Tree::Number(_) => tree.number().is_some_and(f64::is_infinite),
        Tree::Array(values) => values.iter().any(has_infinite_number),
        Tree::Object(members) => members.iter().any(|(_, value)| has_infinite_number(value)),
        _ => false,
    }
}

fn is_of_type(claim: Claim, value: &Tree) -> bool {
    match (claim, value) {
        (Claim::Exp | Claim::Nbf | Claim::Iat, Tree::Number(_)) => true,
        (Claim::Exp | Claim::Nbf | Claim::Iat, _) => false,
        (_, Tree::Text(_)) => true,
        (Claim::Aud, Tree::Array(values)) => values.iter().all(|value| value.text().is_some()),
        _ => false,
    }
}

/// The grammar of the standard once more, by another way.
fn is_spiffe_id(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("spiffe://") else {
        return false;
    };
    let mut pieces = rest.split('/');
    let trust_domain = pieces.next().unwrap_or_default();
    let within = |text: &str, more: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
    };
    id.len() <= 2048
        && trust_domain.len() <= 255
        && within(trust_domain, "._-")
        && pieces.all(|piece| {
            piece != "." && piece != ".." && within(&piece.to_ascii_lowercase(), "._-") && piece.is_ascii()
        })
}
