//! One request to the admin socket of a running controller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::printable::lines;

/// Talks to one admin socket.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// The answer, if it is a good one.
    pub(super) async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> anyhow::Result<A> {
        let socket = self.socket.display();
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body.to_owned()))
            .await
            .with_context(|| format!("{socket}: no answer within {TIMEOUT:?}"))??;
        serde_json::from_slice(&answer).with_context(|| format!("{socket}: the answer is not a controller's"))
    }

    async fn exchange(&self, method: Method, path: &str, body: String) -> anyhow::Result<Bytes> {
        let socket = self.socket.display();
        let stream = UnixStream::connect(&self.socket).await.with_context(|| {
            format!("{socket}: no controller answers there; does it have server.admin_socket, and may this user open it?")
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed).context("reading the answer")?.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => bail!("{}", lines(&refused.error)),
            Err(_) => bail!("{socket}: the controller answered {}", head.status),
        }
    }
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

const TIMEOUT: Duration = Duration::from_secs(10);

/// As for `svidgate status`: the table of subscribers is bounded.
const MAX_BODY: usize = 128 * 1024 * 1024;
