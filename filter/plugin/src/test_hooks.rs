//! Faults on demand, for the tests that show that each of them ends in refused requests. Only in builds with the
//! feature `test-hooks`, which are never shipped.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::config::Config;
use crate::host::EnvoySharedData;
use crate::shared_data::{CREATE_ONLY, SharedData};

/// Whether `on_configure` may succeed in this VM.
pub(crate) fn may_configure(config: &Config) -> bool {
    let nth = nth_configure();
    log::info!("test hook: configure call {nth}");
    match config.test_fault.as_deref() {
        Some("fail_configure_on_workers") => nth <= MAIN_THREAD_CALLS,
        Some("trap_configure_on_workers") if nth > MAIN_THREAD_CALLS => trap(),
        _ => true,
    }
}

/// At the start of each request.
pub(crate) fn on_request(config: &Config) {
    if config.test_fault.as_deref() == Some("trap_on_request")
        && matches!(hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, "x-test-trap"), Ok(Some(_)))
    {
        trap();
    }
}

/// Envoy configures the canary first, then the VM of the main thread, then those of the workers.
const MAIN_THREAD_CALLS: u64 = 2;

fn nth_configure() -> u64 {
    let shared = EnvoySharedData;
    shared.compare_and_set(COUNT, &0_u64.to_le_bytes(), CREATE_ONLY);
    loop {
        let Some((value, cas)) = shared.get(COUNT) else { return 0 };
        let nth = value.try_into().map_or(0, u64::from_le_bytes).saturating_add(1);
        if shared.compare_and_set(COUNT, &nth.to_le_bytes(), cas) {
            return nth;
        }
    }
}

const COUNT: &str = "svidgate.test.configure_calls";

fn trap() -> bool {
    std::process::abort()
}
