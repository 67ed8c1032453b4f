//! RSA paddings (RFC 8017 §9), right ones and wrong ones.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha {
    /// SHA-256.
    S256,
    /// SHA-384.
    S384,
    /// SHA-512.
    S512,
}

impl Sha {
    /// The hash of an algorithm's number, such as `256`.
    #[must_use]
    pub fn of(number: &str) -> Self {
        match number {
            "256" => Self::S256,
            "384" => Self::S384,
            "512" => Self::S512,
            _ => panic!("no hash {number}"),
        }
    }

    /// The length of its result.
    #[must_use]
    pub fn octets(self) -> usize {
        match self {
            Self::S256 => 32,
            Self::S384 => 48,
            Self::S512 => 64,
        }
    }

    /// Its result.
    #[must_use]
    pub fn digest(self, input: &[u8]) -> Vec<u8> {
        match self {
            Self::S256 => Sha256::digest(input).to_vec(),
            Self::S384 => Sha384::digest(input).to_vec(),
            Self::S512 => Sha512::digest(input).to_vec(),
        }
    }

    /// The HMAC (RFC 2104) under a secret.
    #[must_use]
    pub fn hmac(self, secret: &[u8], input: &[u8]) -> Vec<u8> {
        let block = if self == Self::S256 { 64 } else { 128 };
        let mut key = if secret.len() > block { self.digest(secret) } else { secret.to_vec() };
        key.resize(block, 0);
        let masked = |mask: u8| key.iter().map(|octet| octet ^ mask).collect::<Vec<_>>();
        let inner = self.digest(&[masked(0x36).as_slice(), input].concat());
        self.digest(&[masked(0x5c), inner].concat())
    }

    /// The last octet of its object identifier 2.16.840.1.101.3.4.2.x.
    fn oid_suffix(self) -> u8 {
        match self {
            Self::S256 => 1,
            Self::S384 => 2,
            Self::S512 => 3,
        }
    }
}

/// Ways to pad for RSASSA-PKCS1-v1_5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkcs1 {
    /// As RFC 8017 §9.2 says.
    Correct,
    /// `DigestInfo` without the NULL parameters.
    MissingNull,
    /// The hash alone, without `DigestInfo`.
    NoDigestInfo,
    /// Short padding and garbage at the end (Bleichenbacher 2006).
    TrailingGarbage,
    /// Padding of zeros instead of 0xff.
    ZeroPadding,
    /// Block type 2, the one for encryption.
    BlockTypeTwo,
}

/// EMSA-PKCS1-v1_5 of the hash of `input`.
#[must_use]
pub fn pkcs1(sha: Sha, input: &[u8], octets: usize, way: Pkcs1) -> Vec<u8> {
    let digest = sha.digest(input);
    let oid = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, sha.oid_suffix()];
    let null: &[u8] = if way == Pkcs1::MissingNull { &[] } else { &[0x05, 0x00] };
    let identifier = element(0x30, &[&oid, null]);
    let info = match way {
        Pkcs1::NoDigestInfo => digest,
        _ => element(0x30, &[&identifier, &element(0x04, &[&digest])]),
    };
    let block_type = if way == Pkcs1::BlockTypeTwo { 2 } else { 1 };
    let filler = if way == Pkcs1::ZeroPadding { 0 } else { 0xff };
    let filler_octets = if way == Pkcs1::TrailingGarbage { 8 } else { octets - info.len() - 3 };
    let mut padded = vec![0, block_type];
    padded.resize(2 + filler_octets, filler);
    padded.push(0);
    padded.extend_from_slice(&info);
    padded.resize(octets, 0xaa);
    padded
}

/// EMSA-PSS of the hash of `input`, with a hash for MGF1 and a salt of any kind, for a modulus of whole octets.
#[must_use]
pub fn pss(sha: Sha, mgf: Sha, salt: &[u8], input: &[u8], octets: usize) -> Vec<u8> {
    let h = sha.digest(&[&[0; 8], sha.digest(input).as_slice(), salt].concat());
    let mut db = vec![0; octets - h.len() - salt.len() - 2];
    db.push(1);
    db.extend_from_slice(salt);
    for (octet, mask) in db.iter_mut().zip(mgf1(mgf, &h)) {
        *octet ^= mask;
    }
    db[0] &= 0x7f;
    [db.as_slice(), &h, &[0xbc]].concat()
}

fn mgf1(sha: Sha, seed: &[u8]) -> impl Iterator<Item = u8> {
    (0u32..).flat_map(move |counter| sha.digest(&[seed, &counter.to_be_bytes()].concat()))
}

/// DER of less than 128 octets.
fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let body = contents.concat();
    let mut encoded = vec![tag, u8::try_from(body.len()).unwrap()];
    encoded.extend_from_slice(&body);
    encoded
}
