//! One line for a refusal, for the operator who asks why: rule, reason, trust domain and a hash of the token, by which
//! one token is recognized and none is learned.

use std::cell::Cell;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use svidgate_jwt_svid::SpiffeId;
use svidgate_jwt_svid::unverified::{Claims, Compact};
use svidgate_policy::{Passage, Verdict};

/// Which refusals become lines: evenly, every second one for a share of one half.
#[derive(Debug)]
pub struct Sampling {
    share: f64,
    owed: Cell<f64>,
}

impl Sampling {
    /// `share` is from 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Self {
        Self { share, owed: Cell::new(0.0) }
    }

    /// Whether this one is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let owed = self.owed.get() + self.share;
        let due = owed >= 1.0;
        self.owed.set(if due { owed - 1.0 } else { owed });
        due
    }
}

/// The line for a verdict that refuses, or would have; none for others.
#[must_use]
pub fn line(verdict: &Verdict<'_>, token: Option<&[u8]>) -> Option<String> {
    let reason = verdict.denial()?.reason().as_str();
    let done = match verdict.outcome {
        Err(_) => "refused",
        Ok(Passage::FailedOpen(_)) => "let in unjudged (fail_open)",
        Ok(_) => "let in (audit)",
    };
    let rule = verdict.rule.map_or("none", |rule| rule.name.as_str());
    let mut line = format!("request {done}: rule={rule} reason={reason}");
    if let Some(token) = token {
        // Whoever sent it may claim any domain; its form is checked, so it cannot break the line.
        if let Some(id) = claimed(token) {
            let _ = write!(line, " claimed_trust_domain={}", id.trust_domain());
        }
        line.push_str(" token_hash=");
        let end = token.get(token.len().saturating_sub(HASHED)..).unwrap_or_default();
        for byte in Sha256::digest(end).iter().take(HASH_BYTES) {
            let _ = write!(line, "{byte:02x}");
        }
    }
    Some(line)
}

fn claimed(token: &[u8]) -> Option<SpiffeId> {
    if token.len() > MAX_LOOKED_AT {
        return None;
    }
    let claims = Claims::parse(&Compact::parse(token).ok()?.payload).ok()?;
    SpiffeId::parse(claims.subject()?).ok()
}

const HASH_BYTES: usize = 4;
/// How much of the token's end is hashed: in it is the signature, which no other token has. To hash all of a long one would
/// cost more than to refuse it.
const HASHED: usize = 512;
/// A refusal for size must not become dear by its log line.
const MAX_LOOKED_AT: usize = 8192;

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};
    use svidgate_jwt_svid::DenyReason;
    use svidgate_policy::{Denial, Passage, Reason, Verdict};

    use super::{Sampling, line};

    #[test]
    fn v16_a_line_has_a_hash_of_the_token_and_nothing_of_it() {
        let token = b"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzcGlmZmU6Ly9hLnRlc3QvYiJ9.AAAA";
        let denial = Denial::new(Reason::Svid(DenyReason::TokenExpired));
        let refused = Verdict { rule: None, position: None, path: None, outcome: Err(denial) };
        let text = line(&refused, Some(token)).unwrap();
        assert!(
            text.starts_with(
                "request refused: rule=none reason=token_expired claimed_trust_domain=a.test token_hash="
            ),
            "{text}"
        );
        assert!(!text.contains("eyJ") && !text.contains("AAAA"), "{text}");
        let hash = text.rsplit_once('=').unwrap().1;
        assert!(hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");

        let audited =
            Verdict { rule: None, position: None, path: None, outcome: Ok(Passage::Audited(denial)) };
        assert_eq!(line(&audited, None).unwrap(), "request let in (audit): rule=none reason=token_expired");
        let open = Verdict { rule: None, position: None, path: None, outcome: Ok(Passage::Open) };
        assert_eq!(line(&open, Some(token)), None);
    }

    /// So that an operator finds it again: `tail -c 512 | sha256sum | head -c 8`.
    #[test]
    fn the_hash_is_that_of_the_last_512_octets() {
        let denial = Denial::new(Reason::Svid(DenyReason::TokenMalformed));
        let refused = Verdict { rule: None, position: None, path: None, outcome: Err(denial) };
        let hash = |token: &[u8]| {
            let line = line(&refused, Some(token)).unwrap();
            line.rsplit_once("token_hash=").unwrap().1.to_owned()
        };
        let sha256 = |octets: &[u8]| {
            Sha256::digest(octets).iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let long: Vec<u8> = (0..9_000_u32).flat_map(u32::to_be_bytes).collect();
        for len in [0, 1, 511, 512, 513, 36_000] {
            let token = &long[..len];
            assert_eq!(hash(token), sha256(&token[len.saturating_sub(512)..]), "{len}");
        }
    }

    #[test]
    fn a_claimed_domain_that_is_none_is_not_shown() {
        let denial = Denial::new(Reason::Svid(DenyReason::SubjectInvalid));
        let refused = Verdict { rule: None, position: None, path: None, outcome: Err(denial) };
        let text = line(&refused, Some(b"a\nb.c.d")).unwrap();
        assert!(!text.contains("claimed") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_share_of_the_refusals_is_logged() {
        for (share, expected) in [(0.0, 0), (0.25, 25), (0.5, 50), (1.0, 100)] {
            let sampling = Sampling::new(share);
            assert_eq!((0..100).filter(|_| sampling.is_due()).count(), expected, "{share}");
        }
    }
}
