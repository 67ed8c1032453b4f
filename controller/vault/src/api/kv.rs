//! KV version 2 (checklist H8): `data/` in the path, `data.data` in the answer, versions instead of leases.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Envelope, malformed};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::operation::Operation;
use crate::secret::Secrets;
use crate::transport::Answer;

/// One mount of the KV engine, version 2.
#[derive(Clone, Debug)]
pub struct Kv<'a> {
    client: &'a Client,
    mount: String,
}

/// A secret with its version.
#[derive(Clone, Debug)]
pub struct KvValue {
    /// As stored.
    pub secrets: Secrets,
    /// Counted from 1.
    pub version: u64,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub enum KvRead {
    /// A secret.
    Found(KvValue),
    /// The newest version was deleted or destroyed.
    Deleted {
        /// The version that was.
        version: u64,
    },
    /// Nothing was ever there, or all of it was removed.
    Absent,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

#[derive(Serialize)]
struct Write<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
    data: &'a T,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

impl Client {
    /// The KV engine at `mount`, such as `secret`.
    #[must_use]
    pub fn kv(&self, mount: &str) -> Kv<'_> {
        Kv { client: self, mount: mount.trim_matches('/').to_owned() }
    }
}

impl Kv<'_> {
    /// The newest version at `path`.
    ///
    /// # Errors
    /// When Vault gave no answer about it. That nothing is there is an answer.
    pub async fn read(&self, path: &str) -> Result<KvRead, Error> {
        let operation = Operation::KvRead;
        let mut call = self.to(operation, Method::GET, path);
        call.accepts = &[404];
        let answer = self.client.call(call).await?;
        if answer.status == 404 {
            return nothing_there(&answer, operation);
        }
        let envelope = Envelope::of(&answer, operation)?;
        let found: Data<'_> = envelope.data(operation)?;
        let version = found.metadata.version;
        // `null`: some versions answer so, with 200, for a deleted one.
        let Some(data) = found.data.filter(|data| data.get() != "null") else {
            return Ok(KvRead::Deleted { version });
        };
        let secrets = Secrets::parse(data).ok_or_else(|| malformed(operation, "data of another form"))?;
        Ok(KvRead::Found(KvValue { secrets, version }))
    }

    /// Stores `data` (an object) as a new version and returns its number. With `cas` only if the newest version is that
    /// one; 0 stands for none yet.
    ///
    /// # Errors
    /// When it was not stored, or that is not known; [`crate::Reason::CasMismatch`] when `cas` does not match.
    pub async fn write(&self, path: &str, data: &impl Serialize, cas: Option<u64>) -> Result<u64, Error> {
        self.store(self.to(Operation::KvWrite, Method::POST, path), data, cas).await
    }

    /// Changes members of the newest version (RFC 7396: `null` removes) and returns the new version's number.
    ///
    /// # Errors
    /// As [`Kv::write`].
    pub async fn patch(&self, path: &str, data: &impl Serialize, cas: Option<u64>) -> Result<u64, Error> {
        let mut call = self.to(Operation::KvPatch, Method::PATCH, path);
        call.content_type = "application/merge-patch+json";
        self.store(call, data, cas).await
    }

    async fn store(&self, call: Call, data: &impl Serialize, cas: Option<u64>) -> Result<u64, Error> {
        let operation = call.operation;
        let options = cas.map(|cas| Options { cas });
        let answer = self.client.call(call.json(&Write { options, data })?).await?;
        let stored: Metadata = Envelope::of(&answer, operation)?.data(operation)?;
        Ok(stored.version)
    }

    fn to(&self, operation: Operation, method: Method, path: &str) -> Call {
        Call::new(operation, method, &format!("{}/data/{}", self.mount, path.trim_matches('/')))
    }
}

/// 404 with data is a deleted version, 404 without any error is an absent path, anything else is an error.
fn nothing_there(answer: &Answer, operation: Operation) -> Result<KvRead, Error> {
    #[derive(Deserialize)]
    struct Absent {
        errors: Vec<String>,
    }
    if let Ok(deleted) = Envelope::of(answer, operation)
        .and_then(|envelope| envelope.data::<Data<'_>>(operation).map(|d| d.metadata))
    {
        return Ok(KvRead::Deleted { version: deleted.version });
    }
    match serde_json::from_slice::<Absent>(&answer.body) {
        Ok(absent) if absent.errors.is_empty() => Ok(KvRead::Absent),
        Ok(absent) => Err(Error::answered(operation, 404, None, Some(absent.errors.join("; ")))),
        // A proxy's page says nothing about what Vault holds.
        Err(_) => Err(Error::answered(operation, 404, None, None)),
    }
}
