//! Real processes for the end-to-end tests: Envoy, SPIRE, `svidgate run` and `svidgate dev`, each on free ports in a
//! temporary folder, always stopped, with their logs kept when a test fails.
//!
//! A test starts with a [`Slice`]: one trust domain, one controller, one Envoy with two workers, one upstream that
//! answers with what it was asked. Everything waits by polling for a condition with a deadline ([`poll`]).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "test code: the first surprise ends the test and says where"
)]

mod bootstrap;
mod controller;
mod dev;
mod envoy;
mod fake_controller;
mod folder;
mod forge;
mod hive;
pub mod hot_update;
mod http;
mod kubernetes;
mod load;
mod openbao;
pub mod pki;
mod poll;
mod postgres;
mod process;
mod programs;
pub mod recipe;
mod recorder;
mod redis;
pub mod scenarios;
mod shown;
mod slice;
mod spire;
pub mod table;
mod upstream;
mod workload;

pub use bootstrap::Bootstrap;
pub use controller::Controller;
pub use dev::Dev;
pub use envoy::{Envoy, Launch};
pub use fake_controller::FakeController;
pub use folder::Folder;
pub use forge::Forged;
pub use hive::Hive;
pub use http::{Address, Connection, Request, Response};
pub use kubernetes::Kubernetes;
pub use load::{Load, Report};
pub use openbao::OpenBao;
pub use poll::{Stopwatch, now, poll, settled, unix_seconds, within};
pub use postgres::{Postgres, SUPERUSER_PASSWORD};
pub use process::Process;
pub use programs::{Programs, free_port};
pub use recorder::{Recorder, Seen};
pub use redis::{Redis, RedisConnection, RedisReply};
pub use shown::Shown;
pub use slice::{
    AUDIENCE, CLIENT_ID, OTHER_ID, Slice, TRUST_DOMAIN, TrustSource, assert_admitted, identities,
};
pub use spire::Spire;
pub use upstream::Upstream;
pub use workload::{BundleWatch, Workload};
