//! How far and how fast the push carries, measured at real processes: thousands of subscribers at one controller, and the
//! way of a change to the last worker of an Envoy ([`propagation`]).
//!
//! [`run`] plays the phases: everyone subscribes; keys change each second while some reconnect; the controller dies and
//! comes back; an hour of reconnections passes in a minute. [`fleet`] holds the subscribers, each of which asks, waits
//! and backs off as the plugin does; [`authority`] is the Workload API whose keys change.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a tool of development: the first surprise ends it and says where"
)]

pub mod authority;
pub mod bodies;
pub mod cost;
pub mod fleet;
pub mod lags;
pub mod machine;
pub mod options;
pub mod propagation;
pub mod report;
pub mod run;
mod subscriber;
mod wire;
