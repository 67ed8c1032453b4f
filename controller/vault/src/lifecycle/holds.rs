//! Who still works with a credential that another one may have replaced.

use std::sync::Arc;

use tokio::sync::watch;

/// The users of one credential that asked to be waited for.
#[derive(Clone, Debug)]
pub(crate) struct Holds(Arc<watch::Sender<usize>>);

/// Keeps a credential alive in Vault after it was replaced: it is renewed as far as that goes, and revoked only when the
/// last hold is dropped and the grace period is over. It ends all the same when Vault lets it live no longer, and at a
/// shutdown.
#[derive(Debug)]
pub struct Hold(Holds);

impl Holds {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(crate) fn hold(&self) -> Hold {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Hold(self.clone())
    }

    /// Until nobody holds it; at once if nobody does.
    pub(crate) async fn released(&self) {
        // It cannot fail: the sender is ours.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(crate) fn any(&self) -> bool {
        *self.0.borrow() > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
