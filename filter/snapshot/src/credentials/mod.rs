//! What outgoing requests are given: the section `credentials` of a snapshot.
//!
//! It is the one section that holds secrets, and a snapshot rests in a place that others can read. So it travels and
//! rests as ciphertext only ([`SealedCredentials`], a JWE), and is opened with a key that stands in the plugin's
//! configuration ([`CredentialKey`]). It is no part of what [`crate::Snapshot::revision`] identifies: subscribers are
//! given different ones.

mod json;
mod key;
mod sealed;

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

pub use key::{CredentialKey, KeyError};
pub use sealed::{CREDENTIALS_FORMAT, NONCE_BYTES, SealedCredentials};

/// The most names that one subscriber may ask for.
pub const MAX_CREDENTIALS: usize = 32;
/// Longest value of a credential in bytes: Envoy takes 60 KiB of headers in all.
pub const MAX_CREDENTIAL_BYTES: usize = 8192;
/// Longest name in bytes.
pub const MAX_CREDENTIAL_NAME: usize = 64;

/// Whether `text` can be the name of a credential: 1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter or digit.
/// Such a name stands in a query and in a metric as it is.
#[must_use]
pub fn is_credential_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= MAX_CREDENTIAL_NAME
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|b| plain(b) || matches!(b, b'_' | b'.' | b'-'))
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKind {
    /// A JWT-SVID of the controller's identity.
    JwtSvid,
    /// A token or password, as it is.
    Secret,
    /// A user, `:`, and a password, as HTTP's Basic scheme joins them (RFC 7617 §2). The user has no `:`.
    UserPassword,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::JwtSvid, Self::Secret, Self::UserPassword];

    /// Its name in a snapshot and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JwtSvid => "jwt_svid",
            Self::Secret => "secret",
            Self::UserPassword => "user_password",
        }
    }
}

/// A value that authenticates, and how long. Wiped when dropped; `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    kind: CredentialKind,
    value: Zeroizing<Vec<u8>>,
    not_after: Option<u64>,
}

/// Why something is no credential. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Nothing would be sent.
    #[error("is empty")]
    Empty,
    /// Longer than a header should be.
    #[error("has {actual} bytes, more than the limit of {MAX_CREDENTIAL_BYTES}")]
    TooLong {
        /// Its length in bytes.
        actual: usize,
    },
    /// It could end the header that carries it, or hide a part of it: nothing is taken out, all of it is refused.
    #[error("has a control character, such as a line end")]
    ControlCharacter,
    /// A user and a password are needed.
    #[error("is no `user:password`: there is no `:` after a user")]
    NoUser,
}

impl Credential {
    /// A credential that may be sent until `not_after` (Unix seconds, that second not included; `None`: no end). A value
    /// has no control characters (RFC 9110 §5.5), so that it can stand in a header.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn new(
        kind: CredentialKind,
        value: impl Into<Zeroizing<Vec<u8>>>,
        not_after: Option<u64>,
    ) -> Result<Self, CredentialError> {
        let value = value.into();
        let actual = value.len();
        if actual == 0 {
            return Err(CredentialError::Empty);
        }
        if actual > MAX_CREDENTIAL_BYTES {
            return Err(CredentialError::TooLong { actual });
        }
        if value.iter().any(|byte| byte.is_ascii_control()) {
            return Err(CredentialError::ControlCharacter);
        }
        if kind == CredentialKind::UserPassword
            && value.iter().position(|byte| *byte == b':').is_none_or(|at| at == 0)
        {
            return Err(CredentialError::NoUser);
        }
        Ok(Self { kind, value, not_after })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.value
    }

    /// First second at which it may not be sent any more, Unix time.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.not_after
    }

    /// Whether it may be sent at `now`, Unix seconds.
    #[must_use]
    pub fn is_good_at(&self, now: u64) -> bool {
        self.not_after.is_none_or(|not_after| now < not_after)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Credentials by name. At most [`MAX_CREDENTIALS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Option<Credential>>);

impl Credentials {
    /// Adds one; `false`, and nothing is added, when `name` is none, is taken, or there are [`MAX_CREDENTIALS`] already.
    pub fn add(&mut self, name: &str, credential: Credential) -> bool {
        self.insert(name, Some(credential))
    }

    /// Adds one of which nothing is known yet: a controller that has just started takes nothing from its subscribers. As
    /// [`Self::add`].
    pub fn add_unknown(&mut self, name: &str) -> bool {
        self.insert(name, None)
    }

    fn insert(&mut self, name: &str, member: Option<Credential>) -> bool {
        if !is_credential_name(name) || self.0.contains_key(name) || self.0.len() >= MAX_CREDENTIALS {
            return false;
        }
        self.0.insert(name.to_owned(), member).is_none()
    }

    /// These, and those of `before` of which these say that nothing is known.
    #[must_use]
    pub fn or_still(mut self, before: &Self) -> Self {
        for (name, member) in self.0.iter_mut().filter(|(_, member)| member.is_none()) {
            *member = before.get(name).cloned();
        }
        self
    }

    /// The credential of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Credential> {
        self.0.get(name)?.as_ref()
    }

    /// All of them, by name; `None` for one of which nothing is known.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Credential>)> {
        self.0.iter().map(|(name, member)| (name.as_str(), member.as_ref()))
    }

    /// How many, those of which nothing is known included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
