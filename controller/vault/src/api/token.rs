use std::time::Duration;

use hyper::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Envelope, malformed};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::operation::Operation;
use crate::secret::secret;

/// What a login or a renewal gives.
#[derive(Clone, Debug, Deserialize)]
pub struct Auth {
    /// The token.
    #[serde(deserialize_with = "secret")]
    pub client_token: SecretString,
    /// In seconds from now; 0 never ends.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether it may be renewed; batch tokens may not.
    #[serde(default)]
    pub renewable: bool,
}

/// What Vault knows of a token.
#[derive(Clone, Debug, Deserialize)]
pub struct TokenInfo {
    /// Seconds that are left; 0 never ends.
    #[serde(default)]
    pub ttl: u64,
    /// Whether it may be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// `service` or `batch`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

#[derive(Serialize)]
struct Increment {
    #[serde(skip_serializing_if = "Option::is_none")]
    increment: Option<String>,
}

impl Client {
    /// `GET auth/token/lookup-self`.
    ///
    /// # Errors
    /// When Vault does not know the token (403), or did not answer.
    pub async fn lookup_self(&self) -> Result<TokenInfo, Error> {
        let operation = Operation::TokenLookup;
        let answer = self.call(Call::new(operation, Method::GET, "auth/token/lookup-self")).await?;
        Envelope::of(&answer, operation)?.data(operation)
    }

    /// `POST auth/token/renew-self`. `increment` is a wish; the answer says how long the token lasts now.
    ///
    /// # Errors
    /// When it was not renewed.
    pub async fn renew_self(&self, increment: Option<Duration>) -> Result<Auth, Error> {
        let operation = Operation::TokenRenew;
        let increment = increment.map(|increment| format!("{}s", increment.as_secs()));
        let call =
            Call::new(operation, Method::POST, "auth/token/renew-self").json(&Increment { increment })?;
        let answer = self.call(call).await?;
        Envelope::of(&answer, operation)?.auth.ok_or_else(|| malformed(operation, "no auth"))
    }

    /// `POST auth/token/revoke-self`: the token ends, and every lease that was issued under it.
    ///
    /// # Errors
    /// When that is not sure.
    pub async fn revoke_self(&self) -> Result<(), Error> {
        let call = Call::new(Operation::TokenRevoke, Method::POST, "auth/token/revoke-self");
        self.call(call.json(&Increment { increment: None })?).await.map(drop)
    }

    pub(crate) async fn log_in(&self, path: &str, content: &impl Serialize) -> Result<Auth, Error> {
        let operation = Operation::Login;
        let mut call = Call::new(operation, Method::POST, path).json(content)?;
        call.anonymous = true;
        let answer = self.call(call).await?;
        Envelope::of(&answer, operation)?.auth.ok_or_else(|| malformed(operation, "no auth"))
    }
}
