//! Strict base64url (RFC 7515 §2; V3): no padding, no whitespace, no other alphabet, no non-zero trailing bits.
//! So each byte string has one spelling only, and a token cannot be respelt.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v03_strict_base64url_decodes_only_the_one_spelling() {
        assert_eq!(decode(b"").as_deref(), Some(&b""[..]));
        assert_eq!(decode(b"-_8").as_deref(), Some(&[0xfb, 0xff][..]));
        let refused: &[&[u8]] = &[
            b"-_8=",
            b"-_8==",
            b"+/8",
            b"-_9",
            b"-_8 ",
            b" -_8",
            b"-_8\n",
            b"-_\r8",
            b"-",
            b"-_8-_",
            b"-_8\0",
            b"-_8.",
            b"\xff_8A",
            "ÿÿ".as_bytes(),
        ];
        for text in refused {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn v03_every_non_zero_trailing_bit_is_refused() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let one_byte = ALPHABET.iter().filter(|last| decode(&[b'A', **last]).is_some()).count();
        let two_bytes = ALPHABET.iter().filter(|last| decode(&[b'A', b'A', **last]).is_some()).count();
        assert_eq!((one_byte, two_bytes), (4, 16));
    }
}
