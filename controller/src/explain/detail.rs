//! What a step met, in a line.

use serde_json::Value;
use svidgate_jwt_svid::unverified::Compact;
use svidgate_jwt_svid::{Claim, HeaderMember, Step, UnixTime, VerifyError};

use super::printable::{list, quoted};
use super::report::{Found, KeysLine, Mark};
use super::when;

/// What there is to look at.
pub(super) struct Looked<'a> {
    pub(super) token: &'a [u8],
    pub(super) found: &'a Found,
    pub(super) keys: &'a KeysLine,
    pub(super) now: UnixTime,
}

/// The line of one step that was reached.
pub(super) fn detail(step: Step, error: Option<VerifyError>, mark: Mark, looked: &Looked<'_>) -> String {
    let found = looked.found;
    match (step, error) {
        (Step::Size, _) => format!("{} bytes, at most {}", found.token_bytes, found.max_token_bytes),
        (Step::Structure, None) => "three parts of strict base64url".to_owned(),
        (Step::Structure, Some(error)) => format!("{error}; it has {}", parts(looked.token)),
        (Step::Header, None) => format!("kid {}", quoted(found.kid.as_deref().unwrap_or_default())),
        (Step::Header, Some(error)) => with_header(error, looked.token),
        (Step::Algorithm, None) => found.alg.unwrap_or_default().to_owned(),
        (Step::Algorithm, Some(error)) => match header(looked.token).as_ref().and_then(|h| h.get("alg")) {
            Some(alg) => format!("{error}; alg is {}", json(alg)),
            None => error.to_string(),
        },
        (Step::Claims, None) => "strict JSON; registered claims have the right types".to_owned(),
        (Step::Claims, Some(error)) => with_claim(error, looked.token),
        (Step::SpiffeId, None) => quoted(found.sub.as_deref().unwrap_or_default()),
        (Step::SpiffeId, Some(error)) => match &found.sub {
            Some(sub) => format!("{error}; sub is {}", quoted(sub)),
            None => error.to_string(),
        },
        (Step::Bundle, None) => {
            format!("there is a bundle of {}", found.trust_domain.as_deref().unwrap_or_default())
        }
        (Step::Bundle, Some(_)) => {
            let known = list(looked.keys.trust_domains.iter().map(|domain| domain.trust_domain.as_str()));
            let wanted = quoted(found.trust_domain.as_deref().unwrap_or_default());
            format!("sub is of trust domain {wanted}; there are bundles of: {known}")
        }
        (Step::Key, None) => "the bundle has the kid".to_owned(),
        (Step::Key, Some(_)) => unknown_key(looked),
        (Step::KeyAlgorithm, error) => {
            let algorithms = found.key_algorithms.as_deref().unwrap_or_default().join(", ");
            match error {
                None => format!("the key is for {algorithms}"),
                Some(_) => {
                    format!("the key is for {algorithms}, the token says {}", found.alg.unwrap_or_default())
                }
            }
        }
        (Step::Audience, _) => audience(error, mark, found),
        (Step::Times, None) => valid_times(found, looked.now),
        (Step::Times, Some(error)) => failed_times(error, found, looked.now),
        (Step::Signature, None) => format!(
            "{} by the key {}",
            found.alg.unwrap_or_default(),
            quoted(found.kid.as_deref().unwrap_or_default())
        ),
        (Step::Signature, Some(error)) => error.to_string(),
    }
}

fn parts(token: &[u8]) -> String {
    let lengths: Vec<String> =
        token.split(|byte| *byte == b'.').take(6).map(|part| part.len().to_string()).collect();
    let more = if token.split(|byte| *byte == b'.').count() > lengths.len() { " …" } else { "" };
    match lengths.len() {
        1 => format!("one part of {} bytes", lengths.concat()),
        count => {
            let count = if more.is_empty() { count.to_string() } else { "many".to_owned() };
            format!("{count} parts of {}{more} bytes", lengths.join(", "))
        }
    }
}

fn with_header(error: VerifyError, token: &[u8]) -> String {
    let Some(header) = header(token) else {
        return error.to_string();
    };
    let member = match error {
        VerifyError::HeaderMemberType(HeaderMember::Alg) => "alg",
        VerifyError::HeaderMemberType(HeaderMember::Kid) => "kid",
        VerifyError::HeaderMemberType(HeaderMember::Typ) | VerifyError::TypeRefused => "typ",
        _ => {
            let names = header.as_object().into_iter().flat_map(|members| members.keys());
            return format!("{error}; its members: {}", list(names.map(String::as_str)));
        }
    };
    match header.get(member) {
        Some(value) => format!("{error}; {member} is {}", json(value)),
        None => error.to_string(),
    }
}

fn with_claim(error: VerifyError, token: &[u8]) -> String {
    let claim: Option<Claim> = match error {
        VerifyError::ClaimType(claim) | VerifyError::TimeOutOfRange(claim) => Some(claim),
        _ => None,
    };
    let payload = Compact::parse(token).ok().and_then(|compact| lenient(&compact.payload));
    match (claim, payload) {
        (Some(claim), Some(payload)) => match payload.get(claim.as_str()) {
            Some(value) => format!("{error}; {claim} is {}", json(value)),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// A kid is missing for one of several reasons, and each is mended elsewhere.
fn unknown_key(looked: &Looked<'_>) -> String {
    let kid = looked.found.kid.as_deref().unwrap_or_default();
    let trust_domain = looked.found.trust_domain.as_deref().unwrap_or_default();
    let domain = looked.keys.domain(trust_domain);
    if let Some(ignored) =
        domain.and_then(|domain| domain.ignored.iter().find(|ignored| ignored.kid.as_deref() == Some(kid)))
    {
        return format!(
            "kid {}: the bundle of {trust_domain} has it, but it {}",
            quoted(kid),
            ignored.reason
        );
    }
    let known = list(domain.into_iter().flat_map(|domain| domain.kids.iter().map(String::as_str)));
    let mut text = format!("kid {} is not in the bundle of {trust_domain}, which has: {known}", quoted(kid));
    let elsewhere = looked.keys.trust_domains.iter().find(|domain| domain.kids.iter().any(|one| one == kid));
    if let Some(elsewhere) = elsewhere {
        text.push_str(&format!("; it is a key of {}", elsewhere.trust_domain));
    }
    text
}

fn audience(error: Option<VerifyError>, mark: Mark, found: &Found) -> String {
    let of_token = found.aud.as_deref().unwrap_or_default();
    let named = list(of_token.iter().map(String::as_str));
    let Some(expected) = found.expected_aud.as_deref() else {
        return match mark {
            Mark::NotChecked => format!("the token is for: {named}; not checked, no audience was given"),
            _ if of_token.is_empty() => "the token has no audience".to_owned(),
            _ => format!("the token is for: {named}; no verifier has an empty name"),
        };
    };
    match error {
        None => format!("the token is for: {named}"),
        Some(VerifyError::AudienceMissing) => "the token has no audience".to_owned(),
        Some(_) => {
            let wanted = list(expected.iter().map(String::as_str));
            let near = near_miss(of_token, expected).map_or_else(String::new, |what| format!("; {what}"));
            format!("the token is for: {named}; expected one of: {wanted}{near}")
        }
    }
}

/// Two audiences that a person takes for the same.
fn near_miss(of_token: &[String], expected: &[String]) -> Option<&'static str> {
    let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
    let host = |text: &str| bare(text.split_once("://").map_or(text, |(_, rest)| rest));
    let any = |same: &dyn Fn(&str, &str) -> bool| {
        of_token.iter().any(|found| expected.iter().any(|wanted| same(found, wanted)))
    };
    if any(&|found, wanted| found.eq_ignore_ascii_case(wanted)) {
        Some("they differ in letter case only, and audiences are compared byte for byte")
    } else if any(&|found, wanted| bare(found) == bare(wanted)) {
        Some("they differ in a slash or space at the end only, and audiences are compared byte for byte")
    } else if any(&|found, wanted| host(found) == host(wanted)) {
        Some("they differ in the scheme only, and audiences are compared byte for byte")
    } else {
        None
    }
}

fn valid_times(found: &Found, now: UnixTime) -> String {
    let mut text = String::new();
    if let Some(exp) = found.exp {
        let past = exp <= now.as_secs();
        let word = if past { "expired" } else { "expires" };
        text.push_str(&format!("{word} {}", when::both(UnixTime(exp), now)));
        if past {
            text.push_str(&format!(", within the skew of {}", when::span(found.clock_skew)));
        }
    }
    if let Some(nbf) = found.nbf {
        text.push_str(&format!("; not before {}", when::both(UnixTime(nbf), now)));
    }
    if let Some(iat) = found.iat {
        text.push_str(&format!("; issued {}", when::both(UnixTime(iat), now)));
    }
    text
}

fn failed_times(error: VerifyError, found: &Found, now: UnixTime) -> String {
    let skew = when::span(found.clock_skew);
    let moment = |claim: Option<u64>| claim.map_or_else(String::new, |at| when::both(UnixTime(at), now));
    match error {
        VerifyError::Expired => format!("expired {}; skew {skew}", moment(found.exp)),
        VerifyError::NotYetValid => format!("not valid before {}; skew {skew}", moment(found.nbf)),
        VerifyError::IssuedInFuture => format!("issued {}; skew {skew}", moment(found.iat)),
        VerifyError::TooOld => {
            let most = found.max_age.map_or_else(String::new, when::span);
            format!("issued {}; at most {most} old; skew {skew}", moment(found.iat))
        }
        error => error.to_string(),
    }
}

fn header(token: &[u8]) -> Option<Value> {
    lenient(&Compact::parse(token).ok()?.header)
}

/// For showing only: the last of duplicates counts, and depth is bounded by serde_json.
fn lenient(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// A value as JSON, quoted like any text of the token.
fn json(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}
