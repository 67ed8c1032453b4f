use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use svidgate_jwt_svid::{
    BundleSet, CacheUse, SignatureVerifier, TokenCache, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifyError,
};

use crate::trust::Trust;

/// The trust in force, with the tokens that have verified under it: what the judge asks about one request.
pub struct Court<'a> {
    /// Bundles and revocations in force.
    pub trust: &'a Trust,
    /// Tokens that have verified.
    pub cache: &'a RefCell<TokenCache>,
    /// What every token must satisfy.
    pub verifier: &'a Verifier,
    /// Who checks signatures.
    pub crypto: &'a dyn SignatureVerifier,
    /// What the cache was good for, where a token was verified.
    pub cache_use: Cell<Option<CacheUse>>,
}

impl svidgate_policy::Trust for Court<'_> {
    fn is_empty(&self) -> bool {
        self.trust.bundles().is_none()
    }

    fn verify(&self, token: &[u8], now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError> {
        let none = BundleSet::default();
        let bundles = self.trust.bundles().unwrap_or(&none);
        let (verified, cache_use) =
            self.cache.borrow_mut().verify(token, self.verifier, bundles, self.crypto, now);
        self.cache_use.set(Some(cache_use));
        verified
    }

    fn is_revoked(&self, caller: &VerifiedSvid) -> bool {
        self.trust.revocations().refuses(caller).is_some()
    }

    fn is_stale(&self, domain: &TrustDomain, max: Duration, now: u64) -> bool {
        self.trust.is_stale(domain, max, now)
    }
}
