use svidgate_forge::{Key, Pkcs1, Sha, b64, pkcs1, pss};

use super::Making;
use super::draft::Signer;

pub(super) fn changed(making: &mut Making) -> Vec<u8> {
    let signature = making.draft.signature();
    let half = signature.len() / 2;
    let (r, s) = signature.split_at(half);
    let rng = &mut making.rng;
    let (name, changed) = match rng.below(16) {
        0 => ("nothing", Vec::new()),
        1 => ("zeros", vec![0; signature.len()]),
        2 => ("ones", vec![0xff; signature.len()]),
        3 => ("halves swapped", [s, r].concat()),
        4 => ("cut", signature[..rng.below(signature.len())].to_vec()),
        5 => {
            let more = 1 + rng.below(8);
            ("longer", [signature.as_slice(), &rng.bytes(more)].concat())
        }
        6 => ("a zero in front", [&[0], signature.as_slice()].concat()),
        7 => ("twice", [signature.as_slice(), &signature].concat()),
        8 => ("DER", der(r, s)),
        9 => ("noise", rng.bytes(signature.len())),
        10 => ("r = 0", [&vec![0; half], s].concat()),
        11 => ("s = 0", [r, &vec![0; half]].concat()),
        12 if signature.len() == 64 => ("n - s, which verifies too", [r, &negated(s)].concat()),
        13 if signature.len() == 64 => ("n as s", [r, &ORDER].concat()),
        14 if signature.len() == 256 => ("another padding", padded(making, &signature)),
        _ => {
            let mut flipped = signature.clone();
            let at = rng.below(signature.len());
            flipped[at] ^= 1 << rng.below(8);
            ("a bit flipped", flipped)
        }
    };
    making.name(name);
    making.draft.with_signature(&changed)
}

/// Right algorithm, wrong padding; the signature stays for tokens that are not ours.
fn padded(making: &mut Making, signature: &[u8]) -> Vec<u8> {
    let Signer::Key(key, "RS256") = &making.draft.signer else {
        return signature.to_vec();
    };
    let (input, octets) = (making.draft.signing_input(), key.rsa_octets());
    let way = making.rng.below(7);
    let padded = match way {
        0 => pkcs1(Sha::S256, &input, octets, Pkcs1::MissingNull),
        1 => pkcs1(Sha::S256, &input, octets, Pkcs1::NoDigestInfo),
        2 => pkcs1(Sha::S256, &input, octets, Pkcs1::TrailingGarbage),
        3 => pkcs1(Sha::S256, &input, octets, Pkcs1::ZeroPadding),
        4 => pkcs1(Sha::S256, &input, octets, Pkcs1::BlockTypeTwo),
        5 => pkcs1(Sha::S512, &input, octets, Pkcs1::Correct),
        _ => pss(Sha::S256, Sha::S256, &[7; 32], &input, octets),
    };
    key.rsa_private(&padded)
}

/// Someone else's signature.
pub(super) fn swapped(making: &mut Making) -> Vec<u8> {
    let original = making.draft.clone();
    let signature = match making.rng.below(3) {
        0 => {
            making.name("of another token");
            making.draft.claims_mut().push(("\"x\"".into(), "1".into()));
            making.draft.signature()
        }
        1 => {
            let key = making.keys[making.rng.below(making.keys.len())].clone();
            making.name(format!("of the key {}", key.kid()));
            key.sign(&original.signing_input())
        }
        _ => {
            making.name("of a stranger");
            Key::p256("mallory").sign(&original.signing_input())
        }
    };
    original.with_signature(&signature)
}

/// Parts of two valid tokens.
pub(super) fn spliced(making: &mut Making) -> Vec<u8> {
    let first = making.draft.clone();
    super::values::valid(making);
    let key = making.keys[making.rng.below(making.keys.len())].clone();
    super::draft::set(
        making.draft.claims_mut(),
        "sub",
        serde_json::Value::from(format!("spiffe://example.org/{}", key.kid())).to_string(),
    );
    let second = making.draft.clone();
    let mut pick = |one: Vec<u8>, other: Vec<u8>| if making.rng.one_in(2) { one } else { other };
    let header = pick(first.header_bytes(), second.header_bytes());
    let payload = pick(first.payload_bytes(), second.payload_bytes());
    let signature = pick(first.signature(), second.signature());
    [b64(&header), b64(&payload), b64(&signature)].join(".").into_bytes()
}

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let significant: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
        let sign: &[u8] = if significant.first().is_some_and(|octet| *octet >= 0x80) { &[0] } else { &[] };
        [&[0x02, (sign.len() + significant.len()) as u8], sign, &significant].concat()
    };
    let body = [integer(r), integer(s)].concat();
    let length = if body.len() < 128 { vec![body.len() as u8] } else { vec![0x81, body.len() as u8] };
    [vec![0x30], length, body].concat()
}

/// n - s on P-256.
fn negated(s: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out: Vec<u8> = ORDER
        .iter()
        .zip(s)
        .rev()
        .map(|(n, s)| {
            let digit = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(digit < 0);
            digit.rem_euclid(256) as u8
        })
        .collect();
    out.reverse();
    out
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
