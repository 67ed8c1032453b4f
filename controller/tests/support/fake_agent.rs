//! A Workload API that says exactly what a test wants, wrong things included.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use svidgate_controller::workload_api::pb;
use svidgate_controller::workload_api::pb::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Code, Request, Response, Status};

/// What open and new streams get.
#[derive(Clone)]
enum Says {
    Bundles(HashMap<String, Vec<u8>>),
    Error(Code),
    /// The stream ends without an error.
    End,
    /// Streams stay as they are, and new ones get no message.
    Nothing,
}

impl Says {
    fn bundles(bundles: &[(&str, &str)]) -> Self {
        let entry = |(name, jwks): &(&str, &str)| (format!("spiffe://{name}"), jwks.as_bytes().to_vec());
        Self::Bundles(bundles.iter().map(entry).collect())
    }
}

pub struct FakeAgent {
    path: PathBuf,
    says: watch::Sender<Says>,
    calls: Arc<AtomicUsize>,
    identity: Arc<Mutex<Option<String>>>,
    svid_life: Arc<Mutex<Option<u64>>>,
    svid_calls: Arc<AtomicUsize>,
    /// Of its own, so that its end closes every connection as the end of a process does.
    runtime: Option<Runtime>,
}

impl FakeAgent {
    /// Serves on `path`, at first with no trust domain at all.
    pub fn start(path: &Path) -> Self {
        let mut agent = Self {
            path: path.to_owned(),
            says: watch::Sender::new(Says::Bundles(HashMap::new())),
            calls: Arc::default(),
            identity: Arc::default(),
            svid_life: Arc::default(),
            svid_calls: Arc::default(),
            runtime: None,
        };
        agent.up();
        agent
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends these bundles (trust domain, JWK set) as the full state.
    pub fn bundles(&self, bundles: &[(&str, &str)]) {
        self.says.send_replace(Says::bundles(bundles));
    }

    /// Sends these bundles to new streams; open ones say nothing of it.
    pub fn bundles_for_new_streams(&self, bundles: &[(&str, &str)]) {
        self.says.send_if_modified(|says| {
            *says = Says::bundles(bundles);
            false
        });
    }

    /// Gives this SPIFFE ID to who asks for an X.509-SVID; nobody gets one before.
    pub fn identity(&self, spiffe_id: &str) {
        *self.identity.lock().unwrap() = Some(spiffe_id.to_owned());
    }

    /// Gives JWT-SVIDs that live so many seconds, or none; nobody gets one before.
    pub fn jwt_svids(&self, life: Option<u64>) {
        *self.svid_life.lock().unwrap() = life;
    }

    /// How often a JWT-SVID was asked for.
    pub fn svid_calls(&self) -> usize {
        self.svid_calls.load(Ordering::SeqCst)
    }

    /// Ends every stream with this code, and answers new ones so.
    pub fn fails(&self, code: Code) {
        self.says.send_replace(Says::Error(code));
    }

    /// Ends every stream without an error; new ones too, until it says something else.
    pub fn ends_streams(&self) {
        self.says.send_replace(Says::End);
    }

    /// Hangs: calls are taken and never answered.
    pub fn hangs(&self) {
        self.says.send_replace(Says::Nothing);
    }

    /// Streams that were asked for so far, each with the security header.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Dies: connections break, and the socket's file stays behind.
    pub fn down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Comes back on the same path.
    pub fn up(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = std::os::unix::net::UnixListener::bind(&self.path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let service = Service {
            says: self.says.subscribe(),
            calls: Arc::clone(&self.calls),
            identity: Arc::clone(&self.identity),
            svid_life: Arc::clone(&self.svid_life),
            svid_calls: Arc::clone(&self.svid_calls),
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(SpiffeWorkloadApiServer::new(service))
                .serve_with_incoming(UnixListenerStream::new(UnixListener::from_std(listener).unwrap()))
                .await
        });
        self.runtime = Some(runtime);
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.down();
    }
}

struct Service {
    svid_life: Arc<Mutex<Option<u64>>>,
    svid_calls: Arc<AtomicUsize>,
    says: watch::Receiver<Says>,
    calls: Arc<AtomicUsize>,
    identity: Arc<Mutex<Option<String>>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = Answers<pb::X509svidResponse>;
    type FetchX509BundlesStream = Answers<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<pb::JwtBundlesResponse>;

    async fn fetch_jwt_bundles(
        &self,
        request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        require_header(&request)?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (answers, receiver) = mpsc::channel(1);
        let mut says = self.says.clone();
        says.mark_changed();
        tokio::spawn(async move {
            while says.changed().await.is_ok() {
                let answer = match says.borrow_and_update().clone() {
                    Says::Bundles(bundles) => Ok(pb::JwtBundlesResponse { bundles }),
                    Says::Error(code) => Err(Status::new(code, "as the test wants it")),
                    Says::End => return,
                    Says::Nothing => continue,
                };
                let last = answer.is_err();
                if answers.send(answer).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn fetch_x509svid(
        &self,
        request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        require_header(&request)?;
        let identity = self.identity.lock().unwrap().clone();
        let spiffe_id = identity.ok_or_else(|| Status::permission_denied("no identity issued"))?;
        let svid = pb::X509svid { spiffe_id, x509_svid_key: vec![1; 100], ..pb::X509svid::default() };
        let answer = pb::X509svidResponse { svids: vec![svid], ..pb::X509svidResponse::default() };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(answer)))))
    }

    async fn fetch_x509_bundles(
        &self,
        _: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented("not in this fake"))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        require_header(&request)?;
        self.svid_calls.fetch_add(1, Ordering::SeqCst);
        let life = *self.svid_life.lock().unwrap();
        let life = life.ok_or_else(|| Status::permission_denied("no identity issued"))?;
        let now = svidgate_controller::clock::unix_millis() / 1000;
        let claims = serde_json::json!({
            "sub": "spiffe://a.test/me", "aud": request.into_inner().audience, "iat": now, "exp": now + life,
            "jti": self.svid_calls.load(Ordering::SeqCst).to_string(),
        });
        // Whoever fetches does not verify.
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = serde_json::json!({"alg": "ES256", "kid": "1"});
        let svid = format!("{}.{}.c2ln", part(&header), part(&claims));
        let svid = pb::Jwtsvid { spiffe_id: "spiffe://a.test/me".to_owned(), svid, ..pb::Jwtsvid::default() };
        Ok(Response::new(pb::JwtsvidResponse { svids: vec![svid] }))
    }

    async fn validate_jwtsvid(
        &self,
        _: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented("not in this fake"))
    }
}

fn require_header<T>(request: &Request<T>) -> Result<(), Status> {
    if request.metadata().get("workload.spiffe.io").is_none_or(|value| value != "true") {
        return Err(Status::invalid_argument("security header missing from request"));
    }
    Ok(())
}
