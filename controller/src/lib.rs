//! The svidgate controller: takes bundles from the SPIFFE Workload API and pushes them to every filter.
//!
//! The way of the data: [`source`] reports what it hears to [`store`], the one place where state changes; [`serve`]
//! answers held requests at the instant of a change. [`secrets`] come from Vault, and [`sink`] renders them into files.
//! [`run`] puts them together. [`dev`] is a trust domain for
//! development, which [`source`] cannot tell from SPIRE's.

pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod dev;
pub mod explain;
pub mod logging;
mod printable;
pub mod revoke;
pub mod run;
pub mod schema;
pub mod secrets;
pub mod serve;
pub mod sink;
pub mod source;
pub mod status;
pub mod store;
pub mod token;
pub mod workload_api;
