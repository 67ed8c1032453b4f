/// What a snapshot may cost the reader; errors give the limit and the actual value (checklist B9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Encoded size in bytes, without the credentials.
    pub max_bytes: usize,
    /// Number of trust domains.
    pub max_trust_domains: usize,
    /// Number of revocations of all kinds together.
    pub max_revocations: usize,
    /// Share of the revocations in the encoded size, in bytes.
    pub max_revocations_bytes: usize,
    /// Size of the sealed credentials in bytes, beside all else.
    pub max_credentials_bytes: usize,
}

/// The most keys that a trust domain may have in a snapshot: ten times what one has in the middle of a rotation. Each
/// costs every worker time when the bundle changes.
pub const MAX_BUNDLE_KEYS: usize = 64;
/// The most bytes that the JWK set of a trust domain may have in a snapshot, so that none can push out the others.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024;

impl Limits {
    /// What controller and filter agree on. 1 MiB holds about 500 trust domains with two RSA-4096 keys each, far below
    /// Envoy's cap of 32 MiB on a response, and parses within milliseconds on each worker.
    ///
    /// Revocations may have half of it, which holds about 5,000 of common length: a list that grows can then never leave
    /// trust without room, nor the other way round. A list over its share is refused where it is made, with what it
    /// was before in force; trust over the rest is left out by whole trust domains, which the controller shows.
    ///
    /// Credentials come on top, and what one subscriber may ask for always fits.
    pub const AGREED: Self = Self {
        max_bytes: 1024 * 1024,
        max_trust_domains: 1000,
        max_revocations: 10_000,
        max_revocations_bytes: 512 * 1024,
        max_credentials_bytes: 512 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::AGREED
    }
}
