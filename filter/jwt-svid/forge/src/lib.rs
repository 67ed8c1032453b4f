//! Test-only: signs tokens with fixed keys and builds every malformed one.
//!
//! Everything is deterministic: elliptic-curve keys come from a label, RSA keys from files, nonces from RFC 6979,
//! PSS salts from the caller. So tests are fast, repeat exactly, and run as Wasm, where there is no randomness.
//! The keys are published with the sources; nothing may ever trust them. It knows nothing of the verifier that it
//! tests, and shares no code with it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test helper may stop at the first surprise"
)]

mod attacks;
mod key;
mod padding;
mod token;

pub use attacks::{ATTACK_CLASSES, Attack, attacks, attacks_at};
pub use key::{Key, RsaKey, jwks};
pub use padding::{Pkcs1, Sha, pkcs1, pss};
pub use token::{AUDIENCE, NOW, SUBJECT, TRUST_DOMAIN, Token, b64, compact};
