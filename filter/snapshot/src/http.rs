//! The held GET by which a filter learns of changes.
//!
//! `GET /v1/snapshot?wait=30` is answered `200` at once when the caller's `if-none-match` names another revision
//! than the one in force, or none; for a subscriber that asks for credentials, also other credentials. Otherwise it is held: `200` at the instant of a change, at the end of the wait
//! `200` if only the observed times moved and `304` if nothing did. `503` after the wait means that the
//! controller has nothing to give yet.

use std::ops::RangeInclusive;

/// Path of the snapshot resource.
pub const SNAPSHOT_PATH: &str = "/v1/snapshot";
/// Query parameter: how long the server may hold the request, in seconds.
pub const WAIT_PARAMETER: &str = "wait";
/// Bounds of the wait in seconds. A dead Envoy worker's call stays open for one wait, so it is kept short.
pub const WAIT_SECONDS: RangeInclusive<u64> = 0..=60;

/// Query parameter: names of the credentials that the subscriber needs, joined by commas; see
/// [`crate::is_credential_name`]. Absent: none, and the snapshot has no such section.
pub const CREDENTIALS_PARAMETER: &str = "credentials";
/// Query parameter: the id of the key with which they are to be sealed; see [`crate::CredentialKey::id`].
pub const KEY_PARAMETER: &str = "key";

/// Request: Envoy's node id.
pub const NODE_HEADER: &str = "x-svidgate-node";
/// Request: which subscription of that Envoy this is (plugins with different needs have one each).
pub const INSTANCE_HEADER: &str = "x-svidgate-instance";
/// Request: version of the plugin.
pub const PLUGIN_VERSION_HEADER: &str = "x-svidgate-plugin-version";
/// Request: revision that the filter enforces now; absent while it has none.
pub const REVISION_HEADER: &str = "x-svidgate-revision";
/// Longest accepted value of any of the request headers above, in bytes.
pub const MAX_HEADER_BYTES: usize = 256;
