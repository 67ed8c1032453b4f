//! Tokens of the rows: signed by keys of the snapshot in [`super::trust`], or by one that nobody trusts.

use serde_json::json;
use svidgate_forge::{Key, RsaKey, Token};

/// How a token is made at the moment of the request, in seconds since 1970.
#[derive(Clone, Copy)]
pub struct Mint {
    signer: Signer,
    edit: fn(Token, u64) -> Token,
    finish: fn(String) -> String,
}

/// Whose key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Our trust domain's.
    Own,
    /// Our trust domain's, with RSA.
    OwnRsa,
    /// Our trust domain's, but its `kid` is on the list of the revoked.
    OwnRevoked,
    /// A federated trust domain's.
    Partner,
    /// A trust domain whose bundle was confirmed two hours ago.
    Stale,
    /// A key under our `kid` that no bundle has.
    Stranger,
}

impl Mint {
    /// A good token of `spiffe://example.org/client` for `backend.example.org`, with a change.
    pub const fn new(edit: fn(Token, u64) -> Token) -> Self {
        Self::by(Signer::Own, edit)
    }

    /// A token by any signer.
    pub const fn by(signer: Signer, edit: fn(Token, u64) -> Token) -> Self {
        Self { signer, edit, finish: |token| token }
    }

    /// Changes the finished token.
    pub const fn finish(mut self, finish: fn(String) -> String) -> Self {
        self.finish = finish;
        self
    }

    /// The token.
    pub fn at(&self, now: u64) -> String {
        let key = self.signer.key();
        let token = (self.edit)(Token::at(now, &key), now).sign(&key);
        (self.finish)(String::from_utf8(token).expect("a token is text"))
    }
}

impl Signer {
    /// Its key.
    pub fn key(self) -> Key {
        match self {
            Self::Own => Key::p256("own-1"),
            Self::OwnRsa => Key::rsa(RsaKey::Bits2048, "own-rsa"),
            Self::OwnRevoked => Key::p256("own-revoked"),
            Self::Partner => Key::p384("partner-1"),
            Self::Stale => Key::p256("stale-1"),
            Self::Stranger => Key::p256("stranger").with_kid("own-1"),
        }
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token by {:?}", self.signer)
    }
}

/// `spiffe://example.org/client`.
pub const CLIENT: Mint = Mint::new(|token, _| token);
/// `spiffe://example.org/other`, whom few rules know.
pub const OTHER: Mint = Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/other")));
/// `spiffe://example.org/ns/a/sa/web`.
pub const WEB: Mint = Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/ns/a/sa/web")));
/// `spiffe://example.org/admin`.
pub const ADMIN: Mint = Mint::new(|token, _| token.claim("sub", json!("spiffe://example.org/admin")));
/// `spiffe://partner.test/web`, of a federated trust domain.
pub const PARTNER: Mint =
    Mint::by(Signer::Partner, |token, _| token.claim("sub", json!("spiffe://partner.test/web")));
/// Expired a minute ago.
pub const EXPIRED: Mint =
    Mint::new(|token, now| token.claim("iat", json!(now - 360)).claim("exp", json!(now - 60)));
/// Signed by nobody whom we trust.
pub const FORGED: Mint = Mint::by(Signer::Stranger, |token, _| token);
