//! The `jsonwebtoken` crate, set up as its users do for a JWKS. It knows nothing of SPIFFE.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use svidgate_forge::AUDIENCE;

use super::{Peer, Verdict, find_jwk, refused};
use crate::corpus::Case;

/// A library for JWTs.
#[derive(Clone, Copy, Debug)]
pub struct JsonWebToken;

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Peer for JsonWebToken {
    fn name(&self) -> &'static str {
        "jsonwebtoken"
    }

    fn judge(&self, case: &Case, _: u64) -> Verdict {
        if case.to_the_second {
            return Verdict::NotAsked("its clock cannot be set");
        }
        judge(case).unwrap_or_else(|refusal| refusal)
    }
}

fn judge(case: &Case) -> Result<Verdict, Verdict> {
    let header = decode_header(&case.token).map_err(refused)?;
    let kid = header.kid.ok_or_else(|| refused("no kid"))?;
    let jwk = find_jwk(case, &kid).ok_or_else(|| refused("unknown kid"))?;
    let jwk: Jwk = serde_json::from_value(jwk).map_err(refused)?;
    let key = DecodingKey::from_jwk(&jwk).map_err(refused)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    let token = decode::<Claims>(&case.token, &key, &validation).map_err(refused)?;
    Ok(Verdict::Accepted(token.claims.sub))
}
