//! HTTP/1.1 by hand, with the headers of Envoy: a library's buffers would make the subscribers the dearer end.

use std::io;

use svidgate_snapshot::http;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The start of a subscriber's requests, which never changes.
pub(crate) fn request_start(number: usize) -> String {
    let (path, parameter, node) = (http::SNAPSHOT_PATH, http::WAIT_PARAMETER, http::NODE_HEADER);
    let (instance, version) = (http::INSTANCE_HEADER, http::PLUGIN_VERSION_HEADER);
    format!(
        "GET {path}?{parameter}=30 HTTP/1.1\r\nhost: svidgate\r\n{node}: sim-{number:06}\r\n{instance}: 1-0123abcd\r\n\
         {version}: {}\r\nx-envoy-internal: true\r\nx-forwarded-for: 10.0.0.1\r\n\
         x-envoy-expected-rq-timeout-ms: 35000\r\n",
        svidgate_plugin::VERSION
    )
}

/// Sends a request and waits for its answer. `unread` keeps its room from one call to the next.
pub(crate) async fn exchange(
    stream: &mut UnixStream,
    request: &[u8],
    unread: &mut Vec<u8>,
) -> io::Result<(u16, std::ops::Range<usize>)> {
    unread.clear();
    stream.write_all(request).await?;
    let mut head = None;
    loop {
        if head.is_none() {
            head = parse(unread)?;
        }
        if let Some((status, body)) = &head
            && unread.len() >= body.end
        {
            return Ok((*status, body.clone()));
        }
        if stream.read_buf(unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Status, and where the body is.
fn parse(bytes: &[u8]) -> io::Result<Option<(u16, std::ops::Range<usize>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let invalid = |error: &str| io::Error::new(io::ErrorKind::InvalidData, error.to_owned());
    let httparse::Status::Complete(start) = head.parse(bytes).map_err(|error| invalid(&error.to_string()))?
    else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok()).unwrap_or(0);
    let status = head.code.ok_or_else(|| invalid("no status"))?;
    Ok(Some((status, start..start.saturating_add(length))))
}
