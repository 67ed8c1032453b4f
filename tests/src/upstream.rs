//! The service behind Envoy: answers each request with what it saw of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::recorder::Recorder;

/// A server on a free port of this process. It answers 200 with
/// `{"method", "path", "headers": [[name, value], …], "body_bytes"}`, takes every `upgrade`, redirects `/redirect/x` to
/// `http://api.example.org/x`, and notes what it gets.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    recorder: Recorder,
    // Dropping it ends the server.
    _runtime: tokio::runtime::Runtime,
}

impl Upstream {
    /// Starts it.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("upstream")
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(AtomicU64::new(0));
        let recorder = Recorder::default();
        runtime.spawn(serve(listener, Arc::clone(&requests), recorder.clone()));
        Self { address, requests, recorder, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it got.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Number of requests that have reached it: a refused one must not.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, requests: Arc<AtomicU64>, recorder: Recorder) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (requests, recorder) = (Arc::clone(&requests), recorder.clone());
        let service = service_fn(move |request| {
            requests.fetch_add(1, Ordering::SeqCst);
            echo(request, recorder.clone())
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}

async fn echo(request: Request<Incoming>, recorder: Recorder) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT || head.headers.contains_key("upgrade") {
        recorder.note(&head, None);
        return Ok(switch(&head.headers));
    }
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(n, v)| json!([n.as_str(), String::from_utf8_lossy(v.as_bytes())]))
        .collect();
    let body = body.collect().await.ok();
    recorder.note(&head, body.as_ref().and_then(|body| body.trailers()));
    if let Some(to) = head.uri.path().strip_prefix("/redirect/") {
        return Ok(redirect(to));
    }
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let seen = json!({
        "method": head.method.as_str(),
        "path": head.uri.to_string(),
        "headers": headers,
        "body_bytes": body.len(),
    });
    Ok(Response::new(Full::new(Bytes::from(seen.to_string()))))
}

/// Sends elsewhere, and names a caller who is none.
fn redirect(to: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FOUND;
    let location = format!("http://api.example.org/{to}");
    answer.headers_mut().insert("location", location.parse().expect("a URL"));
    answer.headers_mut().insert("x-spiffe-id", "spiffe://example.org/admin".parse().expect("a header"));
    answer
}

/// Takes what was asked for; the test ends the connection.
fn switch(headers: &HeaderMap) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    if let Some(protocol) = headers.get("upgrade") {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert("connection", "upgrade".parse().expect("a header"));
        answer.headers_mut().insert("upgrade", protocol.clone());
    }
    answer
}
