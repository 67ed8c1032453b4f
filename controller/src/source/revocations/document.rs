//! A list of revocations as people write it, in YAML or JSON; every mistake is found at once, with its path.

use serde_json::Value;
use svidgate_config::{Object, integer, non_empty_string, read, string};
use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime};
use svidgate_snapshot::{Limits, MAX_REVOKED_ID_BYTES, MAX_TIME, Revocations};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::{ConfigError, yaml_from_str};

/// An entry to be taken off a list. When a token expires and since when a subject is revoked does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A key.
    Kid(TrustDomain, String),
    /// A token.
    Jti(TrustDomain, String),
    /// A subject.
    Subject(SpiffeId),
}

impl Removal {
    pub(super) fn is_in(&self, list: &Revocations) -> bool {
        match self {
            Self::Kid(domain, kid) => list.has_kid(domain, kid),
            Self::Jti(domain, jti) => list.jti_expires_at(domain, jti).is_some(),
            Self::Subject(subject) => list.subject_issued_before(subject).is_some(),
        }
    }

    pub(super) fn remove_from(&self, list: &mut Revocations) -> bool {
        match self {
            Self::Kid(domain, kid) => list.remove_kid(domain, kid),
            Self::Jti(domain, jti) => list.remove_jti(domain, jti),
            Self::Subject(subject) => list.remove_subject(subject),
        }
    }
}

/// Reads a list; `origin` names it in errors.
///
/// # Errors
/// Every mistake with its path, the first twenty.
pub fn list(origin: &str, text: &str, limits: &Limits) -> Result<Revocations, ConfigError> {
    let entries = entries(origin, text, limits, true)?;
    let mut list = Revocations::default();
    for entry in entries {
        let added = match entry {
            (Removal::Kid(domain, kid), _) => list.add_kid(domain, &kid),
            (Removal::Jti(domain, jti), at) => list.add_jti(domain, &jti, at),
            (Removal::Subject(subject), at) => list.add_subject(subject, at),
        };
        // Checked where it was read, so that the error had its path.
        added.map_err(|error| ConfigError::one(origin, error.to_string()))?;
    }
    Ok(list)
}

/// Reads entries to be taken off.
///
/// # Errors
/// As for [`list`].
pub fn removals(origin: &str, text: &str, limits: &Limits) -> Result<Vec<Removal>, ConfigError> {
    Ok(entries(origin, text, limits, false)?.into_iter().map(|(entry, _)| entry).collect())
}

/// A moment in seconds since 1970, or in RFC 3339.
///
/// # Errors
/// What would be right.
pub fn moment(value: &Value) -> Result<UnixTime, String> {
    let Some(text) = value.as_str() else {
        return integer(0..=MAX_TIME.as_secs())(value).map(UnixTime).map_err(|error| {
            format!("{error}; a moment is in seconds since 1970, or text such as \"2026-01-31T12:00:00Z\"")
        });
    };
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
    let seconds = parsed.and_then(|moment| u64::try_from(ceil(moment)).ok());
    let seconds = seconds.filter(|seconds| *seconds <= MAX_TIME.as_secs());
    seconds.map(UnixTime).ok_or_else(|| {
        "expected seconds since 1970, or a moment such as \"2026-01-31T12:00:00Z\" (RFC 3339)".to_owned()
    })
}

/// A fraction of a second counts as a whole one: it is better to refuse a token of that second.
fn ceil(moment: OffsetDateTime) -> i64 {
    moment.unix_timestamp().saturating_add(i64::from(moment.nanosecond() > 0))
}

fn entries(
    origin: &str,
    text: &str,
    limits: &Limits,
    timed: bool,
) -> Result<Vec<(Removal, UnixTime)>, ConfigError> {
    let mut root = yaml_from_str(origin, text)?;
    if let Some(root) = root.as_object_mut() {
        // A section with nothing in it says nothing.
        root.retain(|_, section| section.as_array().is_none_or(|entries| !entries.is_empty()));
    }
    let most = limits.max_revocations;
    read(&root, |root| {
        let kids = root.objects("kids", most, |entry| {
            let (domain, kid) =
                (entry.required("trust_domain", trust_domain), entry.required("kid", revoked_id));
            Some((Removal::Kid(domain?, kid?), UnixTime(0)))
        });
        let jtis = root.objects("jtis", most, |entry| {
            let (domain, jti) =
                (entry.required("trust_domain", trust_domain), entry.required("jti", revoked_id));
            let at = time_of(entry, "expires_at", timed);
            Some((Removal::Jti(domain?, jti?), at?))
        });
        let subjects = root.objects("subjects", most, |entry| {
            let subject = entry.required("spiffe_id", spiffe_id);
            let at = time_of(entry, "issued_before", timed);
            Some((Removal::Subject(subject?), at?))
        });
        let sections = [kids?, jtis?, subjects?];
        Some(sections.into_iter().flatten().flatten().collect())
    })
    .map_err(|errors| {
        let mut mistakes: Vec<String> = errors.iter().take(MAX_MISTAKES).map(ToString::to_string).collect();
        let more = errors.iter().count().saturating_sub(mistakes.len());
        if more > 0 {
            mistakes.push(format!("and {more} more mistakes"));
        }
        ConfigError { origin: origin.to_owned(), mistakes }
    })
}

fn time_of(entry: &mut Object<'_>, name: &'static str, needed: bool) -> Option<UnixTime> {
    if needed {
        entry.required(name, moment)
    } else {
        entry.optional(name, moment).map(|at| at.unwrap_or(UnixTime(0)))
    }
}

fn trust_domain(value: &Value) -> Result<TrustDomain, String> {
    TrustDomain::parse(&string(value)?).map_err(|error| error.to_string())
}

fn spiffe_id(value: &Value) -> Result<SpiffeId, String> {
    SpiffeId::parse(&string(value)?).map_err(|error| error.to_string())
}

fn revoked_id(value: &Value) -> Result<String, String> {
    let text = non_empty_string(value)?;
    if text.len() > MAX_REVOKED_ID_BYTES {
        return Err(format!("has {} bytes, more than the limit of {MAX_REVOKED_ID_BYTES}", text.len()));
    }
    Ok(text)
}

const MAX_MISTAKES: usize = 20;
