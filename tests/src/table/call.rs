//! The request of a row, and its form on the wire.

use super::mint::Mint;
use super::peers::Peer;

/// A request, as a row describes it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Protocol; TLS where the listener has it.
    pub protocol: Protocol,
    /// Certificate of the client, where the listener has TLS.
    pub peer: Option<Peer>,
    /// Method.
    pub method: &'static str,
    /// Path and query as they are sent.
    pub target: &'static str,
    /// Host; none: no `host` header.
    pub host: Option<&'static str>,
    /// Other headers, in order, repeated ones too.
    pub headers: Vec<(&'static str, Value)>,
    /// Token in the query, behind `?access_token=` and the like, if any.
    pub query_token: Option<(&'static str, Mint)>,
    /// Request trailers.
    pub trailers: Vec<(&'static str, &'static str)>,
    /// How often it is sent on its connection.
    pub times: u64,
}

/// How the request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, written byte by byte.
    H1,
    /// HTTP/2.
    H2,
    /// HTTP/2, `CONNECT` with `:protocol: websocket` (RFC 8441).
    H2Websocket,
    /// gRPC, one answer, by a generated client.
    Grpc,
    /// gRPC, a stream of answers, by a generated client.
    GrpcStream,
    /// gRPC, a stream of queries and one answer, by a generated client.
    GrpcUpload,
    /// gRPC, a stream of queries and one of answers, each query sent after the answer to the last, by a generated client.
    GrpcChat,
    /// gRPC-Web, one answer, by a generated client.
    GrpcWeb,
}

impl Protocol {
    /// gRPC itself, in any form of call.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcStream | Self::GrpcUpload | Self::GrpcChat)
    }

    /// Whether queries or answers come in a stream, of [`Hive::PARTS`](crate::hive::Hive::PARTS) where it is let in.
    pub fn is_grpc_stream(self) -> bool {
        self.is_grpc() && self != Self::Grpc
    }
}

/// The value of a header.
#[derive(Clone, Debug)]
pub enum Value {
    /// Bytes.
    Bytes(&'static [u8]),
    /// Text before a token, the token, text behind it.
    Token(&'static str, Mint, &'static str),
}

/// A call at a moment: everything that is sent.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Name of the row, sent as `x-row`.
    pub row: &'static str,
    /// As in [`Call`].
    pub protocol: Protocol,
    /// As in [`Call`].
    pub method: &'static str,
    /// With the token in it, if it has one.
    pub target: String,
    /// As in [`Call`].
    pub host: Option<&'static str>,
    /// With tokens, and `x-row`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As in [`Call`].
    pub trailers: Vec<(&'static str, &'static str)>,
    /// As in [`Call`].
    pub times: u64,
    /// Tokens that are in it somewhere.
    pub tokens: Vec<String>,
}

impl Call {
    /// `GET target` for `api.example.org` over HTTP/1.1.
    pub fn get(target: &'static str) -> Self {
        Self {
            protocol: Protocol::H1,
            peer: None,
            method: "GET",
            target,
            host: Some("api.example.org"),
            headers: Vec::new(),
            query_token: None,
            trailers: Vec::new(),
            times: 1,
        }
    }

    /// What is sent at `now`, in seconds since 1970.
    pub fn at(&self, row: &'static str, now: u64) -> Wire {
        let mut tokens = Vec::new();
        let mut mint = |mint: &Mint| {
            tokens.push(mint.at(now));
            tokens.last().cloned().unwrap_or_default()
        };
        let mut target = self.target.to_owned();
        if let Some((before, token)) = &self.query_token {
            target = format!("{target}{before}{}", mint(token));
        }
        let headers = self.headers.iter().map(|(name, value)| {
            let value = match value {
                Value::Bytes(bytes) => bytes.to_vec(),
                Value::Token(before, token, behind) => {
                    format!("{before}{}{behind}", mint(token)).into_bytes()
                }
            };
            ((*name).to_owned(), value)
        });
        let row_header = [("x-row".to_owned(), row.as_bytes().to_vec())];
        let headers = headers.chain(row_header).collect();
        Wire {
            row,
            protocol: self.protocol,
            method: self.method,
            target,
            host: self.host,
            headers,
            trailers: self.trailers.clone(),
            times: self.times,
            tokens,
        }
    }
}
