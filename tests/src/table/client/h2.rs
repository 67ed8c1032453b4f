//! HTTP/2 by hyper.

use std::time::Duration;

use anyhow::Context as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol as Extended;
use hyper::header::HeaderName;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::table::call::{Protocol, Wire};

use super::tls::connect_h2;
use super::{Reply, Target};

type Body = BoxBody<Bytes, std::convert::Infallible>;

pub(super) async fn send(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let stream = connect_h2(*target).await?;
    let (mut client, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake::<_, Body>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = client.send_request_when_allowed(wire).await?;
    let (head, body) = answer.into_parts();
    let mut headers = pairs(&head.headers);
    let mut bytes = Vec::new();
    // What an upgraded stream carries has no end.
    if wire.method != "CONNECT" || !head.status.is_success() {
        let body = body.collect().await?;
        headers.extend(body.trailers().map(pairs).unwrap_or_default());
        bytes = body.to_bytes().to_vec();
    }
    let mut reply =
        Reply { status: head.status.as_u16(), headers, body: bytes, grpc_status: None, messages: 0 };
    reply.read_grpc_web()?;
    Ok(reply)
}

trait SendWhenAllowed {
    async fn send_request_when_allowed(
        &mut self,
        wire: &Wire,
    ) -> anyhow::Result<hyper::Response<hyper::body::Incoming>>;
}

impl SendWhenAllowed for SendRequest<Body> {
    /// Extended CONNECT may be sent only after the server has said that it knows it.
    async fn send_request_when_allowed(
        &mut self,
        wire: &Wire,
    ) -> anyhow::Result<hyper::Response<hyper::body::Incoming>> {
        let mut attempts = 0;
        loop {
            self.ready().await?;
            match self.send_request(request(wire)?).await {
                Err(error) if error.is_user() && attempts < 200 => {
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other.context("sending over HTTP/2"),
            }
        }
    }
}

fn request(wire: &Wire) -> anyhow::Result<Request<Body>> {
    let host = wire.host.unwrap_or_default();
    let uri = match wire.protocol {
        Protocol::H2 if wire.method == "CONNECT" => host.to_owned(),
        _ => format!("http://{host}{}", wire.target),
    };
    let mut request = Request::builder().method(wire.method).uri(uri);
    if wire.protocol == Protocol::H2Websocket {
        request = request.extension(Extended::from_static("websocket"));
    }
    for (name, value) in &wire.headers {
        request = request.header(name, value.as_slice());
    }
    let body = if wire.trailers.is_empty() {
        Empty::new().boxed()
    } else {
        let mut trailers = HeaderMap::new();
        for (name, value) in &wire.trailers {
            trailers.append(HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
        }
        http_body_util::Full::new(Bytes::from_static(b"hi"))
            .with_trailers(async move { Some(Ok(trailers)) })
            .boxed()
    };
    Ok(request.body(body)?)
}

pub(super) fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
