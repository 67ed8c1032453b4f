//! How snapshots reach every worker: one VM of the process holds the [`Lease`], keeps one held GET open
//! ([`Subscriber`]) and posts each new snapshot on the [`Board`] in shared data, where all VMs find it.

mod backoff;
mod board;
mod keys;
mod lease;
mod subscriber;

pub use backoff::Backoff;
pub use board::{Board, Epoch, Loaded};
pub use keys::Keys;
pub use lease::Lease;
pub use subscriber::{Request, Response, Subscriber};
