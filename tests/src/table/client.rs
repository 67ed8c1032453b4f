//! Sends a row's request, and says what came back.

mod grpc;
mod grpc_web;
mod h2;
mod tls;

use std::io;
use std::net::SocketAddr;

use crate::http::{Address, Connection, Request};

use super::call::{Protocol, Wire};
use super::config::Tls;
use super::peers::Peer;

pub use grpc_web::Status as GrpcWebStatus;
pub(super) use tls::client as tls_client;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, and behind them the trailers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// gRPC status, for gRPC clients.
    pub grpc_status: Option<i32>,
    /// Messages in a gRPC stream, of either side.
    pub messages: usize,
}

/// Where and as whom to connect.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Listener.
    pub address: SocketAddr,
    /// Its TLS.
    pub tls: Tls,
    /// Client certificate.
    pub peer: Option<Peer>,
}

/// Sends it and reads the answer. An error means that the connection or the stream ended without one.
pub fn send(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    match wire.protocol {
        Protocol::H1 => Ok(http1(target, wire)?),
        _ => runtime().block_on(async {
            let patience = tokio::time::timeout(crate::http::PATIENCE, async {
                match wire.protocol {
                    Protocol::Grpc => grpc::unary(target, wire).await,
                    Protocol::GrpcStream => grpc::stream(target, wire).await,
                    Protocol::GrpcUpload => grpc::upload(target, wire).await,
                    Protocol::GrpcChat => grpc::chat(target, wire).await,
                    Protocol::GrpcWeb => grpc::web(target, wire).await,
                    _ => h2::send(target, wire).await,
                }
            });
            patience.await?
        }),
    }
}

impl Reply {
    /// First value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Takes the status out of an answer in the form of gRPC-Web: the message becomes the body.
    fn read_grpc_web(&mut self) -> io::Result<()> {
        let content_type = self.header("content-type").unwrap_or_default();
        if let Some(status) = GrpcWebStatus::read(&content_type, &self.body)? {
            (self.grpc_status, self.body) = (Some(status.code), status.message.into_bytes());
        }
        Ok(())
    }
}

fn http1(target: &Target, wire: &Wire) -> io::Result<Reply> {
    let mut connection = match target.tls {
        Tls::None => Connection::open(&Address::Tcp(target.address))?,
        _ => Connection::over(tls::connect(target)?),
    };
    let mut request = Request::bare(wire.method, &wire.target);
    if let Some(host) = wire.host {
        request = request.header("host", host);
    }
    for (name, value) in &wire.headers {
        request = request.header(name, value);
    }
    if !wire.trailers.is_empty() {
        request = request.trailers(&wire.trailers);
    }
    for _ in 1..wire.times {
        connection.send(&request)?;
    }
    let answer = connection.send(&request)?;
    let mut reply = Reply {
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
        grpc_status: None,
        messages: 0,
    };
    reply.read_grpc_web()?;
    Ok(reply)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
