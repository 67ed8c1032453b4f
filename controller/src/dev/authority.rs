//! The JWT authority of one trust domain: which key signs, which are published, and how that changes.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::{JwtKey, KeyError, KeyType, SvidClaims};

/// The keys of a trust domain. By construction exactly one signs and at most one waits to.
///
/// A key's way is prepared → active → old → gone. It is in the bundle from the first to the last, so a token
/// verifies before, while and after its key is the active one, until the key is revoked.
#[derive(Clone, Debug)]
pub struct JwtAuthority {
    active: Published,
    prepared: Option<Published>,
    old: Vec<Published>,
}

/// Where a key is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, so that verifiers know it before the first token comes; signs nothing yet.
    Prepared,
    /// Signs every new token.
    Active,
    /// Signs nothing any more; its tokens still verify.
    Old,
}

/// Why a change of keys was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// Two prepared keys would leave open which one comes next.
    #[error("key {0} is prepared already; activate or revoke it first")]
    AlreadyPrepared(String),
    /// Activation without a preparation before it.
    #[error("no key is prepared; prepare one first")]
    NothingPrepared,
    /// No key of that name is in the bundle.
    #[error("no key {0} in the bundle; `svidgate dev status` lists them")]
    UnknownKey(String),
    /// The active key can go only when another takes its place.
    #[error("key {0} signs now and no other is ready to take its place")]
    NoReplacement(String),
}

#[derive(Clone, Debug)]
struct Published {
    key: Arc<JwtKey>,
    since: SystemTime,
}

impl JwtAuthority {
    /// An authority whose first key is active at once.
    #[must_use]
    pub fn new(key: JwtKey, now: SystemTime) -> Self {
        Self { active: Published::new(key, now), prepared: None, old: Vec::new() }
    }

    /// Publishes `key`, which signs nothing until it is activated. Returns its name.
    pub fn prepare(&mut self, key: JwtKey, now: SystemTime) -> Result<String, AuthorityError> {
        if let Some(waiting) = &self.prepared {
            return Err(AuthorityError::AlreadyPrepared(waiting.kid()));
        }
        let published = Published::new(key, now);
        let kid = published.kid();
        self.prepared = Some(published);
        Ok(kid)
    }

    /// The prepared key signs from now on; the one before it stays in the bundle. Returns the new one's name.
    pub fn activate(&mut self) -> Result<String, AuthorityError> {
        let next = self.prepared.take().ok_or(AuthorityError::NothingPrepared)?;
        let kid = next.kid();
        self.old.push(std::mem::replace(&mut self.active, next));
        Ok(kid)
    }

    /// Whether `kid` can be revoked only with a key to take its place.
    #[must_use]
    pub fn needs_replacement(&self, kid: &str) -> bool {
        self.prepared.is_none() && self.active.key.kid() == kid
    }

    /// Takes a key out of the bundle: its tokens are void from now on. If it is the active one, the prepared key or
    /// else `replacement` becomes active first.
    pub fn revoke(
        &mut self,
        kid: &str,
        replacement: Option<JwtKey>,
        now: SystemTime,
    ) -> Result<(), AuthorityError> {
        if self.active.key.kid() == kid {
            let next = self.prepared.take().or_else(|| replacement.map(|key| Published::new(key, now)));
            self.active = next.ok_or_else(|| AuthorityError::NoReplacement(kid.to_owned()))?;
            return Ok(());
        }
        if self.prepared.as_ref().is_some_and(|waiting| waiting.key.kid() == kid) {
            self.prepared = None;
            return Ok(());
        }
        let before = self.old.len();
        self.old.retain(|old| old.key.kid() != kid);
        if self.old.len() == before {
            return Err(AuthorityError::UnknownKey(kid.to_owned()));
        }
        Ok(())
    }

    /// Takes every old key out of the bundle. Returns their names.
    pub fn revoke_old(&mut self) -> Vec<String> {
        self.old.drain(..).map(|old| old.kid()).collect()
    }

    /// A token of the active key.
    pub fn sign(&self, claims: SvidClaims) -> Result<String, KeyError> {
        self.active.key.sign(claims)
    }

    /// The bundle as the Workload API gives it: a JWK Set without `use` (checklist B1). Its bytes change only when
    /// a key comes or goes.
    #[must_use]
    pub fn jwks(&self) -> Vec<u8> {
        let mut keys: Vec<_> = self.published().map(|(_, published)| &*published.key).collect();
        keys.sort_by_key(|key| key.kid());
        let keys: Vec<_> = keys.into_iter().map(JwtKey::jwk).collect();
        json!({ "keys": keys }).to_string().into_bytes()
    }

    /// Every published key: name, kind, state, and since when it is published.
    pub fn keys(&self) -> impl Iterator<Item = (&str, KeyType, KeyState, SystemTime)> {
        self.published()
            .map(|(state, published)| (published.key.kid(), published.key.key_type(), state, published.since))
    }

    fn published(&self) -> impl Iterator<Item = (KeyState, &Published)> {
        let prepared = self.prepared.iter().map(|key| (KeyState::Prepared, key));
        let old = self.old.iter().map(|key| (KeyState::Old, key));
        std::iter::once((KeyState::Active, &self.active)).chain(prepared).chain(old)
    }
}

impl Published {
    fn new(key: JwtKey, since: SystemTime) -> Self {
        Self { key: Arc::new(key), since }
    }

    fn kid(&self) -> String {
        self.key.kid().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn key() -> JwtKey {
        JwtKey::generate(KeyType::Es256).unwrap()
    }

    fn authority() -> (JwtAuthority, String) {
        let key = key();
        let kid = key.kid().to_owned();
        (JwtAuthority::new(key, NOW), kid)
    }

    fn states(authority: &JwtAuthority) -> Vec<(String, KeyState)> {
        authority.keys().map(|(kid, _, state, _)| (kid.to_owned(), state)).collect()
    }

    fn bundle(authority: &JwtAuthority) -> BTreeSet<String> {
        let jwks: serde_json::Value = serde_json::from_slice(&authority.jwks()).unwrap();
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn b08_a_key_is_published_from_preparation_until_revocation() {
        let (mut authority, first) = authority();
        let second = authority.prepare(key(), NOW).unwrap();
        assert_eq!(
            states(&authority),
            [(first.clone(), KeyState::Active), (second.clone(), KeyState::Prepared)]
        );
        assert_eq!(bundle(&authority), BTreeSet::from([first.clone(), second.clone()]));

        let before = authority.jwks();
        assert_eq!(authority.activate().unwrap(), second);
        assert_eq!(authority.jwks(), before);
        assert_eq!(states(&authority), [(second.clone(), KeyState::Active), (first.clone(), KeyState::Old)]);
        assert_eq!(bundle(&authority), BTreeSet::from([second.clone(), first.clone()]));

        assert_eq!(authority.revoke_old(), [first]);
        assert_eq!(bundle(&authority), BTreeSet::from([second]));
    }

    #[test]
    fn a_second_preparation_is_refused_until_the_first_is_activated() {
        let (mut authority, _) = authority();
        let waiting = authority.prepare(key(), NOW).unwrap();
        assert_eq!(authority.prepare(key(), NOW), Err(AuthorityError::AlreadyPrepared(waiting)));
        authority.activate().unwrap();
        assert_eq!(authority.activate(), Err(AuthorityError::NothingPrepared));
        authority.prepare(key(), NOW).unwrap();
    }

    #[test]
    fn revoking_the_active_key_makes_the_prepared_one_active_first() {
        let (mut authority, first) = authority();
        let second = authority.prepare(key(), NOW).unwrap();
        assert!(!authority.needs_replacement(&first));
        authority.revoke(&first, None, NOW).unwrap();
        assert_eq!(states(&authority), [(second, KeyState::Active)]);
    }

    #[test]
    fn revoking_the_active_key_without_a_replacement_changes_nothing() {
        let (mut authority, first) = authority();
        assert!(authority.needs_replacement(&first));
        let refused = authority.revoke(&first, None, NOW);
        assert_eq!(refused, Err(AuthorityError::NoReplacement(first.clone())));
        assert_eq!(bundle(&authority), BTreeSet::from([first.clone()]));

        let replacement = key();
        let kid = replacement.kid().to_owned();
        authority.revoke(&first, Some(replacement), NOW).unwrap();
        assert_eq!(states(&authority), [(kid, KeyState::Active)]);
    }

    #[test]
    fn revoking_a_prepared_or_an_unknown_key() {
        let (mut authority, first) = authority();
        let second = authority.prepare(key(), NOW).unwrap();
        authority.revoke(&second, None, NOW).unwrap();
        assert_eq!(bundle(&authority), BTreeSet::from([first]));
        assert_eq!(authority.revoke(&second, None, NOW), Err(AuthorityError::UnknownKey(second)));
    }
}
