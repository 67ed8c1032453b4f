use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use svidgate_jwt_svid::TrustDomain;

use crate::identity::IdPattern;
use crate::policy::Policy;
use crate::rule::{Callers, Mode, Requirement};

/// Everything that one instance of the filter goes by when it judges.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The rules.
    pub policy: Policy,
    /// For rules without a mode of their own, and for requests that no rule is about.
    pub mode: Mode,
    /// For development only: lets pass what cannot be judged, never a token found false.
    pub fail_open: bool,
    /// Where a token is looked for.
    pub sources: Vec<TokenSource>,
    /// Whose word on the peer counts.
    pub peer: PeerSettings,
    /// What the service is told.
    pub upstream: Upstream,
    /// How old trust may be.
    pub staleness: Staleness,
    /// Tolerance on times, in seconds; as that of the verifier.
    pub clock_skew: u64,
}

impl Settings {
    /// The trust domains from which a token may come: those of callers that a rule may let in by a token, and those with
    /// a bound of their own on the age of their bundle.
    #[must_use]
    pub fn token_trust_domains(&self) -> BTreeSet<&TrustDomain> {
        let callers = self.policy.rules().iter().filter_map(|rule| match &rule.require {
            Requirement::Jwt(demands) | Requirement::Both(demands, _) | Requirement::Either(demands) => {
                Some(&demands.callers)
            }
            Requirement::None | Requirement::Mtls(_) => None,
        });
        let named = callers.flat_map(|callers| {
            callers.trust_domains.iter().chain(callers.spiffe_ids.iter().map(IdPattern::trust_domain))
        });
        named.chain(self.staleness.trust_domains.keys()).collect()
    }
}

/// A place where a token may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A header, in lower case; with a scheme before the token, or the token alone.
    Header {
        /// Name in lower case.
        name: String,
        /// Scheme such as `Bearer`, in any case.
        scheme: Option<String>,
    },
    /// A cookie of this name (RFC 6265 §4.2).
    Cookie(String),
    /// A parameter of this name in the query; its value must not need decoding.
    Query(String),
}

/// Whose word on the mTLS peer counts.
#[derive(Clone, Debug, Default)]
pub struct PeerSettings {
    /// Where its URI SANs are read.
    pub source: PeerSource,
    /// Trust domains whose peers count; empty: all that Envoy's validation admits.
    pub trust_domains: Vec<TrustDomain>,
}

/// Where the URI SANs of the peer are read.
#[derive(Clone, Debug, Default)]
pub enum PeerSource {
    /// Filter state [`PEER_FILTER_STATE`], which a `set_filter_state` filter in front fills: the peer of the
    /// connection.
    #[default]
    FilterState,
    /// The last element of `x-forwarded-client-cert`, as this Envoy wrote it: the peer of the connection.
    EnvoyXfcc,
    /// An element that a proxy in front wrote, believed only if the peer of the connection is that proxy.
    ProxyXfcc {
        /// The proxies that are believed.
        trusted: Callers,
        /// Which element, counted from the right, from 1.
        hops: usize,
    },
}

/// What the service behind the filter is told.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Whether a token that was looked at goes on.
    pub forward_token: bool,
    /// Header with the verified SPIFFE ID.
    pub spiffe_id_header: String,
    /// Header with its trust domain.
    pub trust_domain_header: Option<String>,
    /// Header with the reason for which an audited request would have been refused.
    pub audit_header: String,
    /// Claims that the service gets.
    pub claims: Vec<ClaimHeader>,
}

/// A claim in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHeader {
    /// Name of a claim at the top level of the token.
    pub claim: String,
    /// Header, in lower case.
    pub header: String,
    /// Type that the claim must have.
    pub kind: ClaimKind,
    /// Most bytes of the value.
    pub max_bytes: usize,
    /// Whether a request without a fitting claim is refused; otherwise the header is left out.
    pub required: bool,
}

/// Type of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// A string of visible ASCII and spaces.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of strings without commas, joined by commas.
    StringList,
    /// Anything, as JSON in ASCII.
    Json,
}

/// How old the last confirmation of a bundle may be (checklist P12).
#[derive(Clone, Debug, Default)]
pub struct Staleness {
    /// Of trust domains that are not named; none: for ever.
    pub default: Option<Duration>,
    /// Of single trust domains.
    pub trust_domains: BTreeMap<TrustDomain, Duration>,
}

impl Staleness {
    /// The bound for a trust domain.
    #[must_use]
    pub fn of(&self, domain: &TrustDomain) -> Option<Duration> {
        self.trust_domains.get(domain).copied().or(self.default)
    }
}

/// Key of the filter state with all URI SANs of the peer, joined by commas; `-` for none.
pub const PEER_FILTER_STATE: &str = "svidgate.peer_uri_sans";
