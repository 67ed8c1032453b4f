//! What must hold with SPIRE as well as with `svidgate dev`: each scenario is one function, run by a test for each.

mod outages;
mod refusals;
mod rotation;
mod subscription;

pub use outages::{controller_gone_and_back, envoy_restarted, no_controller_at_start};
pub use refusals::{identity_headers, refusals};
pub use rotation::rotation_under_load;
pub use subscription::one_subscriber;
