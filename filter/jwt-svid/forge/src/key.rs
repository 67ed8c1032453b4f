use p256::ecdsa::signature::Signer as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use crate::padding::{Pkcs1, Sha, pkcs1, pss};
use crate::token::b64;

/// A signing key with a `kid`.
#[derive(Clone)]
pub struct Key {
    kid: String,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Rsa(Box<rsa::PrivateKey>),
}

/// The RSA keys at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaKey {
    /// 1024 bits: too small to be used.
    Bits1024,
    /// 2048 bits.
    Bits2048,
    /// 2048 bits, another one.
    Bits2048Other,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits.
    Bits4096,
    /// 2048 bits with the public exponent 3.
    ExponentThree,
}

impl Key {
    /// The P-256 key of this label, which is its `kid` too.
    #[must_use]
    pub fn p256(label: &str) -> Self {
        let secret = p256::ecdsa::SigningKey::from_slice(&Sha256::digest(label)).unwrap();
        Self { kid: label.into(), secret: Secret::P256(secret) }
    }

    /// The P-384 key of this label, which is its `kid` too.
    #[must_use]
    pub fn p384(label: &str) -> Self {
        let secret = p384::ecdsa::SigningKey::from_slice(&Sha512::digest(label)[..48]).unwrap();
        Self { kid: label.into(), secret: Secret::P384(secret) }
    }

    /// The P-521 key of this label, which is its `kid` too.
    #[must_use]
    pub fn p521(label: &str) -> Self {
        let mut scalar = [0; 66];
        scalar[2..].copy_from_slice(&Sha512::digest(label));
        let secret = p521::ecdsa::SigningKey::from_slice(&scalar).unwrap();
        Self { kid: label.into(), secret: Secret::P521(secret) }
    }

    /// An RSA key under a `kid`.
    #[must_use]
    pub fn rsa(which: RsaKey, kid: &str) -> Self {
        let der: &[u8] = match which {
            RsaKey::Bits1024 => include_bytes!("../keys/rsa1024.der"),
            RsaKey::Bits2048 => include_bytes!("../keys/rsa2048.der"),
            RsaKey::Bits2048Other => include_bytes!("../keys/rsa2048-other.der"),
            RsaKey::Bits3072 => include_bytes!("../keys/rsa3072.der"),
            RsaKey::Bits4096 => include_bytes!("../keys/rsa4096.der"),
            RsaKey::ExponentThree => include_bytes!("../keys/rsa2048-e3.der"),
        };
        let secret = rsa::PrivateKey::from_pkcs8_der(der).expect("a key file");
        Self { kid: kid.into(), secret: Secret::Rsa(Box::new(secret)) }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(&self, kid: &str) -> Self {
        Self { kid: kid.into(), ..self.clone() }
    }

    /// The `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of its curve, or RS256.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.secret {
            Secret::P256(_) => "ES256",
            Secret::P384(_) => "ES384",
            Secret::P521(_) => "ES512",
            Secret::Rsa(_) => "RS256",
        }
    }

    /// The public JWK: `kid`, `kty`, `use` = `jwt-svid`, and the numbers.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let ec = |crv: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at((point.len() - 1) / 2);
            json!({"kid": self.kid, "kty": "EC", "use": "jwt-svid", "crv": crv, "x": b64(x), "y": b64(y)})
        };
        match &self.secret {
            Secret::P256(key) => ec("P-256", key.verifying_key().to_sec1_point(false).as_bytes()),
            Secret::P384(key) => ec("P-384", key.verifying_key().to_sec1_point(false).as_bytes()),
            Secret::P521(key) => ec("P-521", key.verifying_key().to_sec1_point(false).as_bytes()),
            Secret::Rsa(key) => json!({
                "kid": self.kid, "kty": "RSA", "use": "jwt-svid",
                "n": b64(&key.n().to_be_bytes_trimmed_vartime()),
                "e": b64(&key.e().to_be_bytes_trimmed_vartime()),
            }),
        }
    }

    /// The public JWK with some members replaced, added, or (by `null`) removed.
    #[must_use]
    pub fn jwk_with(&self, changes: Value) -> Value {
        let mut jwk = self.jwk();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => jwk.as_object_mut().unwrap().remove(name),
                _ => jwk.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        jwk
    }

    /// Signs with its own [`algorithm`](Self::algorithm).
    #[must_use]
    pub fn sign(&self, input: &[u8]) -> Vec<u8> {
        self.sign_as(self.algorithm(), input)
    }

    /// Signs with any of the nine algorithms that this kind of key can make; the PSS salt is all zeros.
    #[must_use]
    pub fn sign_as(&self, algorithm: &str, input: &[u8]) -> Vec<u8> {
        match (&self.secret, algorithm) {
            (Secret::P256(key), "ES256") => {
                let signature: p256::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
            (Secret::P384(key), "ES384") => {
                let signature: p384::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
            (Secret::P521(key), "ES512") => {
                let signature: p521::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
            (Secret::Rsa(_), _) => {
                let (family, number) = algorithm.split_at(2);
                let sha = Sha::of(number);
                match family {
                    "RS" => self.rsa_private(&pkcs1(sha, input, self.rsa_octets(), Pkcs1::Correct)),
                    "PS" => {
                        self.rsa_private(&pss(sha, sha, &vec![0; sha.octets()], input, self.rsa_octets()))
                    }
                    _ => panic!("an RSA key cannot sign {algorithm}"),
                }
            }
            _ => panic!("this key cannot sign {algorithm}"),
        }
    }

    /// The bare RSA private operation on a padded message, however it is padded.
    #[must_use]
    pub fn rsa_private(&self, padded: &[u8]) -> Vec<u8> {
        let Secret::Rsa(key) = &self.secret else { panic!("not an RSA key") };
        let message = rsa::BoxedUint::from_be_slice(padded, key.n_bits_precision()).unwrap();
        let signature = rsa::hazmat::rsa_decrypt::<NoRandomness>(None, key.as_ref(), &message).unwrap();
        left_pad(&signature.to_be_bytes_trimmed_vartime(), self.rsa_octets())
    }

    /// The octets of the RSA modulus.
    #[must_use]
    pub fn rsa_octets(&self) -> usize {
        let Secret::Rsa(key) = &self.secret else { panic!("not an RSA key") };
        key.size()
    }
}

/// A JWKS of these entries.
#[must_use]
pub fn jwks(entries: impl IntoIterator<Item = Value>) -> Vec<u8> {
    json!({"keys": entries.into_iter().collect::<Vec<_>>()}).to_string().into_bytes()
}

fn left_pad(octets: &[u8], width: usize) -> Vec<u8> {
    let mut padded = vec![0; width - octets.len()];
    padded.extend_from_slice(octets);
    padded
}

/// Stands where an interface asks for a generator and none is used.
struct NoRandomness;

impl TryRng for NoRandomness {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("no randomness here")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("no randomness here")
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        panic!("no randomness here")
    }
}

impl TryCryptoRng for NoRandomness {}
