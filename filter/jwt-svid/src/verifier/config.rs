use crate::algorithm::AlgorithmSet;
use crate::audiences::Audiences;

/// The most clock skew that may be set, in seconds: more would keep revoked workloads alive.
pub const MAX_CLOCK_SKEW: u64 = 300;

/// The largest size limit that may be set, in bytes: no proxy takes larger headers.
pub const MAX_TOKEN_BYTES: usize = 1 << 20;

/// What a verifier demands of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierConfig {
    /// Who we are; a token must be for at least one of these.
    pub audiences: Audiences,
    /// The algorithms that are taken. Default: all nine.
    pub algorithms: AlgorithmSet,
    /// Tolerance on `exp`, `nbf` and the age, in seconds, 0 to 300. Default 5: hosts keep time by NTP, and a
    /// JWT-SVID lives five minutes.
    pub clock_skew: u64,
    /// The most bytes of a token, 1 to 1 MiB. Default 8192, which leaves room in proxies' header limits.
    pub max_token_bytes: usize,
    /// The most seconds since `iat`, which is then required. Default none: `iat` is no condition of validity in
    /// the standard (V11).
    pub max_age: Option<u64>,
}

impl VerifierConfig {
    /// The defaults for these audiences.
    #[must_use]
    pub fn new(audiences: Audiences) -> Self {
        Self {
            audiences,
            algorithms: AlgorithmSet::all(),
            clock_skew: 5,
            max_token_bytes: 8192,
            max_age: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), VerifierConfigError> {
        if self.clock_skew > MAX_CLOCK_SKEW {
            return Err(VerifierConfigError::ClockSkew { limit: MAX_CLOCK_SKEW, actual: self.clock_skew });
        }
        if !(1..=MAX_TOKEN_BYTES).contains(&self.max_token_bytes) {
            return Err(VerifierConfigError::TokenBytes {
                limit: MAX_TOKEN_BYTES,
                actual: self.max_token_bytes,
            });
        }
        if self.max_age == Some(0) {
            return Err(VerifierConfigError::ZeroAge);
        }
        Ok(())
    }
}

/// Why settings make no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierConfigError {
    /// Too much clock skew.
    #[error("the clock skew is {actual} s, more than {limit} s")]
    ClockSkew {
        /// The most seconds allowed.
        limit: u64,
        /// The seconds set.
        actual: u64,
    },
    /// A size limit of zero, or too large a one.
    #[error("the size limit is {actual} bytes, not 1 to {limit}")]
    TokenBytes {
        /// The largest limit allowed.
        limit: usize,
        /// The limit set.
        actual: usize,
    },
    /// A maximum age of zero would refuse every token.
    #[error("the maximum age is zero")]
    ZeroAge,
}
