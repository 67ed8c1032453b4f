//! What the unit tests share.

use std::string::String;

use svidgate_forge::{AUDIENCE, Key, NOW, TRUST_DOMAIN, jwks};

use crate::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifierConfig, VerifyError,
};

pub(crate) const AT: UnixTime = UnixTime(NOW);

pub(crate) fn config() -> VerifierConfig {
    VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(config()).unwrap()
}

/// The default verifier with some demands changed.
pub(crate) fn verifier_with(change: impl FnOnce(&mut VerifierConfig)) -> Verifier {
    let mut config = config();
    change(&mut config);
    Verifier::new(config).unwrap()
}

pub(crate) fn trust_domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

pub(crate) fn bundle(keys: &[&Key]) -> Bundle {
    let document = jwks(keys.iter().map(|key| key.jwk()));
    let bundle = Bundle::from_jwks(&document, &BundleLimits::default()).unwrap();
    assert_eq!(bundle.ignored(), []);
    bundle
}

/// The keys as those of `example.org`.
pub(crate) fn bundles(keys: &[&Key]) -> BundleSet {
    BundleSet::from_iter([(trust_domain(TRUST_DOMAIN), bundle(keys))])
}

pub(crate) fn key() -> Key {
    Key::p256("key-1")
}

/// Verifies by the default verifier with [`key`] in the bundle, at [`AT`].
pub(crate) fn verify(token: &[u8]) -> Result<VerifiedSvid, VerifyError> {
    verifier().verify(token, &bundles(&[&key()]), &RustCrypto, AT)
}

pub(crate) fn refusal(token: &[u8]) -> VerifyError {
    verify(token).expect_err("a refusal")
}

/// `depth` arrays inside each other.
pub(crate) fn nested(depth: usize) -> String {
    ["[".repeat(depth), "]".repeat(depth)].concat()
}
