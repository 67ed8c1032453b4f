use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use svidgate_jwt_svid::TrustDomain;

use crate::error::SnapshotError;
use crate::etag::ETag;
use crate::limits::Limits;
use crate::revision::Revision;
use crate::unique_map;

/// The `format` that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The whole state that filters enforce.
#[derive(Clone, Debug)]
pub struct Snapshot {
    revision: Revision,
    observed: Observed,
    trust: BTreeMap<TrustDomain, TrustBundle>,
    content: Box<RawValue>,
}

/// When the sources were last known to stand behind the state (checklist P12): Unix times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The set of trust domains as a whole: a domain that is absent was known to be absent then.
    pub at: u64,
    /// Each trust domain.
    #[serde(serialize_with = "by_name", deserialize_with = "unique_map::deserialize")]
    pub domains: BTreeMap<TrustDomain, u64>,
}

/// The keys of one trust domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBundle {
    jwks: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    refresh_hint: Option<u64>,
    source: String,
}

impl TrustBundle {
    /// `jwks` is a JWK set; its members are written in sorted order so that equal sets have equal bytes.
    /// `sequence` and `refresh_hint` (seconds) are those of the SPIFFE bundle, `source` names where it came from.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when `jwks` cannot be written as JSON.
    pub fn new(
        jwks: &Value,
        sequence: Option<u64>,
        refresh_hint: Option<u64>,
        source: impl Into<String>,
    ) -> Result<Self, SnapshotError> {
        let jwks = to_raw(&Sorted(jwks))?;
        Ok(Self { jwks, sequence, refresh_hint, source: source.into() })
    }

    /// The JWK set as JSON text, for `svidgate_jwt_svid::Bundle::from_jwks`.
    #[must_use]
    pub fn jwks(&self) -> &str {
        self.jwks.get()
    }

    /// `spiffe_sequence` of the bundle, where it has one.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `spiffe_refresh_hint` of the bundle in seconds, where it has one.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<u64> {
        self.refresh_hint
    }

    /// Which kind of source gave it, such as `workload_api`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Snapshot {
    /// A snapshot of `trust` as of `observed`. Domains without a time of their own get `observed.at`; times of
    /// domains that are not in `trust` are dropped.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the content cannot be written as JSON.
    pub fn new(trust: BTreeMap<TrustDomain, TrustBundle>, observed: Observed) -> Result<Self, SnapshotError> {
        let domains = trust
            .keys()
            .map(|domain| (domain.clone(), observed.domains.get(domain).copied().unwrap_or(observed.at)))
            .collect();
        let content = to_raw(&ContentOut { trust: &trust })?;
        let revision = Revision::of(content.get().as_bytes());
        Ok(Self { revision, observed: Observed { at: observed.at, domains }, trust, content })
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Any [`SnapshotError`]; nothing of a refused snapshot may be used.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, SnapshotError> {
        check_size(bytes.len(), limits)?;
        let format: FormatOnly = serde_json::from_slice(bytes).map_err(malformed)?;
        if format.format != FORMAT {
            return Err(SnapshotError::UnknownFormat { known: FORMAT, actual: format.format });
        }
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(malformed)?;
        let revision = Revision::of(envelope.content.get().as_bytes());
        if revision.as_str() != envelope.revision {
            return Err(SnapshotError::RevisionMismatch);
        }
        let content: ContentIn = serde_json::from_str(envelope.content.get()).map_err(malformed)?;
        check_domains(content.trust.len(), limits)?;
        if !content.trust.keys().eq(envelope.observed.domains.keys()) {
            return Err(SnapshotError::Malformed("observed and trust name different domains".to_owned()));
        }
        Ok(Self { revision, observed: envelope.observed, trust: content.trust, content: envelope.content })
    }

    /// The bytes that travel and rest in shared data.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`], [`SnapshotError::TooManyTrustDomains`]: nobody would accept it.
    pub fn encode(&self, limits: &Limits) -> Result<Vec<u8>, SnapshotError> {
        check_domains(self.trust.len(), limits)?;
        let envelope = EnvelopeOut {
            format: FORMAT,
            revision: self.revision.as_str(),
            observed: &self.observed,
            content: &self.content,
        };
        let bytes = serde_json::to_vec(&envelope).map_err(malformed)?;
        check_size(bytes.len(), limits)?;
        Ok(bytes)
    }

    /// Identity of the content.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// When the sources were last known to stand behind it.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The keys of every trust domain.
    #[must_use]
    pub fn trust(&self) -> &BTreeMap<TrustDomain, TrustBundle> {
        &self.trust
    }

    /// Entity tag for `etag` and `if-none-match`.
    #[must_use]
    pub fn etag(&self) -> ETag {
        ETag { revision: self.revision.clone(), observed_at: self.observed.at }
    }

    /// The latest moment that it claims to know of, Unix time in milliseconds. One that lies in the future pins
    /// the state against every later update, so a reader with a clock refuses it.
    #[must_use]
    pub fn latest_observation(&self) -> u64 {
        self.observed.domains.values().copied().fold(self.observed.at, u64::max)
    }

    pub(crate) fn into_parts(self) -> (BTreeMap<TrustDomain, TrustBundle>, Observed) {
        (self.trust, self.observed)
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "format")]
    _format: u64,
    revision: String,
    observed: Observed,
    content: Box<RawValue>,
}

#[derive(Serialize)]
struct EnvelopeOut<'a> {
    format: u64,
    revision: &'a str,
    observed: &'a Observed,
    content: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentIn {
    #[serde(deserialize_with = "unique_map::deserialize")]
    trust: BTreeMap<TrustDomain, TrustBundle>,
}

#[derive(Serialize)]
struct ContentOut<'a> {
    #[serde(serialize_with = "by_name")]
    trust: &'a BTreeMap<TrustDomain, TrustBundle>,
}

/// JSON with the members of every object in sorted order, whichever map `serde_json` was built with.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let sorted: BTreeMap<&str, Sorted<'_>> =
                    map.iter().map(|(name, value)| (name.as_str(), Sorted(value))).collect();
                serializer.collect_map(sorted)
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(serializer),
        }
    }
}

fn by_name<T: Serialize, S: serde::Serializer>(
    map: &BTreeMap<TrustDomain, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(domain, value)| (domain.as_str(), value)))
}

fn to_raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, SnapshotError> {
    serde_json::value::to_raw_value(value).map_err(malformed)
}

fn check_size(actual: usize, limits: &Limits) -> Result<(), SnapshotError> {
    let limit = limits.max_bytes;
    if actual > limit { Err(SnapshotError::TooLarge { limit, actual }) } else { Ok(()) }
}

fn check_domains(actual: usize, limits: &Limits) -> Result<(), SnapshotError> {
    let limit = limits.max_trust_domains;
    if actual > limit { Err(SnapshotError::TooManyTrustDomains { limit, actual }) } else { Ok(()) }
}

fn malformed(error: serde_json::Error) -> SnapshotError {
    SnapshotError::Malformed(error.to_string())
}
