//! Signing keys for JWT-SVIDs. They live in memory only and are gone with the process.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use jwt_compact::alg::{Es256, ModulusBits, Rsa, RsaPrivateKey, SigningKey as _};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, Claims, Header};
use rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What kind of key signs JWT-SVIDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// ECDSA on P-256 with SHA-256: made in well under a millisecond.
    #[default]
    Es256,
    /// RSA of 2048 bits with PKCS#1 v1.5 and SHA-256: made in about a second.
    Rs256,
}

impl KeyType {
    /// The JWS `alg` of its signatures (RFC 7518 section 3.1).
    #[must_use]
    pub fn algorithm(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key that signs, and the name and public half under which verifiers find it.
pub struct JwtKey {
    kid: String,
    secret: Secret,
    jwk: Value,
}

/// What a JWT-SVID says (SPIFFE JWT-SVID section 3); times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SvidClaims {
    /// The SPIFFE ID.
    pub sub: String,
    /// For whom the token is meant.
    pub aud: Vec<String>,
    /// When it ends.
    pub exp: u64,
    /// When it was made.
    pub iat: u64,
}

/// A key or a token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("signing: {0}")]
pub struct KeyError(String);

enum Secret {
    Es256(<Es256 as Algorithm>::SigningKey),
    Rs256(Box<RsaPrivateKey>),
}

impl JwtKey {
    /// A fresh key from the system's randomness. RSA takes long enough to keep it off an async thread.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyError> {
        match key_type {
            KeyType::Es256 => {
                let secret = es256_secret();
                let public = secret.to_verifying_key();
                Self::new(Secret::Es256(secret), &JsonWebKey::from(&public))
            }
            KeyType::Rs256 => {
                let (secret, public) = Rsa::generate(&mut OsRng, ModulusBits::TwoKibibytes)
                    .map_err(|error| KeyError(error.to_string()))?;
                let jwk = public.into_inner();
                Self::new(Secret::Rs256(Box::new(secret.into_inner())), &JsonWebKey::from(&jwk))
            }
        }
    }

    fn new(secret: Secret, public: &JsonWebKey<'_>) -> Result<Self, KeyError> {
        let kid = thumbprint(public);
        let mut jwk = serde_json::to_value(public).map_err(|error| KeyError(error.to_string()))?;
        // As SPIRE has it: neither `use` nor `alg`, so that consumers are tried against what SPIRE really gives.
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), Value::String(kid.clone()));
        }
        Ok(Self { kid, secret, jwk })
    }

    /// The key's RFC 7638 thumbprint: two keys never share it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What kind of key it is.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self.secret {
            Secret::Es256(_) => KeyType::Es256,
            Secret::Rs256(_) => KeyType::Rs256,
        }
    }

    /// The public half as a bundle entry.
    #[must_use]
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// A token whose header holds exactly `alg`, `kid` and `typ`.
    pub fn sign(&self, claims: SvidClaims) -> Result<String, KeyError> {
        let header = Header::empty().with_key_id(self.kid.clone()).with_token_type("JWT");
        let claims = Claims::new(claims);
        match &self.secret {
            Secret::Es256(key) => Es256.token(&header, &claims, key),
            Secret::Rs256(key) => Rsa::rs256().token(&header, &claims, key),
        }
        .map_err(|error| KeyError(error.to_string()))
    }
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn es256_secret() -> <Es256 as Algorithm>::SigningKey {
    loop {
        let mut scalar = [0; 32];
        OsRng.fill_bytes(&mut scalar);
        // About one in 2^32 is no scalar of the curve.
        if let Ok(key) = <<Es256 as Algorithm>::SigningKey>::from_slice(&scalar) {
            return key;
        }
    }
}

/// RFC 7638: the hash of the required members in lexical order, which is how jwt-compact writes a public JWK.
fn thumbprint(public: &JsonWebKey<'_>) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(public.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> SvidClaims {
        SvidClaims {
            sub: "spiffe://example.org/client".to_owned(),
            aud: vec!["a".to_owned()],
            exp: 1_300,
            iat: 1_000,
        }
    }

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn v04_header_has_exactly_alg_kid_and_typ() {
        for key_type in [KeyType::Es256, KeyType::Rs256] {
            let key = JwtKey::generate(key_type).unwrap();
            let token = key.sign(claims()).unwrap();
            let expected = serde_json::json!({"alg": key_type.algorithm(), "kid": key.kid(), "typ": "JWT"});
            assert_eq!(part(&token, 0), expected);
        }
    }

    #[test]
    fn claims_are_exactly_sub_aud_exp_and_iat() {
        let token = JwtKey::generate(KeyType::Es256).unwrap().sign(claims()).unwrap();
        let expected = serde_json::json!({
            "sub": "spiffe://example.org/client", "aud": ["a"], "exp": 1_300, "iat": 1_000,
        });
        assert_eq!(part(&token, 1), expected);
    }

    #[test]
    fn b01_bundle_entry_has_no_use_and_no_private_member() {
        for key_type in [KeyType::Es256, KeyType::Rs256] {
            let key = JwtKey::generate(key_type).unwrap();
            let mut members: Vec<_> = key.jwk().as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            let expected: &[&str] = match key_type {
                KeyType::Es256 => &["crv", "kid", "kty", "x", "y"],
                KeyType::Rs256 => &["e", "kid", "kty", "n"],
            };
            assert_eq!(members, expected);
        }
    }

    #[test]
    fn kid_is_the_rfc_7638_thumbprint() {
        // RFC 7638 section 3.1.
        let jwk = serde_json::json!({
            "kty": "RSA", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        let jwk: JsonWebKey<'_> = serde_json::from_value(jwk).unwrap();
        assert_eq!(thumbprint(&jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
