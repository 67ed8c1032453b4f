//! A Workload API whose keys change on demand, so that the moment of each change is known.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;

use svidgate_controller::workload_api::pb;
use svidgate_controller::workload_api::pb::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use svidgate_forge::{Key, jwks};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

/// Key ids that tell the number of the change end behind this.
pub const CHANGE_PREFIX: &str = "change-";

/// The Workload API, on a thread of its own.
pub struct Authority {
    socket: PathBuf,
    state: watch::Sender<pb::JwtBundlesResponse>,
    moments: Mutex<Vec<Instant>>,
    keys: Vec<Key>,
    // Dropping it ends the server.
    _runtime: Runtime,
}

impl Authority {
    /// Serves `trust_domains` bundles of two keys on `<folder>/authority.sock`. That is change 0.
    pub fn start(folder: &Path, trust_domains: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("authority")
            .enable_all()
            .build()
            .expect("a runtime");
        let keys = (0..trust_domains * 2).map(|number| Key::p256(&format!("key-{number}"))).collect();
        let socket = folder.join("authority.sock");
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(&socket).expect("a socket for the Workload API")
        };
        let (state, shared) = watch::channel(pb::JwtBundlesResponse::default());
        let server = tonic::transport::Server::builder()
            .add_service(SpiffeWorkloadApiServer::new(Service(shared)))
            .serve_with_incoming(UnixListenerStream::new(listener));
        runtime.spawn(server);
        let authority = Self { socket, state, moments: Mutex::default(), keys, _runtime: runtime };
        authority.change();
        authority
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Changes a key of the first trust domain and returns the number of the change.
    pub fn change(&self) -> usize {
        let mut moments = self.moments.lock().expect("no panic while it is held");
        let number = moments.len();
        let bundles = self.bundles(number);
        moments.push(Instant::now());
        self.state.send_replace(pb::JwtBundlesResponse { bundles });
        number
    }

    /// The key whose id changes.
    pub fn key(&self) -> Key {
        self.keys[0].clone()
    }

    /// A key of the first trust domain that never changes.
    pub fn lasting_key(&self) -> Key {
        self.keys[1].clone()
    }

    /// When a change was made: right before it was sent to the controller.
    pub fn moment_of(&self, change: usize) -> Instant {
        self.moments.lock().expect("no panic while it is held")[change]
    }

    /// The newest change.
    pub fn newest(&self) -> usize {
        self.moments.lock().expect("no panic while it is held").len() - 1
    }

    fn bundles(&self, change: usize) -> HashMap<String, Vec<u8>> {
        let bundle = |(number, keys): (usize, &[Key])| {
            let current = match number {
                0 => keys[0].with_kid(&format!("{CHANGE_PREFIX}{change}")),
                _ => keys[0].clone(),
            };
            (format!("spiffe://td{number}.example.org"), jwks([current.jwk(), keys[1].jwk()]))
        };
        self.keys.chunks(2).enumerate().map(bundle).collect()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("socket", &self.socket).finish_non_exhaustive()
    }
}

struct Service(watch::Receiver<pb::JwtBundlesResponse>);

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = Messages<pb::X509svidResponse>;
    type FetchX509BundlesStream = Messages<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<pb::JwtBundlesResponse>;

    async fn fetch_jwt_bundles(
        &self,
        _request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Ok(Response::new(Box::pin(WatchStream::new(self.0.clone()).map(Ok))))
    }

    async fn fetch_x509svid(
        &self,
        _request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        Err(no_such())
    }

    async fn fetch_x509_bundles(
        &self,
        _request: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(no_such())
    }

    async fn fetch_jwtsvid(
        &self,
        _request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        Err(no_such())
    }

    async fn validate_jwtsvid(
        &self,
        _request: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        Err(no_such())
    }
}

fn no_such() -> Status {
    Status::unimplemented("this authority has bundles only")
}
