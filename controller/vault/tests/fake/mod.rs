//! A Vault of a few lines, in this process: tokens, leases, KV, databases; and faults on demand. It talks HTTP over pipes
//! in memory, so that tests can pause the clock.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod model;
pub mod world;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use svidgate_vault::Exchange;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use self::model::Model;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum How {
    /// This status with this body.
    Status(u16, &'static str),
    /// This status, `Retry-After` and an error.
    RetryAfter(u16, u64),
    /// A redirect.
    Redirect(u16, String),
    /// After this time, as if it had reached Vault only then.
    Slow(Duration),
    /// No answer, ever.
    Stuck,
    /// The connection ends in the middle of the answer.
    Half,
    /// Vault does what was asked, but the answer never comes.
    DoneButStuck,
    /// An answer that is larger than it should be.
    Huge(usize),
    /// Success with a body that is no JSON.
    Nonsense,
    /// No connection.
    Refused,
}

struct Fault {
    path: String,
    how: How,
    /// `None` for ever.
    times: Option<u32>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub headers: hyper::HeaderMap,
    pub body: Value,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Clone)]
pub struct Fake(Arc<Mutex<Inner>>);

struct Inner {
    model: Model,
    faults: Vec<Fault>,
    seen: Vec<Seen>,
    connects: usize,
}

impl Fake {
    pub fn new() -> Self {
        let model = Model::default();
        Self(Arc::new(Mutex::new(Inner { model, faults: Vec::new(), seen: Vec::new(), connects: 0 })))
    }

    /// Requests whose path (without `/v1/`) begins with `path` go wrong; all for "".
    pub fn fault(&self, path: &str, how: How, times: u32) {
        self.lock().faults.push(Fault { path: path.to_owned(), how, times: Some(times) });
    }

    pub fn fault_for_ever(&self, path: &str, how: How) {
        self.lock().faults.push(Fault { path: path.to_owned(), how, times: None });
    }

    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    pub fn model<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        change(&mut self.lock().model)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Requests so far to `path` and what begins with it.
    pub fn count(&self, path: &str) -> usize {
        self.lock().seen.iter().filter(|seen| seen.path.starts_with(path)).count()
    }

    pub fn forget(&self) {
        self.lock().seen.clear();
    }

    pub fn exchange(&self) -> Exchange {
        let client = Client::builder(TokioExecutor::new()).build(Connector(self.clone()));
        Exchange::new(client)
    }

    /// Serves over TCP as well, for a client in another process; gives its address.
    pub async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let fake = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if fake.take_fault("", true).is_some() {
                    continue;
                }
                let fake = fake.clone();
                let service = service_fn(move |request| fake.clone().answer(request));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        format!("http://{address}")
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics in here")
    }

    fn take_fault(&self, path: &str, connecting: bool) -> Option<How> {
        let mut inner = self.lock();
        let index = inner.faults.iter().position(|fault| {
            matches!(fault.how, How::Refused) == connecting && (connecting || path.starts_with(&fault.path))
        })?;
        let fault = &mut inner.faults[index];
        let how = fault.how.clone();
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                inner.faults.remove(index);
            }
        }
        Some(how)
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, io::Error>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let path = head.uri.path().trim_start_matches("/v1/").to_owned();
        let token = head.headers.get("x-vault-token").map(|token| token.to_str().expect("ASCII").to_owned());
        let seen = Seen {
            at: Instant::now(),
            method: head.method.to_string(),
            path: path.clone(),
            token,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        self.lock().seen.push(seen.clone());
        let fault = self.take_fault(&path, false);
        let answer = match fault {
            Some(How::Stuck) => std::future::pending().await,
            Some(How::Slow(time)) => {
                tokio::time::sleep(time).await;
                self.lock().model.answer(&seen)
            }
            Some(How::DoneButStuck) => {
                self.lock().model.answer(&seen);
                std::future::pending().await
            }
            Some(How::Half) => {
                self.lock().model.answer(&seen);
                let pieces = [
                    Ok(Frame::data(Bytes::from_static(b"{\"data\":{\"user"))),
                    Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                ];
                return Ok(Response::new(StreamBody::new(stream::iter(pieces)).boxed()));
            }
            Some(How::Huge(bytes)) => {
                return Ok(Response::new(full(Bytes::from(vec![b' '; bytes]))));
            }
            Some(How::Nonsense) => return Ok(Response::new(full(Bytes::from_static(b"<html>hello</html>")))),
            Some(How::Status(status, body)) => {
                return Ok(response(status, Bytes::from_static(body.as_bytes())));
            }
            Some(How::RetryAfter(status, seconds)) => {
                let mut response = response(
                    status,
                    Bytes::from_static(b"{\"errors\":[\"request path: rate limit quota exceeded\"]}"),
                );
                response.headers_mut().insert("retry-after", seconds.into());
                return Ok(response);
            }
            Some(How::Redirect(status, to)) => {
                let mut response = response(status, Bytes::new());
                response.headers_mut().insert("location", to.parse().expect("a header"));
                return Ok(response);
            }
            Some(How::Refused) | None => self.lock().model.answer(&seen),
        };
        let (status, body) = answer;
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Ok(response(status, body))
    }
}

fn response(status: u16, body: Bytes) -> Response<BoxBody<Bytes, io::Error>> {
    Response::builder().status(status).body(full(body)).expect("a response")
}

fn full(body: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(body).map_err(|never| match never {}).boxed()
}

pub fn errors(texts: &[&str]) -> Value {
    json!({ "errors": texts })
}

#[derive(Clone)]
struct Connector(Fake);

impl tower::Service<Uri> for Connector {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pipe>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let fake = self.0.clone();
        Box::pin(async move {
            if fake.take_fault("", true).is_some() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            fake.lock().connects += 1;
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let service = service_fn(move |request| fake.clone().answer(request));
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
            Ok(Pipe(TokioIo::new(ours)))
        })
    }
}

struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Lets everything that is ready run, without time passing.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Time passes, in small steps so that each timer sees its moment.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}
