//! What a request is judged with, and what a refused caller is told: pure, so that every case is tested without Envoy.

mod answer;
mod court;
mod form;
mod headers;

pub use answer::Answer;
pub use court::Court;
pub use form::{Form, GrpcWeb};
pub use headers::parse as parse_headers;
