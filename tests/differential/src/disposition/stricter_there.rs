use super::seen::Seen;
use super::{Disposition, JSONWEBTOKEN, SPIFFE, SPIRE};
use crate::json::Tree;

pub(super) const ALL: &[Disposition] = &[
    Disposition {
        name: "iat in the future",
        peers: &[SPIRE],
        rule: "V11",
        why: "SPIRE's library refuses it; the standard makes iat no condition of validity, and clocks differ.",
        applies: |seen| seen.time("iat").is_some_and(|iat| iat > seen.now as f64 + 55.0),
    },
    Disposition {
        name: "ES512",
        peers: &[SPIFFE, JSONWEBTOKEN],
        rule: "the crates' documentation",
        why: "The jsonwebtoken crate, which the spiffe crate verifies with, has no ES512.",
        applies: |seen| seen.member("alg").and_then(Tree::text) == Some("ES512"),
    },
    Disposition {
        name: "exp with a fraction or an exponent",
        peers: &[SPIFFE],
        rule: "RFC 7519 §2",
        why: "The spiffe crate takes whole seconds only; a NumericDate may have a fraction.",
        applies: |seen| is_no_integer(seen, "exp"),
    },
    Disposition {
        name: "more than 32 audiences",
        peers: &[SPIFFE],
        rule: "the crate's source",
        why: "The spiffe crate bounds their number; ours is bounded by the token's size.",
        applies: |seen| matches!(seen.claim("aud"), Some(Tree::Array(values)) if values.len() > 32),
    },
];

fn is_no_integer(seen: &Seen<'_>, claim: &str) -> bool {
    matches!(seen.claim(claim), Some(Tree::Number(text)) if text.contains(['.', 'e', 'E']))
}
