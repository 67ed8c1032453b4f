//! What Envoy calls. Each hook that does something catches panics: one that unwound into Envoy would end the process.

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::ptr::null;

use svidgate_plugin::config::Level;
use svidgate_policy::{Denial, Reason};

use crate::abi::{self, CONTINUE, EnvoyBuffer, EnvoyConfig, EnvoyFilter, STOP_ITERATION};
use crate::gate::{self, Gate};
use crate::host::{self, Request};

/// Once, when Envoy loads the module.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    // The place only: a message may hold what must not be logged.
    set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        host::log(Level::Error, &format!("svidgate: panic at {place}"));
    }));
    abi::VERSION.as_ptr()
}

/// A new configuration, on the main thread. Null refuses it.
///
/// # Safety
/// Called by Envoy with pointers that are valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: EnvoyConfig,
    _name: EnvoyBuffer,
    text: EnvoyBuffer,
) -> *const c_void {
    // SAFETY: the text stays as it is for this call, and `config` is Envoy's.
    let gate = catch_unwind(AssertUnwindSafe(|| unsafe { Gate::new(config, host::bytes(text)) }));
    match gate {
        Ok(Ok(gate)) => Box::into_raw(Box::new(gate)).cast_const().cast(),
        Ok(Err(error)) => {
            host::log(Level::Error, &format!("svidgate: {error}"));
            null()
        }
        Err(_) => null(),
    }
}

/// The last stream of a configuration is gone.
///
/// # Safety
/// Called by Envoy once with what the hook above gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(gate: *const c_void) {
    if !gate.is_null() {
        // SAFETY: made by `Box::into_raw` above, and nobody has it any more.
        drop(unsafe { Box::from_raw(gate.cast_mut().cast::<Gate>()) });
    }
}

/// A stream needs nothing of its own: its gate serves. Envoy's filter holds the configuration, so the gate outlives it.
#[unsafe(no_mangle)]
pub extern "C" fn envoy_dynamic_module_on_http_filter_new(
    gate: *const c_void,
    _filter: EnvoyFilter,
) -> *const c_void {
    gate
}

/// The headers of a request.
///
/// # Safety
/// Called by Envoy with its filter, and the gate that the hook above gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    filter: EnvoyFilter,
    gate: *const c_void,
    _end_of_stream: bool,
) -> u32 {
    // SAFETY: the caller's.
    unsafe { guarded(filter, gate, Gate::on_headers) }
}

/// The trailers of a request.
///
/// # Safety
/// As above.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    filter: EnvoyFilter,
    gate: *const c_void,
) -> u32 {
    // SAFETY: the caller's.
    unsafe { guarded(filter, gate, Gate::on_trailers) }
}

/// Lets a request go on only when `work` has said so. After a panic it is answered with 503.
///
/// # Safety
/// `filter` must be the pointer of the hook that runs, `gate` what `…_filter_new` gave.
unsafe fn guarded(
    filter: EnvoyFilter,
    gate: *const c_void,
    work: impl FnOnce(&Gate, &mut Request) -> bool,
) -> u32 {
    // SAFETY: a gate lives as long as its configuration, and is only ever read.
    let Some(gate) = (unsafe { gate.cast::<Gate>().as_ref() }) else { return STOP_ITERATION };
    let passes = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's; it does not leave this closure.
        work(gate, &mut unsafe { Request::new(filter) })
    }));
    let passes = passes.unwrap_or_else(|_| {
        let refuse = AssertUnwindSafe(|| {
            gate::forget_worker();
            // SAFETY: as above.
            gate.refuse(&mut unsafe { Request::new(filter) }, Denial::new(Reason::Internal))
        });
        catch_unwind(refuse).unwrap_or(false)
    });
    if passes { CONTINUE } else { STOP_ITERATION }
}

/// Hooks that Envoy looks up when it loads the module, and in which there is nothing to do.
macro_rules! nothing_to_do {
    ($($name:ident($($arg:ty),*) $(-> $result:ty)?;)*) => { $(
        /// Nothing to do.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $arg),*) $(-> $result)? {
            $(const _: $result = CONTINUE; CONTINUE)?
        }
    )* };
}

type Filter = EnvoyFilter;
type Module = *const c_void;
type Ptr = *const c_void;

nothing_to_do! {
    envoy_dynamic_module_on_http_filter_request_body(Filter, Module, bool) -> u32;
    envoy_dynamic_module_on_http_filter_response_headers(Filter, Module, bool) -> u32;
    envoy_dynamic_module_on_http_filter_response_body(Filter, Module, bool) -> u32;
    envoy_dynamic_module_on_http_filter_response_trailers(Filter, Module) -> u32;
    envoy_dynamic_module_on_http_filter_stream_complete(Filter, Module);
    envoy_dynamic_module_on_http_filter_destroy(Module);
    envoy_dynamic_module_on_http_filter_http_callout_done(Filter, Module, u64, u32, Ptr, usize, Ptr, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(Filter, Module, u64, Ptr, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(Filter, Module, u64, Ptr, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(Filter, Module, u64, Ptr, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Filter, Module, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Filter, Module, u64, u32);
    envoy_dynamic_module_on_http_filter_scheduled(Filter, Module, u64);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Filter, Module);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Filter, Module);
}
