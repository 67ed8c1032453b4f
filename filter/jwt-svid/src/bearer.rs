//! The token in one `Authorization` value (RFC 6750 §2.1; V18).

use crate::bytes::ByteSet;
use crate::deny_reason::DenyReason;

const SCHEME: &[u8] = b"Bearer";

/// The token bytes of one `Authorization` header value.
///
/// The value must be the scheme `Bearer` in any case, one space, and the token, with nothing before or after.
/// Whether the header came more than once is for the caller to check, who alone can see it.
///
/// # Errors
/// What is wrong with the value; the token itself is not judged, but for the alphabet of RFC 6750 §2.1.
pub fn extract(header_value: &[u8]) -> Result<&[u8], BearerError> {
    with_scheme(header_value, SCHEME)
}

/// As [`extract`], with another scheme than `Bearer`.
///
/// # Errors
/// What is wrong with the value.
pub fn with_scheme<'h>(header_value: &'h [u8], expected: &[u8]) -> Result<&'h [u8], BearerError> {
    if header_value.is_empty() {
        return Err(BearerError::Empty);
    }
    let (scheme, rest) = match header_value.iter().position(|byte| *byte == b' ') {
        Some(space) => header_value.split_at_checked(space).ok_or(BearerError::Scheme)?,
        None => (header_value, &b""[..]),
    };
    if !scheme.eq_ignore_ascii_case(expected) {
        return Err(BearerError::Scheme);
    }
    bare(rest.strip_prefix(b" ").unwrap_or_default())
}

/// A token that stands alone, as in a cookie.
///
/// # Errors
/// [`BearerError::NoToken`], [`BearerError::Junk`].
pub fn bare(value: &[u8]) -> Result<&[u8], BearerError> {
    if value.is_empty() {
        return Err(BearerError::NoToken);
    }
    if !TOKEN68.has_all(value) {
        return Err(BearerError::Junk);
    }
    Ok(value)
}

/// `b64token` of RFC 6750 §2.1.
static TOKEN68: ByteSet = ByteSet::alphanumerics_and(b"-._~+/=");

/// Why an `Authorization` value yields no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerError {
    /// The header is there and empty.
    #[error("the authorization header is empty")]
    Empty,
    /// Another scheme, such as `Basic`, or no scheme.
    #[error("the authorization scheme is not Bearer")]
    Scheme,
    /// `Bearer` and nothing after it; usually a variable that was not set.
    #[error("no token follows Bearer")]
    NoToken,
    /// Whitespace or another byte that no token has: a second token, a comma list, quotes, a line break.
    #[error("there is something beside the token")]
    Junk,
}

impl BearerError {
    /// The reason to give to the caller.
    #[must_use]
    pub const fn reason(self) -> DenyReason {
        match self {
            Self::Scheme => DenyReason::SchemeNotBearer,
            Self::Empty | Self::NoToken | Self::Junk => DenyReason::AuthorizationMalformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v18_scheme_is_matched_without_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR a.b.c"] {
            assert_eq!(extract(value.as_bytes()), Ok(&b"a.b.c"[..]));
        }
    }

    #[test]
    fn v18_other_schemes_whitespace_and_junk_are_refused() {
        let cases: &[(&[u8], BearerError)] = &[
            (b"", BearerError::Empty),
            (b"Basic dXNlcjpwYXNz", BearerError::Scheme),
            (b"a.b.c", BearerError::Scheme),
            (b" Bearer a.b.c", BearerError::Scheme),
            (b"Bearer\ta.b.c", BearerError::Scheme),
            (b"Bearera.b.c", BearerError::Scheme),
            (b"Bearer, Bearer a.b.c", BearerError::Scheme),
            (b"Bearer", BearerError::NoToken),
            (b"Bearer ", BearerError::NoToken),
            (b"Bearer  a.b.c", BearerError::Junk),
            (b"Bearer a.b.c ", BearerError::Junk),
            (b"Bearer a.b.c\n", BearerError::Junk),
            (b"Bearer a.b.c d.e.f", BearerError::Junk),
            (b"Bearer a.b.c,Bearer d.e.f", BearerError::Junk),
            (b"Bearer \"a.b.c\"", BearerError::Junk),
            (b"Bearer a.b.c\0", BearerError::Junk),
            (b"Bearer a.b.\xff", BearerError::Junk),
        ];
        for (value, error) in cases {
            assert_eq!(extract(value), Err(*error), "{value:?}");
        }
    }
}
