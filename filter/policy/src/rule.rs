use std::collections::BTreeSet;

use svidgate_jwt_svid::{Audiences, DenyReason, SpiffeId, TrustDomain, UnixTime, VerifiedSvid};

use crate::denial::{Denial, Reason};
use crate::host::HostPattern;
use crate::identity::IdPattern;
use crate::path::{Oddities, PathPattern};

/// One rule: which requests it is about, and what it asks of them. The first rule that matches decides.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Name in logs and metrics.
    pub name: String,
    /// Which requests it is about.
    pub matches: Match,
    /// What it asks of them.
    pub require: Requirement,
    /// Whether a request that falls short is refused or only counted; none: as the policy as a whole.
    pub mode: Option<Mode>,
    /// Ways in which a path may be odd and still be judged by this rule.
    pub admits: Oddities,
    /// Whether a CORS preflight for a request that this rule is about passes unjudged.
    pub lets_preflights_pass: bool,
}

/// Which requests a rule is about; what is empty says nothing.
#[derive(Clone, Debug, Default)]
pub struct Match {
    /// Hosts.
    pub hosts: Vec<HostPattern>,
    /// HTTP methods, in upper case; `GET` covers `HEAD` (checklist P6).
    pub methods: Vec<String>,
    /// Paths. A gRPC method is the path `/package.Service/Method`, whatever the content type says (P7).
    pub paths: Vec<PathPattern>,
    /// gRPC methods, each the path `/package.Service/Method`.
    pub grpc: Vec<GrpcMethods>,
    /// Only with, or only without, the identity of an mTLS peer.
    pub mtls: Option<bool>,
}

/// Methods of a gRPC service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcMethods {
    /// Full name with its package, such as `hive.Registry`.
    pub service: String,
    /// Names of methods; empty: all.
    pub methods: Vec<String>,
}

/// What a rule asks of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: a token is not looked at, and no identity goes to the service.
    None,
    /// A JWT-SVID that fits.
    Jwt(Demands),
    /// An mTLS peer that is one of these.
    Mtls(Callers),
    /// A JWT-SVID that fits, over a connection of one of these peers.
    Both(Demands, Callers),
    /// A JWT-SVID that fits; where there is no token, a peer that is one of its callers.
    Either(Demands),
}

/// SPIFFE IDs that a rule means: any one of the patterns and of the trust domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Patterns of IDs.
    pub spiffe_ids: Vec<IdPattern>,
    /// Trust domains of which every workload is meant.
    pub trust_domains: Vec<TrustDomain>,
}

impl Requirement {
    /// Whether both ask the same, in whatever order their lists stand.
    #[must_use]
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Jwt(one), Self::Jwt(two)) | (Self::Either(one), Self::Either(two)) => one.same(two),
            (Self::Mtls(one), Self::Mtls(two)) => one.same(two),
            (Self::Both(one, peers), Self::Both(two, others)) => one.same(two) && peers.same(others),
            _ => false,
        }
    }
}

impl Callers {
    fn same(&self, other: &Self) -> bool {
        let set = |callers: &Self| {
            let ids: BTreeSet<_> = callers.spiffe_ids.iter().cloned().collect();
            (ids, callers.trust_domains.iter().cloned().collect::<BTreeSet<_>>())
        };
        self == other || set(self) == set(other)
    }

    /// Whether the ID is one of those meant (checklist P9). The ID of a trust domain itself is no workload.
    #[must_use]
    pub fn include(&self, id: &SpiffeId) -> bool {
        (!id.path().is_empty() && self.trust_domains.contains(id.trust_domain()))
            || self.spiffe_ids.iter().any(|pattern| pattern.matches(id))
    }
}

/// What a rule asks of a JWT-SVID that has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Who may call.
    pub callers: Callers,
    /// Audiences of which the token must carry one.
    pub audiences: Audiences,
    /// Most seconds since the token was issued; then it must say when that was.
    pub max_token_age: Option<u64>,
    /// Whether the token's `sub` must be the SPIFFE ID of the connection's peer.
    pub bound_to_peer: bool,
}

/// What happens to a request that falls short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It passes, and is counted and marked as one that would have been refused.
    Audit,
}

impl Demands {
    fn same(&self, other: &Self) -> bool {
        self.callers.same(&other.callers)
            && self.audiences == other.audiences
            && self.max_token_age == other.max_token_age
            && self.bound_to_peer == other.bound_to_peer
    }

    /// Whether a verified caller fits, at `now`, with a tolerance of `skew` seconds.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self, caller: &VerifiedSvid, now: UnixTime, skew: u64) -> Result<(), Denial> {
        if !caller.audiences().iter().any(|audience| self.audiences.contains(audience)) {
            return Err(Denial::new(Reason::Svid(DenyReason::AudienceMismatch)));
        }
        if let Some(max_age) = self.max_token_age {
            let fresh = caller.issued_at().is_some_and(|issued| {
                now < issued.saturating_add(max_age).saturating_add(skew)
                    && issued <= now.saturating_add(skew)
            });
            if !fresh {
                return Err(Denial::new(Reason::Svid(DenyReason::TokenAgeRefused)));
            }
        }
        if self.callers.include(caller.spiffe_id()) {
            Ok(())
        } else {
            Err(Denial::new(Reason::CallerNotAllowed))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use svidgate_forge::{AUDIENCE, Key, NOW, TRUST_DOMAIN, Token, jwks};
    use svidgate_jwt_svid::{
        Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, VerifiedSvid,
        Verifier, VerifierConfig,
    };

    use super::{Callers, Demands};
    use crate::identity::IdPattern;

    /// A caller with this `sub` and `iat`, as verified at `NOW`.
    fn caller(subject: &str, issued_at: Option<u64>) -> VerifiedSvid {
        let key = Key::p256("key-1");
        let bundle = Bundle::from_jwks(&jwks([key.jwk()]), &BundleLimits::default()).unwrap();
        let bundles: BundleSet = [(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)].into_iter().collect();
        let token = Token::new(&key).claim("sub", json!(subject));
        let token = match issued_at {
            Some(at) => token.claim("iat", json!(at)),
            None => token.without_claim("iat"),
        };
        let verifier = Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap();
        verifier.verify(&token.sign(&key), &bundles, &RustCrypto, UnixTime(NOW)).unwrap()
    }

    fn check(demands: &Demands, caller: &VerifiedSvid) -> Result<(), &'static str> {
        demands.check(caller, UnixTime(NOW), 5).map_err(|denial| denial.reason().as_str())
    }

    fn demands(ids: &[&str], domains: &[&str], audience: &str, max_token_age: Option<u64>) -> Demands {
        Demands {
            callers: Callers {
                spiffe_ids: ids.iter().map(|text| IdPattern::parse(text).unwrap()).collect(),
                trust_domains: domains.iter().map(|text| TrustDomain::parse(text).unwrap()).collect(),
            },
            audiences: Audiences::new([audience]).unwrap(),
            max_token_age,
            bound_to_peer: false,
        }
    }

    #[test]
    fn p02_p09_a_good_token_is_let_in_only_where_the_rule_knows_its_caller() {
        let web = caller(&format!("spiffe://{TRUST_DOMAIN}/ns/a/sa/web"), None);
        let pattern = format!("spiffe://{TRUST_DOMAIN}/ns/*/sa/web");
        assert_eq!(check(&demands(&[&pattern], &[], AUDIENCE, None), &web), Ok(()));
        assert_eq!(check(&demands(&[], &[TRUST_DOMAIN], AUDIENCE, None), &web), Ok(()));
        let db = caller(&format!("spiffe://{TRUST_DOMAIN}/ns/a/sa/db"), None);
        assert_eq!(
            check(&demands(&[&pattern], &["other.test"], AUDIENCE, None), &db),
            Err("caller_not_allowed")
        );
        assert_eq!(
            check(&demands(&[], &[], AUDIENCE, None), &db),
            Err("caller_not_allowed"),
            "nobody is on the list"
        );
    }

    #[test]
    fn p09_a_trust_domain_itself_is_none_of_its_workloads() {
        let bare = caller(&format!("spiffe://{TRUST_DOMAIN}"), None);
        assert_eq!(check(&demands(&[], &[TRUST_DOMAIN], AUDIENCE, None), &bare), Err("caller_not_allowed"));
    }

    #[test]
    fn p02_the_audience_is_that_of_the_rule() {
        let web = caller(&format!("spiffe://{TRUST_DOMAIN}/web"), None);
        assert_eq!(check(&demands(&[], &[TRUST_DOMAIN], "elsewhere", None), &web), Err("audience_mismatch"));
    }

    #[test]
    fn v11_a_maximum_age_asks_for_iat_and_counts_from_it() {
        let subject = format!("spiffe://{TRUST_DOMAIN}/web");
        let young = demands(&[], &[TRUST_DOMAIN], AUDIENCE, Some(60));
        for (issued_at, expected) in [
            (Some(NOW), Ok(())),
            (Some(NOW - 64), Ok(())),
            (Some(NOW - 65), Err("token_age_refused")),
            (Some(NOW + 5), Ok(())),
            (Some(NOW + 6), Err("token_age_refused")),
            (None, Err("token_age_refused")),
        ] {
            assert_eq!(check(&young, &caller(&subject, issued_at)), expected, "{issued_at:?}");
        }
    }
}
