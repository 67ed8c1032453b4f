use svidgate_jwt_svid::VerifyError;

use crate::corpus::Case;
use crate::json::{Tree, read};

/// A token that is disagreed about, read leniently.
pub struct Seen<'a> {
    /// The token and its circumstances.
    pub case: &'a Case,
    /// The moment of judgement.
    pub now: u64,
    /// Why we refuse it, if we do.
    pub error: Option<VerifyError>,
    /// The three parts as text; fewer or more for what is no compact token.
    pub parts: Vec<&'a [u8]>,
    /// The header's bytes, after a lenient decoding.
    pub header_bytes: Vec<u8>,
    /// The payload's bytes, after a lenient decoding.
    pub payload_bytes: Vec<u8>,
    /// The header, if it is JSON to anybody.
    pub header: Option<Tree>,
    /// The payload, if it is JSON to anybody.
    pub payload: Option<Tree>,
}

impl<'a> Seen<'a> {
    /// Takes the token apart.
    #[must_use]
    pub fn new(case: &'a Case, now: u64, error: Option<VerifyError>) -> Self {
        let parts: Vec<&[u8]> = case.token.split(|byte| *byte == b'.').collect();
        let part = |at: usize| lenient_base64(parts.get(at).copied().unwrap_or_default());
        let (header_bytes, payload_bytes) = (part(0), part(1));
        let (header, payload) = (read(&header_bytes), read(&payload_bytes));
        Self { case, now, error, parts, header_bytes, payload_bytes, header, payload }
    }

    /// A header member.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Tree> {
        self.header.as_ref()?.get(name)
    }

    /// A claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Tree> {
        self.payload.as_ref()?.get(name)
    }

    /// The number of a claim that is one.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<f64> {
        self.claim(name)?.number()
    }

    /// The trust domain in `sub`, cut out without any check.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        let sub = self.claim("sub").and_then(Tree::text).unwrap_or_default();
        let rest = sub.strip_prefix("spiffe://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// The entry of a `kid` in the JWKS of the token's trust domain.
    #[must_use]
    pub fn jwk(&self) -> Option<serde_json::Value> {
        let kid = self.member("kid")?.text()?;
        let (_, jwks) = self.case.trust.domains.iter().find(|(name, _)| name == self.trust_domain())?;
        let document: serde_json::Value = serde_json::from_slice(jwks).ok()?;
        document["keys"].as_array()?.iter().find(|entry| entry["kid"].as_str() == Some(kid)).cloned()
    }
}

/// Whether the text is the one spelling that RFC 7515 §2 gives to some bytes.
pub(super) fn is_canonical_base64(text: &[u8]) -> bool {
    let Some(values) = text.iter().map(|byte| value(*byte)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    match (values.len() % 4, values.last()) {
        (0, _) => true,
        (2, Some(last)) => last & 0b1111 == 0,
        (3, Some(last)) => last & 0b11 == 0,
        _ => false,
    }
}

/// Skips what is no letter, takes both alphabets, drops loose bits.
fn lenient_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut pool, mut bits) = (0_u32, 0);
    for value in text.iter().filter_map(|byte| match byte {
        b'+' => value(b'-'),
        b'/' => value(b'_'),
        other => value(*other),
    }) {
        pool = (pool << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((pool >> bits) as u8);
        }
    }
    bytes
}

fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}
