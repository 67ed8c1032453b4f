//! Who may call what, as a table: request × configuration → answer, reason, what the upstream saw, what was counted.
//!
//! Each [`Row`] runs on a real Envoy ([`Gateway`]), where every [`Config`] is a listener of its own with the plugin, a
//! guard and an upstream behind it, and natively before the judge that the plugin calls ([`Native`]). Both must come
//! to what the row says.

pub mod access_log;
pub mod call;
pub mod client;
pub mod config;
pub mod early_data;
pub mod expect;
pub mod gateway;
pub mod mint;
mod native;
pub mod peers;
pub mod row;
pub mod rows;
pub mod run;
pub mod trust;

pub use config::Config;

pub use gateway::Gateway;
pub use native::Native;
pub use row::Row;
pub use rows::{configs, rows};
pub use run::run;
