use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::{Map, Number, Value};

use super::JSON_LIMITS;
use crate::error::{Claim, VerifyError};
use crate::json;
use crate::unix_time::UnixTime;

/// 9999-12-31T23:59:59Z. No issuer means a later moment, and other implementations overflow there in their own ways.
const LAST_MOMENT: u64 = 253_402_300_799;

/// The claims of a token with the registered ones typed (RFC 7519 §4.1; V10–V12). `Debug` shows no content.
///
/// A registered claim of the wrong type is an error, never "absent"; `null` is a wrong type too.
#[derive(Clone)]
pub struct Claims {
    members: Map<String, Value>,
    audiences: Option<Vec<String>>,
    expires_at: Option<NumericDate>,
    not_before: Option<NumericDate>,
    issued_at: Option<NumericDate>,
}

impl Claims {
    /// Reads the decoded payload.
    ///
    /// # Errors
    /// [`VerifyError::ClaimsJson`], [`VerifyError::ClaimType`] or [`VerifyError::TimeOutOfRange`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let members = json::object(bytes, JSON_LIMITS).map_err(VerifyError::ClaimsJson)?;
        for claim in [Claim::Sub, Claim::Iss, Claim::Jti] {
            if members.get(claim.as_str()).is_some_and(|value| !value.is_string()) {
                return Err(VerifyError::ClaimType(claim));
            }
        }
        let audiences = members.get(Claim::Aud.as_str()).map(audiences).transpose()?;
        let date = |claim: Claim| members.get(claim.as_str()).map(|value| date(claim, value)).transpose();
        let (expires_at, not_before, issued_at) = (date(Claim::Exp)?, date(Claim::Nbf)?, date(Claim::Iat)?);
        Ok(Self { members, audiences, expires_at, not_before, issued_at })
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(Claim::Sub)
    }

    /// `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.text(Claim::Jti)
    }

    /// `aud`; one string counts as an array of one.
    #[must_use]
    pub fn audiences(&self) -> Option<&[String]> {
        self.audiences.as_deref()
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    /// `nbf`.
    #[must_use]
    pub fn not_before(&self) -> Option<NumericDate> {
        self.not_before
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<NumericDate> {
        self.issued_at
    }

    /// All claims, the registered ones included.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    fn text(&self, claim: Claim) -> Option<&str> {
        self.members.get(claim.as_str()).and_then(Value::as_str)
    }
}

fn audiences(value: &Value) -> Result<Vec<String>, VerifyError> {
    match value {
        Value::String(one) => Ok([one.clone()].into()),
        Value::Array(several) => several
            .iter()
            .map(|audience| audience.as_str().map(String::from))
            .collect::<Option<_>>()
            .ok_or(VerifyError::ClaimType(Claim::Aud)),
        _ => Err(VerifyError::ClaimType(Claim::Aud)),
    }
}

fn date(claim: Claim, value: &Value) -> Result<NumericDate, VerifyError> {
    let Value::Number(number) = value else {
        return Err(VerifyError::ClaimType(claim));
    };
    NumericDate::new(number).ok_or(VerifyError::TimeOutOfRange(claim))
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction: both whole seconds around it.
///
/// Each use takes the side that lets less through: `exp` the earlier, `nbf` the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumericDate {
    /// The last whole second not after it.
    pub floor: UnixTime,
    /// The first whole second not before it.
    pub ceil: UnixTime,
}

impl NumericDate {
    /// `None` before 1970 and after the year 9999.
    fn new(number: &Number) -> Option<Self> {
        let (floor, fraction) = match number.as_u64() {
            Some(seconds) => (seconds, false),
            None => whole_seconds(number.as_f64()?)?,
        };
        let ceil = floor.saturating_add(u64::from(fraction));
        (ceil <= LAST_MOMENT).then_some(Self { floor: UnixTime(floor), ceil: UnixTime(ceil) })
    }
}

/// The whole seconds, and whether a fraction remains.
fn whole_seconds(value: f64) -> Option<(u64, bool)> {
    // 2^53: up to here every whole number is an exact double, and the conversion below exact as well.
    if !(0.0..9_007_199_254_740_992.0).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    let whole = value as u64;
    Some((whole, value % 1.0 > 0.0))
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}
