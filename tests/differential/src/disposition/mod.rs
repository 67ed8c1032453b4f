//! Where implementations may disagree, with the reason, and a check that the reason is that token's.

mod seen;
mod stricter_here;
mod stricter_there;

pub use seen::Seen;

/// A class of disagreement that is meant to be.
pub struct Disposition {
    /// A short name for tables.
    pub name: &'static str,
    /// The peers that it is about.
    pub peers: &'static [&'static str],
    /// Where the rule comes from: a number of the checklist, or the peer's documentation.
    pub rule: &'static str,
    /// Why the two differ, in a sentence.
    pub why: &'static str,
    /// Whether the token truly is of this class. It looks at the token with readers of its own.
    pub applies: fn(&Seen<'_>) -> bool,
}

/// What we refuse and a peer accepts.
pub const STRICTER_HERE: &[Disposition] = stricter_here::ALL;

/// What we accept and a peer refuses.
pub const STRICTER_THERE: &[Disposition] = stricter_there::ALL;

/// The class of a disagreement; none is a fault.
#[must_use]
pub fn find(all: &'static [Disposition], peer: &str, seen: &Seen<'_>) -> Option<&'static Disposition> {
    all.iter().find(|disposition| disposition.peers.contains(&peer) && (disposition.applies)(seen))
}

const SPIRE: &str = "SPIRE";
const SPIFFE: &str = "spiffe";
const JSONWEBTOKEN: &str = "jsonwebtoken";
const JWT_COMPACT: &str = "jwt-compact";
