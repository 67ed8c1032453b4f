//! The calls of the host that svidgate makes for one request (docs/hot-path.md), in its order and as often.

use std::cell::Cell;
use std::ptr::null_mut;
use std::time::UNIX_EPOCH;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, MetricType};

pub(crate) struct Calls {
    counters: [u32; 2],
    /// The millisecond in which the counters were last told.
    told: Cell<u128>,
    /// What to ask of `verify_signature`; not called if it is empty.
    message: Vec<u8>,
}

impl Calls {
    /// None for a configuration that asks for something else.
    pub(crate) fn configured(configuration: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(configuration).ok()?;
        let message = hexadecimal(text.strip_prefix("calls")?.trim())?;
        let counter = |name| hostcalls::define_metric(MetricType::Counter, name).ok();
        Some(Self { counters: [counter("attempts")?, counter("hits")?], told: Cell::default(), message })
    }

    /// What fails shows where the benchmark looks for the header, or at the guard.
    pub(crate) fn make(&self) {
        read_all_headers();
        let now = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        let now = now.unwrap_or_default().as_millis();
        let is_first = self.told.replace(now) != now;
        if is_first {
            drop(hostcalls::get_shared_data("epoch"));
        }
        if !self.message.is_empty() && !self.is_valid() {
            return;
        }
        let headers = MapType::HttpRequestHeaders;
        let _ = hostcalls::remove_map_value(headers, "authorization");
        let _ = hostcalls::set_map_value_bytes(headers, "x-bench", Some(b"1"));
        for (name, value) in [
            ("svidgate_spiffe_id", "spiffe://example.org/caller/0000"),
            ("svidgate", "verified"),
            ("svidgate_rule", "rule-0001"),
        ] {
            set_property(name, value);
        }
        if is_first {
            for counter in self.counters {
                let _ = hostcalls::increment_metric(counter, 1);
            }
        }
    }

    fn is_valid(&self) -> bool {
        let answer = hostcalls::call_foreign_function("verify_signature", Some(&self.message));
        // Protobuf: field 1, true.
        answer.ok().flatten().is_some_and(|answer| answer == [8, 1])
    }
}

/// The SDK's own would make texts of them.
#[expect(unsafe_code, reason = "takes over a buffer that the host allocated through our own allocator")]
fn read_all_headers() {
    let (mut data, mut size) = (null_mut::<u8>(), 0_usize);
    // SAFETY: both out-pointers are valid for writes for the whole call.
    let status =
        unsafe { proxy_get_header_map_pairs(MapType::HttpRequestHeaders, &raw mut data, &raw mut size) };
    if status == 0 && !data.is_null() {
        // SAFETY: the host got `data` from the SDK's allocation export, which makes a `Vec<u8>` of exactly `size` bytes,
        // filled it, and gave up ownership.
        drop(unsafe { Vec::from_raw_parts(data, size, size) });
    }
}

#[expect(unsafe_code, reason = "lends two texts to the host for one call")]
fn set_property(name: &str, value: &str) {
    // SAFETY: both are valid for reads for the whole call.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[expect(unsafe_code, reason = "an import of the proxy-wasm ABI 0.2.1")]
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
}
