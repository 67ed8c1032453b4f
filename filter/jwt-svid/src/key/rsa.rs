//! RSA parameters of a JWK (RFC 7518 §6.3.1; V14).

use core::ops::RangeInclusive;

use super::ignored::IgnoredReason;
use super::roca;

/// Size of the modulus in bits: RFC 7518 §3.3 asks for at least 2048; above 8192 a check costs milliseconds.
pub const RSA_MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// The public exponent. The lower bound is FIPS 186-5 §A.1.1's (2^16 < e), which leaves out e = 3 as well as
/// e = 1: no SPIFFE issuer uses a smaller one. The upper bound keeps the cost of a check in hand.
pub const RSA_EXPONENT: RangeInclusive<u64> = 65_537..=0x1_ffff_ffff;

/// Builds the key from the octets of `n` and `e`.
pub(super) fn key(n: &[u8], e: &[u8]) -> Result<::rsa::PublicKey, IgnoredReason> {
    let Some(first) = n.first() else {
        return Err(IgnoredReason::RsaModulus);
    };
    // RFC 7518 §2: Base64urlUInt uses the fewest octets.
    if *first == 0 || e.first().is_none_or(|octet| *octet == 0) {
        return Err(IgnoredReason::NotMinimal);
    }
    let leading_zeros = usize::try_from(first.leading_zeros()).map_err(|_| IgnoredReason::RsaModulus)?;
    let bits = n.len().saturating_mul(8).saturating_sub(leading_zeros);
    if !RSA_MODULUS_BITS.contains(&bits) {
        return Err(IgnoredReason::RsaModulusSize { allowed: RSA_MODULUS_BITS, actual: bits });
    }
    if !exponent(e).is_some_and(|e| RSA_EXPONENT.contains(&e) && e & 1 == 1) {
        return Err(IgnoredReason::RsaExponent);
    }
    if roca::has_fingerprint(n) {
        return Err(IgnoredReason::RsaRoca);
    }
    // The crate refuses an even modulus.
    let number = ::rsa::BoxedUint::from_be_slice_vartime;
    ::rsa::PublicKey::new_with_size_limits(number(n), number(e), RSA_MODULUS_BITS)
        .map_err(|_| IgnoredReason::RsaModulus)
}

fn exponent(octets: &[u8]) -> Option<u64> {
    let padding = size_of::<u64>().checked_sub(octets.len())?;
    let mut number = [0; size_of::<u64>()];
    number.get_mut(padding..)?.copy_from_slice(octets);
    Some(u64::from_be_bytes(number))
}
