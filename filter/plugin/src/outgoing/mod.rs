//! Credentials on outgoing requests: which request gets which, and how it carries it. Pure, so that every case is tested
//! without Envoy; what touches Envoy is `apply` (Wasm only).
//!
//! A host is what the caller says, and where a request goes is Envoy's decision. So a rule always names the clusters to
//! which its credential may go, by Envoy's word on the route of this very request, and may narrow that by host and path.

#[cfg(target_arch = "wasm32")]
pub(crate) mod apply;
mod held;
mod rule;

pub use held::{HeldCredentials, Section, Wanted};
pub use rule::{Carrier, Existing, Found, Outgoing, OutgoingRule};
use svidgate_policy::{Headers, Reason};
use svidgate_snapshot::Credentials;
use zeroize::Zeroizing;

/// What becomes of an outgoing request.
#[derive(Debug)]
pub enum Deed {
    /// No rule is about it: it passes as it is.
    Pass,
    /// The caller's own header stays, and nothing is added.
    Keep(usize),
    /// The header is set, in place of all that an upstream could take for it.
    Set(Placed),
}

/// A credential for a request.
pub struct Placed {
    /// Position of the rule.
    pub rule: usize,
    /// Headers to be removed before, by their names.
    pub remove: Vec<String>,
    /// Header to be set.
    pub header: String,
    /// Its value.
    pub value: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Placed")
            .field("rule", &self.rule)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// A refusal, with the rule that led to it; none where it could not be said which rule it is.
pub type Refused = (Option<usize>, Reason);

/// Decides about a request that Envoy routes to `cluster`, at `now` in Unix seconds.
///
/// # Errors
/// Why it is refused; then nothing may be sent.
pub fn decide(
    outgoing: &Outgoing,
    cluster: &str,
    headers: &Headers<'_>,
    held: &HeldCredentials,
    now: u64,
) -> Result<Deed, Refused> {
    let Some(Found { position, rule }) = outgoing.find(cluster, headers).map_err(|reason| (None, reason))?
    else {
        return Ok(Deed::Pass);
    };
    let refused = |reason| (Some(position), reason);
    let header = rule.carrier.header();
    let mut remove = Vec::new();
    let mut is_there = false;
    for (name, value) in headers.iter().filter(|(name, _)| is_like(name, header)) {
        // What is no text cannot be removed by its name.
        remove.push(std::str::from_utf8(name).map_err(|_| refused(Reason::Internal))?.to_owned());
        // What we put there ourselves, before a retry, is not the caller's.
        is_there |= !held.is_ours(rule, value);
    }
    if is_there && rule.existing == Existing::Refuse {
        return Err(refused(Reason::OutgoingHeaderPresent));
    }
    if is_there && rule.existing == Existing::Keep {
        return Ok(Deed::Keep(position));
    }
    let value = value(held.now(), rule, now).map_err(refused)?;
    Ok(Deed::Set(Placed { rule: position, remove, header: header.to_owned(), value }))
}

fn value(held: &Credentials, rule: &OutgoingRule, now: u64) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let credential = held.get(&rule.credential).ok_or(Reason::CredentialMissing)?;
    if !credential.is_good_at(now) {
        return Err(Reason::CredentialExpired);
    }
    rule.carrier.value(credential).ok_or(Reason::CredentialUnfit)
}

/// Whether an upstream that folds case and takes punctuation for `_` could take `name` for `header` (checklist P8).
fn is_like(name: &[u8], header: &str) -> bool {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' };
    name.len() == header.len()
        && name.iter().zip(header.bytes()).all(|(one, other)| fold(*one) == fold(other))
}

#[cfg(test)]
mod tests;
