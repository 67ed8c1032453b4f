use alloc::string::String;
use core::fmt;

use serde_json::Value;

use super::JSON_LIMITS;
use crate::algorithm::Algorithm;
use crate::error::{HeaderMember, VerifyError};
use crate::json;

/// The longest `kid`, in bytes. SPIRE's have 32; the standard sets no bound, but a map key from the network needs one.
pub const MAX_KEY_ID_BYTES: usize = 512;

/// A JOSE header with nothing but `alg`, `kid` and `typ` (JWT-SVID §2; V4–V7). `Debug` shows no content.
pub struct Header {
    algorithm: String,
    key_id: String,
}

impl Header {
    /// Reads the decoded header.
    ///
    /// # Errors
    /// The `Header…`, `Type…`, `KeyId…` variants of [`VerifyError`], or [`VerifyError::AlgorithmMissing`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let members = json::object(bytes, JSON_LIMITS).map_err(VerifyError::HeaderJson)?;
        let (mut algorithm, mut key_id) = (None, None);
        for (name, value) in members {
            let member = HeaderMember::of(&name);
            if !member.is_allowed() {
                return Err(VerifyError::HeaderMemberRefused(member));
            }
            let Value::String(text) = value else {
                return Err(VerifyError::HeaderMemberType(member));
            };
            match member {
                HeaderMember::Alg => algorithm = Some(text),
                HeaderMember::Kid => key_id = Some(text),
                _ if text == "JWT" || text == "JOSE" => {}
                _ => return Err(VerifyError::TypeRefused),
            }
        }
        let algorithm = algorithm.ok_or(VerifyError::AlgorithmMissing)?;
        let key_id = key_id.ok_or(VerifyError::KeyIdMissing)?;
        if !is_key_id(&key_id) {
            return Err(VerifyError::KeyIdLength { limit: MAX_KEY_ID_BYTES, actual: key_id.len() });
        }
        Ok(Self { algorithm, key_id })
    }

    /// The algorithm it claims.
    ///
    /// # Errors
    /// [`VerifyError::AlgorithmUnsupported`] for anything but the nine of the standard: `none`, HMAC, other case.
    pub fn algorithm(&self) -> Result<Algorithm, VerifyError> {
        Algorithm::parse(&self.algorithm).ok_or(VerifyError::AlgorithmUnsupported)
    }

    /// The key it claims; opaque.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn into_key_id(self) -> String {
        self.key_id
    }
}

/// Whether a `kid`, of a token or of a JWK, has a length that we work with.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&text.len())
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").finish_non_exhaustive()
    }
}
