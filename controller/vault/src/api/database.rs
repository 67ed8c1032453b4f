use std::time::Duration;

use hyper::Method;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Envelope, Leased};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::operation::Operation;
use crate::secret::secret;

/// A user that Vault made for us, and that goes with its lease.
#[derive(Clone, Debug, Deserialize)]
pub struct DatabaseCredentials {
    /// The user; hidden as well, as it names whom to attack.
    #[serde(deserialize_with = "secret")]
    pub username: SecretString,
    /// Its password.
    #[serde(deserialize_with = "secret")]
    pub password: SecretString,
}

/// A user that was there before, whose password Vault changes from time to time.
#[derive(Clone, Debug)]
pub struct StaticCredentials {
    /// User and password.
    pub credentials: DatabaseCredentials,
    /// Until Vault changes the password next; zero when that is overdue.
    pub rotates_in: Duration,
}

impl Client {
    /// `GET <mount>/creds/<role>`: each call makes a user and a lease.
    ///
    /// # Errors
    /// When no credentials came.
    pub async fn database_creds(
        &self,
        mount: &str,
        role: &str,
    ) -> Result<Leased<DatabaseCredentials>, Error> {
        let operation = Operation::DatabaseCreds;
        let answer = self.call(Call::new(operation, Method::GET, &format!("{mount}/creds/{role}"))).await?;
        let envelope = Envelope::of(&answer, operation)?;
        Ok(Leased { lease: envelope.lease(), content: envelope.data(operation)? })
    }

    /// `GET <mount>/static-creds/<role>`.
    ///
    /// # Errors
    /// When no credentials came.
    pub async fn database_static_creds(&self, mount: &str, role: &str) -> Result<StaticCredentials, Error> {
        #[derive(Deserialize)]
        struct Data {
            #[serde(flatten)]
            credentials: DatabaseCredentials,
            #[serde(default)]
            ttl: i64,
        }
        let operation = Operation::DatabaseStaticCreds;
        let path = format!("{mount}/static-creds/{role}");
        let answer = self.call(Call::new(operation, Method::GET, &path)).await?;
        let data: Data = Envelope::of(&answer, operation)?.data(operation)?;
        // It is negative while a rotation is overdue.
        let rotates_in = Duration::from_secs(u64::try_from(data.ttl).unwrap_or(0));
        Ok(StaticCredentials { credentials: data.credentials, rotates_in })
    }
}
