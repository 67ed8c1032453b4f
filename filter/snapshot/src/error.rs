use thiserror::Error;

/// Why a snapshot was refused whole. The last good one stays in force.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// More bytes than the limit; nothing was parsed.
    #[error("snapshot has {actual} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Configured limit in bytes.
        limit: usize,
        /// Actual size in bytes.
        actual: usize,
    },
    /// Another `format` than [`crate::FORMAT`]: controller and plugin are too far apart in version.
    #[error("snapshot has format {actual}, this side knows {known}")]
    UnknownFormat {
        /// The format that this side reads.
        known: u64,
        /// The format found.
        actual: u64,
    },
    /// Not the JSON that the format defines: truncated, unknown or duplicate members, wrong types.
    #[error("snapshot is malformed: {0}")]
    Malformed(String),
    /// The revision is not the hash of the content: the bytes changed on the way.
    #[error("snapshot's revision does not match its content")]
    RevisionMismatch,
    /// More trust domains than the limit.
    #[error("snapshot has {actual} trust domains, more than the limit of {limit}")]
    TooManyTrustDomains {
        /// Configured limit.
        limit: usize,
        /// Actual number.
        actual: usize,
    },
    /// More revocations than the limit. Lift those of keys that left their bundle, or revoke subjects for tokens.
    #[error("there are {actual} revocations, more than the limit of {limit}")]
    TooManyRevocations {
        /// Configured limit.
        limit: usize,
        /// Actual number.
        actual: usize,
    },
    /// More bytes of revocations than their share of a snapshot.
    #[error("the revocations have {actual} bytes, more than the limit of {limit}")]
    RevocationsTooLarge {
        /// Configured limit in bytes.
        limit: usize,
        /// Actual size in bytes.
        actual: usize,
    },
    /// More bytes of sealed credentials than their share of a snapshot.
    #[error("the credentials have {actual} bytes, more than the limit of {limit}")]
    CredentialsTooLarge {
        /// Configured limit in bytes.
        limit: usize,
        /// Actual size in bytes.
        actual: usize,
    },
}

impl SnapshotError {
    /// The cause as a metric label: one of a closed set.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::UnknownFormat { .. } => "unknown_format",
            Self::Malformed(_) => "malformed",
            Self::RevisionMismatch => "revision_mismatch",
            Self::TooManyTrustDomains { .. } => "too_many_trust_domains",
            Self::TooManyRevocations { .. } => "too_many_revocations",
            Self::RevocationsTooLarge { .. } => "revocations_too_large",
            Self::CredentialsTooLarge { .. } => "credentials_too_large",
        }
    }

    /// Every value that [`Self::label`] can return.
    pub const LABELS: [&str; 8] = [
        "too_large",
        "unknown_format",
        "malformed",
        "revision_mismatch",
        "too_many_trust_domains",
        "too_many_revocations",
        "revocations_too_large",
        "credentials_too_large",
    ];
}
