use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::credential::Credential;

/// Which token each credential in force hangs on. A token may go when none hangs on it (checklist H7).
#[derive(Debug, Default)]
pub(crate) struct Children {
    generations: Mutex<BTreeMap<String, u64>>,
    changed: watch::Sender<()>,
}

impl Children {
    /// `None` for a credential that hangs on no token.
    pub(crate) fn hangs_on(&self, name: &str, generation: Option<u64>) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        match generation {
            Some(generation) => generations.insert(name.to_owned(), generation),
            None => generations.remove(name),
        };
        drop(generations);
        self.changed.send_replace(());
    }

    /// The name of a credential that was replaced; no credential in force has one like it.
    pub(crate) fn replaced(credential: &Credential) -> String {
        format!("{}\0{}", credential.name(), credential.revision())
    }

    /// Until nothing hangs on `generation` or an earlier one.
    pub(crate) async fn left(&self, generation: u64) {
        let mut changed = self.changed.subscribe();
        loop {
            if !self.any(generation) || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether something hangs on `generation` or an earlier one.
    pub(crate) fn any(&self, generation: u64) -> bool {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.values().any(|on| *on <= generation)
    }
}
