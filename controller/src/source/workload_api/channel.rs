use std::time::Duration;

use hyper_util::rt::TokioIo;
use spiffe::transport::Endpoint;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint as Target, Uri};
use tonic::{Code, Status};
use tower::service_fn;

/// Connects to the agent. A new connection for each stream: one that a dead agent left behind is not reused.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Channel, Status> {
    match endpoint {
        Endpoint::Unix(path) => {
            let path = path.clone();
            // The name is never looked up: the connector goes to the socket.
            let target = settings(Target::from_static("http://localhost"));
            let connector = service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            target.connect_with_connector(connector).await.map_err(unavailable)
        }
        Endpoint::Tcp { host, port } => {
            let target = Target::from_shared(format!("http://{}", std::net::SocketAddr::new(*host, *port)));
            settings(target.map_err(unavailable)?).connect().await.map_err(unavailable)
        }
        // The type may grow; the configuration admits only these two.
        other => Err(Status::new(Code::InvalidArgument, format!("no way to connect to {other:?}"))),
    }
}

fn settings(target: Target) -> Target {
    // No pings of HTTP/2: probes find a connection that is dead, and gRPC servers in Go, SPIRE's agent among them, cut
    // a client off that pings more than every 5 minutes.
    target.connect_timeout(CONNECT)
}

fn unavailable(error: tonic::transport::Error) -> Status {
    // The outer error says only "transport error"; the cause is what helps.
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    Status::new(Code::Unavailable, text)
}

const CONNECT: Duration = Duration::from_secs(5);
