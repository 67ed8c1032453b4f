//! Test-only: signs tokens with fixed keys and builds every malformed one.
