use alloc::string::String;
use core::fmt;

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::spiffe_id::SpiffeId;
use crate::unix_time::UnixTime;
use crate::unverified::Claims;

/// A JWT-SVID that was verified. Only [`Verifier::verify`](crate::Verifier::verify) makes one (V15).
///
/// It says that the token was good at that moment, with those bundles; whoever keeps it asks
/// [`Verifier::revalidate`](crate::Verifier::revalidate) before each use. `Debug` shows no claims (V16).
///
/// ```compile_fail,E0451
/// fn forged(good: svidgate_jwt_svid::VerifiedSvid, admin: svidgate_jwt_svid::SpiffeId) {
///     let _ = svidgate_jwt_svid::VerifiedSvid { spiffe_id: admin, ..good };
/// }
/// ```
#[derive(Clone)]
pub struct VerifiedSvid {
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) key_id: String,
    pub(crate) key_thumbprint: [u8; 32],
    pub(crate) algorithm: Algorithm,
    pub(crate) expires_at: UnixTime,
    pub(crate) claims: Claims,
}

impl VerifiedSvid {
    /// Who the caller is: `sub`.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The `kid` of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm of its signature.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `aud`, at least one of which is the verifier's.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        self.claims.audiences().unwrap_or_default()
    }

    /// `exp`, without skew; a fraction of a second is cut off.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// `iat`; a fraction of a second is cut off.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.claims.issued_at().map(|date| date.floor)
    }

    /// `nbf`; a fraction of a second is rounded up.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.claims.not_before().map(|date| date.ceil)
    }

    /// `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.claims.jwt_id()
    }

    /// All claims, the registered ones included.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        self.claims.members()
    }
}

impl fmt::Debug for VerifiedSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedSvid").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
