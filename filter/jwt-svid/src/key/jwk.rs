//! One entry of `keys` (RFC 7517 §4, SPIFFE Trust Domain and Bundle §4.2; V13, V14, B1, B2).

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::VerificationKey;
use super::ec::Curve;
use super::ignored::IgnoredReason;
use crate::algorithm::Algorithm;
use crate::base64url;
use crate::unverified::is_key_id;

/// What an absent `use` means: the one difference between the two forms of a bundle (B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseRule {
    /// The Workload API's JWKS leaves it out.
    Optional,
    /// A SPIFFE bundle document must have it.
    Required,
}

/// The members of RFC 7518 §6.2.2, §6.3.2 and §6.4 that only a secret key has.
const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The `kid` of an entry, when it has a usable one.
pub(crate) fn key_id(entry: &Value) -> Option<&str> {
    entry.get("kid").and_then(Value::as_str).filter(|kid| is_key_id(kid))
}

/// Parses an entry. Members that no rule here names are ignored, as RFC 7517 §4 demands.
pub(crate) fn parse(entry: &Value, use_rule: UseRule) -> Result<(String, VerificationKey), IgnoredReason> {
    let members = entry.as_object().ok_or(IgnoredReason::NotAnObject)?;
    check_use(members, use_rule)?;
    if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
        return Err(IgnoredReason::PrivateMaterial);
    }
    check_key_ops(members)?;
    let kid = text(members, "kid")?.ok_or(IgnoredReason::KeyIdMissing)?;
    if !is_key_id(kid) {
        return Err(IgnoredReason::KeyIdLength);
    }
    let algorithm = match text(members, "alg")? {
        Some(name) => Some(Algorithm::parse(name).ok_or(IgnoredReason::AlgorithmMismatch)?),
        None => None,
    };
    let key = match required(members, "kty")? {
        "EC" => {
            let curve = Curve::parse(required(members, "crv")?).ok_or(IgnoredReason::CurveUnknown)?;
            VerificationKey::ec(curve, &number(members, "x")?, &number(members, "y")?, algorithm)?
        }
        "RSA" => VerificationKey::rsa(&number(members, "n")?, &number(members, "e")?, algorithm)?,
        _ => return Err(IgnoredReason::KeyTypeUnknown),
    };
    Ok((kid.into(), key))
}

fn check_use(members: &Map<String, Value>, rule: UseRule) -> Result<(), IgnoredReason> {
    match (text(members, "use")?, rule) {
        (Some("jwt-svid"), _) | (None, UseRule::Optional) => Ok(()),
        (Some("x509-svid"), _) => Err(IgnoredReason::X509Svid),
        (Some(_), _) => Err(IgnoredReason::UseUnknown),
        (None, UseRule::Required) => Err(IgnoredReason::UseMissing),
    }
}

/// RFC 7517 §4.3: strings, none twice; for us `verify` must be among them.
fn check_key_ops(members: &Map<String, Value>) -> Result<(), IgnoredReason> {
    let Some(value) = members.get("key_ops") else {
        return Ok(());
    };
    let operations = value.as_array().ok_or(IgnoredReason::MemberType("key_ops"))?;
    if !operations.iter().all(Value::is_string) {
        return Err(IgnoredReason::MemberType("key_ops"));
    }
    match operations.iter().filter(|operation| operation.as_str() == Some("verify")).count() {
        1 => Ok(()),
        _ => Err(IgnoredReason::KeyOps),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, IgnoredReason> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(IgnoredReason::MemberType(name)),
    }
}

fn required<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, IgnoredReason> {
    text(members, name)?.ok_or(IgnoredReason::MemberMissing(name))
}

fn number(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, IgnoredReason> {
    base64url::decode(required(members, name)?.as_bytes()).ok_or(IgnoredReason::Base64(name))
}
