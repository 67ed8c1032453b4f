//! The part of Envoy's dynamic module ABI, version `v0.2.0` of Envoy 1.40, that this prototype needs.
//!
//! Written from the comments of `source/extensions/dynamic_modules/abi/abi.h`. A C enumeration is an unsigned 32-bit
//! number; what Envoy gives is never made a Rust enumeration, because a number that Rust does not know would be undefined
//! behaviour.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null;

/// What `envoy_dynamic_module_on_program_init` must return. Envoy compares the text and warns when it is another one.
pub(crate) const VERSION: &CStr = c"v0.2.0";

/// `DynamicModuleHttpFilterConfig*`.
pub(crate) type EnvoyConfig = *mut c_void;
/// `DynamicModuleHttpFilter*`.
pub(crate) type EnvoyFilter = *mut c_void;

/// Bytes of Envoy's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EnvoyBuffer {
    pub(crate) ptr: *const c_char,
    pub(crate) length: usize,
}

/// Bytes of ours, borrowed by Envoy for the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ModuleBuffer {
    ptr: *const c_char,
    length: usize,
}

/// A header in Envoy's map: valid until the hook returns or a header is changed.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct EnvoyHeader {
    pub(crate) key: EnvoyBuffer,
    pub(crate) value: EnvoyBuffer,
}

/// A header for an answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ModuleHeader {
    pub(crate) key: ModuleBuffer,
    pub(crate) value: ModuleBuffer,
}

impl ModuleBuffer {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr().cast(), length: bytes.len() }
    }

    /// The null buffer: as the value of a header it means to remove all of that name.
    pub(crate) fn null() -> Self {
        Self { ptr: null(), length: 0 }
    }
}

/// Which map of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
}

/// Level of a line in Envoy's log.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// `…_status_Continue`, of headers, bodies and trailers alike.
pub(crate) const CONTINUE: u32 = 0;
/// `…_status_StopIteration`, of headers and trailers.
pub(crate) const STOP_ITERATION: u32 = 1;
/// `envoy_dynamic_module_type_metrics_result_Success`.
pub(crate) const METRICS_SUCCESS: u32 = 0;

unsafe extern "C" {
    pub(crate) fn envoy_dynamic_module_callback_log(level: LogLevel, message: ModuleBuffer);

    pub(crate) fn envoy_dynamic_module_callback_http_get_headers_size(filter: EnvoyFilter, map: Map)
    -> usize;

    /// `result` has room for as many as the call above has said.
    pub(crate) fn envoy_dynamic_module_callback_http_get_headers(
        filter: EnvoyFilter,
        map: Map,
        result: *mut EnvoyHeader,
    ) -> bool;

    /// Replaces every header of the name.
    pub(crate) fn envoy_dynamic_module_callback_http_set_header(
        filter: EnvoyFilter,
        map: Map,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    pub(crate) fn envoy_dynamic_module_callback_http_send_response(
        filter: EnvoyFilter,
        status: u32,
        headers: *const ModuleHeader,
        headers_size: usize,
        body: ModuleBuffer,
        details: ModuleBuffer,
    );

    pub(crate) fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        filter: EnvoyFilter,
        key: ModuleBuffer,
        value: ModuleBuffer,
    ) -> bool;

    /// Only while the filter is configured: afterwards no metric can be defined.
    pub(crate) fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: EnvoyConfig,
        name: ModuleBuffer,
        labels: *const ModuleBuffer,
        labels_size: usize,
        id: *mut usize,
    ) -> u32;

    /// As many values as the counter has labels.
    pub(crate) fn envoy_dynamic_module_callback_http_filter_increment_counter(
        filter: EnvoyFilter,
        id: usize,
        values: *const ModuleBuffer,
        values_size: usize,
        by: u64,
    ) -> u32;
}
