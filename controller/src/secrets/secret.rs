//! One secret on its way from Vault, or from its fallback, to those who use it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use secrecy::SecretString;
use svidgate_vault::{Credential, Hold, Secrets as Values};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::fallback;
use crate::config::{FALLBACK_AFTER, Fallback};

/// A secret in force, whole (checklist H12).
pub struct Secret {
    name: String,
    fields: Option<Arc<[String]>>,
    origin: Origin,
}

enum Origin {
    Vault(Arc<Credential>),
    /// `vault.fail_open`.
    Static(Values),
}

impl Secret {
    /// As in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A field as text; `None` when there is none that may be seen, and once the secret has ended.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<SecretString> {
        if self.fields.as_ref().is_some_and(|fields| !fields.iter().any(|name| name == field)) {
            return None;
        }
        self.values()?.text(field)
    }

    /// When it ends, as of now; `None` without an end.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        match &self.origin {
            Origin::Vault(credential) => credential.not_after(),
            Origin::Static(_) => None,
        }
    }

    /// Version of a KV secret.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match &self.origin {
            Origin::Vault(credential) => credential.version(),
            Origin::Static(_) => None,
        }
    }

    /// Keeps it alive in Vault while the answer lives, also after it was replaced.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        match &self.origin {
            Origin::Vault(credential) => Some(credential.hold()),
            Origin::Static(_) => None,
        }
    }

    /// Whether it did not come from Vault.
    #[must_use]
    pub fn is_static(&self) -> bool {
        matches!(self.origin, Origin::Static(_))
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.values().is_some()
    }

    fn values(&self) -> Option<&Values> {
        match &self.origin {
            Origin::Vault(credential) => credential.secrets(),
            Origin::Static(values) => Some(values),
        }
    }

    #[cfg(test)]
    pub(crate) fn fixed(name: &str, values: &[(&str, &str)]) -> Arc<Self> {
        let values = values.iter().map(|(field, value)| (*field, SecretString::from(*value))).collect();
        Arc::new(Self { name: name.to_owned(), fields: None, origin: Origin::Static(values) })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("static", &self.is_static())
            .finish_non_exhaustive()
    }
}

/// Secrets whose last content was not taken, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejected(Arc<Mutex<BTreeMap<String, String>>>);

impl Rejected {
    pub(super) fn list(&self) -> BTreeMap<String, String> {
        self.lock().clone()
    }

    fn set(&self, name: &str, why: Option<String>) {
        match why {
            Some(why) => self.lock().insert(name.to_owned(), why),
            None => self.lock().remove(name),
        };
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on what Vault's keeper publishes.
pub(super) struct Forward {
    pub(super) name: String,
    pub(super) fields: Option<Vec<String>>,
    pub(super) fallback: Option<Fallback>,
    pub(super) from: watch::Receiver<Option<Arc<Credential>>>,
    pub(super) extensions: Option<watch::Receiver<u64>>,
    pub(super) to: watch::Sender<Option<Arc<Secret>>>,
    pub(super) changes: watch::Sender<u64>,
    pub(super) rejected: Rejected,
}

impl Forward {
    pub(super) async fn run(mut self) {
        let fields: Option<Arc<[String]>> = self.fields.take().map(Arc::from);
        let mut fall_back_at = self.fallback.as_ref().map(|_| Instant::now() + FALLBACK_AFTER);
        loop {
            let current = self.from.borrow_and_update().clone();
            match current {
                Some(credential) => {
                    if self.take(credential, fields.clone()) {
                        fall_back_at = None;
                    }
                }
                None => {
                    let fixed = self.to.borrow().as_ref().is_some_and(|secret| secret.is_static());
                    if !fixed {
                        self.publish(None);
                        let later = Instant::now() + FALLBACK_AFTER;
                        fall_back_at = fall_back_at.or(self.fallback.as_ref().map(|_| later));
                    }
                }
            }
            tokio::select! {
                changed = self.from.changed() => {
                    if changed.is_err() {
                        // Vault's side has ended; nothing may be seen any more that could be revoked now.
                        self.publish(None);
                        return;
                    }
                }
                () = extended(&mut self.extensions) => {
                    // Its end has moved.
                    self.to.send_modify(|_| {});
                    self.tell();
                }
                () = due(fall_back_at) => {
                    fall_back_at = self.fall_back(fields.clone()).await;
                }
            }
        }
    }

    /// A version that lacks a field does not replace one that has it.
    fn take(&self, credential: Arc<Credential>, fields: Option<Arc<[String]>>) -> bool {
        let has = |field: &String| {
            credential.secrets().is_some_and(|secrets| secrets.names().any(|name| name == field))
        };
        let missing = fields.iter().flat_map(|fields| fields.iter()).find(|field| !has(field));
        if let Some(missing) = missing {
            let why =
                format!("version {} has no field `{missing}`", credential.version().unwrap_or_default());
            tracing::error!(
                secret = self.name,
                reason = why,
                "a secret was not taken; an earlier one stays in force"
            );
            self.rejected.set(&self.name, Some(why));
            return false;
        }
        self.rejected.set(&self.name, None);
        if self.to.borrow().as_ref().is_some_and(|before| before.is_static()) {
            tracing::warn!(
                secret = self.name,
                "Vault gives the secret again: its static value is used no more"
            );
        }
        let origin = Origin::Vault(credential);
        self.publish(Some(Arc::new(Secret { name: self.name.clone(), fields, origin })));
        true
    }

    /// When to try again.
    async fn fall_back(&self, fields: Option<Arc<[String]>>) -> Option<Instant> {
        let fallback = self.fallback.as_ref()?;
        match fallback::values(fallback).await {
            Ok(values) => {
                tracing::warn!(
                    secret = self.name,
                    "FAIL OPEN: Vault does not give the secret, its static value is used. This is for development only"
                );
                let origin = Origin::Static(values);
                self.publish(Some(Arc::new(Secret { name: self.name.clone(), fields, origin })));
                None
            }
            Err(error) => {
                tracing::error!(secret = self.name, %error, "the static value of a secret cannot be used either");
                Some(Instant::now() + FALLBACK_AFTER)
            }
        }
    }

    fn publish(&self, secret: Option<Arc<Secret>>) {
        let changed = self.to.send_if_modified(|before| {
            let same = match (&before, &secret) {
                (None, None) => true,
                (Some(before), Some(secret)) => before.same_as(secret),
                _ => false,
            };
            before.clone_from(&secret);
            !same
        });
        if changed {
            self.tell();
        }
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Secret {
    fn same_as(&self, other: &Self) -> bool {
        match (&self.origin, &other.origin) {
            (Origin::Vault(one), Origin::Vault(other)) => Arc::ptr_eq(one, other),
            (Origin::Static(one), Origin::Static(other)) => one.same_as(other),
            _ => false,
        }
    }
}

async fn extended(extensions: &mut Option<watch::Receiver<u64>>) {
    let extended = match extensions {
        Some(extensions) => extensions.changed().await.is_ok(),
        None => false,
    };
    if !extended {
        std::future::pending().await
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
