use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::breaker::BreakerSettings;

/// Where Vault is and how it is talked to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) address: Url,
    /// Sent as `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// For `https` addresses.
    pub tls: TlsSettings,
    /// To open a TCP connection.
    pub connect_timeout: Duration,
    /// From the start of a request to the last byte of its answer, connecting included.
    pub request_timeout: Duration,
    /// Largest answer in bytes.
    pub max_answer_bytes: usize,
    /// Of [`crate::Client`]'s own calls. The life cycle spreads its attempts over the lifetime that remains instead.
    pub retry: RetrySettings,
    /// When to leave Vault alone.
    pub breaker: BreakerSettings,
}

/// Whom to trust, and under which name.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// Certificates of authorities (PEM), read anew at each login, which follows within seconds of a change. Without it
    /// those of the system.
    pub ca_file: Option<PathBuf>,
    /// Name that Vault's certificate must bear and that is sent as SNI, where it is not the host of the address.
    pub server_name: Option<String>,
}

/// How often a call is tried.
#[derive(Clone, Copy, Debug)]
pub struct RetrySettings {
    /// Attempts beyond the first.
    pub times: usize,
    /// Pause before the second attempt; it doubles, and jitter is added.
    pub min_delay: Duration,
    /// Longest pause that we choose. A longer `Retry-After` is honoured up to [`RetrySettings::max_retry_after`].
    pub max_delay: Duration,
    /// Longest `Retry-After` that is believed.
    pub max_retry_after: Duration,
}

impl RetrySettings {
    /// One attempt only.
    #[must_use]
    pub fn never() -> Self {
        Self { times: 0, ..Self::default() }
    }
}

impl Default for RetrySettings {
    /// Three attempts in all, from 250 ms to 5 s apart; `Retry-After` up to 5 minutes.
    fn default() -> Self {
        Self {
            times: 2,
            min_delay: Duration::from_millis(250),
            max_delay: Duration::from_secs(5),
            max_retry_after: Duration::from_mins(5),
        }
    }
}

/// An address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each says it itself")]
#[non_exhaustive]
pub enum AddressError {
    #[error("is no URL: {0}")]
    NotAUrl(url::ParseError),
    #[error("must begin with https:// (or http:// for a loopback address)")]
    Scheme,
    #[error("must use https: tokens and secrets would cross the network in the clear")]
    Plaintext,
    #[error("must not hold a user or password")]
    UserInfo,
    #[error("must not have a query or fragment")]
    Query,
}

impl Settings {
    /// For Vault at `address`, such as `https://vault.example.org:8200`. Plain `http` is taken for loopback only.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        let address = Url::parse(address).map_err(AddressError::NotAUrl)?;
        check(&address)?;
        Ok(Self {
            address,
            namespace: None,
            tls: TlsSettings::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            max_answer_bytes: 1024 * 1024,
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
        })
    }

    /// As given.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_str()
    }
}

pub(crate) fn check(address: &Url) -> Result<(), AddressError> {
    if !address.username().is_empty() || address.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    if address.query().is_some() || address.fragment().is_some() {
        return Err(AddressError::Query);
    }
    match (address.scheme(), address.host()) {
        ("https", Some(_)) => Ok(()),
        ("http", Some(host)) if is_loopback(&host) => Ok(()),
        ("http", Some(_)) => Err(AddressError::Plaintext),
        _ => Err(AddressError::Scheme),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_would_send_secrets_in_the_clear_is_refused() {
        for good in
            ["https://vault:8200", "http://127.0.0.1:8200", "http://[::1]:1", "http://localhost:8200/base"]
        {
            assert!(Settings::new(good).is_ok(), "{good}");
        }
        assert_eq!(Settings::new("http://vault:8200").err(), Some(AddressError::Plaintext));
        assert_eq!(Settings::new("unix:///vault").err(), Some(AddressError::Scheme));
        assert_eq!(Settings::new("https://u:p@vault").err(), Some(AddressError::UserInfo));
        assert_eq!(Settings::new("https://vault/?token=x").err(), Some(AddressError::Query));
        assert!(matches!(Settings::new("vault:8200/ x"), Err(AddressError::Scheme)));
    }
}
