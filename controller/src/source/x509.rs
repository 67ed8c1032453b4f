//! The X.509-SVID and the X.509 bundles of the Workload API, as PEM.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pem::{EncodeConfig, LineEnding, Pem};
use spiffe::X509Source;
use spiffe::x509_source::{X509SourceError, X509SourceState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::printable;

/// One observation: certificate, key and bundles that belong together.
pub struct X509 {
    /// Of the certificate.
    pub spiffe_id: String,
    /// The leaf, then its intermediates.
    pub certificate: String,
    /// PKCS #8.
    pub private_key: Zeroizing<String>,
    /// Authorities of the certificate's own trust domain.
    pub bundle: String,
    /// Authorities of each trust domain.
    pub bundles: BTreeMap<String, String>,
}

impl fmt::Debug for X509 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

/// What the Workload API at `address` gives, from now on until `stop`; `None` while it gives none that may be used.
pub fn watch(address: String, stop: CancellationToken) -> watch::Receiver<Option<Arc<X509>>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow(&address, &sender) => {}
        }
    });
    receiver
}

async fn follow(address: &str, sender: &watch::Sender<Option<Arc<X509>>>) {
    loop {
        // It tries again by itself, but for what no repetition mends.
        let source = match X509Source::builder().endpoint(address).build().await {
            Ok(source) => source,
            Err(error) => {
                complain(&error);
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let mut updates = source.updated();
        loop {
            publish(&source.state(), sender);
            // A certificate that is not replaced ends without an update.
            let ended = tokio::time::timeout(LOOK, updates.changed()).await;
            if matches!(ended, Ok(Err(_))) {
                break;
            }
        }
        sender.send_replace(None);
        tokio::time::sleep(AGAIN).await;
    }
}

fn publish(state: &X509SourceState, sender: &watch::Sender<Option<Arc<X509>>>) {
    let now = of(state);
    sender.send_if_modified(|before| {
        let same = match (&before, &now) {
            (None, None) => true,
            (Some(before), Some(now)) => {
                before.certificate == now.certificate
                    && *before.private_key == *now.private_key
                    && before.bundles == now.bundles
            }
            _ => false,
        };
        if !same {
            match &now {
                Some(now) => tracing::info!(spiffe_id = now.spiffe_id, "an X.509-SVID is in force"),
                None => tracing::warn!("there is no X.509-SVID that may be used"),
            }
            before.clone_from(&now);
        }
        !same
    });
}

/// `None` when the agent gives none, has taken it back, or the certificate has expired.
fn of(state: &X509SourceState) -> Option<Arc<X509>> {
    let (svid, context) = (state.svid().ok()?, state.context().ok()?);
    let mut bundles = BTreeMap::new();
    for (domain, bundle) in context.bundle_set().iter() {
        let authorities = bundle.authorities().iter().map(|authority| authority.as_bytes());
        bundles.insert(domain.to_string(), certificates(authorities));
    }
    let chain = svid.cert_chain().iter().map(|certificate| certificate.as_bytes());
    let key = Pem::new("PRIVATE KEY", svid.private_key().as_bytes());
    Some(Arc::new(X509 {
        spiffe_id: svid.spiffe_id().to_string(),
        certificate: certificates(chain),
        private_key: Zeroizing::new(pem::encode_config(&key, FORM)),
        bundle: bundles.get(&svid.spiffe_id().trust_domain().to_string()).cloned()?,
        bundles,
    }))
}

fn certificates<'c>(ders: impl Iterator<Item = &'c [u8]>) -> String {
    ders.map(|der| pem::encode_config(&Pem::new("CERTIFICATE", der), FORM)).collect()
}

fn complain(error: &X509SourceError) {
    // The agent has a say in it.
    tracing::error!(error = %printable::escaped(&error.to_string()), "the Workload API gives no X.509-SVID");
}

const FORM: EncodeConfig = EncodeConfig::new().set_line_ending(LineEnding::LF);
const LOOK: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(10);
