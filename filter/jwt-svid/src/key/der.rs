//! The little DER (X.690) that is needed to hand keys and signatures to other backends.

use alloc::vec::Vec;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;

/// Tag, definite length in the shortest form, and the contents one after another.
pub(super) fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let body = contents.concat();
    let mut encoded = Vec::with_capacity(body.len().saturating_add(MAX_HEADER_BYTES));
    encoded.push(tag);
    match u8::try_from(body.len()) {
        Ok(short) if short < 0x80 => encoded.push(short),
        _ => {
            let length = body.len().to_be_bytes();
            let significant = strip_zeros(&length);
            // A usize has at most eight octets.
            encoded.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
            encoded.extend_from_slice(significant);
        }
    }
    encoded.extend_from_slice(&body);
    encoded
}

/// A non-negative integer from its big-endian octets.
pub(super) fn unsigned(octets: &[u8]) -> Vec<u8> {
    let significant = strip_zeros(octets);
    match significant.first() {
        Some(first) if *first < 0x80 => element(INTEGER, &[significant]),
        _ => element(INTEGER, &[&[0], significant]),
    }
}

/// A bit string of whole octets.
pub(super) fn bits(octets: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], octets])
}

fn strip_zeros(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

/// Tag, length of length, and at most eight octets of length.
const MAX_HEADER_BYTES: usize = 10;
