//! Faults on demand, for the tests that show that each of them ends in refused requests. Only in builds with the
//! feature `test-hooks`, which are never shipped.

mod vectors;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::config::Config;
use crate::host::EnvoySharedData;
use crate::outgoing::Wanted;
use crate::root::Gate;
use crate::shared_data::{CREATE_ONLY, SharedData};
use crate::subscription::Keys;

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

/// At the start of each request. What it gives back ends the request, as the body of a 200.
pub(crate) fn on_request(gate: &Gate) -> Option<String> {
    let config = &gate.config;
    config.test_fault.as_ref()?;
    let wanted = config.outgoing.as_ref().map(Wanted::by);
    let keys = Keys::wanting(&config.controller, wanted.as_ref());
    if header("x-test-vandalize").is_some() {
        vandalize(&keys);
    }
    if header("x-test-dump").is_some() {
        return Some(dump(&keys));
    }
    if header("x-test-trap").is_some() {
        trap();
    }
    vectors::answer(&gate.crypto)
}

/// The moment that a request is to be judged at, in Unix milliseconds.
pub(crate) fn now(gate: &Gate) -> Option<u64> {
    gate.config.test_fault.as_ref()?;
    let now = std::str::from_utf8(&header("x-test-now")?).ok()?.parse().ok();
    gate.look_again();
    now
}

fn header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten()
}

/// At each tick of a VM: the first one that holds the lease and has a state dies, once in the life of the process.
pub(crate) fn on_tick(config: &Config, holds_the_lease: bool) {
    let first = || {
        EnvoySharedData.get(TRAPPED).is_none() && EnvoySharedData.compare_and_set(TRAPPED, b"1", CREATE_ONLY)
    };
    if config.test_fault.as_deref() == Some("trap_holder_once") && holds_the_lease && first() {
        trap();
    }
}

/// What any plugin in the same shared-data space can read of us.
fn dump(keys: &Keys) -> String {
    entries(keys)
        .filter_map(|key| EnvoySharedData.get(&key))
        .map(|(value, _)| String::from_utf8_lossy(&value).into_owned())
        .collect()
}

fn entries(keys: &Keys) -> impl Iterator<Item = String> {
    let entries = ["epoch".to_owned(), "lease".to_owned(), "ids".to_owned()];
    let slots = (0..64_u64).flat_map(|writer| (0..2).map(move |slot| format!("slot.{writer}.{slot}")));
    entries.into_iter().chain(slots).map(|entry| keys.name(&entry))
}

/// What a hostile or broken plugin in the same shared-data space could do.
fn vandalize(keys: &Keys) {
    for key in entries(keys) {
        if EnvoySharedData.get(&key).is_some() {
            EnvoySharedData.compare_and_set(&key, b"garbage", 0);
        }
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

const TRAPPED: &str = "svidgate.test.trapped";
const COUNT: &str = "svidgate.test.configure_calls";

fn trap() -> bool {
    std::process::abort()
}
