//! Where bundles come from. Each source reports [`crate::store::Event`]s to the store and decides nothing else.

mod limits;
pub mod workload_api;

pub use limits::Limits;
