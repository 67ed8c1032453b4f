use std::fmt;

use crate::revision::Revision;

/// Entity tag of a snapshot: its revision and when it was observed, so that a server can tell a change of content
/// (answer at once) from time merely passing (answer at the end of the wait).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag {
    /// Revision of the content.
    pub revision: Revision,
    /// The snapshot's `observed.at`, Unix time in milliseconds.
    pub observed_at: u64,
    /// Revision of the credentials, for a subscriber that was given some, even if none.
    pub credentials: Option<Revision>,
}

impl ETag {
    /// Reads what [`fmt::Display`] writes: `"<revision>.<milliseconds>"` with the quotes, and before the last one
    /// `.<revision>` of the credentials where there are some. Anything else (weak tags, lists) is `None`, which a server
    /// treats as "has nothing".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (revision, rest) = text.strip_prefix('"')?.strip_suffix('"')?.split_once('.')?;
        let (observed_at, credentials) = match rest.split_once('.') {
            Some((observed_at, credentials)) => (observed_at, Some(Revision::parse(credentials)?)),
            None => (rest, None),
        };
        if !observed_at.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            revision: Revision::parse(revision)?,
            observed_at: observed_at.parse().ok()?,
            credentials,
        })
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}.{}", self.revision, self.observed_at)?;
        if let Some(credentials) = &self.credentials {
            write!(f, ".{credentials}")?;
        }
        f.write_str("\"")
    }
}
