//! What the recent revisions hold, so that the controller can say which keys a filter has that is behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use svidgate_jwt_svid::{Bundle, TrustDomain};
use svidgate_snapshot::Revision;

use super::State;

/// A revision that was in force here.
#[derive(Debug)]
pub struct Known {
    /// Which.
    pub revision: Revision,
    /// Its keys.
    pub bundles: BTreeMap<TrustDomain, Arc<Bundle>>,
    /// How many entries its list of revocations has.
    pub revocations: usize,
}

/// The last revisions, the newest one last. Bundles that did not change are shared.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Arc<Known>>);

impl History {
    pub(super) fn remember(&mut self, revision: Revision, state: &State) {
        self.0.retain(|known| known.revision != revision);
        let bundles = state.trust.iter();
        let bundles = bundles.map(|(domain, held)| (domain.clone(), Arc::clone(&held.bundle))).collect();
        let revocations = state.revoked.as_ref().map_or(0, |revoked| revoked.list.len());
        self.0.push_back(Arc::new(Known { revision, bundles, revocations }));
        if self.0.len() > MAX_KNOWN {
            self.0.pop_front();
        }
    }

    pub(super) fn list(&self) -> Vec<Arc<Known>> {
        self.0.iter().cloned().collect()
    }
}

/// A filter follows within milliseconds; one that is this far behind needs more than a list of its keys.
const MAX_KNOWN: usize = 64;
