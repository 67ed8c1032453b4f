//! The svidgate controller: takes bundles from the SPIFFE Workload API and pushes them to every filter.

pub mod workload_api;
