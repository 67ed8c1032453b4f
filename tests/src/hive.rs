//! A gRPC service behind Envoy, and the client for it.

use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _, iter};
use tonic::{Request, Response, Status, Streaming};
use tower::util::MapRequestLayer;

use crate::recorder::Recorder;

/// Generated from `proto/hive.proto`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, reason = "generated")]
pub mod proto {
    tonic::include_proto!("hive");
}

use proto::admin_server::{Admin, AdminServer};
use proto::registry_server::{Registry, RegistryServer};
use proto::{Query, Reply};

/// The service on a free port of this process.
#[derive(Debug)]
pub struct Hive {
    address: SocketAddr,
    // Dropping it ends the server.
    _runtime: tokio::runtime::Runtime,
}

impl Hive {
    /// Streams of queries and of answers have this many parts.
    pub const PARTS: usize = 3;

    /// Starts it; it notes what it gets.
    pub fn start(recorder: Recorder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("hive")
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let note = move |request: hyper::Request<tonic::body::Body>| {
            let (head, body) = request.into_parts();
            recorder.note(&head, None);
            hyper::Request::from_parts(head, body)
        };
        let server = tonic::transport::Server::builder()
            .layer(MapRequestLayer::new(note))
            .add_service(RegistryServer::new(Service))
            .add_service(AdminServer::new(Service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(server);
        Self { address, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

struct Service;

fn reply(request: &Request<Query>) -> Reply {
    Reply { text: format!("hello {}", request.get_ref().name) }
}

#[tonic::async_trait]
impl Registry for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Reply, Status>> + Send>>;

    async fn list(&self, request: Request<Query>) -> Result<Response<Reply>, Status> {
        Ok(Response::new(reply(&request)))
    }

    async fn watch(&self, request: Request<Query>) -> Result<Response<Self::WatchStream>, Status> {
        let parts = vec![Ok(reply(&request)); Hive::PARTS];
        Ok(Response::new(Box::pin(iter(parts))))
    }

    async fn upload(&self, request: Request<Streaming<Query>>) -> Result<Response<Reply>, Status> {
        let mut queries = request.into_inner();
        let mut count = 0;
        // It does not wait for the end, so that a client whose stream has none is answered if it is let in.
        while count < Hive::PARTS && queries.message().await?.is_some() {
            count += 1;
        }
        Ok(Response::new(Reply { text: count.to_string() }))
    }

    type ChatStream = Pin<Box<dyn Stream<Item = Result<Reply, Status>> + Send>>;

    async fn chat(&self, request: Request<Streaming<Query>>) -> Result<Response<Self::ChatStream>, Status> {
        let replies = request.into_inner().map(|query| Ok(Reply { text: format!("hello {}", query?.name) }));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn delete(&self, request: Request<Query>) -> Result<Response<Reply>, Status> {
        Ok(Response::new(reply(&request)))
    }
}

#[tonic::async_trait]
impl Admin for Service {
    async fn drop(&self, request: Request<Query>) -> Result<Response<Reply>, Status> {
        Ok(Response::new(reply(&request)))
    }
}
