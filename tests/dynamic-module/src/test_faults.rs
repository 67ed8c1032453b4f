//! Faults on demand, to show what each does to Envoy.

use crate::abi::Map;
use crate::host::Request;

/// Does what the header `x-test-fault` says.
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn on_request(request: &Request) {
    let headers = request.headers(Map::RequestHeaders).unwrap_or_default();
    let fault = headers.iter().find(|(name, _)| *name == b"x-test-fault").map(|(_, value)| *value);
    match fault {
        Some(b"panic") => panic!("asked for by a test"),
        Some(b"abort") => std::process::abort(),
        _ => {}
    }
}
