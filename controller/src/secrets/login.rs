//! How the controller logs in: what stands in the settings, as the client takes it.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use secrecy::SecretString;
use spiffe::WorkloadApiClient;
use svidgate_vault::{FromFile, FromFn, Identity, IdentitySource, Login, Method, SecretSource, SourceError};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::{Auth, AuthMethod, Given, Identity as IdentityFrom, Jwt};
use crate::source::x509::X509;

type Svid = watch::Receiver<Option<Arc<X509>>>;

/// What takes SVIDs fails at each login where there is no Workload API, which the settings do not let happen.
pub(super) fn of(auth: &Auth, workload_api: Option<&str>, svid: Option<&Svid>) -> Login {
    let method = match &auth.method {
        AuthMethod::Kubernetes { role, token_file } => {
            Method::Kubernetes { role: role.clone(), token: file(token_file) }
        }
        AuthMethod::Jwt { role, token } => Method::Jwt {
            role: role.clone(),
            token: match token {
                Jwt::File(path) => file(path),
                Jwt::Svid { audience } => jwt_svid(workload_api, audience),
            },
        },
        AuthMethod::AppRole { role_id, secret_id } => {
            Method::AppRole { role_id: given(role_id), secret_id: secret_id.as_ref().map(given) }
        }
        AuthMethod::Cert { role, identity: IdentityFrom::Files { certificate, key } } => {
            Method::Cert { role: role.clone(), certificate: certificate.clone(), key: key.clone() }
        }
        AuthMethod::Cert { role, identity: IdentityFrom::Svid } => {
            Method::CertFrom { role: role.clone(), identity: Arc::new(OfSvid(svid.cloned())) }
        }
        AuthMethod::Token(token) => Method::Token { token: given(token) },
    };
    Login { mount: auth.mount.clone(), method }
}

fn file(path: &Path) -> Arc<dyn SecretSource> {
    Arc::new(FromFile(path.to_owned()))
}

fn given(given: &Given) -> Arc<dyn SecretSource> {
    match given {
        Given::File(path) => file(path),
        Given::Environment(name) => {
            let variable = name.clone();
            Arc::new(FromFn::new(format!("${name}"), move || {
                let found = environment(&variable);
                async move { found }
            }))
        }
    }
}

/// The value of a variable.
pub(super) fn environment(name: &str) -> Result<SecretString, SourceError> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(SecretString::from(value)),
        _ => Err(SourceError::new(format!("${name} is not set in the environment, or is empty"))),
    }
}

/// A JWT-SVID for Vault's audience, fetched at each login (checklist H9).
fn jwt_svid(workload_api: Option<&str>, audience: &str) -> Arc<dyn SecretSource> {
    let (address, audience) = (workload_api.map(str::to_owned), audience.to_owned());
    let name = format!("a JWT-SVID for {audience}");
    Arc::new(FromFn::new(name, move || {
        let (address, audience) = (address.clone(), audience.clone());
        async move {
            let none = || SourceError::new("there is no Workload API for the login");
            let address = address.ok_or_else(none)?;
            let fetched = async {
                let client = WorkloadApiClient::connect_to(&address).await?;
                client.fetch_jwt_svid([&audience], None).await
            };
            match fetched.await {
                Ok(svid) => Ok(SecretString::from(svid.token())),
                Err(error) => {
                    let error = crate::printable::escaped(&error.to_string()).to_string();
                    Err(SourceError::new(format!("the Workload API gives no JWT-SVID for Vault: {error}")))
                }
            }
        }
    }))
}

/// The X.509-SVID of the moment.
struct OfSvid(Option<Svid>);

impl IdentitySource for OfSvid {
    fn identity(&self) -> BoxFuture<'_, Result<Identity, SourceError>> {
        Box::pin(async {
            let none = || SourceError::new("there is no X.509-SVID for the login");
            let mut svid = self.0.clone().ok_or_else(none)?;
            let svid = svid.wait_for(Option::is_some).await.map_err(|_| none())?.clone().ok_or_else(none)?;
            Ok(Identity {
                certificate: Zeroizing::new(svid.certificate.clone().into_bytes()),
                key: Zeroizing::new(svid.private_key.as_bytes().to_vec()),
            })
        })
    }

    fn describe(&self) -> String {
        "the X.509-SVID".to_owned()
    }
}
