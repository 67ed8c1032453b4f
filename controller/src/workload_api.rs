//! The SPIFFE Workload API as it is on the wire: messages, client and server.

use std::path::PathBuf;

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

/// The path in `unix:///path`, `unix:/path` or a plain path, made absolute.
///
/// # Errors
/// For any other address, and for a path after `unix:` that is not absolute.
pub fn socket_path(text: &str) -> Result<PathBuf, String> {
    if let Some(address) = text.strip_prefix("unix:") {
        let path = address.strip_prefix("//").unwrap_or(address);
        return if path.starts_with('/') { Ok(PathBuf::from(path)) } else { Err(SOCKET_FORM.to_owned()) };
    }
    if text.is_empty() || text.starts_with("tcp:") {
        return Err(SOCKET_FORM.to_owned());
    }
    std::path::absolute(text).map_err(|error| error.to_string())
}

const SOCKET_FORM: &str = "expected a path, or unix:///path with an absolute one";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b07_a_socket_is_an_absolute_path_with_or_without_unix() {
        for text in ["/run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"] {
            assert_eq!(socket_path(text).unwrap(), PathBuf::from("/run/a.sock"), "{text}");
        }
        let relative = socket_path("a.sock").unwrap();
        assert!(relative.is_absolute() && relative.ends_with("a.sock"));
        for text in ["", "unix:", "unix:a.sock", "unix://", "unix://host/a.sock", "tcp:127.0.0.1:1"] {
            assert!(socket_path(text).is_err(), "{text:?}");
        }
    }
}
