//! Test-only: the verification core against other people's vectors and every attack class.
//!
//! [`run`] is a pure function over vectors that are compiled in: no clock, no randomness, no files. So the same whole
//! set runs as native code (`make conformance`, `cargo test`) and as Wasm (`make test-wasm`).
//!
//! Where we differ from a vector on purpose, `dispositions.json` says so with a reason. A disposition that names an
//! unknown case, or one that no longer differs, fails the run just as a wrong case does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test helper may stop at the first surprise"
)]

mod case;
mod disposition;
mod judge;
mod question;
mod report;
mod suites;

pub use case::{Case, Expected, Judged, Ours, Suite};
pub use question::Question;
pub use report::{Report, SuiteReport, Wrong};

/// Every suite, with our answers.
#[must_use]
pub fn suites() -> Vec<Suite> {
    suites::all()
}

/// Runs every suite and weighs the outcome against the dispositions.
#[must_use]
pub fn run() -> Report {
    report::weigh(suites::all(), disposition::embedded())
}
