use crate::json::JsonError;

/// What a bundle may cost (B9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleLimits {
    /// Bytes of one document. Default 1 MiB: a federated bundle carries X.509 chains too.
    pub max_bytes: usize,
    /// Entries of `keys` in one document, of whatever use. Default 256: a trust domain has a few, even in rotation.
    pub max_keys: usize,
    /// Trust domains in one set. Default 1024.
    pub max_trust_domains: usize,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_keys: 256, max_trust_domains: 1024 }
    }
}

/// Why a document is no bundle. It is refused whole; the holder keeps the last good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// More bytes than allowed.
    #[error("the bundle has {actual} bytes, more than {limit}")]
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes of the document.
        actual: usize,
    },
    /// Not a strict JSON object.
    #[error("the bundle {0}")]
    Json(JsonError),
    /// No `keys` (B3); an empty array would be a bundle that trusts no one.
    #[error("the bundle has no keys member")]
    KeysMissing,
    /// `keys` is no array.
    #[error("the bundle's keys member is not an array")]
    KeysType,
    /// More entries than allowed.
    #[error("the bundle has {actual} keys, more than {limit}")]
    TooManyKeys {
        /// The most entries allowed.
        limit: usize,
        /// The entries of the document.
        actual: usize,
    },
    /// `spiffe_sequence` is no whole number of 64 bits (B4).
    #[error("the bundle's spiffe_sequence is not a whole number of 64 bits")]
    Sequence,
    /// `spiffe_refresh_hint` is no whole number of seconds (B4).
    #[error("the bundle's spiffe_refresh_hint is not a whole number of seconds")]
    RefreshHint,
    /// More trust domains than allowed.
    #[error("there are {actual} trust domains, more than {limit}")]
    TooManyTrustDomains {
        /// The most trust domains allowed.
        limit: usize,
        /// The trust domains given.
        actual: usize,
    },
}
