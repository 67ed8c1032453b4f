//! The two protobuf messages of Envoy's `verify_signature` (`source/extensions/common/wasm/ext/verify_signature.proto`):
//! five fields, of which we write four and accept one value of one.

/// Writes `VerifySignatureArguments` over what is in `buffer`.
///
/// What is constant of a key, its DER, was made when its bundle was read. Writing the tags costs less than to look up
/// a message that was begun for the key.
pub(super) fn arguments(buffer: &mut Vec<u8>, hash: &str, public_key: &[u8], signature: &[u8], text: &[u8]) {
    buffer.clear();
    for (tag, value) in
        [(HASH_FUNCTION, hash.as_bytes()), (PUBLIC_KEY, public_key), (SIGNATURE, signature), (TEXT, text)]
    {
        buffer.push(tag);
        buffer.extend(varint(value.len()));
        buffer.extend_from_slice(value);
    }
}

/// Reads `VerifySignatureResult`, in the one form in which protobuf serializes it: `result` if it is true, then `error`
/// if there is one. `None` for anything else, a valid signature with an error text among it.
pub(super) fn is_valid(result: &[u8]) -> Option<bool> {
    match result {
        [RESULT, 1] => Some(true),
        [] => Some(false),
        [ERROR, rest @ ..] => is_length_of_rest(rest).then_some(false),
        _ => None,
    }
}

fn is_length_of_rest(bytes: &[u8]) -> bool {
    (1..=MAX_VARINT_BYTES).any(|at| {
        bytes.split_at_checked(at).is_some_and(|(head, rest)| head.iter().copied().eq(varint(rest.len())))
    })
}

fn varint(value: usize) -> impl Iterator<Item = u8> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let [low, ..] = value.to_le_bytes();
        rest = Some(value >> 7).filter(|rest| *rest > 0);
        Some(if rest.is_some() { low | 0x80 } else { low })
    })
}

// Field number and wire type, as they stand before each value.
const HASH_FUNCTION: u8 = 0x0a;
const PUBLIC_KEY: u8 = 0x12;
const SIGNATURE: u8 = 0x1a;
const TEXT: u8 = 0x22;
const RESULT: u8 = 0x08;
const ERROR: u8 = 0x12;

/// Of 64 bits.
const MAX_VARINT_BYTES: usize = 10;
