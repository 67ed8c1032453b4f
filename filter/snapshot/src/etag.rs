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
}

impl ETag {
    /// Reads what [`fmt::Display`] writes: `"<revision>.<milliseconds>"` with the quotes. Anything else (weak tags,
    /// lists) is `None`, which a server treats as "has nothing".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (revision, observed_at) = text.strip_prefix('"')?.strip_suffix('"')?.split_once('.')?;
        if !observed_at.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { revision: Revision::parse(revision)?, observed_at: observed_at.parse().ok()? })
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}.{}\"", self.revision, self.observed_at)
    }
}
