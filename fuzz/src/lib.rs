//! What the fuzz targets share: the forge's keys, a verifier that trusts them, and a signature check for those who
//! want to know how far a token comes without one.

use std::sync::LazyLock;

use serde_json::Value;
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, TRUST_DOMAIN, jwks};
use svidgate_jwt_svid::{
    Algorithm, Audiences, Bundle, BundleLimits, BundleSet, SignatureError, SignatureVerifier, TrustDomain,
    UnixTime, VerificationKey, VerifiedSvid, Verifier, VerifierConfig, VerifyError,
};

/// The moment at which all targets live.
pub const AT: UnixTime = UnixTime(NOW);

/// One key of each kind. Their `kid`s are their names.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    vec![Key::p256("p256"), Key::p384("p384"), Key::p521("p521"), Key::rsa(RsaKey::Bits2048, "rsa")]
});

/// All [`KEYS`], for the trust domain of the forge.
pub static BUNDLES: LazyLock<BundleSet> = LazyLock::new(|| {
    let bundle = Bundle::from_jwks(&jwks(KEYS.iter().map(Key::jwk)), &BundleLimits::default()).unwrap();
    BundleSet::from_iter([(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)])
});

/// The default verifier, for the audience of the forge.
pub static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap());

/// Verifies as the filter does, but at a fixed moment.
pub fn verify(token: &[u8], crypto: &dyn SignatureVerifier) -> Result<VerifiedSvid, VerifyError> {
    VERIFIER.verify(token, &BUNDLES, crypto, AT)
}

/// Takes every signature, so that a fuzzer need not forge one to look behind the last step.
pub struct AnySignature;

impl SignatureVerifier for AnySignature {
    fn verify_signature(
        &self,
        _: &VerificationKey,
        _: Algorithm,
        _: &[u8],
        _: &[u8],
    ) -> Result<(), SignatureError> {
        Ok(())
    }
}

/// What serde_json sees in a text that a stricter reader took. `None` for the member names that serde_json reads as
/// its own secret marks, and which our readers do not.
#[must_use]
pub fn lenient(text: &[u8]) -> Option<Value> {
    let is_magic = text.windows(MAGIC.len()).any(|window| window == MAGIC);
    (!is_magic).then(|| serde_json::from_slice(text).unwrap())
}

/// Whether a number in it is no whole one of 64 bits: serde_json may read such a one back with another last bit.
#[must_use]
pub fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}

const MAGIC: &[u8] = b"serde_json::private";
