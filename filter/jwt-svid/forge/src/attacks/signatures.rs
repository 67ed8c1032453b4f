use super::{Attack, against, attack, good, rsa_victim, victim};
use crate::key::Key;
use crate::padding::{Pkcs1, Sha, pkcs1, pss};
use crate::token::Token;

pub(super) fn attacks(now: u64) -> Vec<Attack> {
    [psychic(now), ecdsa_forms(now), rsa_padding(now)].concat()
}

/// r and s that make a careless verifier's equation true (CVE-2022-21449).
fn psychic(now: u64) -> Vec<Attack> {
    let order = order();
    let one = [&[0; 31][..], &[1]].concat();
    let zero = vec![0; 32];
    let max = vec![0xff; 32];
    let cases = [
        ("r = s = 0", &zero, &zero),
        ("r = 0", &zero, &one),
        ("s = 0", &one, &zero),
        ("r = s = n", &order, &order),
        ("r = n", &order, &one),
        ("s = n", &one, &order),
        ("r = s = 2^256 - 1", &max, &max),
        ("r = s = 1", &one, &one),
    ];
    let p256 = cases.map(|(name, r, s)| {
        attack("j05", name, good(now).with_signature(&[r.as_slice(), s].concat()), "signature_invalid")
    });
    let larger = [(Key::p384("key-1"), 96), (Key::p521("key-1"), 132)].map(|(key, octets)| {
        let token = Token::at(now, &key).with_signature(&vec![0; octets]);
        against("j05", format!("{} r = s = 0", key.algorithm()), token, vec![key.jwk()], "signature_invalid")
    });
    let rsa = [0, 1].map(|last| {
        let mut signature = vec![0; 256];
        signature[255] = last;
        let token = Token::at(now, &rsa_victim()).with_signature(&signature);
        attack("j05", format!("RSA s = {last}"), token, "signature_invalid")
    });
    p256.into_iter().chain(larger).chain(rsa).collect()
}

fn ecdsa_forms(now: u64) -> Vec<Attack> {
    let signature = victim().sign(&good(now).signing_input());
    let (r, s) = signature.split_at(32);
    let forms = [
        ("one octet short", signature[..63].to_vec()),
        ("one octet long", [&signature[..], &[0]].concat()),
        ("zero octet in front", [&[0], &signature[..]].concat()),
        ("half", r.to_vec()),
        ("twice", [&signature[..], &signature].concat()),
        ("each half one octet wider", [&[0], r, &[0], s].concat()),
        ("DER", der(r, s)),
        ("s before r", [s, r].concat()),
        ("one octet", vec![0]),
        ("r + n", [&added_order(r), s].concat()),
    ];
    forms
        .into_iter()
        .map(|(name, signature)| {
            attack("j06", name, good(now).with_signature(&signature), "signature_invalid")
        })
        .chain([attack("j06", "nothing", good(now).with_signature(&[]), "token_malformed")])
        .collect()
}

fn rsa_padding(now: u64) -> Vec<Attack> {
    let key = rsa_victim();
    let octets = key.rsa_octets();
    let with = |alg: &str, name: &str, padded: fn(&[u8], usize) -> Vec<u8>| {
        let token = Token::at(now, &key).header("alg", alg.into());
        let signature = key.rsa_private(&padded(&token.signing_input(), octets));
        attack("j10", format!("{alg}: {name}"), token.with_signature(&signature), "signature_invalid")
    };
    let mut all = vec![
        with("PS256", "no salt", |input, n| pss(Sha::S256, Sha::S256, &[], input, n)),
        with("PS256", "salt of 20 octets", |input, n| pss(Sha::S256, Sha::S256, &[7; 20], input, n)),
        with("PS256", "salt of 31 octets", |input, n| pss(Sha::S256, Sha::S256, &[7; 31], input, n)),
        with("PS256", "salt of 33 octets", |input, n| pss(Sha::S256, Sha::S256, &[7; 33], input, n)),
        with("PS256", "the longest salt", |input, n| pss(Sha::S256, Sha::S256, &vec![7; n - 34], input, n)),
        with("PS256", "MGF1 with SHA-384", |input, n| pss(Sha::S256, Sha::S384, &[7; 32], input, n)),
        with("PS384", "MGF1 with SHA-256", |input, n| pss(Sha::S384, Sha::S256, &[7; 48], input, n)),
        with("PS512", "salt of 32 octets", |input, n| pss(Sha::S512, Sha::S512, &[7; 32], input, n)),
        with("PS256", "another hash", |input, n| pss(Sha::S512, Sha::S512, &[7; 64], input, n)),
        with("PS256", "PKCS#1 v1.5 padding", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::Correct)),
        with("RS256", "PSS padding", |input, n| pss(Sha::S256, Sha::S256, &[7; 32], input, n)),
        with("RS256", "another hash", |input, n| pkcs1(Sha::S512, input, n, Pkcs1::Correct)),
        with("RS256", "missing NULL", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::MissingNull)),
        with("RS256", "no DigestInfo", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::NoDigestInfo)),
        with("RS256", "trailing garbage", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::TrailingGarbage)),
        with("RS256", "zero padding", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::ZeroPadding)),
        with("RS256", "block type 2", |input, n| pkcs1(Sha::S256, input, n, Pkcs1::BlockTypeTwo)),
    ];
    let token = Token::at(now, &key);
    let signature = key.sign(&token.signing_input());
    for (name, changed) in [
        ("one octet short", signature[..255].to_vec()),
        ("one octet long", [&signature[..], &[0]].concat()),
        ("zero octet in front", [&[0], &signature[..]].concat()),
    ] {
        all.push(attack(
            "j10",
            format!("RS256: {name}"),
            token.with_signature(&changed),
            "signature_invalid",
        ));
    }
    all
}

/// The order of P-256.
fn order() -> Vec<u8> {
    const ORDER: u128 = 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551;
    [&0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_u128.to_be_bytes()[..], &ORDER.to_be_bytes()].concat()
}

/// r + n, which fits into 33 octets only: the same number to whoever reduces.
fn added_order(r: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = r
        .iter()
        .zip(order())
        .rev()
        .map(|(r, n)| {
            let digits = u16::from(*r) + u16::from(n) + carry;
            carry = digits >> 8;
            digits.to_be_bytes()[1]
        })
        .collect();
    sum.push(carry.to_be_bytes()[1]);
    sum.reverse();
    sum
}

/// The DER of an ECDSA signature on P-256.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let significant: Vec<u8> = octets.iter().copied().skip_while(|octet| *octet == 0).collect();
        let sign: &[u8] = if significant[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(sign.len() + significant.len()).unwrap();
        [&[0x02, length], sign, &significant].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
}
