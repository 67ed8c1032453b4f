//! How `svidgate dev rotate`, `revoke`, `status` and `mint` talk to a running `svidgate dev run`: small JSON over HTTP on
//! a socket of its own. Whoever may open that socket is the operator: it can have any identity signed.

pub(super) mod client;
pub(super) mod server;

use serde::{Deserialize, Serialize};

use super::issuer::{KeyStatus, Phase};
use super::key::KeyType;

pub(super) const STATUS: &str = "/v1/status";
pub(super) const ROTATE: &str = "/v1/rotate";
pub(super) const REVOKE: &str = "/v1/revoke";
pub(super) const MINT: &str = "/v1/mint";

/// Changes the signing key of a trust domain; of the own one if none is named.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateRequest {
    pub(super) trust_domain: Option<String>,
    /// Both phases at once if `None`.
    pub(super) phase: Option<Phase>,
    pub(super) key_type: Option<KeyType>,
}

/// Takes keys out of a bundle.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeRequest {
    pub(super) trust_domain: Option<String>,
    /// Every old key if `None`.
    pub(super) kid: Option<String>,
}

/// Asks for a token of any identity, lifetime and age.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MintRequest {
    pub(super) spiffe_id: String,
    pub(super) audience: Vec<String>,
    pub(super) ttl_seconds: Option<u64>,
    #[serde(default)]
    pub(super) issued_ago_seconds: u64,
}

/// A minted token.
#[derive(Serialize, Deserialize)]
pub(super) struct MintResponse {
    pub(super) token: String,
}

/// The keys that a rotation or revocation was about, and those that are published now.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangeResponse {
    pub(super) trust_domain: String,
    pub(super) changed: Vec<String>,
    pub(super) keys: Vec<KeyStatus>,
}

/// Everything about a running `svidgate dev` that is no secret.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StatusResponse {
    pub(super) socket: String,
    pub(super) ttl_seconds: u64,
    pub(super) entries: Vec<EntryStatus>,
    /// The own trust domain first.
    pub(super) trust_domains: Vec<DomainStatus>,
}

/// A registered identity.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryStatus {
    pub(super) spiffe_id: String,
    pub(super) hint: String,
}

/// The published keys of a trust domain.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DomainStatus {
    pub(super) trust_domain: String,
    pub(super) keys: Vec<KeyStatus>,
}

/// Why nothing was done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorResponse {
    pub(super) error: String,
}
