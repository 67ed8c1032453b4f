//! The attack classes on JOSE that every verifier must stand: the J list of the verification checklist.

mod claims;
mod encoding;
mod header;
mod keys;
mod signatures;

use serde_json::Value;

use crate::key::{Key, RsaKey, jwks};
use crate::token::{NOW, TRUST_DOMAIN, Token};

/// A token that must be refused by a verifier that trusts these keys, expects the audience
/// [`AUDIENCE`](crate::AUDIENCE), and lives at the moment for which it was made, with a skew
/// of five seconds.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The class, such as `j05`.
    pub class: &'static str,
    /// What is done, in a few words.
    pub name: String,
    /// The token.
    pub token: Vec<u8>,
    /// The JWKS by trust domain.
    pub trust: Vec<(&'static str, Vec<u8>)>,
    /// The word of the closed list of reasons that svidgate gives.
    pub reason: &'static str,
}

/// The classes in their order: number and meaning.
pub const ATTACK_CLASSES: &[(&str, &str)] = &[
    ("j01", "alg none and case variants"),
    ("j02", "RS/HS confusion"),
    ("j03", "embedded jwk"),
    ("j04", "jku and x5u"),
    ("j05", "psychic signatures"),
    ("j06", "truncated, over-long, DER-encoded ECDSA"),
    ("j07", "key, algorithm and curve mismatch"),
    ("j08", "invalid curve points"),
    ("j09", "e = 1, ROCA and 1024-bit RSA"),
    ("j10", "wrong RSA padding: PSS salt and MGF, PKCS#1 forms"),
    ("j11", "crit and b64=false"),
    ("j12", "JSON serialization, nested and encrypted tokens"),
    ("j13", "duplicate members and kids"),
    ("j14", "unbounded splitting"),
    ("j15", "deep and wide JSON"),
    ("j16", "polyglot tokens"),
    ("j17", "missing claims by wrong type"),
    ("j18", "key reuse across trust domains"),
    ("j19", "expired by one second"),
];

/// Every attack at [`NOW`], by class.
#[must_use]
pub fn attacks() -> Vec<Attack> {
    attacks_at(NOW)
}

/// Every attack at a moment, in seconds since 1970, by class: for verifiers that cannot be told the time.
#[must_use]
pub fn attacks_at(now: u64) -> Vec<Attack> {
    let mut all = [
        header::attacks(now),
        signatures::attacks(now),
        keys::attacks(now),
        encoding::attacks(now),
        claims::attacks(now),
    ]
    .concat();
    all.sort_by_key(|attack| attack.class);
    all
}

/// The key that most attacks are aimed at.
fn victim() -> Key {
    Key::p256("key-1")
}

/// The RSA key beside it.
fn rsa_victim() -> Key {
    Key::rsa(RsaKey::Bits2048, "rsa-1")
}

fn good(now: u64) -> Token {
    Token::at(now, &victim())
}

/// An attack on a trust domain with both keys.
fn attack(class: &'static str, name: impl Into<String>, token: Vec<u8>, reason: &'static str) -> Attack {
    against(class, name, token, vec![victim().jwk(), rsa_victim().jwk()], reason)
}

/// An attack on a trust domain with these entries in its JWKS.
fn against(
    class: &'static str,
    name: impl Into<String>,
    token: Vec<u8>,
    entries: Vec<Value>,
    reason: &'static str,
) -> Attack {
    Attack { class, name: name.into(), token, trust: vec![(TRUST_DOMAIN, jwks(entries))], reason }
}
