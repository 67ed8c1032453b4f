//! One request to the admin socket of a running `svidgate dev`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::ErrorResponse;
use crate::printable::escaped;

/// Talks to one admin socket.
pub(in crate::dev) struct AdminClient {
    socket: PathBuf,
}

/// Far above what any answer needs: a key is under 200 bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// An RSA key takes about a second, several on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

impl AdminClient {
    pub(in crate::dev) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    pub(in crate::dev) async fn get<A: DeserializeOwned>(&self, path: &str) -> anyhow::Result<A> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    pub(in crate::dev) async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> anyhow::Result<A> {
        self.call(Method::POST, path, serde_json::to_vec(question)?.into()).await
    }

    async fn call<A: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<A> {
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body));
        answer.await.with_context(|| format!("{}: no answer in {TIMEOUT:?}", self.socket.display()))?
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<A> {
        let stream = UnixStream::connect(&self.socket).await.with_context(|| {
            format!("{}: no `svidgate dev run` answers on this admin socket", self.socket.display())
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "svidgate-dev")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed).context("reading the answer")?.to_bytes();
        if !head.status.is_success() {
            match serde_json::from_slice::<ErrorResponse>(&body) {
                Ok(refused) => bail!("{}", escaped(&refused.error)),
                Err(_) => bail!("the admin socket answered {}", head.status),
            }
        }
        serde_json::from_slice(&body).context("the answer of the admin socket")
    }
}
