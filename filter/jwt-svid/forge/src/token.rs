use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::key::Key;

/// The moment at which tests live, in seconds since 1970.
pub const NOW: u64 = 1_700_000_000;
/// The trust domain of [`SUBJECT`].
pub const TRUST_DOMAIN: &str = "example.org";
/// The `sub` of a token unless told otherwise.
pub const SUBJECT: &str = "spiffe://example.org/client";
/// The `aud` of a token unless told otherwise.
pub const AUDIENCE: &str = "backend.example.org";

/// A token in the making: a good one, until it is told otherwise.
#[derive(Clone, Debug)]
pub struct Token {
    header: Part,
    payload: Part,
}

#[derive(Clone, Debug)]
enum Part {
    /// Members in order, duplicates and all; the values as JSON text, sound or not.
    Members(Vec<(String, String)>),
    /// Any bytes.
    Raw(Vec<u8>),
}

impl Token {
    /// A good token for this key: `alg`, `kid`, `typ`; `sub`, `aud`, `iat` and `exp` five minutes around [`NOW`].
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self::at(NOW, key)
    }

    /// As [`Token::new`], but five minutes around another moment, in seconds since 1970.
    #[must_use]
    pub fn at(now: u64, key: &Key) -> Self {
        Self { header: Part::Members(Vec::new()), payload: Part::Members(Vec::new()) }
            .header("alg", json!(key.algorithm()))
            .header("kid", json!(key.kid()))
            .header("typ", json!("JWT"))
            .claim("sub", json!(SUBJECT))
            .claim("aud", json!([AUDIENCE]))
            .claim("iat", json!(now - 60))
            .claim("exp", json!(now + 240))
    }

    /// Sets a header member.
    #[must_use]
    pub fn header(mut self, name: &str, value: Value) -> Self {
        self.header.set(name, value.to_string());
        self
    }

    /// Sets a header member to any text, JSON or not.
    #[must_use]
    pub fn header_text(mut self, name: &str, text: &str) -> Self {
        self.header.set(name, text.into());
        self
    }

    /// Adds a header member even if there is one of that name.
    #[must_use]
    pub fn header_again(mut self, name: &str, value: Value) -> Self {
        self.header.push(name, value.to_string());
        self
    }

    /// Removes a header member.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Replaces the whole header by any bytes.
    #[must_use]
    pub fn raw_header(mut self, bytes: &[u8]) -> Self {
        self.header = Part::Raw(bytes.into());
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.payload.set(name, value.to_string());
        self
    }

    /// Sets a claim to any text, JSON or not, such as `1e400`.
    #[must_use]
    pub fn claim_text(mut self, name: &str, text: &str) -> Self {
        self.payload.set(name, text.into());
        self
    }

    /// Adds a claim even if there is one of that name.
    #[must_use]
    pub fn claim_again(mut self, name: &str, value: Value) -> Self {
        self.payload.push(name, value.to_string());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.payload.remove(name);
        self
    }

    /// Replaces the whole payload by any bytes.
    #[must_use]
    pub fn raw_payload(mut self, bytes: &[u8]) -> Self {
        self.payload = Part::Raw(bytes.into());
        self
    }

    /// The header before base64url.
    #[must_use]
    pub fn header_bytes(&self) -> Vec<u8> {
        self.header.bytes()
    }

    /// The payload before base64url.
    #[must_use]
    pub fn payload_bytes(&self) -> Vec<u8> {
        self.payload.bytes()
    }

    /// What a signature is over.
    #[must_use]
    pub fn signing_input(&self) -> Vec<u8> {
        [b64(&self.header_bytes()), b64(&self.payload_bytes())].join(".").into_bytes()
    }

    /// The token, signed with the key's own algorithm whatever the header says.
    #[must_use]
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        self.with_signature(&key.sign(&self.signing_input()))
    }

    /// The token with `alg` set and signed accordingly.
    #[must_use]
    pub fn sign_as(self, key: &Key, algorithm: &str) -> Vec<u8> {
        let token = self.header("alg", json!(algorithm));
        token.with_signature(&key.sign_as(algorithm, &token.signing_input()))
    }

    /// The token with these bytes for a signature.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8]) -> Vec<u8> {
        [self.signing_input(), b64(signature).into_bytes()].join(&b'.')
    }
}

impl Part {
    fn members(&mut self) -> &mut Vec<(String, String)> {
        match self {
            Self::Members(members) => members,
            Self::Raw(_) => panic!("raw bytes have no members"),
        }
    }

    fn set(&mut self, name: &str, text: String) {
        match self.members().iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = text,
            None => self.push(name, text),
        }
    }

    fn push(&mut self, name: &str, text: String) {
        self.members().push((name.into(), text));
    }

    fn remove(&mut self, name: &str) {
        self.members().retain(|(known, _)| known != name);
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Members(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, text)| format!("{}:{text}", json!(name))).collect();
                format!("{{{}}}", members.join(",")).into_bytes()
            }
        }
    }
}

/// Strict base64url without padding.
#[must_use]
pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Any number of parts, each encoded, with dots between.
#[must_use]
pub fn compact(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().map(|part| b64(part)).collect::<Vec<_>>().join(".").into_bytes()
}
