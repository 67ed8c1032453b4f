//! `ValidateJWTSVID`: the verification that the filter does, for callers of the Workload API.

use std::time::UNIX_EPOCH;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::Value as Json;
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, UnixTime, Verifier, VerifierConfig,
};
use tonic::Status;

use super::issuer::Issuer;
use crate::workload_api::pb;

/// Verifies a token against the bundles of this moment. A bad one is `InvalidArgument` with the reason alone.
pub(super) fn validate(
    issuer: &Issuer,
    request: &pb::ValidateJwtsvidRequest,
) -> Result<pb::ValidateJwtsvidResponse, Status> {
    let audiences = Audiences::new([request.audience.as_str()])
        .map_err(|error| Status::invalid_argument(format!("audience: {error}")))?;
    // One machine, one clock: a token that was made here is never early or late.
    let config = VerifierConfig { clock_skew: 0, ..VerifierConfig::new(audiences) };
    let verifier = Verifier::new(config).map_err(|error| Status::internal(error.to_string()))?;
    let now = issuer.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let verified = verifier
        .verify(request.svid.as_bytes(), &bundles(issuer)?, &RustCrypto, UnixTime(now))
        .map_err(|error| Status::invalid_argument(format!("svid: {}", error.reason().as_str())))?;
    Ok(pb::ValidateJwtsvidResponse {
        spiffe_id: verified.spiffe_id().as_str().to_owned(),
        claims: Some(structure(verified.claims())),
    })
}

fn bundles(issuer: &Issuer) -> Result<BundleSet, Status> {
    let domains = issuer.domains();
    let bundles = domains.iter().map(|(name, domain)| {
        let bundle = Bundle::from_jwks(&domain.jwt.jwks(), &BundleLimits::default());
        bundle.map(|bundle| (name.clone(), bundle)).map_err(|error| Status::internal(error.to_string()))
    });
    bundles.collect()
}

fn structure(claims: &serde_json::Map<String, Json>) -> Struct {
    Struct { fields: claims.iter().map(|(name, value)| (name.clone(), protobuf(value))).collect() }
}

/// The protobuf JSON mapping: every number is a double.
fn protobuf(value: &Json) -> Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(protobuf).collect() }),
        Json::Object(members) => Kind::StructValue(structure(members)),
    };
    Value { kind: Some(kind) }
}
