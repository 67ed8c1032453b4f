//! gRPC by tonic and a generated client.

use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt as _, iter, pending};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tonic_web::GrpcWebClientService;
use tower::{ServiceExt as _, service_fn};

use crate::hive::Hive;
use crate::hive::proto::Query;
use crate::hive::proto::admin_client::AdminClient;
use crate::hive::proto::registry_client::RegistryClient;
use crate::table::call::Wire;

use super::h2::pairs;
use super::tls::connect_h2;
use super::{Reply, Target};

/// A call with one answer.
pub(super) async fn unary(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let channel = channel(target, wire).await?;
    let query = query(wire)?;
    let answer = match wire.target.as_str() {
        "/hive.Registry/List" => RegistryClient::new(channel).list(query).await,
        "/hive.Registry/Delete" => RegistryClient::new(channel).delete(query).await,
        "/hive.Admin/Drop" => AdminClient::new(channel).drop(query).await,
        other => anyhow::bail!("no method {other}"),
    };
    Ok(match answer {
        Ok(answer) => reply(Code::Ok, &answer.metadata().clone().into_headers(), 1),
        Err(status) => refused(&status),
    })
}

/// A call with a stream of answers.
pub(super) async fn stream(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let channel = channel(target, wire).await?;
    let answer = RegistryClient::new(channel).watch(query(wire)?).await;
    let mut stream = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Ok(refused(&status)),
    };
    let mut messages = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return Ok(reply(Code::Ok, &hyper::HeaderMap::new(), messages)),
            Err(status) => return Ok(refused(&status)),
        }
    }
}

/// A call with a stream of queries, which does not end: a client that is refused in the middle must be told.
pub(super) async fn upload(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let channel = channel(target, wire).await?;
    let (metadata, extensions, query) = query(wire)?.into_parts();
    let queries = iter(vec![query; Hive::PARTS]).chain(pending());
    let answer =
        RegistryClient::new(channel).upload(Request::from_parts(metadata, extensions, queries)).await;
    Ok(match answer {
        Ok(answer) => {
            let count = answer.get_ref().text.parse()?;
            reply(Code::Ok, &answer.metadata().clone().into_headers(), count)
        }
        Err(status) => refused(&status),
    })
}

/// A call with both streams.
pub(super) async fn chat(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let channel = channel(target, wire).await?;
    let (metadata, extensions, query) = query(wire)?.into_parts();
    let (sender, queries) = tokio::sync::mpsc::channel(1);
    sender.send(query.clone()).await?;
    let request = Request::from_parts(metadata, extensions, ReceiverStream::new(queries));
    let mut answers = match RegistryClient::new(channel).chat(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return Ok(refused(&status)),
    };
    for messages in 1.. {
        match answers.message().await {
            Ok(Some(_)) if messages < Hive::PARTS => sender.send(query.clone()).await?,
            Ok(Some(_)) => return Ok(reply(Code::Ok, &hyper::HeaderMap::new(), messages)),
            Ok(None) => break,
            Err(status) => return Ok(refused(&status)),
        }
    }
    anyhow::bail!("the stream of answers ended before that of the queries")
}

/// A call with one answer, as gRPC-Web.
pub(super) async fn web(target: &Target, wire: &Wire) -> anyhow::Result<Reply> {
    let channel = channel(target, wire).await?;
    let plain = channel.map_request(|request: hyper::Request<_>| request.map(tonic::body::Body::new));
    let host = wire.host.unwrap_or("api.example.org");
    let origin = format!("http://{host}").parse()?;
    let mut client = RegistryClient::with_origin(GrpcWebClientService::new(plain), origin);
    Ok(match client.list(query(wire)?).await {
        Ok(answer) => reply(Code::Ok, &answer.metadata().clone().into_headers(), 1),
        Err(status) => refused(&status),
    })
}

async fn channel(target: &Target, wire: &Wire) -> anyhow::Result<Channel> {
    let target = *target;
    let connector = service_fn(move |_: Uri| async move { connect_h2(target).await.map(TokioIo::new) });
    let host = wire.host.unwrap_or("api.example.org");
    Ok(Endpoint::from_shared(format!("http://{host}"))?.connect_with_connector(connector).await?)
}

fn query(wire: &Wire) -> anyhow::Result<Request<Query>> {
    let mut headers = hyper::HeaderMap::new();
    for (name, value) in &wire.headers {
        headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
    }
    let metadata = tonic::metadata::MetadataMap::from_headers(headers);
    let query = Query { name: wire.row.to_owned() };
    Ok(Request::from_parts(metadata, tonic::Extensions::new(), query))
}

fn refused(status: &Status) -> Reply {
    let mut reply = reply(status.code(), &status.metadata().clone().into_headers(), 0);
    reply.body = status.message().as_bytes().to_vec();
    reply
}

fn reply(code: Code, headers: &hyper::HeaderMap, messages: usize) -> Reply {
    Reply {
        status: 200,
        headers: pairs(headers),
        body: Vec::new(),
        grpc_status: Some(i32::from(code)),
        messages,
    }
}
