//! A client for Vault and OpenBao, and the life of what it fetches.
//!
//! [`Client`] makes one call at a time, safely: timeouts, a bound on the answer, one redirect, retries that are safe to
//! make, a circuit breaker, metrics; no secret in an error or a log. [`Login`] gets a token. [`Vault`] stays logged in and keeps
//! credentials fresh.
//!
//! The HTTP layer is hyper with rustls, not a client crate for Vault: vaultrs 0.8 (the best kept one) reports an error as
//! status and texts only, without `Retry-After`, shows its token in `Debug` and keeps it in memory that is not wiped,
//! bounds no answer, follows redirects with a body lost and from https to http, and can set no TLS server name.

mod api;
mod breaker;
mod client;
mod clock;
mod error;
mod lifecycle;
mod login;
mod metrics;
mod operation;
mod secret;
mod settings;
mod source;
mod tls;
mod transport;

pub use api::{
    Auth, Certificate, CertificateRequest, DatabaseCredentials, Health, Kv, KvRead, KvValue, Lease, Leased,
    StaticCredentials, TokenInfo,
};
pub use breaker::{Breaker, BreakerSettings, BreakerState};
pub use client::Client;
pub use clock::{Clock, Life, Moment, SharedClock, SystemClock};
pub use error::{ConnectFault, Error, Fault, Reason, SourceError};
pub use lifecycle::{
    AtShutdown, Credential, CredentialStatus, Hold, Key, NameTaken, Spec, Status, Timing, TokenStatus, Vault,
};
pub use login::{LoggedIn, Login, Method};
pub use metrics::Metrics;
pub use operation::Operation;
pub use secret::Secrets;
pub use settings::{AddressError, RetrySettings, Settings, TlsSettings};
pub use source::{Fixed, FromFile, FromFn, Identity, IdentitySource, SecretSource};
pub use transport::Exchange;
