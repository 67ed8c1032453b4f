use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::revision::{Revision, hex};

/// The secret with which the credentials of some subscribers are sealed: 32 bytes, written in base64url without padding
/// (43 characters). Wiped when dropped; `Debug` shows its id only.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "must be 32 bytes in base64url without padding: 43 characters, such as `openssl rand 32 | basenc --base64url | tr -d =` makes"
)]
pub struct KeyError;

impl CredentialKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`]; also for 32 bytes that are all the same, which nobody drew at random.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let len = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).map_err(|_| KeyError)?;
        if len != KEY_BYTES || bytes.windows(2).all(|pair| pair.first() == pair.last()) {
            return Err(KeyError);
        }
        Ok(Self { id: id(&bytes), bytes })
    }

    /// By which the two ends tell which key they mean: 16 hex digits, of which the key cannot be found.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Identity of credentials, equal for equal ones. A plain hash in the clear would let everyone who sees it try
    /// passwords against it; this one says nothing without the key.
    pub(super) fn revision(&self, plaintext: &[u8]) -> Option<Revision> {
        let derived = mac(self.bytes.as_slice(), b"svidgate credentials revision")?;
        Revision::parse(&hex(mac(derived.as_slice(), plaintext)?.iter()))
    }
}

impl fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn id(bytes: &[u8; KEY_BYTES]) -> String {
    let digest = Sha256::new().chain_update(b"svidgate credentials key id").chain_update(bytes).finalize();
    hex(digest.iter().take(8))
}

fn mac(key: &[u8], text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(Zeroizing::new(mac.chain_update(text).finalize().into_bytes().into()))
}

pub(super) const KEY_BYTES: usize = 32;
