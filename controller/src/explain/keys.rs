//! Where the keys come from: a file in either form, or a Workload API.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde_json::Value;
use spiffe::transport::Endpoint;
use svidgate_jwt_svid::{Bundle, BundleLimits, BundleSet, TrustDomain};

use super::ExplainArgs;
use crate::cli::{Failure, block_on};
use crate::config::ConfigError;
use crate::source::{Limits, workload_api};
use crate::workload_api::SOCKET_ENV;

/// The bundles, and where they are from.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) bundles: BundleSet,
    /// For people: a file and its form, or an address.
    pub(super) origin: String,
    /// Bundles that could not be used: name, and why.
    pub(super) refused: Vec<(String, String)>,
}

impl Keys {
    pub(super) fn load(args: &ExplainArgs) -> Result<Self, Failure> {
        if let (Some(path), Some(trust_domain)) = (&args.bundle, &args.trust_domain) {
            return Ok(Self::from_file(path, trust_domain)?);
        }
        let socket = match &args.socket {
            Some(socket) => socket.clone(),
            None => from_environment()?,
        };
        block_on(Self::from_workload_api(&socket))
    }

    fn from_file(path: &Path, trust_domain: &TrustDomain) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        let limits = BundleLimits::default();
        let mut document = Vec::new();
        let most = u64::try_from(limits.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut document))
            .map_err(|error| ConfigError::one(&origin, format!("cannot be read: {error}")))?;
        Self::from_document(&document, trust_domain, &origin)
            .map_err(|error| ConfigError::one(&origin, error))
    }

    pub(super) fn from_document(
        document: &[u8],
        trust_domain: &TrustDomain,
        origin: &str,
    ) -> Result<Self, String> {
        let (bundle, form) = if is_bundle_document(document) {
            (Bundle::from_spiffe_bundle(document, &BundleLimits::default()), "a SPIFFE bundle document")
        } else {
            (Bundle::from_jwks(document, &BundleLimits::default()), "a JWKS")
        };
        let bundle = bundle.map_err(|error| error.to_string())?;
        Ok(Self {
            bundles: BundleSet::from_iter([(trust_domain.clone(), bundle)]),
            origin: format!("{origin}, read as {form}"),
            refused: Vec::new(),
        })
    }

    async fn from_workload_api(address: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::parse(address).map_err(|error| anyhow!("{address}: {error}"))?;
        let message = workload_api::fetch(&endpoint, &Limits::default())
            .await
            .map_err(|status| anyhow!("{}", status.message()))
            .with_context(|| format!("{address}: no bundles from the Workload API"))?;
        Ok(Self {
            bundles: message.bundles.into_iter().collect(),
            origin: address.to_owned(),
            refused: message.refused.into_iter().map(|refused| (refused.name, refused.reason)).collect(),
        })
    }
}

fn from_environment() -> Result<String, ConfigError> {
    match std::env::var(SOCKET_ENV) {
        Ok(socket) => crate::token::endpoint(&socket).map_err(|error| ConfigError::one(SOCKET_ENV, error)),
        Err(_) => Err(ConfigError::one(
            "svidgate explain",
            format!(
                "where are the keys? Give --bundle with --trust-domain, or --socket, or set {SOCKET_ENV}"
            ),
        )),
    }
}

/// Whether it has what only a SPIFFE bundle document has. The two forms differ in one rule only: an entry without
/// `use` counts in a JWKS (B1).
fn is_bundle_document(document: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(document) else {
        return false;
    };
    let entries = value.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    value.get("spiffe_sequence").is_some()
        || value.get("spiffe_refresh_hint").is_some()
        || entries.iter().any(|entry| entry.get("use").and_then(Value::as_str) == Some("x509-svid"))
}
