//! The verdicts of svidgate beside those of implementations that share no code with its verifier.
//!
//! [`corpus`] makes tokens: every attack of the forge, and thousands of mutations of valid tokens, the same ones for the
//! same seed. Each goes to our verifier and to the [`peers`]. Where a peer says something else, [`disposition`] must have
//! a class for it that truly applies to that token; what has none is a fault of ours or of theirs, and the run fails.
//! `docs/differential.md` says what came of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "test code: the first surprise ends the run and says where"
)]

pub mod corpus;
pub mod disposition;
pub mod json;
pub mod ours;
pub mod peers;
pub mod report;
pub mod rng;
pub mod run;
