//! Who may call: from a verified identity, or the lack of one, to a decision with a reason.
//!
//! Pure: no host, no clock. What the plugin enforces today is an [`Allowlist`] of exact SPIFFE IDs. [`Policy`] is what
//! follows it: an ordered list of [`Rule`]s by host, method and path, compiled so that its length costs nothing, over
//! [`Host`] and [`Path`] in the one form in which they can be judged. No configuration leads to it yet.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod allowlist;
mod denial;
mod host;
mod identity;
mod path;
mod policy;
mod rule;

pub use allowlist::{Allowlist, EmptyAllowlist};
pub use denial::{Denial, Outcome, Reason};
pub use host::{BadHost, Host, HostPattern};
pub use identity::IdPattern;
pub use path::{AmbiguousPath, Path, PathPattern};
pub use policy::{Call, Policy};
pub use rule::{Demands, Match, Mode, Requirement, Rule};
