//! Who may call: from a verified identity, or the lack of one, to a decision with a reason.
//!
//! Pure: no host, no clock. The first form of the policy is an [`Allowlist`] of exact SPIFFE IDs.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod allowlist;
mod denial;

pub use allowlist::{Allowlist, EmptyAllowlist};
pub use denial::{Denial, Outcome, Reason};
