//! What a request costs in a real Envoy: with svidgate, with what else could verify its token, and with nothing.
//!
//! `make bench` runs it; docs/benchmark.md says how to read what comes out. The way through it: a [`Plan`] names lanes,
//! each a [`Filter`] under some [`Traffic`]; [`run()`] starts an Envoy for each filter, proves that it does what its name
//! says, and samples the lanes in turn; a [`Report`] holds the samples, what they come to, and the targets.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code: the first surprise ends the benchmark and says where"
)]

mod cpu;
mod filter;
mod latency;
mod machine;
mod memory;
mod message;
mod plan;
mod proof;
mod report;
mod run;
mod sample;
mod site;
mod startup;
mod stats;
mod table;
mod targets;
mod traffic;
mod verifier;
mod wrk;

pub use filter::Filter;
pub use memory::{Burden, Memory, MemoryReport, measure as measure_memory};
pub use plan::{Lane, Plan};
pub use report::Report;
pub use run::run;
pub use startup::{Startup, measure as measure_startup, table as startup_table};
pub use traffic::{Algorithm, Traffic};
pub use verifier::serve as serve_verifier;
