//! The Envoy plugin: glue between proxy-wasm and the pure cores.
//!
//! The way of the data: [`subscription`] keeps one held GET per Envoy process and puts each new snapshot into
//! Envoy's shared data; [`trust`] is each worker's parsed copy; [`request`] is what one request is judged with; `host`,
//! `root` and `stream` (Wasm only) connect these to Envoy. Everything that decides is pure and tested natively.

#![deny(clippy::arithmetic_side_effects)]

pub mod bundle_ages;
pub mod config;
pub mod crypto;
pub mod metrics;
pub mod outgoing;
pub mod refusal_log;
pub mod request;
pub mod shared_data;
pub mod subscription;
pub mod trust;

#[cfg(target_arch = "wasm32")]
mod counters;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod root;
#[cfg(target_arch = "wasm32")]
mod stream;
#[cfg(all(target_arch = "wasm32", feature = "test-hooks"))]
mod test_hooks;

/// Version of the plugin, as reported to the controller.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, reason = "the export is the macro's own")]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Trace);
        proxy_wasm::set_root_context(|_| Box::new(crate::root::Root::default()));
    }}
}
