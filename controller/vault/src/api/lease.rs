use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::{Envelope, malformed};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::operation::Operation;

/// What Vault promises to keep alive, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name in Vault.
    pub id: String,
    /// From now.
    pub lasts: Duration,
    /// Whether it may be renewed.
    pub renewable: bool,
}

/// Something with its lease, where it has one.
#[derive(Clone, Debug)]
pub struct Leased<T> {
    /// The lease.
    pub lease: Option<Lease>,
    /// What was leased.
    pub content: T,
}

#[derive(Serialize)]
struct Id<'a> {
    lease_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment: Option<u64>,
}

impl Client {
    /// `POST sys/leases/lookup`: what is left of a lease.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn lookup_lease(&self, id: &str) -> Result<Lease, Error> {
        #[derive(Deserialize)]
        struct Data {
            ttl: i64,
            renewable: bool,
        }
        let operation = Operation::LeaseLookup;
        let call = Call::new(operation, Method::POST, "sys/leases/lookup");
        let answer = self.call(call.json(&Id { lease_id: id, increment: None })?).await?;
        let data: Data = Envelope::of(&answer, operation)?.data(operation)?;
        let lasts = Duration::from_secs(u64::try_from(data.ttl).unwrap_or(0));
        Ok(Lease { id: id.to_owned(), lasts, renewable: data.renewable })
    }

    /// `POST sys/leases/renew`. `increment` is a wish; the answer says how long the lease lasts now.
    ///
    /// # Errors
    /// When it was not renewed.
    pub async fn renew_lease(&self, id: &str, increment: Duration) -> Result<Lease, Error> {
        let operation = Operation::LeaseRenew;
        let call = Call::new(operation, Method::POST, "sys/leases/renew");
        let content = Id { lease_id: id, increment: Some(increment.as_secs()) };
        let answer = self.call(call.json(&content)?).await?;
        Envelope::of(&answer, operation)?.lease().ok_or_else(|| malformed(operation, "no lease"))
    }

    /// `POST sys/leases/revoke`: the lease and what it stands for end.
    ///
    /// # Errors
    /// When that is not sure.
    pub async fn revoke_lease(&self, id: &str) -> Result<(), Error> {
        let call = Call::new(Operation::LeaseRevoke, Method::POST, "sys/leases/revoke");
        self.call(call.json(&Id { lease_id: id, increment: None })?).await.map(drop)
    }
}
