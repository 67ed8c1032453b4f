use alloc::collections::BTreeMap;

use super::{Bundle, BundleError, BundleLimits};
use crate::trust_domain::TrustDomain;

/// The bundles by trust domain. Bundles of different trust domains are never merged (V9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleSet(BTreeMap<TrustDomain, Bundle>);

impl BundleSet {
    /// A set that trusts no one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in or replaces the bundle of a trust domain; gives back the replaced one.
    pub fn insert(&mut self, trust_domain: TrustDomain, bundle: Bundle) -> Option<Bundle> {
        self.0.insert(trust_domain, bundle)
    }

    /// The bundle of exactly this trust domain.
    #[must_use]
    pub fn get(&self, trust_domain: &TrustDomain) -> Option<&Bundle> {
        self.0.get(trust_domain)
    }

    /// The number of trust domains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no trust domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The trust domains, sorted, with their bundles.
    pub fn iter(&self) -> impl Iterator<Item = (&TrustDomain, &Bundle)> {
        self.0.iter()
    }

    /// Checks the number of trust domains (B9).
    ///
    /// # Errors
    /// [`BundleError::TooManyTrustDomains`].
    pub fn check(&self, limits: &BundleLimits) -> Result<(), BundleError> {
        let (limit, actual) = (limits.max_trust_domains, self.len());
        if actual > limit { Err(BundleError::TooManyTrustDomains { limit, actual }) } else { Ok(()) }
    }
}

impl FromIterator<(TrustDomain, Bundle)> for BundleSet {
    fn from_iter<I: IntoIterator<Item = (TrustDomain, Bundle)>>(bundles: I) -> Self {
        Self(bundles.into_iter().collect())
    }
}
