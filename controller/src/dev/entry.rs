//! The identities that the embedded trust domain gives to its callers.

use std::str::FromStr;

use svidgate_jwt_svid::{SpiffeId, SpiffeIdError};

/// A registered identity. There is no attestation: every caller is given every entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// What it is for, as the Workload API's `hint`; empty for none.
    pub hint: String,
}

/// Why the text of an entry was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The part before the comma is no SPIFFE ID.
    #[error("{0}")]
    SpiffeId(#[from] SpiffeIdError),
    /// Only `hint=` may follow the SPIFFE ID.
    #[error("expected SPIFFE_ID or SPIFFE_ID,hint=TEXT")]
    Form,
}

impl Entry {
    /// An entry without a hint.
    #[must_use]
    pub fn new(spiffe_id: SpiffeId) -> Self {
        Self { spiffe_id, hint: String::new() }
    }
}

/// `SPIFFE_ID` or `SPIFFE_ID,hint=TEXT`. No SPIFFE ID contains a comma.
impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let Some((id, rest)) = text.split_once(',') else {
            return Ok(Self::new(SpiffeId::parse(text)?));
        };
        let hint = rest.strip_prefix("hint=").filter(|hint| !hint.is_empty()).ok_or(EntryError::Form)?;
        Ok(Self { spiffe_id: SpiffeId::parse(id)?, hint: hint.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_spiffe_id_with_an_optional_hint() {
        let plain: Entry = "spiffe://example.org/a".parse().unwrap();
        assert_eq!((plain.spiffe_id.as_str(), plain.hint.as_str()), ("spiffe://example.org/a", ""));
        let hinted: Entry = "spiffe://example.org/a,hint=internal".parse().unwrap();
        assert_eq!((hinted.spiffe_id.as_str(), hinted.hint.as_str()), ("spiffe://example.org/a", "internal"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "example.org/a", "spiffe://example.org/a,", "spiffe://example.org/a,ttl=5m", ",hint=a"]
        {
            assert!(text.parse::<Entry>().is_err(), "{text:?}");
        }
    }
}
