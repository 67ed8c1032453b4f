//! What the tests of the Vault client on real servers share. Without the feature `real` there is nothing.

#![cfg(feature = "real")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: the first surprise ends the test and says where"
)]

mod application;
mod case;
mod controller;
mod gate;
pub mod kafka;
mod observer;
mod proxy;
mod relay;
mod serve;
mod setup;
mod users;
mod wait;

pub use application::{Application, Done};
pub use case::Case;
pub use gate::{Check, Gate, Verdicts};
pub use observer::{Observer, Seen};
pub use proxy::{Asked, Proxy, Trouble};
pub use relay::Relay;
pub use setup::{Setup, fixed};
pub use users::UserWatch;
pub use wait::{next, text, timing, until, within};
