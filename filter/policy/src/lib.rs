//! Who may call: from the headers of a request, and what Envoy says about its connection, to a decision with a reason.
//!
//! Pure: no host, no clock. A [`Judge`] goes by [`Settings`]: it finds the first of the [`Policy`]'s rules that is about
//! the request, by host, path and method in the one form in which they can be judged ([`Host`], [`Readings`]), and asks
//! of the request what the rule asks: a token that [`Trust`] verified, the identity of the mTLS [`Peer`], both or either.

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod claims;
mod denial;
mod edit;
mod headers;
mod host;
mod identity;
mod judge;
mod path;
mod peer;
mod policy;
mod rule;
mod settings;
mod token;

pub use denial::{Denial, Outcome, Reason};
pub use edit::Edit;
pub use headers::Headers;
pub use host::{BadHost, Host, HostPattern};
pub use identity::IdPattern;
pub use judge::{Identity, Judge, Passage, Trust, Verdict};
pub use path::{AmbiguousPath, Oddities, Path, PathPattern, Readings};
pub use peer::{Connection, Peer};
pub use policy::{Call, Doubt, DoubtKind, Doubts, Policy};
pub use rule::{Callers, Demands, GrpcMethods, Match, Mode, Requirement, Rule};
pub use settings::{
    ClaimHeader, ClaimKind, PEER_FILTER_STATE, PeerSettings, PeerSource, Settings, Staleness, TokenSource,
    Upstream,
};
