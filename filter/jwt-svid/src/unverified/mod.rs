//! What a token says of itself, before anything is proved.
//!
//! These types are for tools, fuzzing and conformance runs. Nothing here may decide about access: only
//! [`Verifier::verify`](crate::Verifier::verify) makes a [`VerifiedSvid`](crate::VerifiedSvid).

mod claims;
mod compact;
mod header;

pub use claims::{Claims, NumericDate};
pub use compact::Compact;
pub(crate) use header::is_key_id;
pub use header::{Header, MAX_KEY_ID_BYTES};

use crate::json::Limits;

/// Real JWT-SVIDs have a handful of flat claims; this leaves room for lists of roles and none for bombs.
const JSON_LIMITS: Limits = Limits { depth: 16, values: 1024 };
