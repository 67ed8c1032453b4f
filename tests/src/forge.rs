//! Tokens that must not pass, made from one that does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

/// A JWT taken apart.
#[derive(Clone, Debug)]
pub struct Forged {
    /// JOSE header.
    pub header: Value,
    /// Claims.
    pub claims: Value,
    signature: Vec<u8>,
}

impl Forged {
    /// Takes a token apart.
    pub fn from(token: &str) -> Self {
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).expect("JSON");
        Self { header: json(&parts[0]), claims: json(&parts[1]), signature: parts[2].clone() }
    }

    /// Key id in the header.
    pub fn key_id(token: &str) -> String {
        Self::from(token).header["kid"].as_str().expect("a kid").to_owned()
    }

    /// Sets a header member.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.header[name] = json!(value);
        self
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Changes one bit in the middle of the signature.
    pub fn flip_signature_bit(mut self) -> Self {
        let middle = self.signature.len() / 2;
        self.signature[middle] ^= 1;
        self
    }

    /// Takes the signature away.
    pub fn unsigned(mut self) -> Self {
        self.signature.clear();
        self
    }

    /// Signs with ES256 by a key that no trust domain has.
    pub fn signed_by_a_stranger(mut self) -> Self {
        let key = SigningKey::from_slice(&[7; 32]).expect("a scalar below the order");
        let signature: Signature = key.sign(self.signing_input().as_bytes());
        self.signature = signature.to_bytes().to_vec();
        self
    }

    /// Puts it together again.
    pub fn token(&self) -> String {
        format!("{}.{}", self.signing_input(), URL_SAFE_NO_PAD.encode(&self.signature))
    }

    fn signing_input(&self) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }
}
