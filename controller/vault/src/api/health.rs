use hyper::Method;

use crate::client::{Call, Client};
use crate::error::{Error, Fault};
use crate::operation::Operation;

/// What `sys/health` says (checklist H3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// 200: initialised, unsealed, active.
    Active,
    /// 429: unsealed, standby.
    Standby,
    /// 472: a secondary for disaster recovery, and active.
    DisasterRecovery,
    /// 473: a performance standby.
    PerformanceStandby,
    /// 501.
    Uninitialised,
    /// 503.
    Sealed,
}

impl Client {
    /// `GET sys/health`, past the circuit breaker and without a token.
    ///
    /// # Errors
    /// When no such answer came.
    pub async fn health(&self) -> Result<Health, Error> {
        let mut call = Call::new(Operation::Health, Method::GET, "sys/health");
        call.accepts = &[429, 472, 473, 501, 503];
        call.anonymous = true;
        let answer = self.call(call).await?;
        match answer.status {
            200 => Ok(Health::Active),
            429 => Ok(Health::Standby),
            472 => Ok(Health::DisasterRecovery),
            473 => Ok(Health::PerformanceStandby),
            501 => Ok(Health::Uninitialised),
            503 => Ok(Health::Sealed),
            code => Err(Error::new(Operation::Health, Fault::Status { code, reason: None })),
        }
    }
}
