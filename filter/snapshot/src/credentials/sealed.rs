//! A JWE in the compact serialization (RFC 7516 §7.1) with `alg` `dir` and `enc` `A256GCM` (RFC 7518 §4.5, §5.3).

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::KEY_BYTES;
use super::{CredentialKey, Credentials};
use crate::error::SnapshotError;
use crate::limits::Limits;
use crate::revision::Revision;

/// The `format` of the section that this version writes and reads, apart from that of the snapshot.
pub const CREDENTIALS_FORMAT: u64 = 1;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

/// Credentials that only the holder of the key can read or make.
///
/// What stands beside the ciphertext (format, key id, revision, time) is its authenticated data: a section cannot be
/// told to be newer than it is, nor be passed off under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCredentials {
    compact: String,
    revision: Revision,
    changed_at: u64,
}

/// The protected header, in the order of its members.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    enc: &'a str,
    typ: &'a str,
    kid: &'a str,
    format: u64,
    revision: &'a str,
    changed_at: u64,
}

impl SealedCredentials {
    /// Seals `credentials`, which last changed at `changed_at` (Unix milliseconds). `nonce` must be drawn at random for
    /// each call: two texts under one nonce give both away.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when they cannot be written or sealed.
    pub fn seal(
        credentials: &Credentials,
        key: &CredentialKey,
        changed_at: u64,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Self, SnapshotError> {
        let failed = || SnapshotError::Malformed("the credentials cannot be sealed".to_owned());
        let mut text = credentials.to_json();
        let revision = key.revision(&text).ok_or_else(failed)?;
        let header = Header {
            alg: ALG,
            enc: ENC,
            typ: TYP,
            kid: key.id(),
            format: CREDENTIALS_FORMAT,
            revision: revision.as_str(),
            changed_at,
        };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(|_| failed())?);
        let tag = cipher(key.bytes())
            .encrypt_inout_detached(&nonce.into(), header.as_bytes(), InOutBuf::from(text.as_mut_slice()))
            .map_err(|_| failed())?;
        let [nonce, text, tag] = [&nonce[..], &text, &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        // The second part is the encrypted key, of which `dir` has none.
        Ok(Self { compact: format!("{header}..{nonce}.{text}.{tag}"), revision, changed_at })
    }

    /// Reads a section without opening it: what it says of itself is not proved yet.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] for anything that is no section of this format, [`SnapshotError::CredentialsTooLarge`].
    pub fn parse(compact: &str, limits: &Limits) -> Result<Self, SnapshotError> {
        let (limit, actual) = (limits.max_credentials_bytes, compact.len());
        if actual > limit {
            return Err(SnapshotError::CredentialsTooLarge { limit, actual });
        }
        Self::read(compact).ok_or_else(|| {
            SnapshotError::Malformed("the credentials are no section of this format".to_owned())
        })
    }

    fn read(compact: &str) -> Option<Self> {
        let (header, _) = compact.split_once("..")?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        let known =
            (header.alg, header.enc, header.typ, header.format) == (ALG, ENC, TYP, CREDENTIALS_FORMAT);
        let revision = Revision::parse(header.revision).filter(|_| known)?;
        Some(Self { compact: compact.to_owned(), revision, changed_at: header.changed_at })
    }

    /// The credentials; `None` when they were not sealed with `key` just so.
    #[must_use]
    pub fn open(&self, key: &CredentialKey) -> Option<Credentials> {
        let text = decrypt(&self.compact, key.bytes())?;
        Credentials::from_json(&text)
    }

    /// Identity of what is sealed: equal for equal credentials under one key, whatever the ciphertext.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// When the credentials last changed, Unix milliseconds.
    #[must_use]
    pub fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// The JWE.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compact
    }
}

/// The plaintext of a compact JWE under `key`. What its header says is not judged here.
pub(super) fn decrypt(compact: &str, key: &[u8; KEY_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
    let mut parts = compact.split('.');
    let (header, _, nonce, text, tag) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let nonce: [u8; NONCE_BYTES] = URL_SAFE_NO_PAD.decode(nonce).ok()?.try_into().ok()?;
    let tag: [u8; TAG_BYTES] = URL_SAFE_NO_PAD.decode(tag).ok()?.try_into().ok()?;
    let mut text = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    cipher(key)
        .decrypt_inout_detached(
            &nonce.into(),
            header.as_bytes(),
            InOutBuf::from(text.as_mut_slice()),
            &tag.into(),
        )
        .ok()?;
    Some(text)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

const ALG: &str = "dir";
const ENC: &str = "A256GCM";
/// So that no other JWE under the same key can be taken for a section.
const TYP: &str = "svidgate-credentials";
const TAG_BYTES: usize = 16;
