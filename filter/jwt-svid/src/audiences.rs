use alloc::collections::BTreeSet;
use alloc::string::String;

/// The audiences that this verifier answers to; never empty (V10), because "no audience" would mean "any".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences(BTreeSet<String>);

impl Audiences {
    /// The given audiences; repeated ones count once.
    ///
    /// # Errors
    /// When there are none, or one is the empty string.
    pub fn new(audiences: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, AudiencesError> {
        let set: BTreeSet<String> = audiences.into_iter().map(Into::into).collect();
        if set.is_empty() {
            return Err(AudiencesError::None);
        }
        if set.contains("") {
            return Err(AudiencesError::EmptyString);
        }
        Ok(Self(set))
    }

    /// Whether this audience, byte for byte, is one of ours.
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        self.0.contains(audience)
    }

    /// The audiences in their order as text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Why a set of expected audiences cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudiencesError {
    /// No audience was given; such a verifier would have to accept every token or none.
    #[error("names no audience")]
    None,
    /// An audience is the empty string, which is usually a variable that was not set.
    #[error("has an empty audience")]
    EmptyString,
}
