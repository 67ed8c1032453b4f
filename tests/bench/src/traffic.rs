//! What callers send.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use svidgate_forge::{Key, RsaKey, Token, b64, jwks};

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSA of 2048 bits, PKCS #1 v1.5.
    Rs256,
    /// ECDSA on P-256.
    Es256,
}

/// The `authorization` headers of one kind of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// One good token, again and again.
    One(Algorithm),
    /// A thousand callers with a good token each, in turn.
    Thousand(Algorithm),
    /// So many good tokens in turn that each has left every cache before it comes again.
    Fresh(Algorithm),
    /// No token.
    NoToken,
    /// A token whose signature is wrong in one bit.
    BadSignature(Algorithm),
    /// A token whose key no bundle has.
    UnknownKid(Algorithm),
    /// Eight KiB of noise in three parts, as long as a token may be.
    Junk,
}

impl Algorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// As in the `alg` of a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    pub(crate) fn key(self) -> Key {
        match self {
            Self::Rs256 => Key::rsa(RsaKey::Bits2048, "bench-rsa"),
            Self::Es256 => Key::p256("bench-p256"),
        }
    }
}

impl Traffic {
    /// A name for tables, such as `one caller, ES256`.
    pub fn name(self) -> String {
        match self {
            Self::One(algorithm) => format!("one caller, {}", algorithm.name()),
            Self::Thousand(algorithm) => format!("1,000 callers, {}", algorithm.name()),
            Self::Fresh(algorithm) => format!("new tokens, {}", algorithm.name()),
            Self::NoToken => "no token".to_owned(),
            Self::BadSignature(algorithm) => format!("bad signature, {}", algorithm.name()),
            Self::UnknownKid(algorithm) => format!("unknown kid, {}", algorithm.name()),
            Self::Junk => "8 KiB of junk".to_owned(),
        }
    }

    /// Whether a verifier lets it in.
    pub fn is_good(self) -> bool {
        matches!(self, Self::One(_) | Self::Thousand(_) | Self::Fresh(_))
    }

    /// Values of `authorization`, one for each request of a cycle; an empty one stands for no header. The tokens
    /// live for a day from `now`, in seconds since 1970.
    pub fn values(self, now: u64) -> Vec<String> {
        let good = |algorithm: Algorithm, who: &str, count: usize| {
            (0..count).map(|n| caller(&format!("{who}{n:04}"), algorithm, now)).collect()
        };
        match self {
            Self::One(algorithm) => good(algorithm, "", 1),
            Self::Thousand(algorithm) => good(algorithm, "", 1_000),
            // Nobody of the others: what is used again and again stays in the cache.
            Self::Fresh(algorithm) => good(algorithm, "new-", FRESH),
            Self::NoToken => vec![String::new()],
            Self::BadSignature(algorithm) => vec![bad_signature(algorithm, now)],
            Self::UnknownKid(algorithm) => {
                let key = algorithm.key().with_kid("nobody-knows");
                vec![bearer(token(CALLER, &key, now).sign(&key))]
            }
            Self::Junk => vec![junk()],
        }
    }
}

/// A good token of somebody whom no rule lets in.
pub(crate) fn of_a_stranger(algorithm: Algorithm, now: u64) -> String {
    let key = algorithm.key();
    bearer(token(STRANGER, &key, now).sign(&key))
}

/// The public keys of both algorithms, as a JWKS.
pub(crate) fn trusted_keys() -> String {
    let keys = jwks(Algorithm::ALL.map(|algorithm| algorithm.key().jwk()));
    String::from_utf8(keys).expect("JSON is text")
}

/// A caller with a token of its own.
fn caller(name: &str, algorithm: Algorithm, now: u64) -> String {
    let key = algorithm.key();
    bearer(token(&format!("{CALLERS}{name}"), &key, now).sign(&key))
}

fn bad_signature(algorithm: Algorithm, now: u64) -> String {
    let key = algorithm.key();
    let token = token(CALLER, &key, now);
    let mut signature = key.sign(&token.signing_input());
    let middle = signature.len() / 2;
    signature[middle] ^= 1;
    bearer(token.with_signature(&signature))
}

fn token(spiffe_id: &str, key: &Key, now: u64) -> Token {
    Token::at(now, key).claim("sub", json!(spiffe_id)).claim("exp", json!(now + DAY))
}

fn junk() -> String {
    let mut noise = Vec::new();
    let mut state = Sha256::digest("junk");
    while noise.len() < JUNK_BYTES {
        noise.extend_from_slice(&state);
        state = Sha256::digest(state);
    }
    let mut text = b64(&noise);
    text.truncate(JUNK_BYTES);
    text.replace_range(JUNK_BYTES / 4..JUNK_BYTES / 4 + 1, ".");
    text.replace_range(JUNK_BYTES / 2..JUNK_BYTES / 2 + 1, ".");
    bearer(text.into_bytes())
}

fn bearer(token: Vec<u8>) -> String {
    format!("Bearer {}", String::from_utf8(token).expect("a token is text"))
}

/// What the SPIFFE ID of every good caller begins with.
pub(crate) const CALLERS: &str = "spiffe://example.org/caller/";
/// Size of the token caches of Envoy's `jwt_authn`; that of svidgate has the same number of entries by default.
pub(crate) const CACHE_ENTRIES: usize = 4_096;

const CALLER: &str = "spiffe://example.org/caller/0000";
const STRANGER: &str = "spiffe://example.org/stranger";
/// More than a cache holds, so that in a cycle nothing comes again before it was pushed out.
const FRESH: usize = CACHE_ENTRIES * 3 / 2;
const JUNK_BYTES: usize = 8_192;
pub(crate) const DAY: u64 = 24 * 3600;
