//! A controller in this process between a fake Workload API and HTTP clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]

mod fake_agent;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use svidgate_controller::config::{Config, Environment, load};
use svidgate_controller::run;
use svidgate_controller::source::workload_api::Probe;
use svidgate_snapshot::{Limits, Snapshot};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use fake_agent::FakeAgent;

/// Far above what anything here needs, so that a slow machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Setup {
    pub agent: FakeAgent,
    pub socket: PathBuf,
    pub folder: tempfile::TempDir,
    stop: CancellationToken,
    controller: JoinHandle<anyhow::Result<()>>,
}

impl Setup {
    /// Starts both.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts both, the controller with these environment variables.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_probing(variables, Probe::default()).await
    }

    /// Starts both, the controller with this text as its settings besides the sockets. `FOLDER` in it stands for a
    /// folder in which `prepare` may put files.
    pub async fn start_configured(yaml: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::start_beside(yaml, prepare, |_| {}).await
    }

    /// The same, beside an agent that `change` was at before.
    pub async fn start_beside(
        yaml: &str,
        prepare: impl FnOnce(&Path),
        change: impl FnOnce(&mut FakeAgent),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let yaml = yaml.replace("FOLDER", &folder.path().display().to_string());
        let file = folder.path().join("settings.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut agent = FakeAgent::start(&folder.path().join("agent.sock"));
        change(&mut agent);
        let socket = folder.path().join("c.sock");
        let config = load(Some(&file), &environment(agent.path(), &socket, &[])).unwrap();
        Self::run(folder, agent, socket, config).await
    }

    /// As before, and the controller asks the agent again as `probe` says.
    pub async fn start_probing(variables: &[(&str, &str)], probe: Probe) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = FakeAgent::start(&folder.path().join("agent.sock"));
        let socket = folder.path().join("c.sock");
        let mut config = config(agent.path(), &socket, variables);
        config.workload_api.as_mut().unwrap().probe = probe;
        Self::run(folder, agent, socket, config).await
    }

    async fn run(folder: tempfile::TempDir, agent: FakeAgent, socket: PathBuf, config: Config) -> Self {
        let stop = CancellationToken::new();
        let controller = tokio::spawn(run::until(config, stop.clone()));
        let setup = Self { agent, socket, folder, stop, controller };
        eventually("the controller serves", || async { UnixStream::connect(&setup.socket).await.is_ok() })
            .await;
        setup
    }

    pub async fn get(&self, path: &str) -> Answer {
        get(&self.socket, path, &[]).await
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).await.body).unwrap()
    }

    /// The snapshot once it satisfies `wanted`.
    pub async fn snapshot_with(&self, wanted: impl Fn(&Snapshot) -> bool) -> Answer {
        let found = std::sync::Mutex::new(None);
        eventually("the snapshot is as wanted", || async {
            let answer = self.get("/v1/snapshot?wait=0").await;
            let good = answer.status == StatusCode::OK && wanted(&answer.snapshot());
            *found.lock().unwrap() = Some(answer);
            good
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// A GET in the background that is held; it counts as begun when the controller shows it.
    pub async fn held(&self, node: &str, etag: &str, wait: u64) -> JoinHandle<Answer> {
        let socket = self.socket.clone();
        let (node, etag) = (node.to_owned(), etag.to_owned());
        let name = node.clone();
        let task = tokio::spawn(async move {
            let headers = [("x-svidgate-node", node.as_str()), ("if-none-match", etag.as_str())];
            get(&socket, &format!("/v1/snapshot?wait={wait}"), &headers).await
        });
        eventually("the request is held", || async { self.held_by(&name).await > 0 || task.is_finished() })
            .await;
        task
    }

    pub async fn held_by(&self, node: &str) -> u64 {
        let status = self.json("/status").await;
        let subscribers = status["subscribers"].as_array().unwrap().clone();
        subscribers.iter().filter(|s| s["node"] == node).map(|s| s["held"].as_u64().unwrap()).sum()
    }

    /// Ends the controller as SIGTERM does and waits for it.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.controller).await.expect("the controller ends").unwrap()
    }
}

pub fn config(agent: &Path, socket: &Path, variables: &[(&str, &str)]) -> Config {
    load(None, &environment(agent, socket, variables)).unwrap()
}

fn environment(agent: &Path, socket: &Path, variables: &[(&str, &str)]) -> Environment {
    let own = [
        ("SPIFFE_ENDPOINT_SOCKET", format!("unix://{}", agent.display())),
        ("SVIDGATE_SERVER_SOCKET", socket.display().to_string()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    own.chain(others).collect()
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::decode(&self.body, &Limits::default()).unwrap()
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

pub async fn get(socket: &Path, path: &str, headers: &[(&str, &str)]) -> Answer {
    let stream = UnixStream::connect(socket).await.unwrap();
    try_get(stream, path, headers).await.unwrap()
}

pub async fn try_get(stream: UnixStream, path: &str, headers: &[(&str, &str)]) -> hyper::Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header("host", "controller");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    // The connection ends with the request, also when the caller is dropped meanwhile.
    connection.abort();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// A request with a body.
pub async fn send(socket: &Path, method: Method, path: &str, body: &str) -> Answer {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "controller");
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Polls until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ids of the keys of a trust domain in a snapshot; empty when it is not there.
pub fn kids(snapshot: &Snapshot, trust_domain: &str) -> Vec<String> {
    let bundle = snapshot.trust().iter().find(|(domain, _)| domain.as_str() == trust_domain);
    bundle.map_or_else(Vec::new, |(_, bundle)| {
        let jwks: Value = serde_json::from_str(bundle.jwks()).unwrap();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    })
}

/// A JWK set with the key of RFC 7517, appendix A.1, under each id.
pub fn jwks(kids: &[&str]) -> String {
    json!({"keys": kids.iter().map(|kid| jwk(kid)).collect::<Vec<_>>()}).to_string()
}

/// The key of RFC 7517, appendix A.1.
pub fn jwk(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid,
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
}

/// Another key, that of RFC 7515, appendix A.3.
pub fn other_jwk(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}
