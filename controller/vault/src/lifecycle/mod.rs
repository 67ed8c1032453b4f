//! The life of a token and of the credentials under it: fetched, renewed, replaced, published, revoked.
//!
//! [`Vault::start`] logs in and stays logged in; [`Vault::keep`] keeps one credential fresh. Whoever uses it holds a watch
//! channel and never waits for Vault; asking more often makes no more requests.

mod alarm;
mod children;
mod credential;
mod holds;
mod keeper;
mod retire;
mod session;
mod spec;
mod status;
mod timing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use credential::Credential;
pub use holds::Hold;
pub use spec::{Key, Spec};
pub use status::{CredentialStatus, Status, TokenStatus};
pub use timing::{AtShutdown, Timing};

use self::children::Children;
use self::keeper::Keeper;
use self::session::{Session, TokenKeeper};
use self::status::{Board, TokenBoard};
use crate::client::Client;
use crate::login::Login;
use crate::settings::RetrySettings;

/// A login that is kept alive, and credentials that are kept fresh under it.
pub struct Vault {
    client: Client,
    timing: Timing,
    stop: CancellationToken,
    sessions: watch::Receiver<Option<Arc<Session>>>,
    suspicions: mpsc::Sender<u64>,
    children: Arc<Children>,
    board: TokenBoard,
    tasks: TaskTracker,
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    kind: &'static str,
    published: watch::Receiver<Option<Arc<Credential>>>,
    extensions: watch::Receiver<u64>,
    asked_for: Arc<Notify>,
    board: Board,
    stop: CancellationToken,
}

/// A credential of that name is kept already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a credential `{0}` is kept already")]
pub struct NameTaken(String);

impl Vault {
    /// Logs in, in the background. Needs a tokio runtime.
    #[must_use]
    pub fn start(client: &Client, login: Login, timing: Timing) -> Self {
        // Attempts are spread over the lifetime that remains, not made in a row.
        let client = client.with_retry(RetrySettings::never());
        let (sender, sessions) = watch::channel(None);
        let (suspicions, suspected) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let children = Arc::new(Children::default());
        let board = TokenBoard::default();
        let tasks = TaskTracker::new();
        let shown = board.clone();
        client.metrics().watch_expiry("token", move || shown.remaining());
        let keeper = TokenKeeper {
            login,
            client: client.clone(),
            timing,
            stop: stop.clone(),
            sessions: sender,
            suspicions: suspected,
            children: children.clone(),
            board: board.clone(),
            tasks: tasks.clone(),
            generations: AtomicU64::new(0),
        };
        tasks.spawn(keeper.run());
        Self { client, timing, stop, sessions, suspicions, children, board, tasks, kept: Mutex::default() }
    }

    /// Keeps a credential fresh under `name`, and gives the channel in which each change of it comes. It holds `None`
    /// before the first one, and after one has ended or was removed. A life that is extended is no change.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn keep(
        &self,
        name: &str,
        spec: Spec,
    ) -> Result<watch::Receiver<Option<Arc<Credential>>>, NameTaken> {
        let mut kept = self.kept();
        if kept.contains_key(name) {
            return Err(NameTaken(name.to_owned()));
        }
        let (sender, published) = watch::channel(None);
        let (extended, extensions) = watch::channel(0);
        let (asked_for, board, stop) = (Arc::new(Notify::new()), Board::default(), self.stop.child_token());
        let kind = spec.kind();
        let keeper = Keeper {
            name: name.to_owned(),
            spec,
            timing: self.timing,
            clock: self.client.clock().clone(),
            metrics: self.client.metrics().clone(),
            stop: stop.clone(),
            sessions: self.sessions.clone(),
            suspicions: self.suspicions.clone(),
            published: sender,
            extensions: extended,
            asked_for: asked_for.clone(),
            children: self.children.clone(),
            board: board.clone(),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(keeper.run());
        let entry = Kept { kind, published: published.clone(), extensions, asked_for, board, stop };
        kept.insert(name.to_owned(), entry);
        Ok(published)
    }

    /// Stops keeping a credential; its lease ends by itself, or with the token.
    pub fn drop_credential(&self, name: &str) {
        if let Some(kept) = self.kept().remove(name) {
            kept.stop.cancel();
        }
    }

    /// The credential in force now; `None` when there is none, or it has ended. Never waits for Vault.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Credential>> {
        let current = self.kept().get(name)?.published.borrow().clone();
        current.filter(|credential| credential.secrets().is_some())
    }

    /// Tells when the life of the credential in force was extended, by its own renewal or by that of the token it hangs on,
    /// for those who pass its end on.
    #[must_use]
    pub fn extensions(&self, name: &str) -> Option<watch::Receiver<u64>> {
        self.kept().get(name).map(|kept| kept.extensions.clone())
    }

    /// Asks for another credential, because the one in force was refused where it was used. However often: at most one
    /// is made in [`Timing::min_reissue`].
    pub fn refresh(&self, name: &str) {
        if let Some(kept) = self.kept().get(name) {
            kept.asked_for.notify_one();
        }
    }

    /// A client with the token in force, for calls of one's own such as writing to KV; `None` while there is none.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        let session = self.sessions.borrow().clone()?;
        (!session.life.ended()).then(|| session.client.with_retry(RetrySettings::default()))
    }

    /// The state of everything.
    #[must_use]
    pub fn status(&self) -> Status {
        let credentials = self
            .kept()
            .iter()
            .map(|(name, kept)| {
                let current = kept.published.borrow().clone();
                kept.board.status(name, kept.kind, current.as_ref())
            })
            .collect();
        Status {
            address: self.client.address().to_owned(),
            breaker: self.client.breaker(),
            token: self.board.status(),
            credentials,
        }
    }

    /// Ends everything, and revokes what [`Timing::at_shutdown`] says. Takes [`Timing::shutdown`] at most.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(self.timing.shutdown, self.tasks.wait()).await.is_err() {
            tracing::warn!("Vault did not answer in time at the shutdown: what was left ends by itself");
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Vault {
    /// Without [`Vault::shutdown`] everything ends as well, and is revoked if the runtime lives long enough.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("status", &self.status()).finish_non_exhaustive()
    }
}
