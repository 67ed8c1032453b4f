use serde_json::{Value, json};
use svidgate_forge::b64;
use svidgate_jwt_svid::Algorithm;

/// What is asked, in a form that can be put to a verifier in another process.
#[derive(Clone, Debug)]
pub enum Question {
    /// Whether this key takes a signature over a message.
    Signature {
        /// A JWK with a `kid`.
        jwk: Value,
        /// As in the header of a JWS.
        algorithm: Algorithm,
        /// Any bytes.
        message: Vec<u8>,
        /// In JOSE's form.
        signature: Vec<u8>,
    },
    /// Whether a token is a good JWT-SVID.
    Svid {
        /// Whom it may be for.
        audiences: Vec<String>,
        /// A JWKS for each trust domain.
        trust: Vec<(String, String)>,
        /// Any bytes.
        token: Vec<u8>,
        /// When, in seconds since 1970.
        now: u64,
    },
}

impl Question {
    /// As JSON, with bytes in base64url.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Signature { jwk, algorithm, message, signature } => json!({
                "jwk": jwk, "algorithm": algorithm.as_str(), "message": b64(message), "signature": b64(signature),
            }),
            Self::Svid { audiences, trust, token, now } => {
                json!({"audiences": audiences, "trust": trust, "token": b64(token), "now": now})
            }
        }
    }
}
