//! The questions that can be put to the core: a signature, a JWS, a JWT-SVID.

use serde_json::{Value, json};
use svidgate_forge::AUDIENCE;
use svidgate_jwt_svid::unverified::{Compact, Header};
use svidgate_jwt_svid::{
    Algorithm, Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, SignatureVerifier as _, TrustDomain,
    UnixTime, VerificationKey, Verifier, VerifierConfig,
};

use crate::case::{Judged, Ours};
use crate::question::Question;

/// A signature over a message, by a key in the form of a JWK. What the key may verify is judged as well.
pub(crate) fn signature(jwk: &Value, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Judged {
    let ours = match key(jwk) {
        Err(why) => Ours::Refused(why),
        Ok(key) => Ours::of(RustCrypto.verify_signature(&key, algorithm, message, signature)),
    };
    let question = Question::Signature {
        jwk: as_entry(with_kid(jwk)),
        algorithm,
        message: message.to_vec(),
        signature: signature.to_vec(),
    };
    Judged { ours, question: Some(question) }
}

/// The key of a JWK, or why it is not used. A `kid` is added, because the vectors have none.
pub(crate) fn key(jwk: &Value) -> Result<VerificationKey, String> {
    let bundle = bundle(&[with_kid(jwk)]);
    bundle
        .key("key")
        .cloned()
        .ok_or_else(|| bundle.ignored().iter().map(|ignored| ignored.reason.to_string()).collect())
}

fn with_kid(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    jwk["kid"] = json!("key");
    jwk
}

/// A JWS: all that is demanded of a JWT-SVID but for the claims, in the order in which `Verifier` does it. For
/// vectors whose payload is no set of claims.
pub(crate) fn jws(token: &[u8], bundle: &Bundle) -> Judged {
    let compact = match Compact::parse(token) {
        Ok(compact) => compact,
        Err(error) => return Ours::Refused(error.to_string()).into(),
    };
    let algorithm = Header::parse(&compact.header).and_then(|header| Ok((header.algorithm()?, header)));
    let (algorithm, header) = match algorithm {
        Ok(both) => both,
        Err(error) => return Ours::Refused(error.to_string()).into(),
    };
    match bundle.key(header.key_id()) {
        None => Ours::Refused("no such key".into()).into(),
        Some(key) if !key.may_verify(algorithm) => {
            Ours::Refused("the key is not for the algorithm".into()).into()
        }
        Some(_) => {
            let jwks = bundle.jwks();
            let entries = jwks["keys"].as_array().unwrap().iter();
            let jwk = entries.clone().find(|entry| entry["kid"] == header.key_id()).unwrap();
            signature(jwk, algorithm, compact.signing_input, &compact.signature)
        }
    }
}

/// A JWT-SVID for [`AUDIENCE`], with a skew of five seconds; a refusal gives its word of the closed list.
pub(crate) fn svid(token: &[u8], bundles: &BundleSet, now: u64) -> Judged {
    let config = VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap());
    svid_for(config, token, bundles, now)
}

/// A JWT-SVID for any demands.
pub(crate) fn svid_for(config: VerifierConfig, token: &[u8], bundles: &BundleSet, now: u64) -> Judged {
    let audiences: Vec<_> = config.audiences.iter().map(String::from).collect();
    assert_eq!(config, VerifierConfig::new(config.audiences.clone()), "a question carries audiences only");
    let verifier = Verifier::new(config).unwrap();
    let verified = verifier.verify(token, bundles, &RustCrypto, UnixTime(now));
    let trust = bundles.iter().map(|(name, bundle)| (name.as_str().to_owned(), bundle.jwks().to_string()));
    let question = Question::Svid { audiences, trust: trust.collect(), token: token.to_vec(), now };
    Judged { ours: Ours::of(verified.map_err(|error| error.reason())), question: Some(question) }
}

/// Entries of a JWKS as a bundle.
///
/// General JOSE vectors say `sig` where a bundle says `jwt-svid` (B1); that word is translated, and no other.
pub(crate) fn bundle(entries: &[Value]) -> Bundle {
    let entries: Vec<_> = entries.iter().cloned().map(as_entry).collect();
    Bundle::from_jwks(json!({ "keys": entries }).to_string().as_bytes(), &BundleLimits::default()).unwrap()
}

fn as_entry(mut jwk: Value) -> Value {
    if jwk["use"] == "sig" {
        jwk["use"] = json!("jwt-svid");
    }
    jwk
}

/// Bundles by trust domain, in the form of the Workload API.
pub(crate) fn trust<'a>(domains: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> BundleSet {
    let limits = BundleLimits::default();
    domains
        .into_iter()
        .map(|(name, jwks)| (TrustDomain::parse(name).unwrap(), Bundle::from_jwks(jwks, &limits).unwrap()))
        .collect()
}
