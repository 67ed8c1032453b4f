//! A prototype of svidgate as an Envoy dynamic module: the same pure cores, without Wasm between them and Envoy.
//!
//! It answers what that would cost and gain (`docs/dynamic-module.md`); nobody should run it. Left out: the subscription
//! (trust is read from a file when Envoy configures the filter, and never again), the counters of gRPC methods and of
//! `fail_open`, and the peer of mTLS. Rules that ask for a peer are refused, not half obeyed.
//!
//! Envoy's rules for a module are those of its header `source/extensions/dynamic_modules/abi/abi.h`; [`abi`] has the few
//! declarations that are needed, [`hooks`] what Envoy calls, `host` the calls to Envoy, `gate` the judgement.

mod abi;
mod configuration;
mod gate;
pub mod hooks;
mod host;
mod test_faults;
