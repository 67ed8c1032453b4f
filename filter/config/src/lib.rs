//! Reads a settings object whole and reports every error with its path.
//!
//! serde stops at the first error, so an operator with five typos needs six tries. [`Object`] walks a JSON
//! object instead: each field is read by name, errors are collected with the path of the value, and fields that
//! nobody asked for are errors too. What is not validated here: meaning that spans several fields; the caller
//! adds such errors with [`Object::error`].
//!
//! The same walk yields the settings' own description, with the feature `describe`: `describe` runs it over nothing
//! and notes what is asked for ([`Schema`]). So there is one definition of a setting: its [`field!`], its [`Kind`].

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

mod error;
mod field;
mod json;
pub mod kind;
mod object;
mod schema;
mod value;

pub use error::{Error, Errors};
pub use field::Field;
pub use json::parse_json;
pub use kind::Kind;
#[cfg(feature = "describe")]
pub use object::describe;
pub use object::{Object, read};
pub use schema::{Constraint, FieldSchema, ObjectSchema, Presence, Schema};
pub use value::{boolean, duration, integer, non_empty_string, number, string};

#[cfg(test)]
mod tests;
