//! Where bundles and revocations come from. Each source of bundles reports [`crate::store::Event`]s to the store and decides
//! nothing else.

mod limits;
pub mod revocations;
pub mod workload_api;
pub mod x509;

pub use limits::Limits;
