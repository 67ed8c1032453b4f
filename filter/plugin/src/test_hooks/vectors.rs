//! Other people's vectors, put to this plugin's own backend in this host: a signature by itself, or a whole JWT-SVID with
//! the trust and the moment that it was made for. The answer says who checked the signature, too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;
use serde_json::{Value, json};
use svidgate_jwt_svid::{
    Algorithm, Audiences, Bundle, BundleLimits, BundleSet, SignatureVerifier as _, TrustDomain, UnixTime,
    Verifier, VerifierConfig,
};

use crate::crypto::{Checked, Crypto};
use crate::host::EnvoySignatures;

/// The answer to the question in the header `x-test-vector`, if there is one.
pub(super) fn answer(crypto: &Crypto<EnvoySignatures>) -> Option<String> {
    let header = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, "x-test-vector").ok()??;
    crypto.take_checked();
    let verdict = decoded(&header).and_then(|question| judge(&question, crypto));
    let checked = match crypto.take_checked() {
        None => "nobody",
        Some(Checked::By(backend)) => backend.as_str(),
        Some(Checked::HostFailed) => "failed",
        Some(Checked::HostMissing) => "missing",
    };
    // A question that cannot be read has no verdict: the test fails, whatever it expects.
    let (verdict, reason) = match &verdict {
        None => ("unreadable", ""),
        Some(Ok(())) => ("accepted", ""),
        Some(Err(reason)) => ("refused", reason.as_str()),
    };
    Some(json!({"verdict": verdict, "reason": reason, "checked": checked}).to_string())
}

type Verdict = Result<(), String>;

fn judge(question: &Value, crypto: &Crypto<EnvoySignatures>) -> Option<Verdict> {
    if let Some(key) = question.get("jwk") {
        return signature(question, key, crypto);
    }
    let mut bundles = BundleSet::new();
    for pair in question.get("trust")?.as_array()? {
        let (name, jwks) = (pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
        bundles.insert(TrustDomain::parse(name).ok()?, bundle(jwks)?);
    }
    let audiences = question.get("audiences")?.as_array()?.iter().filter_map(Value::as_str);
    let verifier = Verifier::new(VerifierConfig::new(Audiences::new(audiences).ok()?)).ok()?;
    let now = UnixTime(question.get("now")?.as_u64()?);
    let token = bytes(question, "token")?;
    let verified = verifier.verify(&token, &bundles, crypto, now);
    Some(verified.map(drop).map_err(|error| error.reason().as_str().to_owned()))
}

fn signature(question: &Value, key: &Value, crypto: &Crypto<EnvoySignatures>) -> Option<Verdict> {
    let bundle = bundle(&json!({"keys": [key]}).to_string())?;
    let Some(key) = bundle.kids().next().and_then(|kid| bundle.key(kid)) else {
        return Some(Err("key".to_owned()));
    };
    let algorithm = Algorithm::parse(question.get("algorithm")?.as_str()?)?;
    let (message, signature) = (bytes(question, "message")?, bytes(question, "signature")?);
    let verified = crypto.verify_signature(key, algorithm, &message, &signature);
    Some(verified.map_err(|error| error.to_string()))
}

fn bundle(jwks: &str) -> Option<Bundle> {
    Bundle::from_jwks(jwks.as_bytes(), &BundleLimits::default()).ok()
}

fn bytes(question: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(question.get(name)?.as_str()?).ok()
}

fn decoded(header: &[u8]) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}
