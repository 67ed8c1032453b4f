//! Checking signatures: the trait that backends implement, and the backend in pure Rust.

use ::rsa::Pkcs1v15Sign;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::algorithm::{Algorithm, Hash, Scheme};
use crate::key::{Material, VerificationKey};

/// A backend that checks signatures.
///
/// The verifier calls it last, only with an algorithm that the key may verify and a signature of the right form.
/// A backend must check the signature over exactly `signing_input` and answer `Ok` for nothing else.
pub trait SignatureVerifier {
    /// Checks that `signature`, in JOSE's encoding (RFC 7518 §3.3–§3.5), is the key's over `signing_input`.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] when it is not; [`SignatureError::Unavailable`] when the backend cannot tell.
    fn verify_signature(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError>;
}

/// Why a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is not the key's signature over this input.
    #[error("the signature does not verify")]
    Invalid,
    /// The backend could not do its work; the token was neither proved nor disproved, and is refused.
    #[error("the signature could not be checked")]
    Unavailable,
}

/// The backend of the RustCrypto crates; it needs nothing of its host and is never unavailable.
///
/// It keeps the rules of [`SignatureVerifier`] by itself as well: an algorithm that the key may not verify, or a
/// signature of the wrong form, is [`SignatureError::Invalid`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl SignatureVerifier for RustCrypto {
    fn verify_signature(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if !key.may_verify(algorithm) || !key.admits_form_of(signature) {
            return Err(SignatureError::Invalid);
        }
        let is_valid = match (&key.material, algorithm.scheme()) {
            (Material::P256(key), Scheme::Ecdsa) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signing_input, &signature).is_ok()),
            (Material::P384(key), Scheme::Ecdsa) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signing_input, &signature).is_ok()),
            (Material::P521(key), Scheme::Ecdsa) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signing_input, &signature).is_ok()),
            (Material::Rsa(key), Scheme::Pkcs1(hash)) => pkcs1(key, hash, signing_input, signature),
            (Material::Rsa(key), Scheme::Pss(hash)) => pss(key, hash, signing_input, signature),
            _ => false,
        };
        if is_valid { Ok(()) } else { Err(SignatureError::Invalid) }
    }
}

/// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2): the expected encoding is rebuilt and compared whole, so that neither
/// garbage nor a missing NULL gets by.
fn pkcs1(key: &::rsa::PublicKey, hash: Hash, input: &[u8], signature: &[u8]) -> bool {
    match hash {
        Hash::Sha256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(input), signature),
        Hash::Sha384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(input), signature),
        Hash::Sha512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(input), signature),
    }
    .is_ok()
}

/// RSASSA-PSS (RFC 7518 §3.5): salt as long as the hash, MGF1 with the same hash.
fn pss(key: &::rsa::PublicKey, hash: Hash, input: &[u8], signature: &[u8]) -> bool {
    match hash {
        Hash::Sha256 => key.pss_verify::<Sha256>(input, signature),
        Hash::Sha384 => key.pss_verify::<Sha384>(input, signature),
        Hash::Sha512 => key.pss_verify::<Sha512>(input, signature),
    }
    .is_ok()
}
