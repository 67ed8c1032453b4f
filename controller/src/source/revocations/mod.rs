//! What is revoked: a file that is watched, and what came over the admin socket, which is kept in a file of our own.
//!
//! Both lists are joined. Each change is checked against the limits as a whole before anything of it counts, and a
//! change over the admin socket is on disk before it is in force, so that no restart takes a revocation back. A file
//! that became bad replaces nothing.

pub mod document;
mod file;
mod state_file;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use svidgate_jwt_svid::{MAX_CLOCK_SKEW, UnixTime};
use svidgate_snapshot::{Limits, Revocations, SnapshotError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config;
use crate::store::{Revoked, Store, not_after};
use document::Removal;
use file::{ListFile, Look};
use state_file::{StateFile, Stored};

/// The one who changes the list of revocations. Times are Unix times in milliseconds.
#[derive(Debug)]
pub struct Revoker {
    limits: Limits,
    store: Arc<Store>,
    /// None: nothing can be changed over the admin socket.
    state_file: Option<StateFile>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    own: Revocations,
    file: Option<ListFile>,
    changed_at: u64,
    file_error: Option<String>,
    file_errors: u64,
}

/// Why a list was not taken. What was in force stays in force.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// It is over a limit, together with the other source.
    #[error("{0}; nothing was changed")]
    Full(SnapshotError),
    /// The entries stand in the file, which is the operator's to edit.
    #[error("{count} of the entries stand in {}, which only an edit of it can take off; nothing was changed", file.display())]
    InFile {
        /// The file.
        file: PathBuf,
        /// How many of them.
        count: usize,
    },
    /// None of the entries is on the list.
    #[error("none of the entries is on the list")]
    NotThere,
    /// It could not be written down, so a restart would take it back.
    #[error("{}: {action}: {source}; nothing was changed", path.display())]
    NotWritten {
        /// The state file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether another list is in force now.
    pub changed: bool,
    /// Entries that were not taken because their token has expired, and is refused without them.
    pub expired: usize,
}

/// Where the entries in force come from.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Made over the admin socket.
    pub own: Revocations,
    /// Read from the file; none without one.
    pub file: Option<Revocations>,
}

impl Revoker {
    /// Reads both files and puts what they say into force. `None` without any source.
    ///
    /// # Errors
    /// When a file is there and cannot be used, or the file that is configured is not there: to go on without it would
    /// let in what was revoked.
    pub fn start(
        settings: &config::Revocations,
        limits: Limits,
        store: Arc<Store>,
        now: u64,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        if settings.file.is_none() && settings.state_file.is_none() {
            return Ok(None);
        }
        let mut inner = Inner::default();
        let state_file = settings.state_file.clone().map(StateFile::new).transpose()?;
        if let Some(Stored { list, changed_at }) =
            state_file.as_ref().map(|file| file.load(&limits)).transpose()?.flatten()
        {
            inner.own = list;
            inner.changed_at = not_after(changed_at, now);
        }
        if let Some(path) = &settings.file {
            let file = ListFile::read(path, &limits).map_err(anyhow::Error::msg)?;
            inner.changed_at = inner.changed_at.max(file.modified_at.min(now));
            inner.file = Some(file);
        }
        let revoker = Self { limits, store, state_file, inner: Mutex::new(inner) };
        {
            let mut inner = revoker.lock();
            inner.drop_expired(now);
            revoker.put_in_force(&inner, now)?;
        }
        Ok(Some(Arc::new(revoker)))
    }

    /// Looks at the file each second and drops expired tokens, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let revoker = Arc::clone(&self);
            // Reads and writes files.
            let looked = tokio::task::spawn_blocking(move || revoker.look(clock::unix_millis())).await;
            if let Err(error) = looked {
                tracing::error!(%error, "looking after the revocations failed");
            }
        }
    }

    /// One look at the file and at the clock.
    pub fn look(&self, now: u64) {
        let mut inner = self.lock();
        let dropped = inner.drop_expired(now);
        let was_bad = inner.file_error.is_some();
        let looked = inner.file.as_ref().map(|file| file.look_again(&self.limits, was_bad));
        let news = match looked {
            None | Some(Look::Same) => dropped,
            Some(Look::Bad(error)) => inner.complain(error) || dropped,
            Some(Look::Another(file)) => self.take_file(&mut inner, file, now) || dropped,
            Some(Look::GoodAgain) => {
                inner.file_error = None;
                true
            }
        };
        if !news {
            return;
        }
        if let Err(error) = self.put_in_force(&inner, now) {
            tracing::error!(%error, "the revocations stay as they were");
        }
    }

    /// What is in force, by source.
    #[must_use]
    pub fn listed(&self) -> Listed {
        let inner = self.lock();
        Listed { own: inner.own.clone(), file: inner.file.as_ref().map(|file| file.list.clone()) }
    }

    /// Replaces all that came over the admin socket.
    ///
    /// # Errors
    /// [`RevokeError`]; then nothing has changed.
    pub fn replace(&self, list: Revocations, now: u64) -> Result<Change, RevokeError> {
        self.change(now, |own| {
            *own = list;
            Ok(())
        })
    }

    /// Adds to what came over the admin socket.
    ///
    /// # Errors
    /// [`RevokeError`]; then nothing has changed.
    pub fn add(&self, list: &Revocations, now: u64) -> Result<Change, RevokeError> {
        self.change(now, |own| {
            own.add_all(list);
            Ok(())
        })
    }

    /// Takes entries off that came over the admin socket.
    ///
    /// # Errors
    /// [`RevokeError`]; then nothing has changed.
    pub fn remove(&self, entries: &[Removal], now: u64) -> Result<Change, RevokeError> {
        let file = self.lock().file.clone();
        self.change(now, |own| {
            if let Some(file) = &file {
                let count = entries.iter().filter(|entry| entry.is_in(&file.list)).count();
                if count > 0 {
                    return Err(RevokeError::InFile { file: file.path.clone(), count });
                }
            }
            let removed = entries.iter().filter(|entry| entry.remove_from(own)).count();
            if removed == 0 { Err(RevokeError::NotThere) } else { Ok(()) }
        })
    }

    fn change(
        &self,
        now: u64,
        change: impl FnOnce(&mut Revocations) -> Result<(), RevokeError>,
    ) -> Result<Change, RevokeError> {
        let mut inner = self.lock();
        let mut own = inner.own.clone();
        change(&mut own)?;
        let expired = own.drop_expired(useful_from(now));
        let changed_at = after(inner.changed_at, now, now);
        let before = inner.joined();
        let next = inner.joined_with(&own);
        next.check(&self.limits).map_err(RevokeError::Full)?;
        if own != inner.own
            && let Some(file) = &self.state_file
        {
            file.save(&own, changed_at)?;
        }
        let changed = next != before;
        inner.own = own;
        if changed {
            inner.changed_at = changed_at;
            self.put_in_force(&inner, now).map_err(RevokeError::Full)?;
            tracing::info!(entries = next.len(), "the revocations were changed over the admin socket");
        }
        Ok(Change { changed, expired })
    }

    /// Takes the file's new content, unless it is over a limit together with the other source. Whether there is news.
    fn take_file(&self, inner: &mut Inner, mut file: ListFile, now: u64) -> bool {
        file.list.drop_expired(useful_from(now));
        let mut joined = inner.own.clone();
        joined.add_all(&file.list);
        if let Err(error) = joined.check(&self.limits) {
            return inner.complain(format!("{}: {error}", file.path.display()));
        }
        if joined != inner.joined() {
            // Its own time where that is the later one, so that a restart finds the same.
            inner.changed_at = after(inner.changed_at, file.modified_at.min(now), now);
            tracing::info!(entries = joined.len(), file = %file.path.display(), "the revocations were changed in the file");
        }
        inner.file = Some(file);
        inner.file_error = None;
        true
    }

    fn put_in_force(&self, inner: &Inner, now: u64) -> Result<(), SnapshotError> {
        let revoked = Revoked {
            list: Arc::new(inner.joined()),
            changed_at: inner.changed_at,
            file_error: inner.file_error.clone(),
            file_errors: inner.file_errors,
        };
        self.store.revoke(revoked, now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Fields are replaced whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn joined(&self) -> Revocations {
        self.joined_with(&self.own)
    }

    fn joined_with(&self, own: &Revocations) -> Revocations {
        let mut joined = own.clone();
        if let Some(file) = &self.file {
            joined.add_all(&file.list);
        }
        joined
    }

    /// Whether any was there. The state file keeps them until its next change; they are dropped again when it is read.
    fn drop_expired(&mut self, now: u64) -> bool {
        let from = useful_from(now);
        let file = self.file.as_mut().map_or(0, |file| file.list.drop_expired(from));
        self.own.drop_expired(from).saturating_add(file) > 0
    }

    /// Notes what is wrong with the file. Whether that is news.
    fn complain(&mut self, error: String) -> bool {
        if self.file_error.as_ref() == Some(&error) {
            return false;
        }
        tracing::error!(%error, "the file of revocations is not taken; its last good content stays in force");
        self.file_errors = self.file_errors.saturating_add(1);
        self.file_error = Some(error);
        true
    }
}

/// Tokens that expired before are refused by every filter, whatever skew it admits.
fn useful_from(now: u64) -> UnixTime {
    UnixTime(now.checked_div(1000).unwrap_or_default().saturating_sub(MAX_CLOCK_SKEW))
}

/// The time of a change made at `moment` and met at `now`, after one at `last`: never the same, for of two lists with one
/// time filters could not tell which is newer.
fn after(last: u64, moment: u64, now: u64) -> u64 {
    not_after(last.saturating_add(1), now).max(moment)
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
