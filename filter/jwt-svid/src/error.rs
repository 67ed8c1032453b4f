//! Why a token is refused: one variant for each way, none with any text of the token (V16).

use core::fmt;

use crate::algorithm::Algorithm;
use crate::deny_reason::DenyReason;
use crate::json::JsonError;
use crate::spiffe_id::SpiffeIdError;

/// Why a token is not a valid JWT-SVID for this verifier.
///
/// The variants are in the order in which verification meets them. Each says what happened and what usually
/// causes it; [`likely_cause`](Self::likely_cause) gives the second to people, [`reason`](Self::reason) the closed
/// list's word to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// More bytes than the verifier takes, counted before anything is decoded.
    #[error("the token has {actual} bytes, more than {limit}")]
    TokenTooLarge {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes of the token.
        actual: usize,
    },
    /// Not exactly three parts between dots.
    #[error("the token has not exactly three parts")]
    PartCount,
    /// A part between the dots is empty; an empty signature is an unsigned token.
    #[error("the token's {0} is empty")]
    EmptyPart(Part),
    /// A part is not strict base64url.
    #[error("the token's {0} is not strict base64url")]
    Base64(Part),
    /// The header is not a strict JSON object.
    #[error("the header {0}")]
    HeaderJson(JsonError),
    /// The header has a member that a JWT-SVID must not have.
    #[error("the header has a member that is not allowed: {0}")]
    HeaderMemberRefused(HeaderMember),
    /// `alg`, `kid` or `typ` is no string.
    #[error("the header's {0} is not a string")]
    HeaderMemberType(HeaderMember),
    /// `typ` is neither `JWT` nor `JOSE`.
    #[error("the header's typ is neither JWT nor JOSE")]
    TypeRefused,
    /// The header has no `alg`.
    #[error("the header has no alg")]
    AlgorithmMissing,
    /// The header has no `kid`.
    #[error("the header has no kid")]
    KeyIdMissing,
    /// `kid` is empty or too long.
    #[error("the header's kid has {actual} bytes, not 1 to {limit}")]
    KeyIdLength {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes of the `kid`.
        actual: usize,
    },
    /// `alg` is none of the nine of the standard: `none`, HMAC, EdDSA, other letter case.
    #[error("the algorithm is none that a JWT-SVID may have")]
    AlgorithmUnsupported,
    /// `alg` is one of the nine, but this verifier's settings leave it out.
    #[error("the algorithm {0} is not allowed here")]
    AlgorithmNotAllowed(Algorithm),
    /// The payload is not a strict JSON object.
    #[error("the payload {0}")]
    ClaimsJson(JsonError),
    /// A registered claim has the wrong type.
    #[error("the claim {0} has the wrong type")]
    ClaimType(Claim),
    /// A time is before 1970 or after the year 9999.
    #[error("the time in {0} is out of range")]
    TimeOutOfRange(Claim),
    /// There is no `sub`.
    #[error("the claim sub is missing")]
    SubjectMissing,
    /// `sub` is not a SPIFFE ID.
    #[error("the claim sub is no SPIFFE ID: it {0}")]
    SubjectInvalid(SpiffeIdError),
    /// There is no bundle of the trust domain of `sub`.
    #[error("there is no bundle of the token's trust domain")]
    TrustDomainUnknown,
    /// The trust domain's bundle has no usable key of this `kid`.
    #[error("the bundle of the token's trust domain has no such key")]
    KeyUnknown,
    /// The key's type, curve or `alg` binds it to another algorithm.
    #[error("the key is not for the token's algorithm")]
    KeyAlgorithmMismatch,
    /// There is no `aud`, or an empty array of them.
    #[error("the claim aud is missing or empty")]
    AudienceMissing,
    /// No `aud` is one of the verifier's.
    #[error("the token is for another audience")]
    AudienceMismatch,
    /// There is no `exp`.
    #[error("the claim exp is missing")]
    ExpiryMissing,
    /// `exp` has passed, skew included.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come, skew included.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A maximum age is set, and there is no `iat`.
    #[error("the claim iat is missing, and a maximum age is set")]
    IssuedAtMissing,
    /// A maximum age is set, and `iat` is in the future, skew included.
    #[error("the token was issued in the future, and a maximum age is set")]
    IssuedInFuture,
    /// The token is older than the maximum age, skew included.
    #[error("the token is older than the maximum age")]
    TooOld,
    /// The signature has not the form that the algorithm and key demand.
    #[error("the signature has not the form that its algorithm demands")]
    SignatureMalformed,
    /// The signature is not that of this key over this header and payload.
    #[error("the signature does not verify")]
    SignatureInvalid,
    /// The signature backend could not do its work.
    #[error("the signature could not be checked")]
    SignatureUnavailable,
}

impl VerifyError {
    /// The word of the closed list for answers, logs and metrics.
    #[must_use]
    pub const fn reason(self) -> DenyReason {
        match self {
            Self::TokenTooLarge { .. } => DenyReason::TokenTooLarge,
            Self::PartCount
            | Self::EmptyPart(_)
            | Self::Base64(_)
            | Self::HeaderJson(_)
            | Self::ClaimsJson(_) => DenyReason::TokenMalformed,
            Self::HeaderMemberRefused(_)
            | Self::HeaderMemberType(_)
            | Self::TypeRefused
            | Self::KeyIdMissing
            | Self::KeyIdLength { .. } => DenyReason::HeaderRefused,
            Self::AlgorithmMissing | Self::AlgorithmUnsupported | Self::AlgorithmNotAllowed(_) => {
                DenyReason::AlgorithmRefused
            }
            Self::ClaimType(_) | Self::TimeOutOfRange(_) | Self::AudienceMissing | Self::ExpiryMissing => {
                DenyReason::ClaimsMalformed
            }
            Self::SubjectMissing | Self::SubjectInvalid(_) => DenyReason::SubjectInvalid,
            Self::TrustDomainUnknown => DenyReason::TrustDomainUnknown,
            Self::KeyUnknown => DenyReason::KeyUnknown,
            Self::KeyAlgorithmMismatch => DenyReason::KeyMismatch,
            Self::AudienceMismatch => DenyReason::AudienceMismatch,
            Self::Expired => DenyReason::TokenExpired,
            Self::NotYetValid => DenyReason::TokenNotYetValid,
            Self::IssuedAtMissing | Self::IssuedInFuture | Self::TooOld => DenyReason::TokenAgeRefused,
            Self::SignatureMalformed | Self::SignatureInvalid => DenyReason::SignatureInvalid,
            Self::SignatureUnavailable => DenyReason::CryptoUnavailable,
        }
    }

    /// What usually causes it, in a sentence for whoever must mend it.
    #[must_use]
    pub const fn likely_cause(self) -> &'static str {
        match self {
            Self::TokenTooLarge { .. } => {
                "Something other than a JWT-SVID was sent, or one with many extra claims; the limit can be raised."
            }
            Self::PartCount => {
                "The value is no JWT: an opaque or encrypted token, a cut-off copy, or a JSON serialization."
            }
            Self::EmptyPart(Part::Signature) => "The token is unsigned, or was cut off when it was copied.",
            Self::EmptyPart(_) | Self::Base64(_) => {
                "The token was changed on its way: cut off, padded, line-wrapped, quoted or URL-encoded."
            }
            Self::HeaderJson(_) | Self::ClaimsJson(_) => {
                "The issuer writes JSON that readers could understand differently, or the token was tampered with."
            }
            Self::HeaderMemberRefused(_) => {
                "The issuer is no SPIFFE issuer (JWT-SVIDs carry alg, kid and typ only), or this is an attack."
            }
            Self::HeaderMemberType(_) | Self::TypeRefused | Self::AlgorithmMissing => {
                "The issuer is no SPIFFE issuer: an OAuth access token, for example, has typ at+jwt."
            }
            Self::KeyIdMissing | Self::KeyIdLength { .. } => {
                "The issuer sets no usable kid; SPIRE and go-spiffe always do and always ask for it."
            }
            Self::AlgorithmUnsupported => {
                "The token is unsigned or uses a shared secret, which SPIFFE forbids, or this is an attack."
            }
            Self::AlgorithmNotAllowed(_) => {
                "The issuer's key type changed, and the allowed algorithms here were not extended."
            }
            Self::ClaimType(_) | Self::TimeOutOfRange(_) => {
                "The issuer writes claims of another shape, such as times as strings or in milliseconds."
            }
            Self::SubjectMissing | Self::SubjectInvalid(_) => {
                "The token is of another kind of issuer (a user or service account), whose sub is no SPIFFE ID."
            }
            Self::TrustDomainUnknown => {
                "The caller's trust domain is not federated with this one, or its bundle has not arrived yet."
            }
            Self::KeyUnknown => {
                "The signing key was rotated out or revoked, the bundle here is older than the token, or two keys share the kid."
            }
            Self::KeyAlgorithmMismatch => {
                "The header's alg was changed, which is an attack, or the issuer reused a kid for another key type."
            }
            Self::AudienceMissing | Self::AudienceMismatch => {
                "The caller fetched the token for another audience than those configured here."
            }
            Self::ExpiryMissing => "The issuer is no SPIFFE issuer: JWT-SVIDs always expire.",
            Self::Expired => {
                "The caller keeps tokens past their lifetime, or the clocks differ by more than the skew."
            }
            Self::NotYetValid | Self::IssuedInFuture => {
                "The clocks of issuer and verifier differ by more than the skew."
            }
            Self::IssuedAtMissing | Self::TooOld => {
                "The caller keeps tokens longer than the maximum age allows, or the issuer sets no iat."
            }
            Self::SignatureMalformed => {
                "The signature was cut off or is in another encoding, such as DER for ECDSA."
            }
            Self::SignatureInvalid => {
                "The token was changed after it was signed, or another issuer uses the same trust domain and kid."
            }
            Self::SignatureUnavailable => {
                "The proxy lacks the function to verify signatures; choose the other backend."
            }
        }
    }
}

/// A part of a compact token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
    /// The third.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// A header member by its name in a closed list, so that an error can name it without repeating the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of RFC 7515 §4.1, RFC 7516 §4.1 and RFC 7797")]
pub enum HeaderMember {
    Alg,
    Kid,
    Typ,
    Crit,
    B64,
    Jwk,
    Jku,
    X5u,
    X5c,
    X5t,
    X5tS256,
    Zip,
    Cty,
    Enc,
    /// Any other name.
    Other,
}

impl HeaderMember {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "alg" => Self::Alg,
            "kid" => Self::Kid,
            "typ" => Self::Typ,
            "crit" => Self::Crit,
            "b64" => Self::B64,
            "jwk" => Self::Jwk,
            "jku" => Self::Jku,
            "x5u" => Self::X5u,
            "x5c" => Self::X5c,
            "x5t" => Self::X5t,
            "x5t#S256" => Self::X5tS256,
            "zip" => Self::Zip,
            "cty" => Self::Cty,
            "enc" => Self::Enc,
            _ => Self::Other,
        }
    }

    pub(crate) const fn is_allowed(self) -> bool {
        matches!(self, Self::Alg | Self::Kid | Self::Typ)
    }
}

impl fmt::Display for HeaderMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alg => "alg",
            Self::Kid => "kid",
            Self::Typ => "typ",
            Self::Crit => "crit",
            Self::B64 => "b64",
            Self::Jwk => "jwk",
            Self::Jku => "jku",
            Self::X5u => "x5u",
            Self::X5c => "x5c",
            Self::X5t => "x5t",
            Self::X5tS256 => "x5t#S256",
            Self::Zip => "zip",
            Self::Cty => "cty",
            Self::Enc => "enc",
            Self::Other => "another one",
        })
    }
}

/// A registered claim (RFC 7519 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7519 §4.1")]
pub enum Claim {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
}

impl Claim {
    /// The member's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Jti => "jti",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
