//! JWT bundles: the keys of a trust domain, and the sets of them (SPIFFE Trust Domain and Bundle §4, RFC 7517).

mod limits;
mod set;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

pub use limits::{BundleError, BundleLimits};
pub use set::BundleSet;

use crate::json::{self, Limits};
use crate::key::jwk::{self, UseRule};
use crate::key::{IgnoredKey, IgnoredReason, VerificationKey};

/// The usable keys of one trust domain by their `kid`.
///
/// It may be empty; then every JWT-SVID of the trust domain is invalid (B3). Two equal bundles have the same keys
/// and numbers; what was ignored does not count.
#[derive(Clone, Debug)]
pub struct Bundle {
    keys: BTreeMap<String, VerificationKey>,
    ignored: Vec<IgnoredKey>,
    sequence: Option<u64>,
    refresh_hint: Option<u64>,
}

impl Bundle {
    /// Reads the JWKS of the Workload API (`FetchJWTBundles`), where `use` may be absent (B1).
    ///
    /// # Errors
    /// When the document as a whole is wrong; a wrong entry is only [ignored](Self::ignored).
    pub fn from_jwks(document: &[u8], limits: &BundleLimits) -> Result<Self, BundleError> {
        Self::parse(document, limits, UseRule::Optional)
    }

    /// Reads a SPIFFE bundle document (a federation endpoint's, or a file), where `use` is mandatory (B1).
    ///
    /// # Errors
    /// When the document as a whole is wrong; a wrong entry is only [ignored](Self::ignored).
    pub fn from_spiffe_bundle(document: &[u8], limits: &BundleLimits) -> Result<Self, BundleError> {
        Self::parse(document, limits, UseRule::Required)
    }

    /// The `kid`s, sorted.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The key of a `kid`, compared byte for byte.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&VerificationKey> {
        self.keys.get(kid)
    }

    /// The number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// `spiffe_sequence`: grows with each change of the bundle.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `spiffe_refresh_hint`: how often the publisher thinks one should look, in seconds. Advisory.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<u64> {
        self.refresh_hint
    }

    /// The entries that are not used and why, in the document's order, conflicts last.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredKey] {
        &self.ignored
    }

    /// The canonical JWKS: usable keys only, public members only, sorted by `kid`.
    ///
    /// Both readers take it and yield the same keys.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<_> = self.keys.iter().map(|(kid, key)| Value::Object(key.to_jwk(kid))).collect();
        json!({ "keys": keys })
    }

    fn parse(document: &[u8], limits: &BundleLimits, use_rule: UseRule) -> Result<Self, BundleError> {
        if document.len() > limits.max_bytes {
            return Err(BundleError::TooLarge { limit: limits.max_bytes, actual: document.len() });
        }
        let members = json::object(document, json_limits(limits)).map_err(BundleError::Json)?;
        let keys = members.get("keys").ok_or(BundleError::KeysMissing)?;
        let entries = keys.as_array().ok_or(BundleError::KeysType)?;
        if entries.len() > limits.max_keys {
            return Err(BundleError::TooManyKeys { limit: limits.max_keys, actual: entries.len() });
        }
        let sequence = whole_number(&members, "spiffe_sequence", BundleError::Sequence)?;
        let refresh_hint = whole_number(&members, "spiffe_refresh_hint", BundleError::RefreshHint)?;
        let (keys, ignored) = collect(entries, use_rule);
        Ok(Self { keys, ignored, sequence, refresh_hint })
    }
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && self.sequence == other.sequence && self.refresh_hint == other.refresh_hint
    }
}

impl Eq for Bundle {}

/// Sorts the entries into usable keys and ignored ones. A `kid` that two different keys claim is lost to both,
/// whatever their order and number (B2); repeating the same key is harmless.
fn collect(entries: &[Value], use_rule: UseRule) -> (BTreeMap<String, VerificationKey>, Vec<IgnoredKey>) {
    let mut keys: BTreeMap<String, VerificationKey> = BTreeMap::new();
    let mut ignored = Vec::new();
    let mut conflicts = BTreeSet::new();
    for entry in entries {
        match jwk::parse(entry, use_rule) {
            Err(reason) => ignored.push(IgnoredKey { kid: jwk::key_id(entry).map(String::from), reason }),
            Ok((kid, key)) => match keys.get(&kid) {
                Some(known) if *known != key => {
                    conflicts.insert(kid);
                }
                Some(_) => {}
                None => {
                    keys.insert(kid, key);
                }
            },
        }
    }
    for kid in conflicts {
        keys.remove(&kid);
        ignored.push(IgnoredKey { kid: Some(kid), reason: IgnoredReason::KeyIdConflict });
    }
    (keys, ignored)
}

fn whole_number(
    members: &Map<String, Value>,
    name: &str,
    error: BundleError,
) -> Result<Option<u64>, BundleError> {
    members.get(name).map(|value| value.as_u64().ok_or(error)).transpose()
}

/// Room for some forty values in each entry (a chain in `x5c` among them), and for the document itself.
fn json_limits(limits: &BundleLimits) -> Limits {
    const VALUES_PER_KEY: usize = 40;
    const VALUES_BESIDE: usize = 1000;
    let values = limits.max_keys.saturating_mul(VALUES_PER_KEY).saturating_add(VALUES_BESIDE);
    Limits { depth: 16, values }
}

#[cfg(test)]
mod tests;
