//! Public keys of a trust domain, checked once when a bundle is read.

mod der;
mod ec;
mod ignored;
pub(crate) mod jwk;
mod roca;
mod rsa;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use self::ignored::{IgnoredKey, IgnoredReason};
pub use self::rsa::{RSA_EXPONENT, RSA_MODULUS_BITS};

use self::ec::{Curve, is_scalar};
use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::base64url;

/// A public key that can verify JWT-SVIDs, with the algorithms that it is bound to (V13).
///
/// Holding one means: the point is on its curve, or the RSA numbers are within [`RSA_MODULUS_BITS`] and
/// [`RSA_EXPONENT`]. `Debug` shows the algorithms only.
#[derive(Clone)]
pub struct VerificationKey {
    pub(crate) material: Material,
    parameters: Parameters,
    algorithms: AlgorithmSet,
    /// Whether the JWK named its `alg`.
    is_bound: bool,
    spki_der: Vec<u8>,
    thumbprint: [u8; 32],
}

/// The key in the form that [`RustCrypto`](crate::RustCrypto) uses.
#[derive(Clone)]
pub(crate) enum Material {
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Rsa(Box<::rsa::PublicKey>),
}

/// The numbers of the JWK.
#[derive(Clone, PartialEq, Eq)]
enum Parameters {
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerificationKey {
    /// Whether this key may verify signatures of this algorithm.
    #[must_use]
    pub fn may_verify(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(algorithm)
    }

    /// What this key may verify: one algorithm, or all six of RSA when the JWK names none.
    #[must_use]
    pub fn algorithms(&self) -> AlgorithmSet {
        self.algorithms
    }

    /// The DER of the key's `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7, RFC 5480, RFC 3279), for other backends.
    ///
    /// An RSA key has the identifier `rsaEncryption` whatever its algorithms.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The SHA-256 of [`spki_der`](Self::spki_der): tells whether a key under a `kid` is still the same one (B8).
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Whether the signature has the form that key and algorithm demand (V14): for ECDSA `r` and `s` in the
    /// curve's full width and within 1..n-1, for RSA exactly the octets of the modulus.
    ///
    /// It is checked for every backend, so that none need be trusted with it.
    #[must_use]
    pub fn admits_form_of(&self, signature: &[u8]) -> bool {
        match &self.parameters {
            Parameters::Ec { curve, .. } => signature
                .split_at_checked(curve.width())
                .is_some_and(|(r, s)| is_scalar(*curve, r) && is_scalar(*curve, s)),
            Parameters::Rsa { n, .. } => signature.len() == n.len(),
        }
    }

    pub(crate) fn ec(
        curve: Curve,
        x: &[u8],
        y: &[u8],
        algorithm: Option<Algorithm>,
    ) -> Result<Self, IgnoredReason> {
        if algorithm.is_some_and(|algorithm| algorithm != curve.algorithm()) {
            return Err(IgnoredReason::AlgorithmMismatch);
        }
        for coordinate in [x, y] {
            if coordinate.len() != curve.width() {
                let (expected, actual) = (curve.width(), coordinate.len());
                return Err(IgnoredReason::CoordinateWidth { expected, actual });
            }
        }
        // SEC 1 §2.3.3: the uncompressed form. The parsers check that the point is on the curve.
        let point = [&[0x04], x, y].concat();
        let material = match curve {
            Curve::P256 => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Box::new).map(Material::P256)
            }
            Curve::P384 => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Box::new).map(Material::P384)
            }
            Curve::P521 => {
                p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Box::new).map(Material::P521)
            }
        }
        .map_err(|_| IgnoredReason::NotOnCurve)?;
        let spki_der = der::element(der::SEQUENCE, &[curve.algorithm_identifier(), &der::bits(&point)]);
        let parameters = Parameters::Ec { curve, x: x.into(), y: y.into() };
        Ok(Self::new(
            material,
            parameters,
            AlgorithmSet::one(curve.algorithm()),
            algorithm.is_some(),
            spki_der,
        ))
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8], algorithm: Option<Algorithm>) -> Result<Self, IgnoredReason> {
        let algorithms = match algorithm {
            None => AlgorithmSet::rsa(),
            Some(algorithm) if AlgorithmSet::rsa().contains(algorithm) => AlgorithmSet::one(algorithm),
            Some(_) => return Err(IgnoredReason::AlgorithmMismatch),
        };
        let material = Material::Rsa(Box::new(rsa::key(n, e)?));
        let numbers = der::element(der::SEQUENCE, &[&der::unsigned(n), &der::unsigned(e)]);
        let spki_der = der::element(der::SEQUENCE, &[RSA_ENCRYPTION, &der::bits(&numbers)]);
        let parameters = Parameters::Rsa { n: n.into(), e: e.into() };
        Ok(Self::new(material, parameters, algorithms, algorithm.is_some(), spki_der))
    }

    fn new(
        material: Material,
        parameters: Parameters,
        algorithms: AlgorithmSet,
        is_bound: bool,
        spki_der: Vec<u8>,
    ) -> Self {
        let thumbprint = Sha256::digest(&spki_der).into();
        Self { material, parameters, algorithms, is_bound, spki_der, thumbprint }
    }

    /// The canonical JWK: public members only, and the same bytes for the same key.
    pub(crate) fn to_jwk(&self, kid: &str) -> Map<String, Value> {
        let mut jwk = Map::new();
        let mut set = |name: &str, value: String| jwk.insert(name.into(), Value::String(value));
        set("kid", kid.into());
        set("use", "jwt-svid".into());
        if self.is_bound
            && let Some(algorithm) = self.algorithms.iter().next()
        {
            set("alg", algorithm.as_str().into());
        }
        match &self.parameters {
            Parameters::Ec { curve, x, y } => {
                set("kty", "EC".into());
                set("crv", curve.name().into());
                set("x", base64url::encode(x));
                set("y", base64url::encode(y));
            }
            Parameters::Rsa { n, e } => {
                set("kty", "RSA".into());
                set("n", base64url::encode(n));
                set("e", base64url::encode(e));
            }
        }
        jwk
    }
}

/// The same numbers, bound to the same algorithms.
impl PartialEq for VerificationKey {
    fn eq(&self, other: &Self) -> bool {
        self.parameters == other.parameters && self.algorithms == other.algorithms
    }
}

impl Eq for VerificationKey {}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

/// Turns the `r || s` of JOSE (RFC 7518 §3.4) into the DER `SEQUENCE { r, s }` that X.509-minded backends take.
///
/// `None` when the length is none of 64, 96 and 132 octets; the values of r and s are not judged here.
#[must_use]
pub fn ecdsa_p1363_to_der(signature: &[u8]) -> Option<Vec<u8>> {
    let curve = [Curve::P256, Curve::P384, Curve::P521]
        .into_iter()
        .find(|curve| curve.width().checked_mul(2) == Some(signature.len()))?;
    let (r, s) = signature.split_at_checked(curve.width())?;
    Some(der::element(der::SEQUENCE, &[&der::unsigned(r), &der::unsigned(s)]))
}

/// The DER of `AlgorithmIdentifier { rsaEncryption, NULL }` (RFC 3279 §2.3.1).
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

#[cfg(test)]
mod tests;
