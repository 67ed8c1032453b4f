use core::fmt;

/// Why a caller was not authenticated: the closed list for answers, logs and metric labels (V16).
///
/// Coarser than the errors, so that a client learns what to mend and an attacker nothing about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenyReason {
    /// No `authorization` header.
    TokenMissing,
    /// More than one `authorization` header.
    AuthorizationRepeated,
    /// The `authorization` header has no clean token.
    AuthorizationMalformed,
    /// Another authorization scheme than Bearer.
    SchemeNotBearer,
    /// More bytes than allowed.
    TokenTooLarge,
    /// No compact JWS, base64url or strict JSON.
    TokenMalformed,
    /// The header has what a JWT-SVID must not have, or has no usable `kid`.
    HeaderRefused,
    /// The algorithm is none of the allowed.
    AlgorithmRefused,
    /// A claim is missing or has the wrong type.
    ClaimsMalformed,
    /// `sub` is no SPIFFE ID.
    SubjectInvalid,
    /// There is no bundle of the token's trust domain.
    TrustDomainUnknown,
    /// The trust domain's bundle has no such key.
    KeyUnknown,
    /// The key is not for this algorithm.
    KeyMismatch,
    /// The token is for someone else.
    AudienceMismatch,
    /// Past its time.
    TokenExpired,
    /// Before its time.
    TokenNotYetValid,
    /// Issued too long ago, or in the future.
    TokenAgeRefused,
    /// The signature does not fit.
    SignatureInvalid,
    /// The signature could not be checked.
    CryptoUnavailable,
}

impl DenyReason {
    /// The whole list, for whoever must define a metric for each.
    pub const ALL: &'static [Self] = &[
        Self::TokenMissing,
        Self::AuthorizationRepeated,
        Self::AuthorizationMalformed,
        Self::SchemeNotBearer,
        Self::TokenTooLarge,
        Self::TokenMalformed,
        Self::HeaderRefused,
        Self::AlgorithmRefused,
        Self::ClaimsMalformed,
        Self::SubjectInvalid,
        Self::TrustDomainUnknown,
        Self::KeyUnknown,
        Self::KeyMismatch,
        Self::AudienceMismatch,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenAgeRefused,
        Self::SignatureInvalid,
        Self::CryptoUnavailable,
    ];

    /// The name in answers, logs and metrics; stable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::AuthorizationRepeated => "authorization_repeated",
            Self::AuthorizationMalformed => "authorization_malformed",
            Self::SchemeNotBearer => "scheme_not_bearer",
            Self::TokenTooLarge => "token_too_large",
            Self::TokenMalformed => "token_malformed",
            Self::HeaderRefused => "header_refused",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::ClaimsMalformed => "claims_malformed",
            Self::SubjectInvalid => "subject_invalid",
            Self::TrustDomainUnknown => "trust_domain_unknown",
            Self::KeyUnknown => "key_unknown",
            Self::KeyMismatch => "key_mismatch",
            Self::AudienceMismatch => "audience_mismatch",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenAgeRefused => "token_age_refused",
            Self::SignatureInvalid => "signature_invalid",
            Self::CryptoUnavailable => "crypto_unavailable",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
