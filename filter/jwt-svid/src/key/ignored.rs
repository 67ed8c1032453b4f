use alloc::string::String;
use core::ops::RangeInclusive;

/// An entry of `keys` that was left out of the bundle, for logs and for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKey {
    /// Its `kid`, where it has a usable one. Opaque text from outside: escape it before it is shown.
    pub kid: Option<String>,
    /// Why it was left out.
    pub reason: IgnoredReason,
}

/// Why an entry of `keys` cannot verify JWT-SVIDs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoredReason {
    /// It is for X.509-SVIDs, as every SPIFFE bundle document has them; nothing is wrong.
    #[error("is for X.509-SVIDs")]
    X509Svid,
    /// `use` is absent, which a SPIFFE bundle document does not allow.
    #[error("has no use")]
    UseMissing,
    /// `use` is something else than `jwt-svid`.
    #[error("has another use than jwt-svid")]
    UseUnknown,
    /// Not a JSON object.
    #[error("is not an object")]
    NotAnObject,
    /// A member that is understood has the wrong JSON type.
    #[error("has a member {0} of the wrong type")]
    MemberType(&'static str),
    /// A member that the key type needs is absent.
    #[error("lacks the member {0}")]
    MemberMissing(&'static str),
    /// `kid` is absent.
    #[error("has no kid")]
    KeyIdMissing,
    /// `kid` is empty or too long.
    #[error("has a kid that is empty or too long")]
    KeyIdLength,
    /// Another usable entry has this `kid` and is a different key, so neither is used (B2).
    #[error("shares its kid with a different key")]
    KeyIdConflict,
    /// `key_ops` does not have `verify`.
    #[error("has key_ops without verify")]
    KeyOps,
    /// It carries private or symmetric key material, which has no place in a bundle; replace the key.
    #[error("carries private key material")]
    PrivateMaterial,
    /// `kty` is neither `EC` nor `RSA`.
    #[error("has an unknown kty")]
    KeyTypeUnknown,
    /// `crv` is none of P-256, P-384 and P-521.
    #[error("has an unknown crv")]
    CurveUnknown,
    /// `alg` is no algorithm of a JWT-SVID, or not one of this key's.
    #[error("has an alg that does not fit")]
    AlgorithmMismatch,
    /// A number is not strict base64url.
    #[error("has a member {0} that is not strict base64url")]
    Base64(&'static str),
    /// A coordinate has not the full width of the curve (RFC 7518 §6.2.1.2).
    #[error("has a coordinate of {actual} octets, not {expected}")]
    CoordinateWidth {
        /// The width of the curve.
        expected: usize,
        /// The octets found.
        actual: usize,
    },
    /// The point is not on the curve.
    #[error("is not a point on its curve")]
    NotOnCurve,
    /// An RSA number begins with a zero octet, or is empty (RFC 7518 §2).
    #[error("has an RSA number that is empty or begins with a zero octet")]
    NotMinimal,
    /// The RSA modulus is too short to be safe or too long to be cheap.
    #[error("has an RSA modulus of {actual} bits, outside {allowed:?}")]
    RsaModulusSize {
        /// The sizes allowed, in bits.
        allowed: RangeInclusive<usize>,
        /// The bits found.
        actual: usize,
    },
    /// The RSA modulus cannot be one: it is even.
    #[error("has an impossible RSA modulus")]
    RsaModulus,
    /// The RSA exponent is even, below 65537 or above 33 bits.
    #[error("has an RSA exponent outside what is safe")]
    RsaExponent,
    /// The key comes from a generator whose keys can be factored (ROCA, CVE-2017-15361).
    #[error("is an RSA key of a broken generator (ROCA)")]
    RsaRoca,
}

impl IgnoredReason {
    /// Whether such an entry is part of every healthy bundle, so that no one need be told.
    #[must_use]
    pub const fn is_expected(&self) -> bool {
        matches!(self, Self::X509Svid)
    }
}
