//! The fingerprint of RSA keys from Infineon's broken generator (CVE-2017-15361, "ROCA").
//!
//! Its primes are p = k·M + 65537^a mod M with M the product of the first small primes, so the modulus of such a
//! key lies, modulo each of those primes, in the subgroup that 65537 generates. A sound modulus does so for all
//! of them with a chance below one in a hundred million (Nemec et al., CCS 2017, §2.2).

const GENERATOR: u32 = 65_537;
const PRIMES: &[u32] = &[
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a big-endian modulus has the fingerprint.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| generates(*prime, remainder(modulus, *prime)))
}

fn remainder(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |rest, octet| reduce((rest << 8) | u32::from(*octet), prime))
}

/// Whether some power of 65537 is `residue` modulo `prime`.
fn generates(prime: u32, residue: u32) -> bool {
    let generator = reduce(GENERATOR, prime);
    let powers = core::iter::successors(Some(1), |power: &u32| {
        let next = reduce(power.saturating_mul(generator), prime);
        (next != 1).then_some(next)
    });
    powers.into_iter().any(|power| power == residue)
}

fn reduce(value: u32, prime: u32) -> u32 {
    value.checked_rem(prime).unwrap_or(0)
}
