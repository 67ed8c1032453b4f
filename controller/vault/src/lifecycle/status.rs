//! What health shows. No secrets: names, states, times, errors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::credential::{Credential, LiveLife};
use crate::breaker::BreakerState;
use crate::error::Error;

/// The state of everything that is kept fresh.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where Vault is.
    pub address: String,
    /// Of that address.
    pub breaker: BreakerState,
    /// The token.
    pub token: TokenStatus,
    /// The credentials, by name.
    pub credentials: Vec<CredentialStatus>,
}

impl Status {
    /// Whether a token and every credential are in force.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.token.valid && self.credentials.iter().all(|credential| credential.available)
    }
}

/// The state of the token.
#[derive(Clone, Debug, Default)]
pub struct TokenStatus {
    /// Whether there is one that has not ended.
    pub valid: bool,
    /// What is left of it; `None` without an end.
    pub remaining: Option<Duration>,
    /// Logins so far.
    pub logins: u64,
    /// The last failure, while there was no success since.
    pub error: Option<String>,
}

/// The state of one credential.
#[derive(Clone, Debug)]
pub struct CredentialStatus {
    /// Its name.
    pub name: String,
    /// `kv`, `database`, `database_static` or `pki`.
    pub kind: &'static str,
    /// Whether there is one that has not ended.
    pub available: bool,
    /// Of the credential in force; 0 without one.
    pub revision: u64,
    /// What is left of it; `None` without an end.
    pub remaining: Option<Duration>,
    /// The last failure, while there was no success since.
    pub error: Option<String>,
}

/// Where the token's keeper writes its state.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenBoard(Arc<Mutex<Token>>);

#[derive(Debug, Default)]
struct Token {
    life: Option<Arc<LiveLife>>,
    logins: u64,
    error: Option<String>,
}

impl TokenBoard {
    pub(super) fn logged_in(&self, life: Arc<LiveLife>) {
        let mut token = self.lock();
        token.life = Some(life);
        token.logins = token.logins.saturating_add(1);
        token.error = None;
    }

    pub(super) fn renewed(&self) {
        self.lock().error = None;
    }

    pub(super) fn ended(&self) {
        self.lock().life = None;
    }

    pub(super) fn failed(&self, error: &Error) {
        tracing::warn!(%error, "no new token of Vault");
        self.lock().error = Some(error.to_string());
    }

    pub(super) fn remaining(&self) -> Option<Duration> {
        self.lock().life.as_ref().and_then(|life| life.remaining())
    }

    pub(super) fn status(&self) -> TokenStatus {
        let token = self.lock();
        let remaining = token.life.as_ref().and_then(|life| life.remaining());
        TokenStatus {
            valid: token.life.as_ref().is_some_and(|life| !life.ended()),
            remaining,
            logins: token.logins,
            error: token.error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a credential's keeper writes its last failure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Option<String>>>);

impl Board {
    pub(super) fn set(&self, error: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn status(
        &self,
        name: &str,
        kind: &'static str,
        credential: Option<&Arc<Credential>>,
    ) -> CredentialStatus {
        CredentialStatus {
            name: name.to_owned(),
            kind,
            available: credential.is_some_and(|credential| credential.secrets().is_some()),
            revision: credential.map_or(0, |credential| credential.revision()),
            remaining: credential.and_then(|credential| credential.remaining()),
            error: self.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
