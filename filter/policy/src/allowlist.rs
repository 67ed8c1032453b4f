use std::collections::BTreeSet;

use svidgate_jwt_svid::{SpiffeId, VerifiedSvid};

use crate::denial::{Denial, Reason};

/// The callers that are let in: exact SPIFFE IDs, compared on the parsed form (checklist P9).
#[derive(Clone, Debug)]
pub struct Allowlist(BTreeSet<SpiffeId>);

/// An allowlist without entries would refuse everybody; that is a mistake, not a policy (checklist P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyAllowlist;

impl Allowlist {
    /// # Errors
    /// [`EmptyAllowlist`] when there is no ID.
    pub fn new(ids: impl IntoIterator<Item = SpiffeId>) -> Result<Self, EmptyAllowlist> {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        if ids.is_empty() { Err(EmptyAllowlist) } else { Ok(Self(ids)) }
    }

    /// Decides about a caller whose token was verified; only such a one can be let in.
    ///
    /// # Errors
    /// The [`Denial`] to answer with when the caller is not on the list.
    pub fn authorize(&self, caller: &VerifiedSvid) -> Result<(), Denial> {
        if self.0.contains(caller.spiffe_id()) { Ok(()) } else { Err(Denial::new(Reason::CallerNotAllowed)) }
    }
}
