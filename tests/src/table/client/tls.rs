//! TLS, with or without a client certificate.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::PATIENCE;
use crate::table::config::Tls;
use crate::table::peers::pki;

use super::Target;

/// A connection for HTTP/1.1.
pub(super) fn connect(target: &Target) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(target.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let client =
        ClientConnection::new(Arc::new(config(target, b"http/1.1")), name()).map_err(io::Error::other)?;
    Ok(StreamOwned::new(client, stream))
}

/// What carries HTTP/2.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection for HTTP/2, with TLS where the listener has it.
pub(super) async fn connect_h2(target: Target) -> io::Result<Box<dyn Stream>> {
    let stream = tokio::net::TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    if target.tls == Tls::None {
        return Ok(Box::new(stream));
    }
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config(&target, b"h2")));
    Ok(Box::new(connector.connect(name(), stream).await?))
}

/// The client of [`connect`], for a test that does more with it.
pub(in crate::table) fn client(target: &Target) -> (ClientConfig, ServerName<'static>) {
    (config(target, b"http/1.1"), name())
}

fn config(target: &Target, protocol: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(der(&pki().own.pem())).expect("a CA");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots);
    let mut config = match target.peer {
        None => builder.with_no_client_auth(),
        Some(peer) => {
            let certificate = peer.certificate();
            builder.with_client_auth_cert(certificate.chain(), certificate.key()).expect("a key")
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

fn der(pem: &str) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}
