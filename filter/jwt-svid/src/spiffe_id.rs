//! SPIFFE IDs as parsed types (SPIFFE-ID §2): who holds one need not ask again whether it is well formed.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::bytes::Segments;
use crate::trust_domain::{TrustDomain, is_trust_domain_byte};

/// The longest SPIFFE ID, in bytes (SPIFFE-ID §2.3: up to 2048 must be supported, longer must not be made).
pub const MAX_SPIFFE_ID_BYTES: usize = 2048;

const SCHEME: &str = "spiffe://";

/// A SPIFFE ID such as `spiffe://example.org/ns/shop/sa/cart`.
///
/// Compared byte for byte: there is one spelling of each ID, since upper-case hosts, percent-encoding, ports,
/// queries, empty and dot segments are all refused. An ID whose trust domain looks like an IP address or a DNS
/// name means nothing more than any other. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Arc<str>,
    trust_domain: TrustDomain,
}

impl SpiffeId {
    /// Parses the text of a SPIFFE ID.
    ///
    /// # Errors
    /// The first rule of the grammar that the text breaks.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdError> {
        if text.is_empty() {
            return Err(SpiffeIdError::Empty);
        }
        if text.len() > MAX_SPIFFE_ID_BYTES {
            return Err(SpiffeIdError::TooLong { limit: MAX_SPIFFE_ID_BYTES, actual: text.len() });
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (rest, None),
        };
        let trust_domain = TrustDomain::parse(host)?;
        if let Some(path) = path {
            check_path(path)?;
        }
        Ok(Self { uri: Arc::from(text), trust_domain })
    }

    /// The trust domain that answers for this identity.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path: empty, or `/` and the segments, as in `/ns/shop/sa/cart`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.get(SCHEME.len().saturating_add(self.trust_domain.as_str().len())..).unwrap_or_default()
    }

    /// The segments of the path in order; none when there is no path.
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(self.path())
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }
}

/// Checks the part after the first `/` of a path (SPIFFE-ID §2.2).
fn check_path(path: &str) -> Result<(), SpiffeIdError> {
    if path.is_empty() || path.ends_with('/') {
        return Err(SpiffeIdError::TrailingSlash);
    }
    for segment in path.split('/') {
        match segment {
            "" => return Err(SpiffeIdError::EmptySegment),
            "." | ".." => return Err(SpiffeIdError::DotSegment),
            _ if segment.bytes().all(is_segment_byte) => {}
            _ => return Err(SpiffeIdError::PathCharacter),
        }
    }
    Ok(())
}

fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || is_trust_domain_byte(byte)
}

/// Why a text is no SPIFFE ID or no trust domain name. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeIdError {
    /// There is no text at all.
    #[error("is empty")]
    Empty,
    /// Longer than the standard allows: 2048 bytes for an ID, 255 for a trust domain.
    #[error("has {actual} bytes, more than {limit}")]
    TooLong {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes found.
        actual: usize,
    },
    /// Does not begin with `spiffe://` in exactly this spelling.
    #[error("does not begin with spiffe:// in lower case")]
    Scheme,
    /// The trust domain is empty, as in `spiffe:///path`.
    #[error("has an empty trust domain")]
    EmptyTrustDomain,
    /// The trust domain has a byte outside `[a-z0-9._-]`; usually upper case, a port, a user or a query.
    #[error("has a character in the trust domain outside a-z, 0-9, '.', '_' and '-'")]
    TrustDomainCharacter,
    /// The path ends in `/`.
    #[error("ends in a slash")]
    TrailingSlash,
    /// The path has two slashes in a row.
    #[error("has an empty path segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("has a path segment '.' or '..'")]
    DotSegment,
    /// A segment has a byte outside `[A-Za-z0-9._-]`; usually percent-encoding, a query or a fragment.
    #[error("has a character in the path outside A-Z, a-z, 0-9, '.', '_' and '-'")]
    PathCharacter,
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;
    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        Self::parse(text)
    }
}

impl AsRef<str> for SpiffeId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpiffeId({self})")
    }
}

#[cfg(test)]
mod tests;
