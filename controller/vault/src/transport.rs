//! One HTTP exchange: connections, TLS, size of the answer. No retries, no redirects, no Vault.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use zeroize::Zeroizing;

use crate::error::{ConnectFault, Fault, SourceError};

/// Sends a request and gives the head of its answer. What [`crate::Client`] uses beneath; tests put their own there.
pub type Exchange =
    BoxCloneSyncService<Request<Full<Bytes>>, Response<Incoming>, hyper_util::client::legacy::Error>;

/// Connections to Vault, kept open between requests.
#[derive(Clone)]
pub(crate) struct Transport {
    exchange: Exchange,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Transport {
    /// Over TCP, with `tls` for `https` addresses; without it `https` fails.
    pub(crate) fn network(
        tls: Option<ClientConfig>,
        server_name: Option<&str>,
        connect_timeout: Duration,
    ) -> Result<Self, SourceError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .clone();
        let exchange = match tls {
            None => Exchange::new(client.build(tcp)),
            Some(tls) => {
                // TLS is what is around it. Without TLS it refuses `https`, or would send tokens there in the clear.
                tcp.enforce_http(false);
                Exchange::new(client.build(https(tls, server_name, tcp)?))
            }
        };
        Ok(Self { exchange })
    }

    pub(crate) const fn over(exchange: Exchange) -> Self {
        Self { exchange }
    }

    /// The whole answer, of at most `limit` bytes.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Answer, Fault> {
        let response = self.exchange.clone().oneshot(request).await.map_err(|e| failed(&e))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|e| {
            if e.is::<LengthLimitError>() { Fault::TooLarge { limit } } else { Fault::Interrupted }
        })?;
        // One copy of the right size, which is wiped; hyper's own buffers are out of reach.
        let mut frames = body.aggregate();
        let mut whole = Zeroizing::new(vec![0; frames.remaining()]);
        frames.copy_to_slice(&mut whole);
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: whole })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

fn https(
    tls: ClientConfig,
    server_name: Option<&str>,
    tcp: HttpConnector,
) -> Result<HttpsConnector<HttpConnector>, SourceError> {
    // Plain `http` is not followed here: the connector refuses it.
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
    let Some(name) = server_name else {
        return Ok(builder.enable_http1().wrap_connector(tcp));
    };
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| SourceError::new("the TLS server name is no host name"))?;
    let resolver = FixedServerNameResolver::new(name);
    Ok(builder.with_server_name_resolver(resolver).enable_http1().wrap_connector(tcp))
}

fn failed(error: &hyper_util::client::legacy::Error) -> Fault {
    if !error.is_connect() {
        return Fault::Interrupted;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut found = ConnectFault::Other;
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Fault::Connect(ConnectFault::Tls(tls.to_string()));
        }
        let io = error.downcast_ref::<io::Error>();
        if let (Some(io), ConnectFault::Other | ConnectFault::Tcp(io::ErrorKind::Other)) = (io, &found) {
            found = ConnectFault::Tcp(io.kind());
        }
        // The connector's error type is private; its text is all there is to tell.
        if error.to_string().starts_with("dns error") {
            found = ConnectFault::Dns;
        }
        // `source` of an I/O error passes over what it wraps, and the connector wraps twice.
        cause = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Fault::Connect(found)
}

/// Shorter than the idle timeouts of usual load balancers.
const IDLE: Duration = Duration::from_secs(30);
const MAX_IDLE: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn h04_a_handshake_that_failed_is_told_from_a_connection_that_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let transport = Transport::network(Some(tls), None, Duration::from_secs(5)).expect("a transport");
        let request = || {
            let uri = format!("https://{address}/v1/sys/health");
            Request::builder().uri(uri).body(Full::default()).expect("a request")
        };

        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(b"this is no TLS at all").await.expect("sent");
        });
        let fault = transport.exchange(request(), 1024).await.map(|answer| answer.status);
        assert!(matches!(fault, Err(Fault::Connect(ConnectFault::Tls(_)))), "{fault:?}");
        server.await.expect("it ends, and nobody listens any more");
        let fault = transport.exchange(request(), 1024).await.map(|answer| answer.status);
        let refused = ConnectFault::Tcp(io::ErrorKind::ConnectionRefused);
        assert_eq!(fault, Err(Fault::Connect(refused)));
    }

    #[tokio::test]
    async fn h05_without_tls_nothing_is_sent_to_an_https_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let uri = format!("https://{}/v1/sys/health", listener.local_addr().expect("its address"));
        let transport = Transport::network(None, None, Duration::from_secs(5)).expect("a transport");
        let request = Request::builder().uri(uri).header("x-vault-token", "hush").body(Full::default());
        let asked = transport.exchange(request.expect("a request"), 1024);
        tokio::select! {
            fault = asked => assert!(matches!(fault.map(|_| ()), Err(Fault::Connect(_)))),
            connection = listener.accept() => panic!("it connected: {connection:?}"),
        }
    }
}
