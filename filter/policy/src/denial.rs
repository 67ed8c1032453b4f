use svidgate_jwt_svid::DenyReason;

/// Why a request was refused: a closed list, safe to show to the caller, to log and to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is no token, or it did not verify.
    Svid(DenyReason),
    /// The token is good, its subject is not among those allowed.
    CallerNotAllowed,
    /// No rule is about this request.
    NoRule,
    /// The host is none, or could be read as more than one (checklist P4).
    HostInvalid,
    /// The path could be read in more than one way (checklist P5).
    PathAmbiguous,
    /// The rule asks for the identity of an mTLS peer, and there is none.
    PeerMissing,
    /// The certificate of the peer does not name exactly one SPIFFE ID that counts (checklist P10).
    PeerInvalid,
    /// The token is not that of the peer of the connection.
    TokenNotBound,
    /// Key, token or subject were revoked.
    TokenRevoked,
    /// Two places have a token, and not the same.
    TokenConflict,
    /// A claim that the service needs is absent, of another type or too long.
    ClaimUnusable,
    /// No trust bundle has been received yet.
    NoTrust,
    /// The bundle of the caller's trust domain was not confirmed for longer than `max_staleness` (checklist P12).
    TrustStale,
    /// The credential for an outgoing request is not there.
    CredentialMissing,
    /// The credential for an outgoing request has ended.
    CredentialExpired,
    /// The credential for an outgoing request is not of a kind that its header can carry.
    CredentialUnfit,
    /// An outgoing request has the header of its credential already, and its rule refuses that.
    OutgoingHeaderPresent,
    /// The proxy did not give what the decision needs; the request is refused rather than judged half.
    Internal,
}

/// What a refusal means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 400: it cannot be said what is asked for.
    BadRequest,
    /// 401: who are you?
    Unauthenticated,
    /// 403: known, not allowed.
    Forbidden,
    /// 503: nobody can be judged now.
    Unavailable,
}

/// A decision to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    reason: Reason,
}

impl Denial {
    /// A refusal for `reason`.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// Why.
    #[must_use]
    pub fn reason(self) -> Reason {
        self.reason
    }

    /// What the caller is told.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.reason.outcome()
    }
}

impl Reason {
    /// Every reason there is.
    pub fn all() -> impl Iterator<Item = Self> {
        OWN.into_iter().chain(DenyReason::ALL.iter().copied().map(Self::Svid))
    }

    /// The name in answers, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Svid(reason) => reason.as_str(),
            Self::CallerNotAllowed => "caller_not_allowed",
            Self::NoRule => "no_rule",
            Self::HostInvalid => "host_invalid",
            Self::PathAmbiguous => "path_ambiguous",
            Self::PeerMissing => "peer_missing",
            Self::PeerInvalid => "peer_invalid",
            Self::TokenNotBound => "token_not_bound",
            Self::TokenRevoked => "token_revoked",
            Self::TokenConflict => "token_conflict",
            Self::ClaimUnusable => "claim_unusable",
            Self::NoTrust => "no_trust",
            Self::TrustStale => "trust_stale",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialExpired => "credential_expired",
            Self::CredentialUnfit => "credential_unfit",
            Self::OutgoingHeaderPresent => "outgoing_header_present",
            Self::Internal => "internal",
        }
    }

    /// The class of answer that it leads to.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Svid(DenyReason::CryptoUnavailable) => Outcome::Unavailable,
            Self::Svid(_) | Self::TokenNotBound | Self::TokenRevoked | Self::TokenConflict => {
                Outcome::Unauthenticated
            }
            Self::CallerNotAllowed
            | Self::NoRule
            | Self::PeerMissing
            | Self::PeerInvalid
            | Self::ClaimUnusable => Outcome::Forbidden,
            Self::HostInvalid | Self::PathAmbiguous | Self::OutgoingHeaderPresent => Outcome::BadRequest,
            Self::NoTrust
            | Self::TrustStale
            | Self::CredentialMissing
            | Self::CredentialExpired
            | Self::CredentialUnfit
            | Self::Internal => Outcome::Unavailable,
        }
    }
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 4] = [Self::BadRequest, Self::Unauthenticated, Self::Forbidden, Self::Unavailable];

    /// The name in answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }

    /// HTTP status; Envoy turns it into the matching gRPC status for gRPC requests.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    /// gRPC status, as Envoy makes it of the HTTP status: INTERNAL, UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE.
    #[must_use]
    pub fn grpc_status(self) -> u8 {
        match self {
            Self::BadRequest => 13,
            Self::Unauthenticated => 16,
            Self::Forbidden => 7,
            Self::Unavailable => 14,
        }
    }
}

/// The reasons that are not about the token itself.
const OWN: [Reason; 17] = [
    Reason::CallerNotAllowed,
    Reason::NoRule,
    Reason::HostInvalid,
    Reason::PathAmbiguous,
    Reason::PeerMissing,
    Reason::PeerInvalid,
    Reason::TokenNotBound,
    Reason::TokenRevoked,
    Reason::TokenConflict,
    Reason::ClaimUnusable,
    Reason::NoTrust,
    Reason::TrustStale,
    Reason::CredentialMissing,
    Reason::CredentialExpired,
    Reason::CredentialUnfit,
    Reason::OutgoingHeaderPresent,
    Reason::Internal,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use svidgate_jwt_svid::DenyReason;

    use super::{Outcome, Reason};

    #[test]
    fn v16_reasons_are_a_closed_list_of_distinct_snake_case_names() {
        let names: BTreeSet<_> = Reason::all().map(Reason::as_str).collect();
        assert_eq!(names.len(), Reason::all().count());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')),
            "{names:?}"
        );
    }

    #[test]
    fn a_bad_token_is_401_a_wrong_caller_403_and_missing_trust_503() {
        for reason in Reason::all() {
            let expected = match reason {
                Reason::CallerNotAllowed
                | Reason::NoRule
                | Reason::PeerMissing
                | Reason::PeerInvalid
                | Reason::ClaimUnusable => (403, Outcome::Forbidden),
                Reason::HostInvalid | Reason::PathAmbiguous | Reason::OutgoingHeaderPresent => {
                    (400, Outcome::BadRequest)
                }
                Reason::Svid(DenyReason::CryptoUnavailable)
                | Reason::NoTrust
                | Reason::TrustStale
                | Reason::CredentialMissing
                | Reason::CredentialExpired
                | Reason::CredentialUnfit
                | Reason::Internal => (503, Outcome::Unavailable),
                _ => (401, Outcome::Unauthenticated),
            };
            assert_eq!((reason.outcome().http_status(), reason.outcome()), expected, "{reason:?}");
        }
    }

    #[test]
    fn p07_grpc_statuses_are_those_that_envoy_makes_of_the_http_statuses() {
        let statuses = Outcome::ALL.map(|outcome| (outcome.http_status(), outcome.grpc_status()));
        assert_eq!(statuses, [(400, 13), (401, 16), (403, 7), (503, 14)]);
    }
}
