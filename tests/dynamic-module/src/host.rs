//! Envoy as seen from the module. All `unsafe` of calls to Envoy is here.

use std::slice;
use std::time::{SystemTime, UNIX_EPOCH};

use svidgate_plugin::config::Level;

use crate::abi::{
    self, EnvoyBuffer, EnvoyConfig, EnvoyFilter, EnvoyHeader, LogLevel, Map, ModuleBuffer, ModuleHeader,
};

/// Unix time in milliseconds. A clock that cannot be read stands at the end of time, so that every token is expired.
#[expect(clippy::disallowed_methods, reason = "a module is native code: Envoy gives it no clock of its own")]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(u64::MAX)
}

/// Writes a line to Envoy's log.
pub(crate) fn log(level: Level, line: &str) {
    let level = match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    // SAFETY: the text outlives the call.
    unsafe { abi::envoy_dynamic_module_callback_log(level, ModuleBuffer::new(line.as_bytes())) }
}

/// A buffer of Envoy's as a slice.
///
/// # Safety
/// The bytes must stay as they are for `'a`.
pub(crate) unsafe fn bytes<'a>(buffer: EnvoyBuffer) -> &'a [u8] {
    if buffer.ptr.is_null() || buffer.length == 0 {
        return &[];
    }
    // SAFETY: Envoy gives the address of `length` bytes of its own, which the caller keeps as they are.
    unsafe { slice::from_raw_parts(buffer.ptr.cast(), buffer.length) }
}

/// A counter that Envoy knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter(usize);

impl Counter {
    /// Defines it, while the filter is configured.
    ///
    /// # Safety
    /// `config` must be what Envoy has just given.
    pub(crate) unsafe fn define(config: EnvoyConfig, name: &str, labels: &[&str]) -> Option<Self> {
        let labels = buffers(labels);
        let mut id = 0;
        // SAFETY: `config` is Envoy's, and every buffer outlives the call.
        let result = unsafe {
            abi::envoy_dynamic_module_callback_http_filter_config_define_counter(
                config,
                ModuleBuffer::new(name.as_bytes()),
                labels.as_ptr(),
                labels.len(),
                &raw mut id,
            )
        };
        (result == abi::METRICS_SUCCESS).then_some(Self(id))
    }
}

/// One request, for the time of one hook.
pub(crate) struct Request {
    filter: EnvoyFilter,
}

impl Request {
    /// # Safety
    /// `filter` must be Envoy's pointer of the hook that runs, and the value must not outlive it.
    pub(crate) unsafe fn new(filter: EnvoyFilter) -> Self {
        Self { filter }
    }

    /// All headers of a map, none copied. They are Envoy's and change when one is set, which takes `&mut self`: so the
    /// compiler keeps the ABI's rule.
    pub(crate) fn headers(&self, map: Map) -> Option<Vec<(&[u8], &[u8])>> {
        // SAFETY: the filter is valid in this hook.
        let size = unsafe { abi::envoy_dynamic_module_callback_http_get_headers_size(self.filter, map) };
        let mut headers = Vec::<EnvoyHeader>::with_capacity(size);
        // SAFETY: there is room for `size` headers; nothing has changed them since they were counted.
        let done = unsafe {
            abi::envoy_dynamic_module_callback_http_get_headers(self.filter, map, headers.as_mut_ptr())
        };
        if !done {
            return None;
        }
        // SAFETY: Envoy has filled in as many as it has counted.
        unsafe { headers.set_len(size) };
        // SAFETY: they stay as they are until the hook ends or a header is set; `&self` outlives the slices.
        Some(headers.iter().map(|header| unsafe { (bytes(header.key), bytes(header.value)) }).collect())
    }

    /// Removes every header of this name.
    pub(crate) fn remove(&mut self, map: Map, name: &[u8]) -> bool {
        self.set_or_remove(map, name, ModuleBuffer::null())
    }

    /// Sets a header to one value.
    pub(crate) fn set(&mut self, map: Map, name: &[u8], value: &[u8]) -> bool {
        // A slice is never null, so an empty value does not remove.
        self.set_or_remove(map, name, ModuleBuffer::new(value))
    }

    fn set_or_remove(&mut self, map: Map, name: &[u8], value: ModuleBuffer) -> bool {
        let name = ModuleBuffer::new(name);
        // SAFETY: the filter is valid in this hook, the buffers outlive the call.
        unsafe { abi::envoy_dynamic_module_callback_http_set_header(self.filter, map, name, value) }
    }

    /// Puts a text into the filter state, where RBAC and access logs find it.
    pub(crate) fn set_filter_state(&mut self, key: &str, value: &str) -> bool {
        let (key, value) = (ModuleBuffer::new(key.as_bytes()), ModuleBuffer::new(value.as_bytes()));
        // SAFETY: as above.
        unsafe { abi::envoy_dynamic_module_callback_http_set_filter_state_bytes(self.filter, key, value) }
    }

    /// Answers the request in place of the service. The hook must then stop the iteration.
    pub(crate) fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) {
        let buffer = |text: &str| ModuleBuffer::new(text.as_bytes());
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ModuleHeader { key: buffer(name), value: buffer(value) })
            .collect();
        // SAFETY: as above.
        unsafe {
            abi::envoy_dynamic_module_callback_http_send_response(
                self.filter,
                u32::from(status),
                headers.as_ptr(),
                headers.len(),
                ModuleBuffer::new(body),
                buffer(details),
            );
        }
    }

    /// Counts one more.
    pub(crate) fn count(&self, counter: Counter, labels: &[&str]) {
        let labels = buffers(labels);
        // SAFETY: as above; there are as many values as labels, or Envoy counts nothing.
        let _ = unsafe {
            abi::envoy_dynamic_module_callback_http_filter_increment_counter(
                self.filter,
                counter.0,
                labels.as_ptr(),
                labels.len(),
                1,
            )
        };
    }
}

fn buffers(texts: &[&str]) -> Vec<ModuleBuffer> {
    texts.iter().map(|text| ModuleBuffer::new(text.as_bytes())).collect()
}
