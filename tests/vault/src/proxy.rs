//! A proxy before OpenBao that makes trouble when told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::serve;

/// What it does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Passes them on.
    None,
    /// Passes them on after this time.
    Slow(Duration),
    /// Closes the connection; OpenBao never hears of the request.
    CutBefore,
    /// Passes them on, and closes the connection instead of answering.
    CutAfter,
    /// Passes them on, and closes the connection in the middle of the answer.
    Half,
    /// Answers 429 itself, with `Retry-After` in seconds.
    TooMany(Option<u64>),
    /// Closes each connection before a request could come.
    Refuse,
    /// Passes them on, and forbids the one that gets them to pass them on to another.
    NoForwarding,
}

/// A request that came, and what answered it: a status, or 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Such as `GET database/creds/app`.
    pub what: String,
    /// Status of the answer.
    pub status: u16,
}

/// A plain HTTP proxy on loopback.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    trouble: Mutex<Trouble>,
    asked: Mutex<Vec<Asked>>,
    tokens: Mutex<BTreeSet<String>>,
}

impl Proxy {
    /// Before the OpenBao at `upstream`, such as `http://127.0.0.1:8200`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            trouble: Mutex::new(Trouble::None),
            asked: Mutex::default(),
            tokens: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on; requests under way are not touched.
    pub fn make(&self, trouble: Trouble) {
        *self.shared.trouble.lock().expect("whole") = trouble;
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("whole").clone()
    }

    /// Every token that was sent so far: OpenBao tells nobody which ones it gave.
    pub fn tokens(&self) -> BTreeSet<String> {
        self.shared.tokens.lock().expect("whole").clone()
    }

    /// How many requests there were whose line begins so, such as `GET database`.
    pub fn count(&self, begin: &str) -> usize {
        self.shared.asked.lock().expect("whole").iter().filter(|asked| asked.what.starts_with(begin)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        if shared.trouble() == Trouble::Refuse {
            continue;
        }
        let shared = shared.clone();
        serve::connection(stream, move |request| answer(shared.clone(), request));
    }
}

impl Shared {
    fn trouble(&self) -> Trouble {
        *self.trouble.lock().expect("whole")
    }

    fn note(&self, what: String, status: u16) {
        self.asked.lock().expect("whole").push(Asked { what, status });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Cut>, io::Error> {
    let path = request.uri().path().trim_start_matches("/v1/").to_owned();
    let what = format!("{} {path}", request.method());
    if let Some(token) = request.headers().get("x-vault-token") {
        let token = token.to_str().expect("ASCII").to_owned();
        shared.tokens.lock().expect("whole").insert(token);
    }
    let trouble = shared.trouble();
    match trouble {
        Trouble::CutBefore | Trouble::Refuse => {
            shared.note(what, 0);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Trouble::TooMany(retry_after) => {
            shared.note(what, 429);
            let mut response = Response::builder().status(429);
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds);
            }
            let body = r#"{"errors":["request path \"x\": rate limit quota exceeded"]}"#;
            return Ok(response.body(Cut::whole(Bytes::from_static(body.as_bytes()))).expect("a response"));
        }
        Trouble::Slow(time) => tokio::time::sleep(time).await,
        Trouble::None | Trouble::CutAfter | Trouble::Half | Trouble::NoForwarding => {}
    }
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let target =
        format!("{}{}", shared.upstream, head.uri.path_and_query().map_or("/", |path| path.as_str()));
    head.uri = target.parse::<Uri>().map_err(io::Error::other)?;
    if trouble == Trouble::NoForwarding {
        head.headers.insert("x-vault-no-request-forwarding", HeaderValue::from_static("true"));
    }
    let passed_on = shared.client.request(Request::from_parts(head, Full::new(body))).await;
    let Ok(response) = passed_on else {
        shared.note(what, 0);
        return Err(io::ErrorKind::ConnectionReset.into());
    };
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if trouble == Trouble::CutAfter {
        shared.note(what, 0);
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    shared.note(what, if trouble == Trouble::Half { 0 } else { head.status.as_u16() });
    let body = if trouble == Trouble::Half { Cut::half(body) } else { Cut::whole(body) };
    Ok(Response::from_parts(head, body))
}

/// An answer's body that may end too early; its length is announced in the headers as it was.
struct Cut {
    left: Option<Bytes>,
    breaks: bool,
}

impl Cut {
    const fn whole(body: Bytes) -> Self {
        Self { left: Some(body), breaks: false }
    }

    fn half(body: Bytes) -> Self {
        Self { left: Some(body.slice(..body.len() / 2)), breaks: true }
    }
}

impl Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.left.take() {
            Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ if self.breaks => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            _ => Poll::Ready(None),
        }
    }
}
