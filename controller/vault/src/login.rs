//! How to get a token (checklist H9). What a method needs is read anew at each login.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::error::{Error, Fault, SourceError};
use crate::operation::Operation;
use crate::source::{Identity, IdentitySource, SecretSource, read_file};

/// A way to log in.
#[derive(Clone)]
pub struct Login {
    /// Where the method is mounted below `auth/`; its usual name without it.
    pub mount: Option<String>,
    /// What it takes.
    pub method: Method,
}

/// What a login takes.
#[derive(Clone)]
pub enum Method {
    /// The pod's service-account token.
    Kubernetes {
        /// Role in Vault.
        role: String,
        /// Usually `/var/run/secrets/kubernetes.io/serviceaccount/token`.
        token: Arc<dyn SecretSource>,
    },
    /// A JWT: from a file, or a JWT-SVID for Vault's audience.
    Jwt {
        /// Role in Vault; the mount's default role without it.
        role: Option<String>,
        /// Gives a JWT that is valid now.
        token: Arc<dyn SecretSource>,
    },
    /// Role id and secret id.
    AppRole {
        /// Not secret by itself, but treated so.
        role_id: Arc<dyn SecretSource>,
        /// Absent for roles that do not bind one.
        secret_id: Option<Arc<dyn SecretSource>>,
    },
    /// A client certificate, such as an X.509-SVID. Every call goes over a connection with it: Vault wants to see it at
    /// renewals too.
    Cert {
        /// Role in Vault; any that matches without it.
        role: Option<String>,
        /// Chain, PEM.
        certificate: PathBuf,
        /// PKCS #8, PKCS #1 or SEC1, PEM.
        key: PathBuf,
    },
    /// As [`Method::Cert`], with a certificate that does not lie in files, such as an X.509-SVID of the Workload API.
    CertFrom {
        /// Role in Vault; any that matches without it.
        role: Option<String>,
        /// Gives a certificate that is valid now.
        identity: Arc<dyn IdentitySource>,
    },
    /// A token that somebody else made. It is renewed, never revoked; a new one is taken when the source has it.
    Token {
        /// Where it is.
        token: Arc<dyn SecretSource>,
    },
}

/// What was read for one login.
pub(crate) struct Prepared {
    how: How,
    /// Tells whether anything has changed since.
    pub(crate) print: Print,
}

pub(crate) type Print = [u8; 32];

enum How {
    Post { path: String, content: Content, identity: Option<Identity> },
    Token(SecretString),
}

#[derive(Default, Serialize)]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    jwt: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    role_id: Option<SecretString>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    secret_id: Option<SecretString>,
}

/// A token, and the client that uses it.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// With the token, on a connection that fits it.
    pub client: Client,
    /// From just before the login; `None` never ends.
    pub lasts: Option<Duration>,
    /// Whether the token may be renewed.
    pub renewable: bool,
    /// Whether it was made for us, so that it is ours to revoke.
    pub ours: bool,
}

impl Login {
    /// At the method's usual mount.
    #[must_use]
    pub const fn new(method: Method) -> Self {
        Self { mount: None, method }
    }

    /// Logs in once, without a life cycle.
    ///
    /// # Errors
    /// When a source has nothing, or Vault does not take it.
    pub async fn log_in(&self, client: &Client) -> Result<LoggedIn, Error> {
        let prepared = self.prepare().await.map_err(source_failed)?;
        prepared.send(client).await
    }

    pub(crate) const fn brings_its_token(&self) -> bool {
        matches!(self.method, Method::Token { .. })
    }

    /// Whether every call goes over a connection that is bound to what the login took.
    pub(crate) const fn binds_its_connection(&self) -> bool {
        matches!(self.method, Method::Cert { .. } | Method::CertFrom { .. })
    }

    /// Reads what the method needs.
    pub(crate) async fn prepare(&self) -> Result<Prepared, SourceError> {
        let mut identity = None;
        let mut content = Content::default();
        match &self.method {
            Method::Kubernetes { role, token } => {
                content.role = Some(role.clone());
                content.jwt = Some(token.secret().await?);
            }
            Method::Jwt { role, token } => {
                content.role.clone_from(role);
                content.jwt = Some(token.secret().await?);
            }
            Method::AppRole { role_id, secret_id } => {
                content.role_id = Some(role_id.secret().await?);
                content.secret_id = match secret_id {
                    Some(source) => Some(source.secret().await?),
                    None => None,
                };
            }
            Method::Cert { role, certificate, key } => {
                content.name.clone_from(role);
                let (certificate, key) = (read_file(certificate).await?, read_file(key).await?);
                identity = Some(Identity { certificate, key });
            }
            Method::CertFrom { role, identity: source } => {
                content.name.clone_from(role);
                identity = Some(source.identity().await?);
            }
            Method::Token { token } => {
                let token = token.secret().await?;
                let print = Sha256::digest(token.expose_secret()).into();
                return Ok(Prepared { how: How::Token(token), print });
            }
        }
        let print = print(&content, identity.as_ref());
        let path = format!("auth/{}/login", self.mount());
        Ok(Prepared { how: How::Post { path, content, identity }, print })
    }

    fn mount(&self) -> &str {
        let usual = match self.method {
            Method::Kubernetes { .. } => "kubernetes",
            Method::Jwt { .. } => "jwt",
            Method::AppRole { .. } => "approle",
            Method::Cert { .. } | Method::CertFrom { .. } => "cert",
            Method::Token { .. } => "token",
        };
        self.mount.as_deref().map_or(usual, |mount| mount.trim_matches('/'))
    }
}

impl Prepared {
    pub(crate) async fn send(&self, client: &Client) -> Result<LoggedIn, Error> {
        match &self.how {
            How::Token(token) => {
                let client = client.reconnected(None).await.map_err(source_failed)?;
                let client = client.with_token(token.clone()).map_err(source_failed)?;
                let info = client.lookup_self().await?;
                Ok(LoggedIn { client, lasts: seconds(info.ttl), renewable: info.renewable, ours: false })
            }
            How::Post { path, content, identity } => {
                let client = client.reconnected(identity.as_ref()).await.map_err(source_failed)?;
                let auth = client.log_in(path, content).await?;
                let client = client.with_token(auth.client_token).map_err(source_failed)?;
                Ok(LoggedIn {
                    client,
                    lasts: seconds(auth.lease_duration),
                    renewable: auth.renewable,
                    ours: true,
                })
            }
        }
    }
}

fn source_failed(error: SourceError) -> Error {
    Error::new(Operation::Login, Fault::Source(error))
}

fn seconds(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn print(content: &Content, identity: Option<&Identity>) -> Print {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    };
    for text in [&content.role, &content.name] {
        add(text.as_deref().unwrap_or_default().as_bytes());
    }
    for secret in [&content.jwt, &content.role_id, &content.secret_id] {
        add(secret.as_ref().map_or("", |secret| secret.expose_secret()).as_bytes());
    }
    if let Some(identity) = identity {
        add(&identity.certificate);
        add(&identity.key);
    }
    hash.finalize().into()
}

fn exposed<S: serde::Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.expose_secret()).serialize(to)
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, source) = match &self.method {
            Method::Kubernetes { token, .. } => ("kubernetes", token.describe()),
            Method::Jwt { token, .. } => ("jwt", token.describe()),
            Method::AppRole { role_id, .. } => ("approle", role_id.describe()),
            Method::Cert { certificate, .. } => ("cert", certificate.display().to_string()),
            Method::CertFrom { identity, .. } => ("cert", identity.describe()),
            Method::Token { token } => ("token", token.describe()),
        };
        write!(f, "Login({name} at auth/{} with {source})", self.mount())
    }
}
