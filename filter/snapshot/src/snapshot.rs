use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use svidgate_jwt_svid::TrustDomain;

use crate::credentials::SealedCredentials;
use crate::error::SnapshotError;
use crate::etag::ETag;
use crate::limits::Limits;
use crate::revision::Revision;
use crate::revocations::{Revocations, check_size as check_revocations};
use crate::unique_map;

/// The `format` that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The whole state that filters enforce.
#[derive(Clone, Debug)]
pub struct Snapshot {
    revision: Revision,
    observed: Observed,
    trust: BTreeMap<TrustDomain, TrustBundle>,
    /// JSON text of the revocations; none when nothing is revoked.
    revoked: Option<Box<RawValue>>,
    content: Box<RawValue>,
    credentials: Option<SealedCredentials>,
    /// Whether there are credentials of which nothing can be made, such as those of a format to come.
    has_odd_credentials: bool,
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
    /// The list of revocations: when it last changed. `None` when the sender has no such list and says nothing of
    /// revocations, which is not the same as an empty list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<u64>,
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
    /// A snapshot of `trust` as of `observed`, in which nothing is revoked. Domains without a time of their own get
    /// `observed.at`; times of domains that are not in `trust` are dropped.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the content cannot be written as JSON.
    pub fn new(trust: BTreeMap<TrustDomain, TrustBundle>, observed: Observed) -> Result<Self, SnapshotError> {
        Self::assemble(trust, None, observed)
    }

    /// This snapshot with `list` as its revocations, which last changed at `changed_at` (Unix milliseconds).
    ///
    /// # Errors
    /// [`SnapshotError::TooManyRevocations`], [`SnapshotError::RevocationsTooLarge`], or [`SnapshotError::Malformed`]
    /// when the content cannot be written as JSON.
    pub fn revoking(
        self,
        list: &Revocations,
        changed_at: u64,
        limits: &Limits,
    ) -> Result<Self, SnapshotError> {
        let revoked = if list.is_empty() { None } else { Some(list.to_raw(limits)?) };
        let observed = Observed { revoked: Some(changed_at), ..self.observed };
        Self::assemble(self.trust, revoked, observed)
    }

    pub(crate) fn assemble(
        trust: BTreeMap<TrustDomain, TrustBundle>,
        revoked: Option<Box<RawValue>>,
        observed: Observed,
    ) -> Result<Self, SnapshotError> {
        let domains = trust
            .keys()
            .map(|domain| (domain.clone(), observed.domains.get(domain).copied().unwrap_or(observed.at)))
            .collect();
        let content = to_raw(&ContentOut { trust: &trust, revoked: revoked.as_deref() })?;
        let revision = Revision::of(content.get().as_bytes());
        Ok(Self {
            revision,
            observed: Observed { domains, ..observed },
            trust,
            revoked,
            content,
            credentials: None,
            has_odd_credentials: false,
        })
    }

    /// This snapshot with these credentials, or with none.
    #[must_use]
    pub fn carrying(self, credentials: Option<SealedCredentials>) -> Self {
        Self { credentials, has_odd_credentials: false, ..self }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Any [`SnapshotError`]; nothing of a refused snapshot may be used.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, SnapshotError> {
        check_size(bytes.len().saturating_sub(limits.max_credentials_bytes).saturating_sub(MEMBER), limits)?;
        let format: FormatOnly = serde_json::from_slice(bytes).map_err(malformed)?;
        if format.format != FORMAT {
            return Err(SnapshotError::UnknownFormat { known: FORMAT, actual: format.format });
        }
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
        check_size(bytes.len().saturating_sub(size_of_credentials(envelope.credentials.as_deref())), limits)?;
        let revision = Revision::of(envelope.content.get().as_bytes());
        if revision.as_str() != envelope.revision {
            return Err(SnapshotError::RevisionMismatch);
        }
        let content: ContentIn = serde_json::from_str(envelope.content.get()).map_err(malformed)?;
        check_domains(content.trust.len(), limits)?;
        if !content.trust.keys().eq(envelope.observed.domains.keys()) {
            return Err(SnapshotError::Malformed("observed and trust name different domains".to_owned()));
        }
        if let Some(revoked) = &content.revoked {
            check_revocations(revoked.get().len(), limits)?;
            if envelope.observed.revoked.is_none() {
                return Err(SnapshotError::Malformed("revoked is there without its time".to_owned()));
            }
        }
        // The section has a format of its own: what cannot be read in it does not hold back trust.
        let credentials = envelope.credentials.map(|text| SealedCredentials::parse(&text, limits));
        Ok(Self {
            revision,
            observed: envelope.observed,
            trust: content.trust,
            revoked: content.revoked,
            content: envelope.content,
            has_odd_credentials: matches!(credentials, Some(Err(_))),
            credentials: credentials.and_then(Result::ok),
        })
    }

    /// The bytes that travel and rest in shared data.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`], [`SnapshotError::TooManyTrustDomains`], [`SnapshotError::RevocationsTooLarge`],
    /// [`SnapshotError::CredentialsTooLarge`]: nobody would accept it.
    pub fn encode(&self, limits: &Limits) -> Result<Vec<u8>, SnapshotError> {
        check_domains(self.trust.len(), limits)?;
        check_revocations(self.revoked.as_ref().map_or(0, |revoked| revoked.get().len()), limits)?;
        let credentials = self.credentials.as_ref().map(SealedCredentials::as_str);
        let (limit, actual) = (limits.max_credentials_bytes, credentials.map_or(0, str::len));
        if actual > limit {
            return Err(SnapshotError::CredentialsTooLarge { limit, actual });
        }
        let envelope = EnvelopeOut {
            format: FORMAT,
            revision: self.revision.as_str(),
            observed: &self.observed,
            content: &self.content,
            credentials,
        };
        let bytes = serde_json::to_vec(&envelope).map_err(malformed)?;
        check_size(bytes.len().saturating_sub(size_of_credentials(credentials)), limits)?;
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

    /// The list of revocations, read anew: costs as much as it is long (see [`Self::revokes_the_same_as`]).
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`], [`SnapshotError::TooManyRevocations`], [`SnapshotError::RevocationsTooLarge`];
    /// then nothing of the snapshot may be used.
    pub fn revocations(&self, limits: &Limits) -> Result<Revocations, SnapshotError> {
        let Some(revoked) = &self.revoked else { return Ok(Revocations::default()) };
        let list = Revocations::from_json(revoked.get(), limits)?;
        if list.is_empty() {
            return Err(SnapshotError::Malformed("revoked is there and empty".to_owned()));
        }
        Ok(list)
    }

    /// Whether both have the same list of revocations, by its text.
    #[must_use]
    pub fn revokes_the_same_as(&self, other: &Self) -> bool {
        self.revoked.as_ref().map(|list| list.get()) == other.revoked.as_ref().map(|list| list.get())
    }

    /// The sealed credentials; `None` from a controller that says nothing of them, which is not the same as none.
    #[must_use]
    pub fn credentials(&self) -> Option<&SealedCredentials> {
        self.credentials.as_ref()
    }

    /// Whether there are credentials of which this version can make nothing. They are left out when it is written again.
    #[must_use]
    pub fn has_odd_credentials(&self) -> bool {
        self.has_odd_credentials
    }

    /// Entity tag for `etag` and `if-none-match`.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let credentials = self.credentials.as_ref().map(|section| section.revision().clone());
        ETag { revision: self.revision.clone(), observed_at: self.observed.at, credentials }
    }

    /// The latest moment that it claims to know of, Unix time in milliseconds. One that lies in the future pins
    /// the state against every later update, so a reader with a clock refuses it.
    #[must_use]
    pub fn latest_observation(&self) -> u64 {
        let credentials = self.credentials.as_ref().map(SealedCredentials::changed_at);
        let times = self.observed.domains.values().copied().chain(self.observed.revoked).chain(credentials);
        times.fold(self.observed.at, u64::max)
    }

    pub(crate) fn into_parts(self) -> Parts {
        (self.trust, self.revoked, self.observed, self.credentials)
    }
}

type Parts = (BTreeMap<TrustDomain, TrustBundle>, Option<Box<RawValue>>, Observed, Option<SealedCredentials>);

/// The bytes of a snapshot that [`Snapshot::encode`] wrote without credentials, with these in addition: the same as if it
/// had carried them, without reading it. A server shares one text between all subscribers.
#[must_use]
pub fn with_credentials(encoded: &[u8], credentials: &SealedCredentials) -> Vec<u8> {
    let open = encoded.strip_suffix(b"}").unwrap_or(encoded);
    // A JWE has no character that JSON escapes.
    [open, br#","credentials":""#, credentials.as_str().as_bytes(), br#""}"#].concat()
}

/// What the section adds to the encoded size, at most.
fn size_of_credentials(text: Option<&str>) -> usize {
    text.map_or(0, |text| text.len().saturating_add(MEMBER))
}

/// What stands around the section.
const MEMBER: usize = r#","credentials":"""#.len();

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(rename = "format")]
    _format: u64,
    revision: String,
    observed: Observed,
    content: Box<RawValue>,
    #[serde(borrow, default, deserialize_with = "unique_map::some")]
    credentials: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct EnvelopeOut<'a> {
    format: u64,
    revision: &'a str,
    observed: &'a Observed,
    content: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentIn {
    #[serde(deserialize_with = "unique_map::deserialize")]
    trust: BTreeMap<TrustDomain, TrustBundle>,
    #[serde(default, deserialize_with = "unique_map::some")]
    revoked: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ContentOut<'a> {
    #[serde(serialize_with = "by_name")]
    trust: &'a BTreeMap<TrustDomain, TrustBundle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<&'a RawValue>,
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
