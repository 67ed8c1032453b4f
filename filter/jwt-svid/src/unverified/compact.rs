use alloc::vec::Vec;
use core::fmt;

use crate::base64url;
use crate::error::{Part, VerifyError};

/// A JWS in compact serialization, taken apart (RFC 7515 §7.1; V1, V3).
///
/// The JSON serializations, five-part JWEs and unsigned tokens do not fit in. `Debug` shows lengths only.
pub struct Compact<'a> {
    /// What the signature is over: header, dot, payload, as they came.
    pub signing_input: &'a [u8],
    /// The header, decoded.
    pub header: Vec<u8>,
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The signature, decoded; never empty.
    pub signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Splits and decodes. The caller has bounded the size; a token of dots only costs no more than one of letters.
    ///
    /// # Errors
    /// [`VerifyError::PartCount`], [`VerifyError::EmptyPart`] or [`VerifyError::Base64`].
    pub fn parse(token: &'a [u8]) -> Result<Self, VerifyError> {
        let mut parts = token.splitn(4, |byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(VerifyError::PartCount);
        };
        let signing_input = signature
            .len()
            .checked_add(1)
            .and_then(|tail| token.len().checked_sub(tail))
            .and_then(|end| token.get(..end))
            .ok_or(VerifyError::PartCount)?;
        Ok(Self {
            signing_input,
            header: decode(Part::Header, header)?,
            payload: decode(Part::Payload, payload)?,
            signature: decode(Part::Signature, signature)?,
        })
    }
}

fn decode(part: Part, text: &[u8]) -> Result<Vec<u8>, VerifyError> {
    if text.is_empty() {
        return Err(VerifyError::EmptyPart(part));
    }
    base64url::decode(text).ok_or(VerifyError::Base64(part))
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compact")
            .field("header_bytes", &self.header.len())
            .field("payload_bytes", &self.payload.len())
            .field("signature_bytes", &self.signature.len())
            .finish()
    }
}
