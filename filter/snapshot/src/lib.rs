//! What controller and filter say to each other.
//!
//! A [`Snapshot`] is the whole state that filters need, as JSON: a `format` number, a `revision` (the SHA-256 of
//! the content's bytes, so that replicas of the controller agree and corruption shows), the moments at which the
//! sources were last known to stand behind it, and the content, in sections. It travels over a held GET (see
//! [`http`]) and rests in Envoy's shared data, so both ends decode it with the same strictness.
//!
//! Validated here: size, format, shape (unknown and duplicate members are refused), trust domain names, number
//! of trust domains, revision against content. **Not** validated here: the keys (see `svidgate_jwt_svid::Bundle`),
//! the revocations until they are asked for ([`Snapshot::revocations`], so that a worker reads them only when they
//! changed), the credentials until they are opened ([`SealedCredentials::open`]), and who sent it (that is the transport's: a Unix domain socket that only the controller can serve).

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod credentials;
mod error;
mod etag;
pub mod http;
mod limits;
mod merge;
mod revision;
mod revocations;
mod snapshot;
mod unique_map;

pub use credentials::{
    CREDENTIALS_FORMAT, Credential, CredentialError, CredentialKey, CredentialKind, Credentials, KeyError,
    MAX_CREDENTIAL_BYTES, MAX_CREDENTIAL_NAME, MAX_CREDENTIALS, NONCE_BYTES, SealedCredentials,
    is_credential_name,
};
pub use error::SnapshotError;
pub use etag::ETag;
pub use limits::{Limits, MAX_BUNDLE_BYTES, MAX_BUNDLE_KEYS};
pub use merge::Merged;
pub use revision::Revision;
pub use revocations::{
    MAX_REVOKED_ID_BYTES, MAX_TIME, RevocationCounts, RevocationError, Revocations, Revoked,
};
pub use snapshot::{FORMAT, Observed, Snapshot, TrustBundle, with_credentials};

#[cfg(test)]
mod tests;
