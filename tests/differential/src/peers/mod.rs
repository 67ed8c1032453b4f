//! The other implementations.

mod jsonwebtoken;
mod jwt_compact;
mod rust_spiffe;
#[cfg(feature = "spire")]
mod spire;

pub use jsonwebtoken::JsonWebToken;
pub use jwt_compact::JwtCompact;
pub use rust_spiffe::RustSpiffe;
#[cfg(feature = "spire")]
pub use spire::SpireAgent;

use crate::corpus::Case;

/// Another implementation of token verification.
pub trait Peer: Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;
    /// What it says to a token at the moment `now`, which is also what the wall clock says unless the case is
    /// [timed to the second](Case::to_the_second).
    fn judge(&self, case: &Case, now: u64) -> Verdict;
}

/// What an implementation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is good, and its `sub` is this.
    Accepted(String),
    /// The token is bad, in its own words.
    Refused(String),
    /// It cannot be asked, for the reason given.
    NotAsked(&'static str),
}

/// A refusal in the words of an error.
fn refused(error: impl std::fmt::Display) -> Verdict {
    Verdict::Refused(error.to_string())
}

/// The JWK of this `kid`, whatever the trust domain: libraries for plain JWTs know no trust domains.
fn find_jwk(case: &Case, kid: &str) -> Option<serde_json::Value> {
    case.trust.domains.iter().find_map(|(_, jwks)| {
        let document: serde_json::Value = serde_json::from_slice(jwks).ok()?;
        let entries = document.get("keys")?.as_array()?;
        entries
            .iter()
            .find(|entry| entry.get("kid").and_then(serde_json::Value::as_str) == Some(kid))
            .cloned()
    })
}
