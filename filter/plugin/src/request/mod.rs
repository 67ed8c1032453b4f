//! From the headers of a request to a judgement: pure, so that every case is tested without Envoy.

mod answer;
mod headers;

use svidgate_jwt_svid::{DenyReason, SignatureVerifier, UnixTime, VerifiedSvid, bearer};
use svidgate_policy::{Denial, Reason};

use crate::config::Config;
use crate::trust::Trust;

pub use answer::Answer;
pub use headers::Headers;

/// Judges requests as one configuration demands.
#[derive(Debug)]
pub struct Judge {
    config: Config,
}

impl Judge {
    /// A judge for `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// The configuration it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether `name` may be taken for the header that carries the identity, by an upstream that folds case and takes any
    /// punctuation for `_`, as CGI does (checklist P8). Such headers are removed from every request before anything else (V17).
    #[must_use]
    pub fn is_identity_header(&self, name: &[u8]) -> bool {
        let own = self.config.identity_header.as_bytes();
        name.len() == own.len() && name.iter().zip(own).all(|(a, b)| fold(*a) == fold(*b))
    }

    /// Decides about a request at `now` (Unix time in milliseconds).
    ///
    /// # Errors
    /// The [`Denial`] to answer with.
    pub fn decide(
        &self,
        headers: &Headers<'_>,
        trust: &Trust,
        crypto: &dyn SignatureVerifier,
        now: u64,
    ) -> Result<VerifiedSvid, Denial> {
        let bundles = trust.bundles().ok_or(Denial::new(Reason::NoTrust))?;
        let token = bearer_token(headers).map_err(|reason| Denial::new(Reason::Svid(reason)))?;
        let time = UnixTime(now.checked_div(1000).unwrap_or(0));
        let caller = self
            .config
            .verifier
            .verify(token, bundles, crypto, time)
            .map_err(|error| Denial::new(Reason::Svid(error.reason())))?;
        if let Some(max) = self.config.max_staleness
            && trust.is_stale(caller.spiffe_id().trust_domain(), max, now)
        {
            return Err(Denial::new(Reason::TrustStale));
        }
        self.config.allowlist.authorize(&caller)?;
        Ok(caller)
    }
}

/// The one Bearer token of the one `authorization` header (checklist V18).
fn bearer_token<'h>(headers: &Headers<'h>) -> Result<&'h [u8], DenyReason> {
    let mut values = headers.values("authorization");
    let value = values.next().ok_or(DenyReason::TokenMissing)?;
    if values.next().is_some() {
        return Err(DenyReason::AuthorizationRepeated);
    }
    bearer::extract(value).map_err(|error| error.reason())
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests;
