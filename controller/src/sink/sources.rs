//! What files are rendered from, and when any of it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::template::Inputs;
use crate::secrets::Secrets;
use crate::source::x509::X509;
use crate::store::{Encoded, Store};

/// Where the values come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// From Vault.
    pub secrets: Option<Arc<Secrets>>,
    /// The X.509-SVID, where a file needs it.
    pub svid: Option<watch::Receiver<Option<Arc<X509>>>>,
    /// JWT bundles.
    pub store: Option<Arc<Store>>,
}

impl Sources {
    /// Everything as of now.
    #[must_use]
    pub(super) fn inputs(&self) -> Inputs {
        let jwt_bundles = self.store.as_ref().map_or_else(BTreeMap::new, |store| {
            let trust = store.state().trust;
            trust
                .iter()
                .map(|(domain, held)| (domain.to_string(), Arc::from(held.bundle.jwks().to_string())))
                .collect()
        });
        Inputs {
            secrets: self.secrets.as_ref().map(|secrets| secrets.current()).unwrap_or_default(),
            svid: self.svid.as_ref().and_then(|svid| svid.borrow().clone()),
            jwt_bundles,
        }
    }

    pub(super) fn changes(&self) -> Changes {
        Changes {
            secrets: self.secrets.as_ref().map(|secrets| secrets.changes()),
            svid: self.svid.clone(),
            store: self.store.as_ref().map(|store| store.changes()),
        }
    }
}

/// Wakes when something may be different.
#[derive(Debug)]
pub(super) struct Changes {
    secrets: Option<watch::Receiver<u64>>,
    svid: Option<watch::Receiver<Option<Arc<X509>>>>,
    store: Option<watch::Receiver<Option<Arc<Encoded>>>>,
}

impl Changes {
    /// What was there until now is known.
    pub(super) fn seen(&mut self) {
        self.secrets.as_mut().map(watch::Receiver::mark_unchanged);
        self.svid.as_mut().map(watch::Receiver::mark_unchanged);
        self.store.as_mut().map(watch::Receiver::mark_unchanged);
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            () = changed(&mut self.secrets) => {}
            () = changed(&mut self.svid) => {}
            () = changed(&mut self.store) => {}
        }
    }
}

/// For ever when there is nothing to wait for.
async fn changed<T>(receiver: &mut Option<watch::Receiver<T>>) {
    let changed = match receiver {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}
