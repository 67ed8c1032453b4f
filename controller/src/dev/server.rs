//! An embedded trust domain that runs: the Workload API and the admin interface, each on its socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener as _;
use futures::{FutureExt as _, Stream};
use svidgate_jwt_svid::{SpiffeId, TrustDomain};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::admin;
use super::entry::Entry;
use super::issuer::{Issuer, IssuerError, Settings};
use super::key::KeyType;
use super::service::{WorkloadApi, require_security_header};
use crate::serve::{Socket, SocketError};
use crate::workload_api::pb::spiffe_workload_api_server::SpiffeWorkloadApiServer;

/// What to serve and where.
#[derive(Clone)]
pub struct Options {
    /// The trust domains, entries and lifetimes.
    pub settings: Settings,
    /// Where workloads find the Workload API.
    pub socket: PathBuf,
    /// Permissions of that socket.
    pub socket_mode: u32,
    /// Where the operator's commands find the admin interface; its permissions are always 0600.
    pub admin_socket: PathBuf,
}

/// A running embedded trust domain. Dropping it closes and removes both sockets at once; [`Self::shutdown`] lets
/// calls that are under way end first.
pub struct TrustDomainServer {
    issuer: Arc<Issuer>,
    socket: PathBuf,
    admin_socket: PathBuf,
    stop: CancellationToken,
    servers: Vec<JoinHandle<io::Result<()>>>,
}

/// Why the trust domain could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The trust domains and entries make no sense, or a key could not be made.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A socket could not be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// As SPIRE has it.
pub const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

/// Only the user who started it.
pub const DEFAULT_SOCKET_MODE: u32 = 0o600;

/// Whoever may open it can have any identity signed.
const ADMIN_SOCKET_MODE: u32 = 0o600;

/// How long calls that are under way may take to end.
const GRACE: Duration = Duration::from_secs(5);

impl Options {
    /// One trust domain with the entry `id`, an ES256 key and the real clock, served on `socket`.
    #[must_use]
    pub fn new(id: &SpiffeId, socket: &Path) -> Self {
        Self {
            settings: Settings {
                trust_domain: id.trust_domain().clone(),
                federated: Vec::new(),
                entries: vec![Entry::new(id.clone())],
                ttl: DEFAULT_TTL,
                key_type: KeyType::default(),
                clock: Arc::new(crate::clock::now),
            },
            socket: socket.to_owned(),
            socket_mode: DEFAULT_SOCKET_MODE,
            admin_socket: admin_socket_beside(socket),
        }
    }
}

/// Where the admin interface is, when nothing else was said: the Workload API's path with `.admin` behind it.
#[must_use]
pub fn admin_socket_beside(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".admin");
    path.into()
}

impl TrustDomainServer {
    /// Makes the keys, opens both sockets and serves. Both sockets are ready when this returns.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let issuer = Arc::new(Issuer::new(options.settings).await?);
        let admin_socket = bind(&options.admin_socket, ADMIN_SOCKET_MODE).await?;
        let socket = bind(&options.socket, options.socket_mode).await?;
        let stop = CancellationToken::new();

        let api = WorkloadApi::new(Arc::clone(&issuer), stop.clone());
        let api = tonic::transport::Server::builder()
            .add_service(SpiffeWorkloadApiServer::with_interceptor(api, require_security_header))
            .serve_with_incoming_shutdown(connections(socket), stop.clone().cancelled_owned())
            .map(|ended| ended.map_err(io::Error::other));
        let routes = admin::server::router(Arc::clone(&issuer), options.socket.clone());
        let admin = axum::serve(admin_socket, routes).with_graceful_shutdown(stop.clone().cancelled_owned());

        Ok(Self {
            issuer,
            socket: options.socket,
            admin_socket: options.admin_socket,
            stop,
            servers: vec![tokio::spawn(api), tokio::spawn(admin.into_future())],
        })
    }

    /// The keys and the way to change them.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The own trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.issuer.settings().trust_domain
    }

    /// Where workloads find the Workload API.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The Workload API's address as `SPIFFE_ENDPOINT_SOCKET` has it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Where the operator's commands find the admin interface.
    #[must_use]
    pub fn admin_socket(&self) -> &Path {
        &self.admin_socket
    }

    /// Ends the streams, lets other calls finish (for at most five seconds) and removes the sockets.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let ended = futures::future::join_all(self.servers.iter_mut());
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("calls did not end within {GRACE:?} and were cut off");
        }
    }
}

impl Drop for TrustDomainServer {
    fn drop(&mut self) {
        self.stop.cancel();
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn bind(path: &Path, mode: u32) -> Result<Socket, SocketError> {
    Socket::bind_at(path, mode, None).await
}

/// The socket's connections as tonic takes them. The socket's file is removed when the stream is dropped.
fn connections(socket: Socket) -> impl Stream<Item = io::Result<UnixStream>> {
    futures::stream::unfold(socket, async |mut socket| {
        let (connection, _) = socket.accept().await;
        Some((Ok(connection), socket))
    })
}
