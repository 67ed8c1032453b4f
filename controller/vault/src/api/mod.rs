//! The calls by their types.

mod database;
mod health;
mod kv;
mod lease;
mod pki;
mod token;

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use database::{DatabaseCredentials, StaticCredentials};
pub use health::Health;
pub use kv::{Kv, KvRead, KvValue};
pub use lease::{Lease, Leased};
pub use pki::{Certificate, CertificateRequest};
pub use token::{Auth, TokenInfo};

use crate::error::{Error, Fault};
use crate::operation::Operation;
use crate::transport::Answer;

/// What Vault wraps every answer in.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    lease_id: Option<String>,
    #[serde(default)]
    lease_duration: Option<u64>,
    #[serde(default)]
    renewable: Option<bool>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    auth: Option<Auth>,
}

impl<'a> Envelope<'a> {
    fn of(answer: &'a Answer, operation: Operation) -> Result<Self, Error> {
        serde_json::from_slice(&answer.body).map_err(|_| malformed(operation, "no JSON of Vault's"))
    }

    fn data<T: Deserialize<'a>>(&self, operation: Operation) -> Result<T, Error> {
        let data = self.data.ok_or_else(|| malformed(operation, "no data"))?;
        serde_json::from_str(data.get()).map_err(|_| malformed(operation, "data of another form"))
    }

    /// The lease, where there is one.
    fn lease(&self) -> Option<Lease> {
        let id = self.lease_id.as_deref().filter(|id| !id.is_empty())?;
        Some(Lease {
            id: id.to_owned(),
            lasts: Duration::from_secs(self.lease_duration.unwrap_or(0)),
            renewable: self.renewable.unwrap_or(false),
        })
    }
}

const fn malformed(operation: Operation, why: &'static str) -> Error {
    Error::new(operation, Fault::Malformed(why))
}
