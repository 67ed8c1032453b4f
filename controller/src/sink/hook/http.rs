use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// One request, on a connection of its own.
pub(super) async fn call(method: &str, url: &str) -> Result<(), String> {
    let bad = |error: &dyn std::fmt::Display| format!("{method} {url}: {error}");
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let method_name = Method::from_bytes(method.as_bytes()).map_err(|error| bad(&error))?;
    let request =
        Request::builder().method(method_name).uri(url).body(Empty::new()).map_err(|error| bad(&error))?;
    let answer = client.request(request).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        bad(&cause.unwrap_or_else(|| error.to_string()))
    })?;
    if answer.status().is_success() { Ok(()) } else { Err(bad(&answer.status())) }
}
