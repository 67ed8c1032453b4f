//! Our own verdict.

use svidgate_forge::AUDIENCE;
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifierConfig, VerifyError,
};

/// Whom to trust: a JWKS for each trust domain, as the Workload API gives them.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The trust domains and the text of their JWKS.
    pub domains: Vec<(String, Vec<u8>)>,
    bundles: BundleSet,
}

impl Trust {
    /// Reads the bundles with our own reader too.
    #[must_use]
    pub fn new(domains: Vec<(String, Vec<u8>)>) -> Self {
        let bundles = domains.iter().map(|(name, jwks)| {
            let bundle = Bundle::from_jwks(jwks, &BundleLimits::default()).expect("a JWKS");
            (TrustDomain::parse(name).expect("a trust domain"), bundle)
        });
        Self { bundles: bundles.collect(), domains }
    }

    /// Our reading of them.
    #[must_use]
    pub fn bundles(&self) -> &BundleSet {
        &self.bundles
    }
}

/// Verifies with no tolerance on times, as most peers do.
pub fn verify(token: &[u8], trust: &Trust, now: u64) -> Result<VerifiedSvid, VerifyError> {
    let audiences = Audiences::new([AUDIENCE]).expect("an audience");
    let config = VerifierConfig { clock_skew: 0, ..VerifierConfig::new(audiences) };
    let verifier = Verifier::new(config).expect("a configuration");
    verifier.verify(token, &trust.bundles, &RustCrypto, UnixTime(now))
}
