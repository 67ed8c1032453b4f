//! The SPIFFE Workload API as it is on the wire: messages, client and server.

/// Generated from `proto/workload.proto`. The standard gives it no package, so the wire path is
/// `/SpiffeWorkloadAPI/<method>`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, reason = "generated code")]
pub mod pb {
    tonic::include_proto!("_");
}

/// Metadata that every call must carry, in ASCII: it keeps a confused HTTP client from being used to reach the
/// socket (SPIFFE Workload Endpoint, section 4).
pub const SECURITY_HEADER: &str = "workload.spiffe.io";

/// Where a workload finds the API when it was not told (SPIFFE Workload Endpoint, section 4).
pub const SOCKET_ENV: &str = "SPIFFE_ENDPOINT_SOCKET";
