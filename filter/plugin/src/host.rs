//! Envoy as seen from the plugin: calls that say when they fail. For a status that it does not know the SDK traps,
//! which ends the request too.

use std::ptr::null_mut;
use std::time::UNIX_EPOCH;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Bytes, MapType, Status};
use svidgate_policy::{Connection, PEER_FILTER_STATE};

use crate::config::Level;
use crate::crypto::{HostError, SignatureHost};
use crate::shared_data::{CREATE_ONLY, SharedData};

/// Unix time in milliseconds. A clock that cannot be read stands at the end of time, so that every token is expired.
pub(crate) fn now() -> u64 {
    hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(u64::MAX)
}

/// Unix time in nanoseconds; 0 when the clock cannot be read.
pub(crate) fn nanos() -> u64 {
    let since = hostcalls::get_current_time().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// A name for this Envoy process that another one does not have: the moment at which its first VM asked for it, to the
/// nanosecond, kept in shared data for all of them.
pub(crate) fn process_name(key: &str) -> String {
    EnvoySharedData.compare_and_set(key, format!("{:x}", nanos()).as_bytes(), CREATE_ONLY);
    let (name, _) = EnvoySharedData.get(key).unwrap_or_default();
    String::from_utf8(name).unwrap_or_default()
}

/// What Envoy says about the connection of a request.
pub(crate) fn connection() -> Connection {
    let property = |path| hostcalls::get_property(path).ok().flatten();
    Connection {
        mtls: property(vec!["connection", "mtls"]).is_some_and(|value| value == [1]),
        uri_sans: property(vec!["filter_state", PEER_FILTER_STATE]),
        first_uri_san: property(vec!["connection", "uri_san_peer_certificate"]),
    }
}

/// The cluster to which the route of this request leads; none without a route or a cluster. Newer versions know it as an
/// xDS attribute, all by the bare name.
pub(crate) fn cluster_name() -> Option<String> {
    [vec!["xds", "cluster_name"], vec!["cluster_name"]]
        .into_iter()
        .find_map(|path| hostcalls::get_property(path).ok().flatten().filter(|name| !name.is_empty()))
        .and_then(|name| String::from_utf8(name).ok())
}

/// Declares filter state of ours as one that lives as long as the request does, also where Envoy follows a redirect for it.
/// `false` when the host refuses, also for what was declared before.
pub(crate) fn declare_for_request(name: &str) -> bool {
    // `envoy.source.extensions.common.wasm.DeclarePropertyArguments`: 1 the name, 5 the life span.
    let Ok(len) = u8::try_from(name.len()) else { return false };
    let arguments = [&[0x0a, len][..], name.as_bytes(), &[0x28, DOWNSTREAM_REQUEST]].concat();
    len < 0x80 && hostcalls::call_foreign_function("declare_property", Some(&arguments)).is_ok()
}

const DOWNSTREAM_REQUEST: u8 = 1;

/// The level of a line in Envoy's log.
pub(crate) fn log_level(level: Level) -> log::Level {
    match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    }
}

/// Envoy's shared data.
pub(crate) struct EnvoySharedData;

impl SharedData for EnvoySharedData {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        match hostcalls::get_shared_data(key) {
            Ok((value, Some(cas))) => Some((value.unwrap_or_default(), cas)),
            _ => None,
        }
    }

    fn compare_and_set(&self, key: &str, value: &[u8], cas: u32) -> bool {
        hostcalls::set_shared_data(key, Some(value), Some(cas)).is_ok()
    }
}

/// Envoy's own crypto.
#[derive(Debug)]
pub(crate) struct EnvoySignatures;

impl SignatureHost for EnvoySignatures {
    #[expect(unsafe_code, reason = "takes over a buffer that the host allocated through our own allocator")]
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        const NAME: &str = "verify_signature";
        let mut data: *mut u8 = null_mut();
        let mut size: usize = 0;
        // SAFETY: name and arguments are valid for reads, both out-pointers for writes, for the whole call.
        let status = unsafe {
            proxy_call_foreign_function(
                NAME.as_ptr(),
                NAME.len(),
                arguments.as_ptr(),
                arguments.len(),
                &raw mut data,
                &raw mut size,
            )
        };
        let result = if data.is_null() {
            Vec::new()
        } else {
            // SAFETY: as in `header_pairs`.
            unsafe { Vec::from_raw_parts(data, size, size) }
        };
        match status {
            STATUS_OK => Ok(result),
            STATUS_NOT_FOUND => Err(HostError::NotFound),
            _ => Err(HostError::Failed),
        }
    }
}

const STATUS_OK: u32 = Status::Ok as u32;
const STATUS_NOT_FOUND: u32 = Status::NotFound as u32;

/// The whole header map in proxy-wasm's serialized form, for `request::Headers::parse`. The SDK's own reader panics
/// on names that are not UTF-8.
#[expect(unsafe_code, reason = "takes over a buffer that the host allocated through our own allocator")]
pub(crate) fn header_pairs(map: MapType) -> Option<Bytes> {
    let mut data: *mut u8 = null_mut();
    let mut size: usize = 0;
    // SAFETY: both out-pointers are valid for writes for the whole call.
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    if status != STATUS_OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host got `data` from the SDK's allocation export, which makes a `Vec<u8>` of exactly `size` bytes,
    // filled it, and gave up ownership.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Sets the filter state `wasm.NAME` of the request. Unlike the SDK's, it allocates nothing. `None` when it is not set.
#[expect(unsafe_code, reason = "lends two texts to the host for one call")]
pub(crate) fn set_property(name: &str, value: &[u8]) -> Option<()> {
    // SAFETY: both are valid for reads for the whole call.
    let status = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    (status == STATUS_OK).then_some(())
}

#[expect(unsafe_code, reason = "an import of the proxy-wasm ABI 0.2.1")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    // Declared with a plain number as result: a status that the SDK's enum lacks must not become one.
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        results: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
}
