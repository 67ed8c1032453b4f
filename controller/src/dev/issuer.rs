//! The trust domains of one `svidgate dev`: their authorities, and every change to them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use svidgate_jwt_svid::{SpiffeId, TrustDomain};
use tokio::sync::{Mutex, watch};

use super::authority::{AuthorityError, JwtAuthority, KeyState};
use super::entry::Entry;
use super::key::{JwtKey, KeyError, KeyType, SvidClaims};
use super::x509::{X509Authority, X509Error};

/// Tells the time; tests choose it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Every trust domain by name: the own one and those it is federated with.
pub type Domains = BTreeMap<TrustDomain, Domain>;

/// The authorities of one trust domain.
#[derive(Clone)]
pub struct Domain {
    /// Signs JWT-SVIDs.
    pub jwt: JwtAuthority,
    /// Issues X.509-SVIDs.
    pub x509: X509Authority,
}

/// What an issuer is made with.
#[derive(Clone)]
pub struct Settings {
    /// The trust domain whose identities callers are given.
    pub trust_domain: TrustDomain,
    /// Trust domains whose bundles are served beside.
    pub federated: Vec<TrustDomain>,
    /// The identities that callers are given; the first is the default one.
    pub entries: Vec<Entry>,
    /// How long a JWT-SVID lives; whole seconds count.
    pub ttl: Duration,
    /// The kind of the first signing keys.
    pub key_type: KeyType,
    /// Tells the time.
    pub clock: Clock,
}

/// The trust domains and the way to change them. Whoever subscribed is told of each change at once.
pub struct Issuer {
    settings: Settings,
    domains: watch::Sender<Arc<Domains>>,
    /// Held through a change: between looking at the state and replacing it a key may have to be made.
    change: Mutex<()>,
}

/// Which steps of a rotation to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Publish a new key that signs nothing yet.
    Prepare,
    /// Let the prepared key sign.
    Activate,
}

/// Which keys to take out of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// The key of this name, in whatever state.
    Kid(String),
    /// Every key that no longer signs.
    AllOld,
}

/// A token that is asked for by the operator rather than by a workload.
#[derive(Clone, Debug)]
pub struct Mint {
    /// Any identity in any of the trust domains, registered or not.
    pub spiffe_id: SpiffeId,
    /// For whom.
    pub audience: Vec<String>,
    /// How long it lives from `iat` on; the issuer's own lifetime if `None`.
    pub ttl: Option<Duration>,
    /// How long ago it claims to have been made: more than the lifetime gives an expired token.
    pub issued_ago: Duration,
}

/// One published key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its name.
    pub kid: String,
    /// Its kind.
    pub key_type: KeyType,
    /// Where it is on its way.
    pub state: KeyState,
    /// Since when it is published, in seconds since 1970.
    pub since: u64,
}

/// Why the issuer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// The change of keys makes no sense now.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Neither the own trust domain nor a federated one.
    #[error("no trust domain {0} here")]
    UnknownTrustDomain(TrustDomain),
    /// A trust domain is named twice.
    #[error("trust domain {0} is given twice")]
    DuplicateTrustDomain(TrustDomain),
    /// An entry could never be issued.
    #[error("entry {0} is not in the trust domain {1}")]
    ForeignEntry(SpiffeId, TrustDomain),
    /// A caller would be given nothing.
    #[error("at least one entry is needed")]
    NoEntry,
    /// A token needs at least one audience, and none of them empty.
    #[error("at least one audience is needed, and none may be empty")]
    Audience,
    /// Tokens count in whole seconds.
    #[error("a token lives for at least one second")]
    Lifetime,
    /// The clock or the lifetime is outside of what a token can say.
    #[error("the times of the token are out of range")]
    Time,
    /// A key or token could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate could not be made.
    #[error(transparent)]
    X509(#[from] X509Error),
    /// The process is going down.
    #[error("key generation was interrupted")]
    Interrupted,
}

impl Issuer {
    /// Makes the keys of every trust domain.
    pub async fn new(settings: Settings) -> Result<Self, IssuerError> {
        check(&settings)?;
        let now = (settings.clock)();
        let mut domains = Domains::new();
        for name in std::iter::once(&settings.trust_domain).chain(&settings.federated) {
            let jwt = JwtAuthority::new(generate(settings.key_type).await?, now);
            let x509 = X509Authority::generate(name, now)?;
            if domains.insert(name.clone(), Domain { jwt, x509 }).is_some() {
                return Err(IssuerError::DuplicateTrustDomain(name.clone()));
            }
        }
        Ok(Self { settings, domains: watch::Sender::new(Arc::new(domains)), change: Mutex::new(()) })
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time as the issuer sees it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.settings.clock)()
    }

    /// The trust domains now and at each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Domains>> {
        self.domains.subscribe()
    }

    /// The trust domains now.
    #[must_use]
    pub fn domains(&self) -> Arc<Domains> {
        self.domains.borrow().clone()
    }

    /// Publishes a new key beside those that are there. Of the active key's kind if `key_type` is `None`.
    pub async fn prepare(
        &self,
        domain: &TrustDomain,
        key_type: Option<KeyType>,
    ) -> Result<String, IssuerError> {
        let _held = self.change.lock().await;
        self.prepare_held(domain, key_type).await
    }

    /// Lets the prepared key sign.
    pub async fn activate(&self, domain: &TrustDomain) -> Result<String, IssuerError> {
        let _held = self.change.lock().await;
        self.apply(domain, JwtAuthority::activate)
    }

    /// A whole rotation in one step: what is prepared, or else a new key, becomes the active one.
    pub async fn rotate(
        &self,
        domain: &TrustDomain,
        key_type: Option<KeyType>,
    ) -> Result<String, IssuerError> {
        let _held = self.change.lock().await;
        match self.prepare_held(domain, key_type).await {
            Ok(_) | Err(IssuerError::Authority(AuthorityError::AlreadyPrepared(_))) => {}
            Err(error) => return Err(error),
        }
        self.apply(domain, JwtAuthority::activate)
    }

    /// Takes keys out of the bundle: their tokens are void. Returns the names of these keys.
    pub async fn revoke(&self, domain: &TrustDomain, which: Revoke) -> Result<Vec<String>, IssuerError> {
        let _held = self.change.lock().await;
        let kid = match which {
            Revoke::AllOld => return self.apply(domain, |jwt| Ok(jwt.revoke_old())),
            Revoke::Kid(kid) => kid,
        };
        let replacement = match self.authority(domain)? {
            jwt if jwt.needs_replacement(&kid) => Some(generate(active_type(&jwt)).await?),
            _ => None,
        };
        let now = self.now();
        self.apply(domain, |jwt| jwt.revoke(&kid, replacement, now))?;
        Ok(vec![kid])
    }

    /// Serves this federated trust domain's bundles no longer. The own trust domain stays.
    pub async fn unfederate(&self, domain: &TrustDomain) -> Result<(), IssuerError> {
        let _held = self.change.lock().await;
        let mut domains = (*self.domains()).clone();
        if *domain == self.settings.trust_domain || domains.remove(domain).is_none() {
            return Err(IssuerError::UnknownTrustDomain(domain.clone()));
        }
        self.domains.send_replace(Arc::new(domains));
        Ok(())
    }

    /// A JWT-SVID as a workload gets it.
    pub fn issue(&self, id: &SpiffeId, audience: &[String]) -> Result<String, IssuerError> {
        self.mint(&Mint {
            spiffe_id: id.clone(),
            audience: audience.to_vec(),
            ttl: None,
            issued_ago: Duration::ZERO,
        })
    }

    /// A JWT-SVID of any identity, lifetime and age.
    pub fn mint(&self, mint: &Mint) -> Result<String, IssuerError> {
        if mint.audience.is_empty() || mint.audience.iter().any(String::is_empty) {
            return Err(IssuerError::Audience);
        }
        let ttl = mint.ttl.unwrap_or(self.settings.ttl).as_secs();
        if ttl == 0 {
            return Err(IssuerError::Lifetime);
        }
        let now = unix_seconds(self.now());
        let iat = now.checked_sub(mint.issued_ago.as_secs()).ok_or(IssuerError::Time)?;
        let exp = iat.checked_add(ttl).ok_or(IssuerError::Time)?;
        let claims =
            SvidClaims { sub: mint.spiffe_id.as_str().to_owned(), aud: mint.audience.clone(), exp, iat };
        Ok(self.authority(mint.spiffe_id.trust_domain())?.sign(claims)?)
    }

    /// The published keys of a trust domain.
    pub fn keys(&self, domain: &TrustDomain) -> Result<Vec<KeyStatus>, IssuerError> {
        let authority = self.authority(domain)?;
        let keys = authority.keys().map(|(kid, key_type, state, since)| KeyStatus {
            kid: kid.to_owned(),
            key_type,
            state,
            since: unix_seconds(since),
        });
        Ok(keys.collect())
    }

    async fn prepare_held(
        &self,
        domain: &TrustDomain,
        key_type: Option<KeyType>,
    ) -> Result<String, IssuerError> {
        let key_type = key_type.unwrap_or(active_type(&self.authority(domain)?));
        let key = generate(key_type).await?;
        let now = self.now();
        self.apply(domain, |jwt| jwt.prepare(key, now))
    }

    fn authority(&self, domain: &TrustDomain) -> Result<JwtAuthority, IssuerError> {
        let domains = self.domains.borrow();
        let found = domains.get(domain).map(|domain| domain.jwt.clone());
        found.ok_or_else(|| IssuerError::UnknownTrustDomain(domain.clone()))
    }

    /// Replaces the state by one in which `change` has happened to the keys of `domain`, or leaves it as it is.
    fn apply<T>(
        &self,
        domain: &TrustDomain,
        change: impl FnOnce(&mut JwtAuthority) -> Result<T, AuthorityError>,
    ) -> Result<T, IssuerError> {
        let mut domains = (*self.domains()).clone();
        let found = domains.get_mut(domain);
        let found = found.ok_or_else(|| IssuerError::UnknownTrustDomain(domain.clone()))?;
        let outcome = change(&mut found.jwt)?;
        self.domains.send_replace(Arc::new(domains));
        Ok(outcome)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("trust_domain", &self.settings.trust_domain).finish_non_exhaustive()
    }
}

fn check(settings: &Settings) -> Result<(), IssuerError> {
    if settings.ttl.as_secs() == 0 {
        return Err(IssuerError::Lifetime);
    }
    if settings.entries.is_empty() {
        return Err(IssuerError::NoEntry);
    }
    for entry in &settings.entries {
        if *entry.spiffe_id.trust_domain() != settings.trust_domain {
            let (id, domain) = (entry.spiffe_id.clone(), settings.trust_domain.clone());
            return Err(IssuerError::ForeignEntry(id, domain));
        }
    }
    Ok(())
}

/// RSA takes about a second, so keys are made off the async threads.
async fn generate(key_type: KeyType) -> Result<JwtKey, IssuerError> {
    let made = tokio::task::spawn_blocking(move || JwtKey::generate(key_type)).await;
    Ok(made.map_err(|_| IssuerError::Interrupted)??)
}

fn active_type(authority: &JwtAuthority) -> KeyType {
    let mut keys = authority.keys();
    keys.find(|(_, _, state, _)| *state == KeyState::Active).map_or_else(KeyType::default, |key| key.1)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
