//! The `jwt-compact` crate. It knows nothing of SPIFFE, and can be told the time.

use chrono::{DateTime, TimeDelta, Utc};
use jwt_compact::alg::{Es256, Rsa};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt as _, TimeOptions, UntrustedToken};
use serde::Deserialize;
use svidgate_forge::AUDIENCE;

use super::{Peer, Verdict, find_jwk, refused};
use crate::corpus::Case;

/// A library for JWTs.
#[derive(Clone, Copy, Debug)]
pub struct JwtCompact;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audiences,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Peer for JwtCompact {
    fn name(&self) -> &'static str {
        "jwt-compact"
    }

    fn judge(&self, case: &Case, now: u64) -> Verdict {
        let Ok(token) = std::str::from_utf8(&case.token) else {
            return Verdict::NotAsked("it takes text only");
        };
        judge(token, case, now).unwrap_or_else(|refusal| refusal)
    }
}

fn judge(token: &str, case: &Case, now: u64) -> Result<Verdict, Verdict> {
    let token = UntrustedToken::new(token).map_err(refused)?;
    let kid = token.header().key_id.as_deref().ok_or_else(|| refused("no kid"))?;
    let jwk = find_jwk(case, kid).ok_or_else(|| refused("unknown kid"))?;
    let jwk: JsonWebKey<'_> = serde_json::from_value(jwk).map_err(refused)?;
    match token.algorithm() {
        "ES256" => {
            let key: <Es256 as Algorithm>::VerifyingKey = (&jwk).try_into().map_err(refused)?;
            check(&Es256, &key, &token, now)
        }
        "ES384" | "ES512" => Err(Verdict::NotAsked("it has no ES384 and ES512")),
        name => {
            let algorithm: Rsa = name.parse().map_err(refused)?;
            let key: <Rsa as Algorithm>::VerifyingKey = (&jwk).try_into().map_err(refused)?;
            check(&algorithm, &key, &token, now)
        }
    }
}

fn check<A: Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    token: &UntrustedToken<'_>,
    now: u64,
) -> Result<Verdict, Verdict> {
    let token = algorithm.validator::<Claims>(key).validate(token).map_err(refused)?;
    let claims = token.claims();
    let moment: DateTime<Utc> = i64::try_from(now)
        .ok()
        .and_then(|now| DateTime::from_timestamp(now, 0))
        .ok_or_else(|| refused("a time beyond its range"))?;
    let time = TimeOptions::new(TimeDelta::zero(), || moment);
    claims.validate_expiration(&time).map_err(refused)?;
    if claims.not_before.is_some() {
        claims.validate_maturity(&time).map_err(refused)?;
    }
    let is_for_us = match &claims.custom.aud {
        Audiences::One(audience) => audience == AUDIENCE,
        Audiences::Several(audiences) => audiences.iter().any(|audience| audience == AUDIENCE),
    };
    if is_for_us {
        Ok(Verdict::Accepted(claims.custom.sub.clone()))
    } else {
        Err(refused("another audience"))
    }
}
