//! The memory that a kept token takes: an upper estimate.

use alloc::string::String;

use serde_json::{Map, Value};

use super::Kept;
use super::segments::Node;
use crate::svid::VerifiedSvid;

/// Bytes of an entry: the token, its claims as they lie in memory, and what holds them together.
///
/// A walk over all claims, of which there are at most 1024 (the bound on the JSON of a token), so that a payload of
/// many tiny objects counts for the many times its length that it takes.
pub(super) fn of(token: &[u8], svid: &VerifiedSvid) -> usize {
    let audiences = svid.audiences();
    [
        FIXED,
        block(token.len()),
        block(svid.key_id.capacity()),
        shared(svid.spiffe_id.as_str()),
        shared(svid.spiffe_id.trust_domain().as_str()),
        block(size_of_val(audiences)),
        sum(audiences.iter().map(|audience| block(audience.capacity()))),
        map(svid.claims()),
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}

const WORD: usize = size_of::<usize>();

/// What the allocator adds to each block: its header, and the rounding up of the length.
const BLOCK: usize = 16;

/// The node in a slab and the slot in a hash table, both of which grow by doubling; the SVID with the counts of its
/// `Rc`.
const FIXED: usize = size_of::<Node<Kept>>()
    .saturating_mul(2)
    .saturating_add(WORD.saturating_add(1).saturating_mul(3))
    .saturating_add(size_of::<VerifiedSvid>().saturating_add(WORD.saturating_mul(2)))
    .saturating_add(BLOCK);

/// A node of a `BTreeMap`: 11 keys and values, and as an inner node 12 edges.
const TREE_NODE: usize = size_of::<String>()
    .saturating_add(size_of::<Value>())
    .saturating_mul(11)
    .saturating_add(WORD.saturating_mul(14))
    .saturating_add(BLOCK);

fn map(members: &Map<String, Value>) -> usize {
    // Every node but the root has at least 5 entries.
    let nodes = members.len().div_euclid(5).saturating_add(1);
    let tree = if members.is_empty() { 0 } else { nodes.saturating_mul(TREE_NODE) };
    sum(members.iter().map(|(name, value)| block(name.capacity()).saturating_add(heap(value))))
        .saturating_add(tree)
}

/// What a value has beside itself. The depth of claims is bounded.
fn heap(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => block(text.capacity()),
        Value::Array(values) => block(values.capacity().saturating_mul(size_of::<Value>()))
            .saturating_add(sum(values.iter().map(heap))),
        Value::Object(members) => map(members),
    }
}

/// An `Arc<str>`.
fn shared(text: &str) -> usize {
    block(text.len().saturating_add(WORD.saturating_mul(2)))
}

fn block(bytes: usize) -> usize {
    bytes.saturating_add(BLOCK)
}

fn sum(parts: impl Iterator<Item = usize>) -> usize {
    parts.fold(0, usize::saturating_add)
}
