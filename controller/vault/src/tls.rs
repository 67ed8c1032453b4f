//! TLS towards Vault: rustls with ring, as everywhere in this workspace.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};

use crate::error::SourceError;
use crate::login::Print;
use crate::settings::TlsSettings;
use crate::source::{Identity, read_file};

/// What the files hold now.
pub(crate) async fn config(
    settings: &TlsSettings,
    identity: Option<&Identity>,
) -> Result<ClientConfig, SourceError> {
    let roots = match &settings.ca_file {
        Some(path) => roots_of(path, &read_file(path).await?)?,
        None => system_roots().await?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SourceError::new(format!("TLS: {e}")))?
        .with_root_certificates(roots);
    let Some(identity) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| SourceError::new("the client certificate is not PEM"))?;
    if chain.is_empty() {
        return Err(SourceError::new("the client certificate's file holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&identity.key)
        .map_err(|_| SourceError::new("the client certificate's key is no PEM private key"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|e| SourceError::new(format!("the client certificate cannot be used: {e}")))
}

/// A print of what is in a file of authorities, if that can be used.
pub(crate) async fn authorities(path: &Path) -> Result<Print, SourceError> {
    let pem = read_file(path).await?;
    roots_of(path, &pem).map(|_| Sha256::digest(&*pem).into())
}

fn roots_of(path: &Path, pem: &[u8]) -> Result<RootCertStore, SourceError> {
    let bad = |why: &str| SourceError::new(format!("{}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| bad("is not PEM"))?;
        roots.add(certificate).map_err(|_| bad("holds a certificate that cannot be an authority"))?;
    }
    if roots.is_empty() {
        return Err(bad("holds no certificate"));
    }
    Ok(roots)
}

async fn system_roots() -> Result<RootCertStore, SourceError> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|_| SourceError::new("the system's authorities cannot be read"))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(SourceError::new("the system has no certificates of authorities: give a CA file"));
    }
    Ok(roots)
}
