//! Reads a settings object whole and reports every error with its path.
//!
//! serde stops at the first error, so an operator with five typos needs six tries. [`Object`] walks a JSON
//! object instead: each field is read by name, errors are collected with the path of the value, and fields that
//! nobody asked for are errors too. What is not validated here: meaning that spans several fields; the caller
//! adds such errors with [`Object::error`].

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod error;
mod json;
mod object;
mod value;

pub use error::{Error, Errors};
pub use json::parse_json;
pub use object::{Object, read};
pub use value::{boolean, duration, integer, non_empty_string, string};

#[cfg(test)]
mod tests;
